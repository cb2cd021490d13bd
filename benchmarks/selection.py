"""`python -m benchmarks.selection`: how many annotated sentences `crf select` saves, beside random
choice."""

import json
import random
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, cast

import spacy
import typer
from spacy.cli._util import parse_config_overrides
from spacy.cli.train import train
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab
from wasabi import msg

from spacy_crf_ner.evaluation.evaluate import evaluate
from spacy_crf_ner.evaluation.examples import read_examples
from spacy_crf_ner.evaluation.selection import CRITERIA, Criterion, judge, select
from spacy_crf_ner.util import replacing

from .report import plot_lines

RANDOM = "random"

app = typer.Typer(add_completion=False)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def main(
    ctx: typer.Context,
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="Training config")],
    corpus: Annotated[
        Path, typer.Argument(metavar="CORPUS", help="Folder of train.spacy and dev.spacy")
    ],
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="Folder for the results")],
    sizes: Annotated[str, typer.Option(help="Numbers of sentences")] = "500,1000,2000,3000,4000",
    by: Annotated[str, typer.Option(help="Criteria, beside random choice")] = ",".join(CRITERIA),
    diversity: Annotated[float, typer.Option(help="As for `crf select`")] = 0.5,
    seed: Annotated[int, typer.Option(help="Seed of random choice")] = 0,
    plot: Annotated[Path | None, typer.Option(help="Image file; needs matplotlib")] = None,
) -> None:
    """Simulate annotation: all begin with the same random sentences. Then a pipeline is trained,
    and chooses the next ones, whose annotation is looked up. Shows F1 on dev. Settings of the
    config are changed as in `spacy train`. What is in OUTPUT/curves.json is not repeated."""
    numbers = [int(size) for size in sizes.split(",")]
    names = [RANDOM, *by.split(",")]
    overrides = parse_config_overrides(ctx.args)
    found = simulate(config, corpus, output, numbers, names, diversity, seed, overrides)
    curves = {name: [found[_key(name, size, numbers)] for size in numbers] for name in names}
    scores = {name: [100 * each["f1"] for each in curve] for name, curve in curves.items()}
    rows = []
    for i, size in enumerate(numbers):
        cells = [f"{scores[name][i]:.2f} ({curves[name][i]['characters']:,})" for name in names]
        rows.append((f"{size:,}", *cells))
    header = ("sentences", *(f"{name} (characters)" for name in names))
    msg.table(rows, header=header, aligns=("r",) * (len(names) + 1), divider=True)
    if plot is not None:
        plot_lines(plot, numbers, scores, "annotated sentences", "F1 on dev")


def simulate(
    config: Path,
    corpus: Path,
    output: Path,
    sizes: Sequence[int],
    names: Sequence[str],
    diversity: float,
    seed: int,
    overrides: dict[str, Any],
) -> dict[str, Any]:
    """Train a pipeline on more and more documents, chosen in several ways.

    config (Path): The training config.
    corpus (Path): A folder with train.spacy and dev.spacy.
    output (Path): The folder for pipelines and results. Results that it has are not repeated.
    sizes (Sequence[int]): The numbers of documents.
    names (Sequence[str]): RANDOM, or criteria of `select`.
    diversity (float): See `select`.
    seed (int): The seed of random choice.
    overrides (dict[str, Any]): Settings of the config to change.
    RETURNS (dict[str, Any]): For each way and size, by `_key`, "f1" on dev, the "characters" and
        the numbers of the documents "chosen".
    """
    docs = list(DocBin().from_disk(corpus / "train.spacy").get_docs(Vocab()))
    order = random.Random(seed).sample(range(len(docs)), len(docs))
    curves = output / "curves.json"
    found: dict[str, Any] = json.loads(curves.read_text()) if curves.is_file() else {}
    for name in names:
        chosen, model = order, output
        for size in sizes:
            key = _key(name, size, sizes)
            if key not in found:
                if key.startswith(RANDOM):
                    chosen = order[:size]
                else:
                    more = size - len(chosen)
                    chosen = chosen + choose(model, docs, chosen, more, name, diversity)
                score = fit(config, corpus, [docs[i] for i in chosen], output / key, overrides)
                characters = sum(len(docs[i].text) for i in chosen)
                found[key] = {"f1": score, "characters": characters, "chosen": chosen}
                with replacing(curves) as path:
                    path.write_text(json.dumps(found))
            model, chosen = output / key, found[key]["chosen"]
    return found


def _key(name: str, size: int, sizes: Sequence[int]) -> str:
    # The first documents are the same for all.
    return f"{name if size > sizes[0] else RANDOM} {size}"


def fit(
    config: Path, corpus: Path, docs: Sequence[Doc], folder: Path, overrides: dict[str, Any]
) -> float:
    """Train on documents.

    config (Path): The training config.
    corpus (Path): A folder with dev.spacy.
    docs (Sequence[Doc]): The documents.
    folder (Path): The folder for the pipeline, in model-last.
    overrides (dict[str, Any]): Settings of the config to change.
    RETURNS (float): The F1 of the last weights on dev.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    DocBin(docs=docs).to_disk(folder / "train.spacy")
    paths = {"paths.train": str(folder / "train.spacy"), "paths.dev": str(corpus / "dev.spacy")}
    train(config, folder, overrides={**overrides, **paths})
    shutil.rmtree(folder / "model-best")
    nlp = spacy.load(folder / "model-last")
    return evaluate(nlp, read_examples(nlp, corpus / "dev.spacy"))["ents_f"]


def choose(
    model: Path,
    docs: Sequence[Doc],
    known: Sequence[int],
    number: int,
    by: str,
    diversity: float,
) -> list[int]:
    """Choose documents that are not annotated yet.

    model (Path): The folder with the pipeline.
    docs (Sequence[Doc]): All documents.
    known (Sequence[int]): The numbers of those that are annotated.
    number (int): How many to choose.
    by (str): A criterion of `select`.
    diversity (float): See `select`.
    RETURNS (list[int]): Their numbers.
    """
    nlp = spacy.load(model / "model-last")
    annotated = set(known)
    others = [i for i in range(len(docs)) if i not in annotated]
    candidates = judge(nlp, (nlp.make_doc(docs[i].text) for i in others))
    return [
        others[each.document]
        for each in select(candidates, number, by=cast(Criterion, by), diversity=diversity)
    ]


if __name__ == "__main__":
    app()

"""`python -m benchmarks.partial`: the effect of marking missing annotation as missing."""

import random
from pathlib import Path
from typing import Annotated, Any

import spacy
import typer
from spacy.cli.train import train
from spacy.tokens import Doc, DocBin, Span
from spacy.vocab import Vocab
from wasabi import msg

from spacy_crf_ner.evaluation.evaluate import evaluate
from spacy_crf_ner.evaluation.examples import read_examples
from spacy_crf_ner.formats.write import write_docbins

MISSING, OUTSIDE = "marked as missing", "taken as O"

app = typer.Typer(add_completion=False)


@app.command()
def main(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="Training config")],
    corpus: Annotated[
        Path, typer.Argument(metavar="CORPUS", help="Folder of train.spacy, dev.spacy, test.spacy")
    ],
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="Folder for the pipelines")],
    share: Annotated[float, typer.Option(min=0, max=1, help="Share of entities removed")] = 0.5,
    seed: Annotated[int, typer.Option(help="Seed for drawing them")] = 0,
    max_steps: Annotated[int, typer.Option(help="Training steps")] = 3000,
) -> None:
    """Train twice without the annotation of some entities: once with their tokens marked as missing
    annotation, once with them marked as O. Shows the scores of both on test."""
    models = train_on_parts(config, corpus, output, share, seed, max_steps)
    rows = []
    for name, model in models.items():
        nlp = spacy.load(model)
        scores = evaluate(nlp, read_examples(nlp, corpus / "test.spacy"))
        values = (scores[key] for key in ("ents_p", "ents_r", "ents_f"))
        rows.append((name, *(f"{value * 100:.2f}" for value in values)))
    msg.table(
        rows, header=(f"{share:.0%} removed", "P", "R", "F"), aligns=tuple("lrrr"), divider=True
    )


def remove_entities(doc: Doc, share: float, generator: random.Random, *, missing: bool) -> None:
    """Remove the annotation of some of a document's entities.

    doc (Doc): The document, changed in place.
    share (float): The share of entities to remove, from 0 to 1.
    generator (random.Random): Draws the entities.
    missing (bool): Whether to mark their tokens as missing annotation. If not, they are O.
    """
    kept: list[Span] = []
    removed: list[Span] = []
    for ent in doc.ents:
        (removed if generator.random() < share else kept).append(ent)
    doc.set_ents(kept, missing=removed if missing else [])


def train_on_parts(
    config: Path, corpus: Path, output: Path, share: float, seed: int, max_steps: int
) -> dict[str, Path]:
    """Train on a corpus without some of its annotation: once marked as missing, once as O.

    config (Path): The training config.
    corpus (Path): A folder with train.spacy and dev.spacy.
    output (Path): A folder for the corpora and the pipelines.
    share (float): The share of the entities of train to remove, from 0 to 1.
    seed (int): The seed for drawing them.
    max_steps (int): The training steps.
    RETURNS (dict[str, Path]): The best pipeline of each.
    """
    vocab = Vocab()
    models = {}
    for name, folder in ((MISSING, "missing"), (OUTSIDE, "outside")):
        generator = random.Random(seed)  # the same entities either way
        docs = list(DocBin().from_disk(corpus / "train.spacy").get_docs(vocab))
        for doc in docs:
            remove_entities(doc, share, generator, missing=name == MISSING)
        path = output / folder / "train.spacy"
        write_docbins({path: docs})
        overrides: dict[str, Any] = {
            "paths.train": str(path),
            "paths.dev": str(corpus / "dev.spacy"),
            "training.max_steps": max_steps,
        }
        train(config, output / folder, overrides=overrides)
        models[name] = output / folder / "model-best"
    return models


if __name__ == "__main__":
    app()

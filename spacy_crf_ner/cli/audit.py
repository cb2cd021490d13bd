"""`python -m spacy crf audit`: likely annotation errors of a corpus."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import spacy
import typer
from spacy.cli._util import parse_config_overrides
from spacy.language import Language
from spacy.util import load_config, load_model_from_config
from thinc.api import Config
from wasabi import msg

from ..distillation.new_data import read_docs
from ..evaluation.audit.audit import Audit, audit, leave_out
from ..evaluation.audit.suspects import Suspect
from ..formats.docbin import FORMAT as DOCBIN
from ..formats.json_lines import write_json_lines
from ..formats.write import write_files
from ..util import CorpusError, replacing
from .errors import exit_with
from .gpu import GpuId, use_gpu

# The files in the output folder.
ERRORS, MENTIONS, CLEANED = "errors.jsonl", "mentions.jsonl", "cleaned.spacy"
# How many suspects the terminal shows, and how much text around each.
N_SHOWN, CONTEXT = 10, 12


def audit_cli(
    ctx: typer.Context,
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="Training config")],
    corpus: Annotated[
        Path, typer.Argument(metavar="CORPUS", help="Annotated corpus: .spacy or a corpus file")
    ],
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="Folder for the results")],
    folds: Annotated[int, typer.Option(min=2, help="Number of pipelines to train")] = 5,
    seed: Annotated[int, typer.Option(help="Seed of the division into folds")] = 0,
    share: Annotated[
        float,
        typer.Option(
            "--leave-out",
            min=0,
            max=1,
            help="Share of the entities: as many of the most likely errors are turned into "
            "missing annotation in cleaned.spacy",
        ),
    ] = 0.02,
    gpu_id: GpuId = -1,
) -> None:
    """Find likely annotation errors. For each fold of the corpus, a pipeline is trained on all
    other folds, and judges the annotation of this one. Settings of the config are changed as in
    `spacy train`, for example --training.max_steps 1000."""
    if not config.is_file():
        exit_with(f"{config}: no such file.")
    overrides = parse_config_overrides(ctx.args)
    use_gpu(gpu_id)
    try:
        settings = load_config(config, overrides=overrides)
        docs, notes = read_docs(corpus, _tokenizer_of(settings, corpus))
        if not any(doc.has_annotation("ENT_IOB") for doc in docs):
            raise CorpusError("it has no annotation of entities in doc.ents.", corpus)
        for kind, count in Counter(note.kind for note in notes).items():
            msg.warn(f"{kind}: {count:,}")
        found = audit(
            settings,
            docs,
            output,
            n_folds=folds,
            seed=seed,
            use_gpu=gpu_id,
            announce=lambda number, is_done: msg.divider(
                f"Fold {number + 1} of {folds}{', trained before' if is_done else ''}"
            ),
        )
    # ImportError: the config needs a package.
    except (ImportError, OSError, ValueError) as error:
        exit_with(error)
    n_entities = sum(len(doc.ents) for doc in docs)
    cleaned = leave_out(docs, found.suspects[: round(share * n_entities)])
    for name, items in ((ERRORS, found.suspects), (MENTIONS, found.mentions)):
        with replacing(output / name) as path:
            write_json_lines(path, (item.to_json() for item in items))
    write_files({output / CLEANED: cleaned}, DOCBIN)
    _show(found, n_entities)
    for name in (ERRORS, MENTIONS, CLEANED):
        msg.good(f"written: {output / name}")


def _tokenizer_of(config: Config, corpus: Path) -> Language:
    """A pipeline to read the corpus with."""
    if corpus.suffix == ".spacy":
        return spacy.blank(config["nlp"]["lang"])
    return load_model_from_config(config.interpolate(), auto_fill=True)


def _show(found: Audit, n_entities: int) -> None:
    scores = ", ".join("-" if f is None else f"{f * 100:.2f}" for f in found.f1)
    msg.divider("Likely errors")
    msg.info(f"F1 of each fold's pipeline on its fold: {scores}")
    if found.misaligned:
        msg.warn(
            f"{found.misaligned:,} of {n_entities:,} entities do not begin and end where tokens do "
            "and are not judged"
        )
    rows = [
        (
            f"{each.probability:.4f}",
            f"{each.consistency:.2f}",
            each.kind,
            each.label,
            each.suggestion.label if each.suggestion else "",
            _in_context(each),
        )
        for each in found.suspects[:N_SHOWN]
    ]
    msg.table(
        rows, header=("probability", "consistency", "kind", "label", "rather", "text"), divider=True
    )
    n_mentions = len(found.mentions)
    msg.info(f"{n_mentions:,} mentions are not annotated the same everywhere")


def _in_context(suspect: Suspect) -> str:
    text, start, end = suspect.text, suspect.start, suspect.end
    before, after = text[max(start - CONTEXT, 0) : start], text[end : end + CONTEXT]
    return f"{before}[{text[start:end]}]{after}".replace("\n", " ")

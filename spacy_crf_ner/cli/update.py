"""`python -m spacy crf update`: train a pipeline on new data, and keep what it knows."""

import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from spacy.cli._util import parse_config_overrides
from spacy.training import Example
from spacy.training.loop import train
from tqdm import tqdm
from wasabi import msg

from ..distillation.continual import Update, prepare_update
from ..distillation.new_data import NewData, read_docs, read_new_data
from .errors import exit_with
from .gpu import GpuId, use_gpu
from .pipelines import load_pipeline


def update_cli(
    ctx: typer.Context,
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="Name or folder of a pipeline with a crf_ner")
    ],
    data: Annotated[
        Path,
        typer.Argument(
            metavar="NEW_DATA",
            help="New documents: .spacy or a corpus file, or a folder with train and dev",
        ),
    ],
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="Folder for the new pipelines")],
    dev: Annotated[
        Path | None,
        typer.Option(
            help="New documents to choose the best pipeline on; by default, some of train"
        ),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(
            help="The labels that the new documents are annotated for, separated by commas; by "
            "default, those that occur in them"
        ),
    ] = None,
    rehearse: Annotated[
        Path | None,
        typer.Option(help="Documents with gold annotation of the old labels, to train on as well"),
    ] = None,
    weight: Annotated[
        float, typer.Option(min=0, max=1, help="Weight of what the pipeline knows")
    ] = 0.5,
    max_steps: Annotated[int, typer.Option(min=1, help="Training steps")] = 1000,
    gpu_id: GpuId = -1,
) -> None:
    """Train a pipeline on new documents that are annotated for some labels, new or old. For the
    other labels, it learns from what it predicted before. Settings of the pipeline's config are
    changed as in `spacy train`, for example --training.dropout 0.3."""
    overrides = {"training.max_steps": max_steps, **parse_config_overrides(ctx.args)}
    use_gpu(gpu_id)
    try:
        nlp = load_pipeline(model, overrides)
        new = read_new_data(data, dev, nlp)
        old, notes = read_docs(rehearse, nlp) if rehearse else ([], [])
        update = prepare_update(
            nlp,
            new.train,
            new.dev,
            source=new.source,
            output=output / "corpus",
            labels=[label.strip() for label in labels.split(",")] if labels else [],
            rehearse=old,
            weight=weight,
            progress=_progress,
        )
    # ImportError: the pipeline needs a package.
    except (ImportError, OSError, ValueError) as error:
        exit_with(error)
    _show(update, new._replace(notes=new.notes + notes), weight)
    train(update.nlp, output, use_gpu=gpu_id, stdout=sys.stdout, stderr=sys.stderr)


def _show(update: Update, new: NewData, weight: float) -> None:
    for remark in new.remarks:
        msg.warn(remark)
    for kind, count in Counter(note.kind for note in new.notes).items():
        msg.warn(f"{kind}: {count:,}")
    if update.survey.misaligned:
        texts = ", ".join(repr(ent.text) for ent in update.survey.misaligned[:5])
        msg.warn(
            f"{len(update.survey.misaligned):,} entities do not begin and end where tokens do and "
            f"are treated as missing, such as {texts}"
        )
    if update.unlabelled:
        msg.warn(f"{update.unlabelled:,} documents without annotation are left out")
    msg.info(f"labels that the pipeline has: {', '.join(update.known)}")
    msg.info(f"new labels: {', '.join(update.new) or 'none'}")
    msg.info(f"annotated in the new documents: {', '.join(update.annotated)}")
    msg.info(f"{update.train:,} new documents: gold 1, what the pipeline knows {weight:g}")
    msg.info(f"{update.rehearsed:,} documents to rehearse: gold 1")
    msg.info(
        f"{update.dev:,} dev documents, with {update.predicted:,} entities that the pipeline found"
    )


def _progress(examples: Iterable[Example], total: int) -> Iterable[Example]:
    return tqdm(examples, "teacher", total, unit="docs", leave=False, disable=None)

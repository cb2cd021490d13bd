"""`python -m spacy crf distill`: train a student on the soft targets of trained pipelines."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from spacy.cli._util import parse_config_overrides
from spacy.training import Example
from spacy.training.loop import train
from spacy.util import load_config
from tqdm import tqdm
from wasabi import msg

from ..distillation.student import Student, prepare_student
from .errors import exit_with
from .gpu import GpuId, use_gpu
from .pipelines import load_pipeline


def distill_cli(
    ctx: typer.Context,
    teacher: Annotated[
        str, typer.Argument(metavar="TEACHER", help="Name or folder of a pipeline with a crf_ner")
    ],
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="Training config")],
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="Folder for the new pipelines")],
    raw: Annotated[
        list[Path],
        typer.Option(
            help="Unlabelled texts to learn from in addition: one text per line, JSON lines with "
            '"text", or .spacy; can be repeated'
        ),
    ] = [],  # noqa: B006
    also: Annotated[
        list[str],
        typer.Option(help="Another teacher, to average distributions with; can be repeated"),
    ] = [],  # noqa: B006
    weight: Annotated[
        float,
        typer.Option(min=0, max=1, help="Weight of the teacher where there is gold annotation"),
    ] = 0.5,
    gpu_id: GpuId = -1,
) -> None:
    """Train a pipeline to match a trained pipeline's distribution over tag sequences, on labelled
    and unlabelled texts. Settings of the config are changed as in `spacy train`, for example
    --paths.train corpus/train.spacy."""
    if not config.is_file():
        exit_with(f"{config}: no such file.")
    overrides = parse_config_overrides(ctx.args)
    use_gpu(gpu_id)

    def prepare() -> Student:
        # In a function, so that the teachers are freed before training.
        return prepare_student(
            [load_pipeline(name) for name in (teacher, *also)],
            load_config(config, overrides=overrides),
            raw,
            output / "distilled.spacy",
            weight=weight,
            use_gpu=gpu_id,
            progress=_progress,
        )

    try:
        nlp, labelled, unlabelled, embeddings, encoder = prepare()
    # ImportError: a pipeline needs a package.
    except (ImportError, OSError, ValueError) as error:
        exit_with(error)
    encoder_taken = "its encoder" if encoder else "no encoder"
    msg.info(f"taken from the teacher: {embeddings} embedding tables, {encoder_taken}")
    msg.info(f"{labelled:,} labelled documents: gold {1 - weight:g}, teacher {weight:g}")
    msg.info(f"{unlabelled:,} unlabelled documents: teacher 1")
    train(nlp, output, use_gpu=gpu_id, stdout=sys.stdout, stderr=sys.stderr)


def _progress(examples: Iterable[Example], total: int) -> Iterable[Example]:
    return tqdm(examples, "teacher", total, unit="docs", leave=False, disable=None)

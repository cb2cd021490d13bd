"""`python -m spacy crf select`: which documents to annotate next."""

from collections.abc import Iterable
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from spacy.tokens import Doc
from tqdm import tqdm
from wasabi import msg

from ..distillation.student import read_unlabelled
from ..evaluation.selection import CRITERIA, Candidate, judge, select
from ..formats.json_lines import write_json_lines
from ..util import replacing
from .errors import exit_with
from .gpu import GpuId, use_gpu
from .pipelines import load_recognizer

By = Enum("By", {name: name for name in CRITERIA}, type=str)  # type: ignore[misc]


def select_cli(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="Name or folder of a pipeline with a crf_ner")
    ],
    texts: Annotated[
        Path,
        typer.Argument(
            metavar="TEXTS",
            help='Texts to choose from: one per line, JSON lines with "text", or .spacy',
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="JSON lines to write, for an annotation tool")
    ],
    number: Annotated[int, typer.Option("--number", "-n", min=1, help="How many to choose")] = 100,
    by: Annotated[
        By,
        typer.Option(
            help="What to sort by: the entropy of the tag sequences, the probability that the best "
            "one is wrong, or the expected number of errors"
        ),
    ] = By.entropy,  # type: ignore[attr-defined]
    diversity: Annotated[
        float,
        typer.Option(min=0, max=1, help="How much texts count less that resemble those chosen"),
    ] = 0.5,
    gpu_id: GpuId = -1,
) -> None:
    """Choose the texts that a pipeline would learn most from, if they were annotated. They are
    written with the entities that it finds in them, so that you correct rather than annotate."""
    use_gpu(gpu_id)
    nlp = load_recognizer(model)
    try:
        docs = read_unlabelled(texts, nlp)
        candidates = judge(nlp, _progress(docs))
    except ValueError as error:
        exit_with(error)
    chosen = select(candidates, number, by=by.value, diversity=diversity)
    output.parent.mkdir(parents=True, exist_ok=True)
    with replacing(output) as path:
        write_json_lines(path, (each.to_json() for each in chosen))
    _show(candidates, chosen, number)
    msg.good(f"written: {output}")


def _show(candidates: list[Candidate], chosen: list[Candidate], number: int) -> None:
    rows = [
        (
            name,
            f"{len(group):,}",
            *(f"{sum(values) / max(len(group), 1):.3f}" for values in _columns(group)),
        )
        for name, group in (("all", candidates), ("chosen", chosen))
    ]
    header = ("mean", "texts", "entropy", "improbability", "errors")
    msg.table(rows, header=header, aligns=tuple("lrrrr"), divider=True)
    if len(chosen) < number:
        msg.warn(f"only {len(chosen):,} of {number:,} texts: the pipeline is certain about others")


def _columns(group: list[Candidate]) -> list[list[float]]:
    return [[each.uncertainty[i] for each in group] for i in range(3)]


def _progress(docs: list[Doc]) -> Iterable[Doc]:
    return tqdm(docs, unit="docs", leave=False, disable=None)

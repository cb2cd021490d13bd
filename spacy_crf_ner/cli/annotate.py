"""`python -m spacy crf annotate`: find entities in new texts."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from spacy.language import Language
from spacy.tokens import Doc, Span
from tqdm import tqdm
from wasabi import color, msg
from wasabi.util import supports_ansi

from ..formats.catalogue import FORMATS, get_format
from ..formats.format import Format, Predictions
from ..formats.source import JSON_SUFFIXES, Source
from ..formats.text import read_texts
from ..formats.write import write_files
from ..pipeline.component import crf_pipes
from .errors import exit_with
from .gpu import GpuId, use_gpu
from .pipelines import load_recognizer


def annotate_cli(
    model: Annotated[str, typer.Argument(help="Name or path of a trained pipeline")],
    source: Annotated[
        str,
        typer.Argument(
            metavar="INPUT", help='One text per line, or JSON lines with "text"; - for stdin'
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Write a .json (CLUENER) or .spacy file, or as --to says"
        ),
    ] = None,
    to: Annotated[
        str | None, typer.Option(help="Format of the output: " + ", ".join(FORMATS))
    ] = None,
    n_process: Annotated[int, typer.Option(help="Number of processes")] = 1,
    batch_size: Annotated[int, typer.Option(help="Texts per batch")] = 128,
    gpu_id: GpuId = -1,
) -> None:
    """Find the entities in texts, and show them as [mention|LABEL] or write them to a file."""
    if gpu_id >= 0 and n_process != 1:
        exit_with("Forked processes cannot use CUDA: set --n-process to 1.")
    use_gpu(gpu_id)
    try:
        target = _find_target(output, to)
        texts = _read_texts(source)
        nlp = load_recognizer(model)
        predictions = _describe(nlp, with_confidences=bool(target and target.has_confidences))
        docs = nlp.pipe(texts, n_process=n_process, batch_size=batch_size)
        if output is None or target is None:
            _show(docs)
        else:
            progress = tqdm(docs, total=len(texts), unit="docs", disable=None)
            write_files({output: progress}, target, predictions)
            msg.good(f"written: {output}")
    except (OSError, ValueError) as error:
        exit_with(error)


def mark_entities(doc: Doc, *, colored: bool = False) -> str:
    """Write a doc's text with its entities marked, e.g. "[北京市|LOCATION]很大".

    doc (Doc): The doc.
    colored (bool): Whether to colour the entities, for a terminal.
    RETURNS (str): The text.
    """
    parts = []
    end = 0
    for ent in doc.ents:
        marked = f"[{ent.text}|{ent.label_}]"
        parts += [
            doc.text[end : ent.start_char],
            color(marked, fg="green", bold=True) if colored else marked,
        ]
        end = ent.end_char
    return "".join([*parts, doc.text[end:]])


def _find_target(output: Path | None, to: str | None) -> Format | None:
    """The format to write, if a file is to be written."""
    if output is None:
        if to:
            exit_with("--to is the format of a file: give --output.")
        return None
    if to is None and output.suffix in JSON_SUFFIXES:
        to = "cluener"
    if to is None and output.suffix != ".spacy":
        exit_with(
            f"{output}: unknown format. The extension must be .json, .jsonl or .spacy; for other "
            "formats, give --to."
        )
    return get_format(to or "spacy")


def _describe(nlp: Language, with_confidences: bool) -> Predictions:
    """What to say of the predictions of a pipeline."""
    pipes = crf_pipes(nlp)
    if with_confidences:
        for name, pipe in pipes.items():
            # Confidences are only computed if something asks for them.
            pipe.spans_key = pipe.spans_key or name
    attributes = [pipe.extension for pipe in pipes.values()]

    def confidence(span: Span) -> float | None:
        return next(filter(None, (span._.get(name) for name in attributes)), None)

    return Predictions(f"{nlp.meta['name']} {nlp.meta['version']}", confidence)


def _read_texts(source: str) -> list[str]:
    data = sys.stdin.buffer.read() if source == "-" else None
    return list(read_texts(Source.open(Path(source)) if data is None else Source(source, data)))


def _show(docs: Iterable[Doc]) -> None:
    colored = sys.stdout.isatty() and supports_ansi()
    for doc in docs:
        # Not msg.text, which would wrap long texts.
        typer.echo(mark_entities(doc, colored=colored))

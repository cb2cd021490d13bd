"""`python -m spacy crf annotate`: find entities in new texts."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from spacy.tokens import Doc
from tqdm import tqdm
from wasabi import color, msg
from wasabi.util import supports_ansi

from ..formats.cluener import write_cluener
from ..formats.docbin import write_docbins
from ..formats.text import read_texts
from ..util import CorpusError, decode_lines, read_lines
from .errors import exit_with
from .gpu import GpuId, use_gpu
from .pipelines import load_recognizer

_JSON_SUFFIXES = (".json", ".jsonl")


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
        typer.Option("--output", "-o", help="Write a .json (CLUENER) or .spacy file instead"),
    ] = None,
    n_process: Annotated[int, typer.Option(help="Number of processes")] = 1,
    batch_size: Annotated[int, typer.Option(help="Texts per batch")] = 128,
    gpu_id: GpuId = -1,
) -> None:
    """Find the entities in texts, and show them as [mention|LABEL] or write them to a file."""
    if output and output.suffix not in (*_JSON_SUFFIXES, ".spacy"):
        exit_with(f"{output}: unknown format. The extension must be .json, .jsonl or .spacy.")
    if gpu_id >= 0 and n_process != 1:
        exit_with("Forked processes cannot use CUDA: set --n-process to 1.")
    use_gpu(gpu_id)
    try:
        texts = _read_texts(source)
        nlp = load_recognizer(model)
        docs = nlp.pipe(texts, n_process=n_process, batch_size=batch_size)
        if output is None:
            _show(docs)
        else:
            _write(tqdm(docs, total=len(texts), unit="docs", disable=None), output)
            msg.good(f"written: {output}")
    except (CorpusError, OSError) as error:
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


def _read_texts(source: str) -> list[str]:
    if source == "-":
        lines = decode_lines(sys.stdin.buffer.read(), source)
    else:
        lines = read_lines(Path(source))
    return list(read_texts(source, lines))


def _show(docs: Iterable[Doc]) -> None:
    colored = sys.stdout.isatty() and supports_ansi()
    for doc in docs:
        # Not msg.text, which would wrap long texts.
        typer.echo(mark_entities(doc, colored=colored))


def _write(docs: Iterable[Doc], path: Path) -> None:
    if path.suffix == ".spacy":
        write_docbins({path: list(docs)})
    else:
        write_cluener(path, docs)

"""`python -m spacy crf convert`: convert a corpus for training, or to another format."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import spacy
import typer
from spacy.language import Language
from tqdm import tqdm
from wasabi import msg

from ..formats.catalogue import FORMATS, get_format
from ..formats.convert import Conversion, load_conversion, load_export, write_rejects
from ..formats.docbin import FORMAT as DOCBIN
from ..formats.format import Format
from ..formats.record import Record
from ..formats.summary import summarize
from ..formats.write import count_losses, write_files
from .errors import exit_with


def convert_cli(
    inputs: Annotated[
        list[Path], typer.Argument(metavar="INPUT", help="Corpus files, or a folder of them")
    ],
    output: Annotated[
        Path,
        typer.Argument(
            metavar="OUTPUT",
            help="A .spacy file for all, or a folder for train, dev and test; with --to, a file "
            "for one set, or a folder",
        ),
    ],
    lang: Annotated[str, typer.Option("--lang", "-l", help="Language code")] = "zh",
    split: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="Share of train that becomes dev if there is no dev"),
    ] = 0.1,
    seed: Annotated[int, typer.Option(help="Seed of that split")] = 0,
    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="Format of the input, if not told by content: " + ", ".join(FORMATS),
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(help="Write one of these formats instead, and split off no dev set"),
    ] = None,
    rejects: Annotated[
        Path | None, typer.Option(help="JSON lines file for what is skipped, with the reasons")
    ] = None,
    spans_key: Annotated[
        str | None,
        typer.Option(help="Key of doc.spans for all mentions, overlapping ones too"),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail if anything has to be repaired or skipped")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-V", help="List what is repaired or skipped, with lines")
    ] = False,
) -> None:
    """Convert a corpus to .spacy files for training, or to another format with --to. The format of
    each input file is told by its content.

    In a folder, the files must be named train, dev (or valid, val) and test, with any extension.
    Each may be a folder of files. A folder of brat's files is one set.
    """
    nlp = _make_nlp(lang)
    try:
        source = get_format(format) if format else None
        target = get_format(to) if to else DOCBIN
        if to:
            if spans_key:
                exit_with("--spans-key is for training: leave out --to.")
            conversion = load_export(inputs, output, nlp, target, format=source, progress=_progress)
        else:
            conversion = load_conversion(
                inputs,
                output,
                nlp,
                split=split,
                seed=seed,
                format=source,
                spans_key=spans_key,
                progress=_progress,
            )
        if strict and conversion.notes:
            _list_notes(conversion)
            exit_with(
                f"{len(conversion.notes)} repairs and skips, listed above: nothing is written."
            )
        write_files(conversion.outputs, target)
        rejected = write_rejects(rejects, conversion.notes) if rejects else 0
    except (ImportError, OSError, ValueError) as error:
        exit_with(error)
    if verbose:
        _list_notes(conversion)
    _show_summary(conversion)
    _show_losses(conversion, target, nlp)
    if rejects:
        msg.info(f"{rejected:,} rejects: {rejects}")


def _make_nlp(lang: str) -> Language:
    try:
        return spacy.blank(lang)
    # ImportError: spaCy doesn't know the language, or its tokenizer needs a package.
    except ImportError as error:
        exit_with(error)


def _progress(records: list[Record]) -> Iterable[Record]:
    # None: a bar only if stderr is a terminal.
    return tqdm(records, unit="docs", leave=False, disable=None)


def _list_notes(conversion: Conversion) -> None:
    for note in conversion.notes:
        typer.echo(note)


def _show_summary(conversion: Conversion) -> None:
    rows = [(name, *(f"{n:,}" for n in figures)) for name, figures in summarize(conversion.sets)]
    header = ("", *conversion.sets)
    aligns = ("l", *"r" * len(conversion.sets))
    msg.table(rows, header=header, divider=True, aligns=aligns, max_col=80)
    formats = dict.fromkeys(name for each in conversion.sets.values() for name in each.formats)
    msg.info(f"format: {', '.join(formats)}")
    if conversion.scheme:
        msg.info(f"tag scheme: {conversion.scheme}")
    for path in conversion.ignored:
        msg.info(f"ignored: {path.name}")
    for remark in conversion.remarks:
        msg.warn(remark)
    msg.good(f"written: {', '.join(str(path) for path in conversion.outputs)}")


def _show_losses(conversion: Conversion, target: Format, nlp: Language) -> None:
    docs = [doc for docs in conversion.outputs.values() for doc in docs]
    for what, count in count_losses(docs, target, nlp).items():
        msg.warn(f"{target.name} cannot hold {what}: lost in {count:,} documents")

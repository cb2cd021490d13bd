"""`python -m spacy crf convert`: convert a corpus to spaCy's binary format."""

from pathlib import Path
from typing import Annotated

import spacy
import typer
from tqdm import tqdm
from wasabi import msg

from ..formats.convert import Conversion, load_conversion
from ..formats.docbin import write_docbins
from ..formats.summary import summarize
from ..util import CorpusError
from .errors import exit_with


def convert_cli(
    inputs: Annotated[
        list[Path], typer.Argument(metavar="INPUT", help="Corpus files, or a folder of them")
    ],
    output: Annotated[
        Path,
        typer.Argument(
            metavar="OUTPUT", help="A .spacy file for all, or a folder for train, dev and test"
        ),
    ],
    lang: Annotated[str, typer.Option("--lang", "-l", help="Language code")] = "zh",
    split: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="Share of train that becomes dev if there is no dev"),
    ] = 0.1,
    seed: Annotated[int, typer.Option(help="Seed of that split")] = 0,
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail if anything has to be repaired or skipped")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-V", help="List what is repaired or skipped, with lines")
    ] = False,
) -> None:
    """Convert a corpus to .spacy files. It may be in CLUENER's JSON lines, or in columns of tokens
    and tags (BIO, IOB1, BIOES, BMES or BILUO, detected from the tags).

    In a folder, the files must be named train, dev (or valid, val) and test, with any extension.
    """
    try:
        conversion = load_conversion(
            inputs,
            output,
            spacy.blank(lang),
            split=split,
            seed=seed,
            # None: a bar only if stderr is a terminal.
            progress=lambda records: tqdm(records, unit="docs", leave=False, disable=None),
        )
        if strict and conversion.notes:
            _list_notes(conversion)
            exit_with(
                f"{len(conversion.notes)} repairs and skips, listed above: nothing is written."
            )
        write_docbins(conversion.outputs)
    # ImportError: spaCy doesn't know the language, or its tokenizer needs a package.
    except (CorpusError, ImportError, OSError) as error:
        exit_with(error)
    if verbose:
        _list_notes(conversion)
    _show_summary(conversion)


def _list_notes(conversion: Conversion) -> None:
    for note in conversion.notes:
        typer.echo(note)


def _show_summary(conversion: Conversion) -> None:
    rows = [(name, *(f"{n:,}" for n in figures)) for name, figures in summarize(conversion.sets)]
    header = ("", *conversion.sets)
    aligns = ("l", *"r" * len(conversion.sets))
    msg.table(rows, header=header, divider=True, aligns=aligns, max_col=80)
    msg.info(f"tag scheme: {conversion.scheme or 'none (JSON lines)'}")
    for path in conversion.ignored:
        msg.info(f"ignored: {path.name}")
    for remark in conversion.remarks:
        msg.warn(remark)
    msg.good(f"written: {', '.join(str(path) for path in conversion.outputs)}")

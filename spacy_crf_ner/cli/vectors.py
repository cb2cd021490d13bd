"""`python -m spacy crf vectors`: initial vectors of characters or words for a tok2vec."""

from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm
from wasabi import msg

from ..training.character_vectors import from_encoder, from_package, from_text, write_vectors
from ..training.packaged_vectors import PACKAGES
from .errors import exit_with

WIDTH = 100


def vectors_cli(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A HuggingFace encoder (its name or folder), a text file with one text per line "
            f'or JSON lines with "text", or a package that has vectors: {", ".join(PACKAGES)}',
        ),
    ],
    output: Annotated[
        Path, typer.Argument(metavar="OUTPUT", help="File for `python -m spacy init vectors`")
    ],
    width: Annotated[
        int | None,
        typer.Option(min=1, help=f"Width of the vectors: {WIDTH}, or that of a package's vectors"),
    ] = None,
    lang: Annotated[str, typer.Option("--lang", "-l", help="Language code of a text file")] = "zh",
    seed: Annotated[int, typer.Option(help="Seed of the training on a text file")] = 0,
) -> None:
    """Make vectors of characters from a pretrained encoder, take those of characters or words from
    an installed package, or train word2vec on the tokens of raw texts, which in Chinese are
    characters."""
    path = Path(source)
    try:
        # Names on the hub hardly end in .txt, so a missing .txt file is reported as missing.
        if path.is_file() or path.suffix == ".txt":
            tokens, array = from_text(
                path,
                width or WIDTH,
                lang=lang,
                seed=seed,
                # None: a bar only if stderr is a terminal.
                progress=lambda items, doing: tqdm(
                    items, desc=doing, unit="texts", leave=False, disable=None
                ),
            )
        elif source in PACKAGES and not path.exists():
            tokens, array = from_package(source, width)
        else:
            tokens, array = from_encoder(source, width or WIDTH)
        write_vectors(output, tokens, array)
    # ImportError: a package is missing, or spaCy doesn't know the language.
    except (ImportError, OSError, ValueError) as error:
        exit_with(error)
    msg.info(f"{len(tokens):,} vectors of width {array.shape[1]}")
    msg.good(f"written: {output}")

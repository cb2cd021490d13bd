"""`python -m spacy crf vectors`: initial vectors of characters for a tok2vec."""

from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm
from wasabi import msg

from ..training.character_vectors import from_encoder, from_text, write_vectors
from .errors import exit_with


def vectors_cli(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A HuggingFace encoder (its name or folder), or a text file with one text per "
            'line or JSON lines with "text"',
        ),
    ],
    output: Annotated[
        Path, typer.Argument(metavar="OUTPUT", help="File for `python -m spacy init vectors`")
    ],
    width: Annotated[int, typer.Option(min=1, help="Width of the vectors")] = 100,
    lang: Annotated[str, typer.Option("--lang", "-l", help="Language code of a text file")] = "zh",
    seed: Annotated[int, typer.Option(help="Seed of the training on a text file")] = 0,
) -> None:
    """Make vectors of characters from a pretrained encoder, or train word2vec on the tokens of raw
    texts, which in Chinese are characters."""
    path = Path(source)
    try:
        # Names on the hub hardly end in .txt, so a missing .txt file is reported as missing.
        if path.is_file() or path.suffix == ".txt":
            tokens, array = from_text(
                path,
                width,
                lang=lang,
                seed=seed,
                # None: a bar only if stderr is a terminal.
                progress=lambda items, doing: tqdm(
                    items, desc=doing, unit="texts", leave=False, disable=None
                ),
            )
        else:
            tokens, array = from_encoder(source, width)
        write_vectors(output, tokens, array)
    # ImportError: a package is missing, or spaCy doesn't know the language.
    except (ImportError, OSError, ValueError) as error:
        exit_with(error)
    msg.info(f"{len(tokens):,} vectors of width {width}")
    msg.good(f"written: {output}")

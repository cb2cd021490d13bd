"""`python -m spacy crf summarize`: scores of trainings with several seeds."""

from pathlib import Path
from typing import Annotated

import typer
from wasabi import msg

from ..evaluation.summary import COLUMNS, summarize_seeds
from .errors import exit_with


def summarize_cli(
    scores: Annotated[
        list[Path],
        typer.Argument(metavar="SCORES...", help="JSON files of `crf evaluate`: NAME-SEED.json"),
    ],
) -> None:
    """Show the means and standard deviations of scores over seeds, for each name."""
    try:
        rows = [(name, seeds, *values) for name, seeds, values in summarize_seeds(scores)]
    except ValueError as error:
        exit_with(error)
    header = ("", "seeds", *COLUMNS)
    msg.table(rows, header=header, aligns=("l", *"r" * (len(header) - 1)), divider=True)

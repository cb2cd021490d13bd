"""How a command ends with an error."""

from typing import NoReturn

import typer


def exit_with(error: str | Exception) -> NoReturn:
    """Print an error and exit with code 1.

    error (str | Exception): The error.
    RAISES: typer.Exit.
    """
    # Not with wasabi, which wraps lines and so breaks file names. On stderr, so that it does not
    # mix with output that a program reads.
    typer.secho(str(error), fg=typer.colors.RED, err=True)
    raise typer.Exit(1)

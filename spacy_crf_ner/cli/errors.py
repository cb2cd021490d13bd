"""How a command ends when it cannot do what it was asked."""

from typing import NoReturn

import typer


def exit_with(error: str | Exception) -> NoReturn:
    """Print what is wrong and exit with code 1.

    error (str | Exception): What is wrong.
    RAISES: typer.Exit.
    """
    # Not through wasabi, which wraps lines and so breaks the file names in them; and on stderr,
    # where it mixes with no output that is read by a program.
    typer.secho(str(error), fg=typer.colors.RED, err=True)
    raise typer.Exit(1)

"""How a command ends with an error."""

import errno
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

SPACE = "Free some space, or write to another disk."
PERMISSIONS = "Check its permissions, or choose another folder."
# What to do about errors of the operating system that can happen to any command.
FIXES = {
    errno.ENOSPC: SPACE,
    errno.EDQUOT: SPACE,
    errno.EFBIG: SPACE,
    errno.EROFS: PERMISSIONS,
    errno.EACCES: PERMISSIONS,
    errno.EPERM: PERMISSIONS,
}


class Commands(TyperGroup):
    """Commands that end with one line if a file cannot be written or read."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command.

        ctx (typer.Context): Its context, which is click's or one of typer's own.
        RETURNS (Any): What it returns.
        RAISES: typer.Exit.
        """
        try:
            return super().invoke(ctx)
        except OSError as error:
            if error.errno not in FIXES:
                raise
            exit_with(error)


def exit_with(error: str | Exception) -> NoReturn:
    """Print an error and exit with code 1.

    error (str | Exception): The error.
    RAISES: typer.Exit.
    """
    # Not with wasabi, which wraps lines and so breaks file names. On stderr, so that it does not
    # mix with output that a program reads.
    typer.secho(_describe(error), fg=typer.colors.RED, err=True)
    raise typer.Exit(1)


def _describe(error: str | Exception) -> str:
    if isinstance(error, OSError) and error.errno in FIXES:
        return f"{error.filename or 'the output'}: {error.strerror}. {FIXES[error.errno]}"
    return str(error)

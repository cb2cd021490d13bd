"""What makes a program wait for its device, and what it copies there, by line of the package."""

import importlib.util
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = str(Path(__file__).parent)
PACKAGE = importlib.util.find_spec("spacy_crf_ner").submodule_search_locations[0]
# Whose own lines say nothing about who asked.
INNER = (HERE, str(Path(importlib.util.find_spec("torch").origin).parent))


class Log:
    """What happened while it was open. The keys say where, and what was done.

    waits (Counter): Results that the program cannot have before the device has computed them.
    copies (Counter): Copies to the device.
    notes (Counter): What works, but slowly.
    """

    def __init__(self) -> None:
        self.waits: Counter = Counter()
        self.copies: Counter = Counter()
        self.notes: Counter = Counter()


_open: list[Log] = []


@contextmanager
def recording() -> Iterator[Log]:
    """Open a log.

    YIELDS (Log): The log.
    """
    log = Log()
    _open.append(log)
    try:
        yield log
    finally:
        _open.remove(log)


def waited(what: str) -> None:
    """Log that the program waits for the device."""
    _count("waits", what)


def copied(what: str) -> None:
    """Log a copy to the device."""
    _count("copies", what)


def noted(what: str) -> None:
    """Log something slow."""
    _count("notes", what)


def table(counts: Counter) -> str:
    """A line for each count, the highest first.

    counts (Counter): Those of a log.
    RETURNS (str): The lines.
    """
    lines = [f"{count:5}  {where}" for where, count in counts.most_common()]
    return "\n".join([f"{counts.total()} in all:", *lines])


def _count(kind: str, what: str) -> None:
    where = _where(what) if _open else ""
    for log in _open:
        getattr(log, kind)[where] += 1


def _where(what: str) -> str:
    """The innermost line of the package, and the function that asked, which may be Thinc's."""
    frame, caller = sys._getframe(), None
    while frame is not None:
        path = frame.f_code.co_filename
        if caller is None and not path.startswith(INNER):
            caller = frame.f_code.co_name
        if path.startswith(PACKAGE):
            line = f"{path[len(PACKAGE) + 1 :]}:{frame.f_lineno}"
            return f"{line}: {what} ({caller})"
        frame = frame.f_back
    return f"outside of the package: {what} ({caller})"

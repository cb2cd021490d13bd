"""Files that another command wrote with one JSON object a line."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...util import CorpusError, read_lines


def read_objects(
    path: Path, keys: dict[str, type | tuple[type, ...]], written_by: str
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Read the objects of a file, and check them.

    path (Path): The file.
    keys (dict[str, type | tuple[type, ...]]): The keys that each object must have, and the types of
        their values.
    written_by (str): What writes such files, for error messages.
    YIELDS (tuple[int, dict[str, Any]]): The number of each line, and its object. Empty lines are
        left out.
    RAISES: CorpusError naming the line of what is no object, or lacks a key.
    """
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            problem = (
                f"not a JSON object. {written_by} writes one a line; remove what is not whole."
            )
            raise CorpusError(problem, path, number)
        for key, types in keys.items():
            if key not in found:
                raise CorpusError(f"no {key!r}. {written_by} writes it.", path, number)
            if not isinstance(found[key], types):
                problem = f"{key!r} is {found[key]!r}, which is not what {written_by} writes."
                raise CorpusError(problem, path, number)
        yield number, found

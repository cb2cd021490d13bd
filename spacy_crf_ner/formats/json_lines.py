"""JSON lines, which several formats are written as."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def write_json_lines(path: Path, values: Iterable[Any]) -> None:
    """Write JSON lines.

    path (Path): The file.
    values (Iterable[Any]): The value of each line.
    """
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for value in values:
            # Not srsly, which would escape characters that aren't ASCII.
            file.write(json.dumps(value, ensure_ascii=False) + "\n")

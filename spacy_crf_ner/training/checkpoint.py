"""Checkpoints: files from which a training that was killed goes on.

A checkpoint is one safetensors file, which is replaced as a whole. What is no array is JSON in its
metadata.
"""

import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file
from spacy.util import dict_to_dot

from ..util import replacing

NAME = "checkpoint.safetensors"
STATE = "state"
FROM_START = "To train from the start, leave out --resume"


class ResumeError(ValueError):
    """A training cannot go on. The message says why and what to do about it."""


class Checkpoint(NamedTuple):
    """A checkpoint that was found.

    path (Path): The file.
    state (dict[str, Any]): What it has besides arrays.
    """

    path: Path
    state: dict[str, Any]

    def arrays(self) -> dict[str, np.ndarray]:
        """Read the arrays.

        RETURNS (dict[str, np.ndarray]): The arrays by name.
        """
        return load_file(self.path)

    def require_same(self, settings: dict[str, Any]) -> None:
        """Require that the training has the same settings as before.

        settings (dict[str, Any]): Those that `settings_of` returned.
        RAISES: ResumeError naming those that differ.
        """
        before = self.state["settings"]
        differing = [
            f"{key}: {before.get(key)!r} before, {settings.get(key)!r} now"
            for key in sorted(before.keys() | settings.keys())
            if before.get(key) != settings.get(key)
        ]
        if differing:
            raise ResumeError(
                f"{self.path} is of a training with other settings or files. Use those, or leave "
                "out --resume to train from the start.\n" + "\n".join(differing)
            )


def read_checkpoint(output: Path) -> Checkpoint:
    """Find the checkpoint of a training.

    output (Path): The folder that the training writes to.
    RETURNS (Checkpoint): The checkpoint.
    RAISES: ResumeError if there is none, or if it is damaged.
    """
    path = output / NAME
    if not path.is_file():
        raise ResumeError(
            f"{path}: there is no such file, so there is nothing to resume. A training removes it "
            f"when it is complete. {FROM_START}."
        )
    try:
        with safe_open(path, framework="numpy") as file:
            return Checkpoint(path, json.loads(file.metadata()[STATE]))
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ResumeError(f"{path}: the file is damaged ({error!r}). {FROM_START}.") from error


def write_checkpoint(output: Path, state: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Replace the checkpoint of a training.

    output (Path): The folder that the training writes to.
    state (dict[str, Any]): What it should have besides arrays, as JSON has it.
    arrays (dict[str, np.ndarray]): The arrays by name, contiguous.
    """
    _remove_unfinished(output)
    # Scores and losses may be numpy's numbers.
    metadata = {STATE: json.dumps(state, default=float)}
    with replacing(output / NAME) as path:
        save_file(arrays, path, metadata=metadata)


def remove_checkpoint(output: Path) -> None:
    """Remove the checkpoint of a training.

    output (Path): The folder that the training writes to.
    """
    (output / NAME).unlink(missing_ok=True)
    _remove_unfinished(output)


def settings_of(config: dict[str, Any]) -> dict[str, Any]:
    """Get all that decides what a training does.

    config (dict[str, Any]): The config, interpolated.
    RETURNS (dict[str, Any]): Its values by name, and checksums of the files that [paths] names. As
        JSON has it.
    """
    settings = dict_to_dot(config)
    for name, value in config["paths"].items():
        for path in _files(value):
            settings[f"checksum of {path} (paths.{name})"] = _checksum(path)
    return json.loads(json.dumps(settings))


def _files(value: Any) -> Iterator[Path]:
    path = Path(value) if isinstance(value, str) else None
    if path is not None and path.is_file():
        yield path
    elif path is not None and path.is_dir():
        yield from sorted(p for p in path.rglob("*") if p.is_file())


def _checksum(path: Path) -> int:
    checksum = 0
    with path.open("rb") as file:
        while part := file.read(2**20):
            checksum = zlib.crc32(part, checksum)
    return checksum


def _remove_unfinished(output: Path) -> None:
    """Remove what killed processes have left that were writing a checkpoint."""
    for path in output.glob(f".{NAME}.*"):
        path.unlink()

"""The state of a job, kept in files, so that it can be killed at any time and go on."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..formats.format import Predictions
from ..formats.json_lines import write_json_lines
from ..util import CorpusError, replacing
from .annotator import Result
from .outputs import Output
from .parts import Reject

_STATE, _DONE = ".job", ".done"
_SETTINGS = "job.json"


@dataclass(frozen=True)
class Job:
    """A folder with a file for each part that is done, and what became of its records in `.job`.

    A part is done if its file is there: it appears last, and by renaming. So a part that is written
    twice, by two processes or after a failure, is still there once.

    folder (Path): The folder.
    suffix (str): The extension of the files.
    """

    folder: Path
    suffix: str

    @property
    def _state(self) -> Path:
        return self.folder / _STATE

    def start(self, settings: dict[str, Any]) -> bool:
        """Make the folder, or go on where an earlier run stopped.

        settings (dict[str, Any]): What the parts depend on, as JSON.
        RETURNS (bool): Whether there was an earlier run.
        RAISES: CorpusError if the folder has something else in it, or was made with other settings.
        """
        path = self._state / _SETTINGS
        # As it is read from a file.
        settings = json.loads(json.dumps(settings))
        goes_on = path.is_file() and any(self.folder.glob("part-*"))
        if goes_on:
            self._check(json.loads(path.read_text(encoding="utf-8")), settings)
        elif self.folder.exists() and any(
            not each.name.startswith(".") for each in self.folder.iterdir()
        ):
            raise CorpusError(
                "there is a folder that is not empty. Empty it, or name another.", self.folder
            )
        self._state.mkdir(parents=True, exist_ok=True)
        for leftover in [*self.folder.glob(".*.tmp"), *self._state.glob(".*.tmp")]:
            leftover.unlink()
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(settings, indent=2), encoding="utf-8")
        return goes_on

    def path_of(self, number: int) -> Path:
        """The file of a part.

        number (int): The number of the part.
        RETURNS (Path): The file.
        """
        return self.folder / f"part-{number:06d}{self.suffix}"

    def save(self, number: int, result: Result) -> None:
        """Keep what became of the records of a part.

        number (int): The number of the part.
        result (Result): What became of its records.
        """
        with replacing(self._result(number)) as path:
            write_json_lines(path, [(result.documents, result.characters), *result.rejects])

    def load(self, number: int) -> Result | None:
        """What became of the records of a part.

        number (int): The number of the part.
        RETURNS (Result | None): What became of them, if the part is done.
        """
        if not self.path_of(number).exists():
            return None
        with self._result(number).open(encoding="utf-8") as file:
            (documents, characters), *rejects = map(json.loads, file)
        return Result(documents, characters, [Reject(*each) for each in rejects])

    def finish(self, n_parts: int, output: Output, predictions: Predictions, path: Path) -> None:
        """Join the parts to one file, and remove them. A run that is killed in between can be
        repeated.

        n_parts (int): The number of parts.
        output (Output): The output format.
        predictions (Predictions): Where the entities come from.
        path (Path): The file; or the folder of the parts, which stay there.
        """
        parts = [self.path_of(number) for number in range(n_parts)]
        if path == self.folder:
            # In one step, so that it is all there or not at all.
            done = self._state.rename(self.folder / _DONE)
            shutil.rmtree(done)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            if parts:
                output.join(temporary, parts, predictions)
            else:
                output.write(temporary, [])
        # What belongs to a part goes after it.
        for part in parts:
            part.unlink()
        shutil.rmtree(self.folder)

    def rejects(self, n_parts: int) -> Iterator[Reject]:
        """The records that were not annotated.

        n_parts (int): The number of parts, all of which are done.
        YIELDS (Reject): The records, in order.
        """
        for number in range(n_parts):
            result = self.load(number)
            yield from result.rejects if result else []

    def _result(self, number: int) -> Path:
        return self._state / f"{number:06d}.jsonl"

    def _check(self, before: dict[str, Any], now: dict[str, Any]) -> None:
        changed = [key for key in now if before.get(key) != now[key]]
        if changed:
            raise CorpusError(
                "this is an unfinished job with other settings: "
                + ", ".join(f"{key} was {before.get(key)!r}, now {now[key]!r}" for key in changed)
                + ". Repeat the command of that job to finish it, or delete the folder to start "
                "anew.",
                self.folder,
            )

"""The files of a study: a journal of its trials, and locks that tell who is at work."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    from filelock import BaseFileLock
    from optuna.storages import JournalStorage

_STATE, _JOURNAL, _LOCK = ".tune", "journal.log", "lock"
MISSING = "Tuning needs Optuna and matplotlib: pip install 'spacy-crf-ner[tune]'"


def require_packages() -> None:
    """Require the packages that tuning needs, before anything is done.

    RAISES: ImportError, with the command that installs them.
    """
    try:
        import filelock  # noqa: F401
        import matplotlib  # noqa: F401
        import optuna
    except ImportError as error:
        raise ImportError(MISSING) from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)


class Workers:
    """The processes that work on a study. The operating system frees the lock of one that ends,
    however it ends."""

    def __init__(self, folder: Path) -> None:
        """Describe the workers.

        folder (Path): The folder of the study.
        """
        self.folder = folder / _STATE

    @contextmanager
    def join(self) -> Iterator[str]:
        """Be one of them.

        YIELDS (str): A name that no other has.
        """
        name = uuid4().hex
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            with self._lock(name):
                yield name
        finally:
            self._path(name).unlink(missing_ok=True)

    def is_alive(self, name: str) -> bool:
        """Whether a worker still works.

        name (str): Its name.
        RETURNS (bool): Whether it holds its lock.
        """
        from filelock import Timeout

        if not self._path(name).exists():
            return False
        try:
            with self._lock(name).acquire(timeout=0):
                return False
        except Timeout:
            return True

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Do something that only one worker may do at a time.

        YIELDS (None): When it is this one's turn.
        """
        with self._lock(_LOCK):
            yield

    def open_storage(self) -> "JournalStorage":
        """Open the journal.

        RETURNS (JournalStorage): What Optuna keeps the study in.
        """
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

        path = self.folder / _JOURNAL
        lock = self._lock(_JOURNAL)

        class Lock(JournalFileOpenLock):
            """Held while something is added. Optuna's own locks are files, which a killed process
            leaves behind."""

            def acquire(self) -> bool:
                lock.acquire()
                _remove_half_line(path)
                return True

            def release(self) -> None:
                lock.release()

        return JournalStorage(JournalFileBackend(str(path), Lock(str(path))))

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.lock"

    def _lock(self, name: str) -> "BaseFileLock":
        from filelock import FileLock

        return FileLock(self._path(name))


def _remove_half_line(path: Path) -> None:
    """Remove what a killed process has begun to write. Optuna could not read it with more after
    it."""
    with path.open("rb+") as file:
        lines = file.read()
        if lines and not lines.endswith(b"\n"):
            file.truncate(lines.rfind(b"\n") + 1)

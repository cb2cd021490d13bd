"""Shared helpers: reading lines, atomic writing, `CorpusError`."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
BYTE_ORDER_MARK = "\ufeff"


class CorpusError(ValueError):
    """A corpus cannot be read. The message says where, what is wrong and what to do about it.

    problem (str): What is wrong and what to do about it.
    path (str | Path): The file or folder.
    line (int | None): The line number, counted from 1, if there is one.
    """

    def __init__(self, problem: str, path: str | Path, line: int | None = None) -> None:
        where = f"{path}" if line is None else f"{path}, line {line}"
        super().__init__(f"{where}: {problem}")
        self._arguments = problem, path, line

    def __reduce__(self) -> tuple[type["CorpusError"], tuple[str, str | Path, int | None]]:
        # To come from another process. An exception is pickled with its message alone.
        return type(self), self._arguments


def read_lines(path: Path) -> list[str]:
    """Read the lines of a text file.

    path (Path): The file.
    RETURNS (list[str]): Its lines, without line endings and byte order mark.
    RAISES: CorpusError if the file is missing, empty or not UTF-8.
    """
    if not path.is_file():
        raise CorpusError("there is no such file. Check the path.", path)
    return decode_lines(path.read_bytes(), path)


def decode_text(data: bytes, path: str | Path) -> str:
    """Decode the content of a text file.

    data (bytes): The content.
    path (str | Path): The name of the file in error messages.
    RETURNS (str): The text, with line endings and byte order mark as they are.
    RAISES: CorpusError if the content is not UTF-8.
    """
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        encoding = "UTF-16" if data.startswith(UTF16_MARKS) else "GB18030"
        raise CorpusError(
            f"byte {data[error.start]:#04x} at position {error.start} is not UTF-8. Convert the "
            f"file, e.g. `iconv -f {encoding} -t UTF-8 {path} > {path}.utf8` if it is {encoding}.",
            path,
            data.count(b"\n", 0, error.start) + 1,
        ) from None


def decode_lines(data: bytes, path: str | Path) -> list[str]:
    """Decode the lines of a text file.

    data (bytes): The content.
    path (str | Path): The name of the file in error messages.
    RETURNS (list[str]): Its lines, without line endings and byte order mark.
    RAISES: CorpusError if the content is empty or not UTF-8.
    """
    text = decode_text(data, path).removeprefix(BYTE_ORDER_MARK)
    if not text.strip():
        raise CorpusError("the file is empty. Remove or replace it.", path)
    # Not splitlines(), which also splits at characters that texts may contain, such as U+2028.
    return [line.rstrip("\r") for line in text.split("\n")]


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file or a folder atomically: completely or not at all.

    path (Path): What to write. An existing file is kept until the new one is complete.
    YIELDS (Path): A temporary path in the same folder, for a file or a folder to be made there. It
        is renamed on success and removed on failure.
    RAISES: CorpusError if there is a folder with something in it; OSError naming the path.
    """
    if path.is_dir() and any(path.iterdir()):
        raise CorpusError("there is a folder that is not empty. Empty it, or name another.", path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with naming(path):
            yield temporary
        if temporary.is_dir() and path.is_dir():
            path.rmdir()  # Windows does not replace a folder, not even an empty one
        os.replace(temporary, path)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Replace a folder, or make one, so that it is complete whenever it exists.

    path (Path): The folder. What it has is kept until the new content is complete.
    YIELDS (Path): A folder to be made beside it. On success it is swapped in by two renames. In
        between, the earlier folder is `.NAME.old`. What killed processes have left is removed.
    RAISES: OSError naming the path.
    """
    new, old = (path.with_name(f".{path.name}.{age}") for age in ("new", "old"))
    _remove(new)
    try:
        with naming(path):
            yield new
        if path.exists():
            _remove(old)
            path.rename(old)
        new.rename(path)
        _remove(old)
    finally:
        _remove(new)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Add the name of a file to errors of the operating system without one. A write that fails,
    for example because the disk is full, does not say which file it was.

    path (Path): The file.
    """
    try:
        yield
    except OSError as error:
        if error.errno and error.filename is None:
            error.filename = str(path)
        raise


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)

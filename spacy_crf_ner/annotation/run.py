"""The annotation of a whole input."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import spacy
from spacy.language import Language
from thinc.api import require_gpu

from ..formats.json_lines import write_json_lines
from ..util import CorpusError, replacing
from .annotator import Annotator, Result, describe
from .engines import Done, Engine, Worker
from .inputs import Input
from .job import Job
from .outputs import Output
from .parts import Part, Reader, Reject


@dataclass(frozen=True)
class Work:
    """All that a process must know to annotate parts.

    model (str): Name or path of the pipeline.
    reader (Reader): The input.
    output (Output): The output format.
    job (Job): The job.
    keep_going (bool): Whether records that cannot be annotated are put aside. If not, the first is
        an error.
    batch_size (int): The number of documents in a batch.
    gpu_id (int): The GPU, or -1 for the CPU.
    """

    model: str
    reader: Reader
    output: Output
    job: Job
    keep_going: bool
    batch_size: int
    gpu_id: int = -1

    def start(self, nlp: Language | None = None) -> Worker:
        """Make a worker.

        nlp (Language | None): The pipeline, if it is loaded already.
        RETURNS (Worker): Annotates parts.
        """
        if nlp is None:
            if self.gpu_id >= 0:
                require_gpu(self.gpu_id)
            nlp = spacy.load(self.model)
        return partial(self._annotate, Annotator(nlp, self.reader, self.output, self.batch_size))

    def _annotate(self, annotator: Annotator, part: Part) -> Result:
        done = self.job.load(part.number)
        if done is not None:
            # By a process that died afterwards, with other parts still to do.
            return done
        with replacing(self.job.path_of(part.number)) as path:
            result = annotator.annotate(part, path)
            if result.rejects and not self.keep_going:
                first = result.rejects[0]
                raise CorpusError(
                    f"{first.reason} With --rejects, such records are put aside.",
                    self.reader.path,
                    first.line,
                )
            self.job.save(part.number, result)
        return result


def annotate_input(
    input: Input, job: Job, engine: Engine, start: Callable[[], Worker], part_size: int
) -> Iterator[Done]:
    """Annotate the parts of an input that are not done yet.

    input (Input): The input.
    job (Job): The job.
    engine (Engine): What annotates the parts.
    start (Callable[[], Worker]): Makes a worker.
    part_size (int): The number of records in a part.
    YIELDS (Done): Each part when it is done, those of an earlier run too.
    """
    before: list[Done] = []

    def pending() -> Iterator[Part]:
        for part in input.split(part_size):
            result = job.load(part.number)
            if result is None:
                yield part
            else:
                before.append(Done(part, result, is_new=False))

    for each in engine(pending(), start):
        yield from before
        before.clear()
        yield each
    yield from before


def settings_of(input: Input, nlp: Language, **options: Any) -> dict[str, Any]:
    """What the parts of a job depend on.

    input (Input): The input.
    nlp (Language): The pipeline, before anything is changed in it.
    options (Any): The options of the command that change what the parts have in them.
    RETURNS (dict[str, Any]): The settings, as JSON.
    """
    path = input.reader.path
    changed = path.stat().st_mtime_ns if isinstance(path, Path) else None
    return {
        "input": str(path),
        "input size": input.size,
        "time of its last change": changed,
        "pipeline": describe(nlp).model,
        "hash of its files": _hash(nlp.path or Path()),
        **{name.replace("_", " "): value for name, value in options.items()},
    }


def write_rejects(path: Path, source: str | Path, rejects: Iterable[Reject]) -> None:
    """Write the records that were not annotated as JSON lines.

    path (Path): The file. It is written even if there are none.
    source (str | Path): The input.
    rejects (Iterable[Reject]): The records.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        write_json_lines(temporary, ({"file": str(source), **each._asdict()} for each in rejects))


def _hash(path: Path) -> str:
    """A hash of all files of a pipeline: a pipeline that was trained again has the same name."""
    digest = hashlib.sha256()
    for file in sorted(path.rglob("*")):
        # Not the bytecode of a package, which appears when it is first imported.
        if file.is_file() and file.suffix != ".pyc":
            digest.update(str(file.relative_to(path)).encode() + b"\0")
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]

"""`python -m spacy crf annotate`: find entities in new texts."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from spacy.language import Language
from tqdm import tqdm
from wasabi import msg
from wasabi.util import supports_ansi

from ..annotation.annotator import describe
from ..annotation.engines import Done, Engine, Worker, WorkerLostError, run_here, run_in_processes
from ..annotation.inputs import INPUT_FORMATS, open_input
from ..annotation.job import Job
from ..annotation.ray_data import run_on_ray
from ..annotation.run import Work, annotate_input, settings_of, write_rejects
from ..annotation.target import OUTPUT_FORMATS, Target, find_target
from .errors import exit_with
from .gpu import GpuId, use_gpu
from .pipelines import load_recognizer


def annotate_cli(
    model: Annotated[str, typer.Argument(help="Name or path of a trained pipeline")],
    source: Annotated[
        str,
        typer.Argument(
            metavar="INPUT",
            help="Texts, one per line; or .jsonl, .json, .csv or .parquet with a field for the "
            "text; - for stdin",
        ),
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            help="File to write: .txt, .jsonl, .csv or .parquet with the records' fields, .json "
            "(CLUENER), .spacy, or as --to says; or a folder for a file of each part, with a "
            "slash at its end. Without it, texts are shown as [mention|LABEL]",
        ),
    ] = None,
    to: Annotated[
        str | None, typer.Option(help="Format of the output: " + ", ".join(OUTPUT_FORMATS))
    ] = None,
    format: Annotated[
        str | None, typer.Option(help="Format of the input: " + ", ".join(INPUT_FORMATS))
    ] = None,
    text_field: Annotated[str, typer.Option(help="Field of a record with the text")] = "text",
    entities_field: Annotated[
        str, typer.Option(help="Field of a record for the entities")
    ] = "entities",
    rejects: Annotated[
        Path | None,
        typer.Option(
            help="JSON lines to write: records that cannot be annotated, and why. Without it, the "
            "first one is an error"
        ),
    ] = None,
    n_process: Annotated[int, typer.Option(min=1, help="Number of processes")] = 1,
    batch_size: Annotated[int, typer.Option(min=1, help="Texts per batch")] = 128,
    part_size: Annotated[
        int, typer.Option(min=1, help="Records in a part. Parts that are done are kept")
    ] = 1000,
    engine: Annotated[
        str, typer.Option(help="local, or ray: a Ray cluster, with --n-process actors at most")
    ] = "local",
    gpu_id: GpuId = -1,
) -> None:
    """Find the entities in texts.

    The input may be of any size. If the command is stopped or killed, repeat it: it goes on after
    the parts that are done.
    """
    if engine not in ("local", "ray"):
        exit_with(f"--engine {engine}: unknown. Known are local and ray.")
    if gpu_id >= 0 and n_process != 1 and engine == "local":
        exit_with("One process uses the GPU: set --n-process to 1.")
    if format is not None and format not in INPUT_FORMATS:
        exit_with(f"--format {format}: unknown. Known are {', '.join(INPUT_FORMATS)}.")
    use_gpu(gpu_id)
    colored = sys.stdout.isatty() and supports_ansi()
    try:
        with open_input(source, format, text_field) as input:
            target = find_target(output, to, input, entities_field, colored=colored)
            _check_paths(
                {"INPUT": input.reader.path, "--output": target.path, "--rejects": rejects}
            )
            nlp = load_recognizer(model)
            with _open_job(target) as job:
                settings = settings_of(
                    input,
                    nlp,
                    output_format=target.format,
                    part_size=part_size,
                    text_field=text_field,
                    entities_field=entities_field,
                )
                if job.start(settings):
                    typer.echo(f"{job.folder}: going on after the parts that are done", err=True)
                keep_going = rejects is not None
                work = Work(model, input.reader, target.output, job, keep_going, batch_size, gpu_id)
                run, start = _find_engine(engine, work, nlp, n_process)
                parts = annotate_input(input, job, run, start, part_size)
                if target.path is None:
                    parts = _show(parts, job)
                summary = _follow(parts, input.size, quiet=target.path is None)
                if rejects is not None:
                    write_rejects(rejects, input.reader.path, job.rejects(summary.parts))
                if target.path is not None:
                    job.finish(summary.parts, target.output, describe(nlp), target.path)
                    msg.good(f"written: {target.path}")
                typer.echo(summary.describe(rejects), err=True)
    except (ImportError, OSError, ValueError, WorkerLostError) as error:
        exit_with(error)


@dataclass
class _Summary:
    """What has been done.

    parts (int): The number of parts.
    documents (int): The number of documents.
    rejected (int): The number of other records.
    new (int): The number of documents that were annotated by this run.
    characters (int): The length of their texts.
    seconds (float): How long this run took.
    """

    parts: int = 0
    documents: int = 0
    rejected: int = 0
    new: int = 0
    characters: int = 0
    seconds: float = 0.0

    def add(self, done: Done) -> None:
        """Count a part.

        done (Done): The part.
        """
        self.parts += 1
        self.documents += done.result.documents
        self.rejected += len(done.result.rejects)
        if done.is_new:
            self.new += done.result.documents
            self.characters += done.result.characters

    def describe(self, rejects: Path | None) -> str:
        """Some words.

        rejects (Path | None): Where the other records are.
        RETURNS (str): The words.
        """
        seconds = max(self.seconds, 1e-9)
        rates = f"{self.new / seconds:,.0f} documents, {self.characters / seconds:,.0f} characters"
        words = [f"{self.documents:,} documents"]
        if self.new < self.documents:
            words.append(f"{self.documents - self.new:,} of them by an earlier run")
        if self.rejected:
            words.append(f"{self.rejected:,} records rejected: {rejects}")
        return "; ".join([*words, f"{self.seconds:,.1f} s: {rates} a second"])


def _find_engine(
    name: str, work: Work, nlp: Language, n_process: int
) -> tuple[Engine, Callable[[], Worker]]:
    """What annotates the parts, and what makes a worker for it."""
    if name == "ray":
        return partial(run_on_ray, n_actors=n_process, gpu=work.gpu_id >= 0), work.start
    if n_process == 1:
        return run_here, partial(work.start, nlp)
    return partial(run_in_processes, n_process=n_process), work.start


@contextmanager
def _open_job(target: Target) -> Iterator[Job]:
    """The job in the folder of its parts; in a temporary one if they are only shown."""
    if target.folder is not None:
        yield Job(target.folder, target.output.suffix)
        return
    with TemporaryDirectory() as folder:
        yield Job(Path(folder), target.output.suffix)


def _check_paths(named: dict[str, str | Path | None]) -> None:
    """No file is written over the input, or over another one."""
    paths = {name: Path(path).resolve() for name, path in named.items() if path is not None}
    for (name, path), (other, same) in combinations(paths.items(), 2):
        if path == same or (path.exists() and same.exists() and path.samefile(same)):
            raise ValueError(f"{path}: {name} and {other} are the same file. Name another one.")


def _show(parts: Iterable[Done], job: Job) -> Iterator[Done]:
    """Write each part to stdout when it is done, and remove it."""
    for done in parts:
        path = job.path_of(done.part.number)
        # As bytes, because UTF-8 is what was read.
        typer.echo(path.read_bytes(), nl=False)
        path.unlink()
        yield done


def _follow(parts: Iterable[Done], size: int | None, *, quiet: bool) -> _Summary:
    """Show the progress until all parts are done."""
    summary = _Summary()
    started = time.monotonic()
    with tqdm(total=size, unit_scale=True, unit="", disable=quiet or None) as bar:
        for done in parts:
            summary.add(done)
            summary.seconds = time.monotonic() - started
            rate = summary.new / summary.seconds
            bar.set_postfix_str(f"{summary.documents:,} documents, {rate:,.0f}/s", refresh=False)
            bar.update(done.part.length)
    return summary

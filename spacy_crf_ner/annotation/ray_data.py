"""The engine Ray Data: parts are the rows of a data set, and each actor has a worker of its own.

Only the places of the parts go through Ray. Each actor reads its parts from the input and puts
their files into the job's folder, so all machines must have both under the same path. A part that
is done twice, because an actor was lost, is still there once. Ray is an optional package.
"""

import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .annotator import Result
from .engines import Done, Worker, WorkerLostError
from .parts import Part, Reject

# Parts in a task. Ray repeats a task whose actor is lost, on another one.
_TOGETHER = 8
# How often it does. A part may be what kills the actors.
_RETRIES = 3
_PLACE = ("number", "line", "offset", "length")


def run_on_ray(
    parts: Iterable[Part], start: Callable[[], Worker], *, n_actors: int, gpu: bool
) -> Iterator[Done]:
    """Annotate parts on a Ray cluster, or on a local one if there is none.

    parts (Iterable[Part]): The parts. They are counted before the first one is annotated.
    start (Callable[[], Worker]): Makes a worker.
    n_actors (int): The most actors at once. Ray starts them as they are needed.
    gpu (bool): Whether each actor has a GPU of its own.
    YIELDS (Done): Each part, in any order.
    RAISES: ImportError if Ray is not installed, ValueError if a part cannot be read or annotated,
        or if it has no place in a file, WorkerLostError if a part has lost too many actors.
    """
    try:
        import ray
        import ray.data
    except ImportError:
        raise ImportError("--engine ray needs Ray: pip install 'spacy-crf-ner[ray]'") from None
    places = [_place(part) for part in parts]
    if not places:
        return
    ray.init(ignore_reinit_error=True, log_to_driver=False, logging_level=logging.ERROR)
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    ray.data.DataContext.get_current().enable_progress_bars = False
    n_tasks = max(min(len(places), 4 * n_actors), len(places) // _TOGETHER)
    results = ray.data.from_items(places, override_num_blocks=n_tasks).map_batches(
        _Actor,
        fn_constructor_args=(start, os.getcwd()),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=n_actors),
        num_gpus=1 if gpu else 0,
        ray_remote_args_fn=_remote_args,
    )
    try:
        for row in results.iter_rows():
            found = json.loads(row.pop("result"))
            if "error" in found:
                raise ValueError(found["error"])
            rejects = [Reject(*each) for each in found.pop("rejects")]
            yield Done(Part(**row), Result(**found, rejects=rejects))
    except ray.exceptions.RayError as error:
        raise WorkerLostError(
            "Ray lost an actor too often: it was killed, or there was no memory left. What is done "
            "is kept: repeat the command to go on, maybe with a smaller --batch-size. Ray says: "
            f"{str(error).splitlines()[-1]}"
        ) from None


class _Actor:
    """What Ray starts once and uses for many parts.

    start (Callable[[], Worker]): Makes the worker.
    folder (str): The folder that relative paths are in.
    """

    def __init__(self, start: Callable[[], Worker], folder: str) -> None:
        os.chdir(folder)
        self._worker = start()

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Annotate a part.

        batch (dict[str, Any]): The place of the part, each number in an array of length 1.
        RETURNS (dict[str, Any]): The same, and what became of its records as JSON.
        """
        result: dict[str, Any]
        try:
            number, line, offset, length = (int(batch[name][0]) for name in _PLACE)
            result = self._worker(Part(number, line, offset, length))._asdict()
        # Of the input or the disk. Ray would repeat the task, and hide the message.
        except (OSError, ValueError) as error:
            result = {"error": str(error)}
        return {**batch, "result": [json.dumps(result)]}


def _remote_args() -> dict[str, int]:
    return {"max_task_retries": _RETRIES}


def _place(part: Part) -> dict[str, int]:
    if part.data is not None:
        raise ValueError(
            "--engine ray reads files of texts, JSON lines, CSV and Parquet, which every machine "
            "can open. Save what comes from stdin to a file, and write JSON with one object per "
            "line, e.g. with `jq -c '.[]'`."
        )
    return {name: getattr(part, name) for name in _PLACE}

"""Loggers for `training.logger`, beside spaCy's. `spacy.ChainLogger.v1` combines them."""

import json
import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from timeit import default_timer
from typing import IO, Any

import torch
from spacy.language import Language
from spacy.util import dict_to_dot, registry

from ..layers.tagger import LR_SCALE
from ..pipeline.component import crf_pipes
from ..util import replacing

# What spaCy knows about a step; None for a step without an evaluation.
Info = dict[str, Any] | None
LogStep = Callable[[Info], None]
Logger = Callable[[Language, IO, IO], tuple[LogStep, Callable[[], None]]]
LINES, EVENTS = "training.jsonl", "tensorboard"
MEGABYTE = 1e6


def json_lines_logger(path: str | None = None) -> Logger:
    """Write a line of JSON at each evaluation: epoch, step, seconds, losses, scores, learning
    rates, speed and memory.

    The lines of earlier steps that are in the file stay, so that a training that is resumed goes on
    with it, and one that begins anew replaces it.

    path (str | None): The file; None for training.jsonl in the folder of model-last.
    RETURNS (Logger): The logger.
    """

    def setup(
        nlp: Language, stdout: IO = sys.stdout, stderr: IO = sys.stderr
    ) -> tuple[LogStep, Callable[[], None]]:
        record = _Recorder(nlp)
        file: IO | None = None
        seconds_before = 0.0

        def log_step(info: Info) -> None:
            nonlocal file, seconds_before
            line = record(info)
            target = _place(path, info, LINES)
            if line is None or target is None:
                return
            if file is None:
                earlier = _keep_lines_before(target, line["step"])
                seconds_before = earlier[-1]["seconds"] if earlier else 0.0
                file = target.open("a", encoding="utf8")
            line["seconds"] += seconds_before
            file.write(_to_json(line))
            file.flush()

        def finish() -> None:
            if file is not None:
                file.close()

        return log_step, finish

    return setup


def tensorboard_logger(path: str | None = None) -> Logger:
    """Write for TensorBoard what `json_lines_logger` writes, at each evaluation. What a training
    that is resumed had written after its checkpoint is replaced.

    path (str | None): The folder; None for tensorboard in the folder of model-last.
    RETURNS (Logger): The logger.
    RAISES: ImportError if TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ImportError(
            "spacy_crf_ner.TensorBoardLogger.v1 needs TensorBoard: pip install tensorboard"
        ) from error

    def setup(
        nlp: Language, stdout: IO = sys.stdout, stderr: IO = sys.stderr
    ) -> tuple[LogStep, Callable[[], None]]:
        record = _Recorder(nlp)
        writer: SummaryWriter | None = None

        def log_step(info: Info) -> None:
            nonlocal writer
            line = record(info)
            target = _place(path, info, EVENTS)
            if line is None or target is None:
                return
            step = line.pop("step")
            if writer is None:
                writer = SummaryWriter(str(target), purge_step=step)
            for name, value in dict_to_dot(line).items():
                if isinstance(value, (int, float)):
                    writer.add_scalar(name.replace(".", "/"), value, step)
            writer.flush()

        def finish() -> None:
            if writer is not None:
                writer.close()

        return log_step, finish

    return setup


class _Recorder:
    """Makes of what spaCy knows about a step what is logged."""

    def __init__(self, nlp: Language) -> None:
        training = nlp.config.interpolate()["training"]
        # spaCy does not tell loggers the learning rate. This one is moved on in the same way.
        self._optimizer = registry.resolve({"optimizer": training["optimizer"]})["optimizer"]
        self._n_schedule_steps = 0
        self._scales = dict(_learn_rate_scales(nlp))
        self._start = default_timer()
        # The end of the step before, unless there was an evaluation in it.
        self._before: float | None = None
        self._train_seconds = 0.0
        self._n_timed = 0
        # The step and the number of words at the line before.
        self._earlier: tuple[int, int] | None = None

    def __call__(self, info: Info) -> dict[str, Any] | None:
        """Must be called for each step. Returns a line if there was an evaluation."""
        now = default_timer()
        if info is None:
            if self._before is not None:
                self._train_seconds += now - self._before
                self._n_timed += 1
            self._before = now
            return None
        rate = self._learn_rate(info["step"])
        line = {
            "epoch": info["epoch"],
            "step": info["step"],
            "seconds": now - self._start,
            "losses": {name: float(loss) for name, loss in info["losses"].items()},
            "score": float(info["score"]),
            "scores": info["other_scores"],
            "learn_rates": {name: rate * scale for name, scale in self._scales.items()},
            "words_per_second": self._words_per_second(info),
            "memory_mb": _peak_memory(),
        }
        if torch.cuda.is_initialized():
            line["gpu_memory_mb"] = torch.cuda.max_memory_reserved() / MEGABYTE
        self._earlier = info["step"], info["words"]
        self._before, self._train_seconds, self._n_timed = None, 0.0, 0
        return _finite(line)

    def _learn_rate(self, step: int) -> float:
        while self._n_schedule_steps < step:
            self._optimizer.step_schedules()
            self._n_schedule_steps += 1
        return float(self._optimizer.learn_rate)

    def _words_per_second(self, info: dict[str, Any]) -> float | None:
        """The words of a step since the line before, by the time of one. Steps that the time of
        evaluating or saving falls into are not timed."""
        if self._earlier is None or not self._n_timed:
            return None
        step, words = self._earlier
        words_per_step = (info["words"] - words) / (info["step"] - step)
        return words_per_step / (self._train_seconds / self._n_timed)


def _learn_rate_scales(nlp: Language) -> Iterator[tuple[str, float]]:
    """What the optimizer's rate is multiplied by, for each part of a network that has a factor."""
    yield "optimizer", 1.0
    for name, pipe in crf_pipes(nlp).items():
        for part in ("tok2vec", "output_layer", "crf"):
            yield f"{name}.{part}", pipe.model.get_ref(part).attrs.get(LR_SCALE, 1.0)


def _place(path: str | None, info: Info, name: str) -> Path | None:
    """Where to write; None if spaCy saves nothing, or not in this step."""
    if path is not None:
        return Path(path)
    saved = (info or {}).get("output_path")
    return Path(saved).parent / name if saved else None


def _keep_lines_before(path: Path, step: int) -> list[dict[str, Any]]:
    """Remove the lines of this step and later ones from a log, if there is one. Returns the
    others."""
    kept = []
    if path.is_file():
        for text in path.read_text(encoding="utf8").split("\n"):
            try:
                line = json.loads(text)
            except ValueError:  # half a line of a training that was killed, or the end
                continue
            if line["step"] < step:
                kept.append(line)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_text("".join(map(_to_json, kept)), encoding="utf8")
    return kept


def _to_json(line: dict[str, Any]) -> str:
    return json.dumps(line, ensure_ascii=False, allow_nan=False, default=float) + "\n"


def _finite(value: Any) -> Any:
    """The value with None for numbers that are not finite, which JSON lacks."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _peak_memory() -> float | None:
    """The largest resident memory of this process so far; None on Windows."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / MEGABYTE if sys.platform == "darwin" else peak * 1024 / MEGABYTE

"""The search: one training after the other, and what is written after each."""

import configparser
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from spacy.util import CONFIG_SECTION_ORDER, load_model_from_config
from thinc.api import Config

from ..project.config import arrange
from ..util import CorpusError, read_lines, replacing
from .history import write_history
from .space import Space, check_space, own_params, read_space, to_values, with_values
from .study import SharedStudy, best_of
from .trial import train_once

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial, Trial

BEST, HISTORY = "best.cfg", "history.html"
# What a setting may cause: one that makes no sense, a loss that is not finite, too little memory.
_FAILURES = (ValueError, MemoryError, torch.cuda.OutOfMemoryError)


@dataclass(frozen=True)
class Search:
    """What is searched.

    path (Path): The config file.
    source (str): Its content.
    config (Config): The config with the settings of the command line, not interpolated.
    filled (Config): The same with all defaults.
    space (Space): The search space, without the settings of the command line.
    fixed (list[str]): The settings of the space that the command line fixes.
    """

    path: Path
    source: str
    config: Config
    filled: Config
    space: Space
    fixed: list[str]

    @property
    def own(self) -> tuple[dict[str, Any], list[str]]:
        """The config's own values, as Optuna calls them, and what is not in the space."""
        return own_params(self.space, self.filled)

    @property
    def warmup_steps(self) -> int:
        """Training steps before a trial may be pruned: a quarter, and more than one evaluation."""
        training = self.filled.interpolate()["training"]
        return max(training["max_steps"] // 4, training["eval_frequency"] + 1)

    def settings(self, metric: str | None, seed: int) -> dict[str, Any]:
        """What the scores and the search depend on.

        metric (str | None): The score, None for the config's own.
        seed (int): The seed of the search.
        RETURNS (dict[str, Any]): All settings by name, as JSON.
        """
        ranges = {f"the values for {name}": repr(values) for name, values in self.space.items()}
        return {"--metric": metric, "--seed": seed, **_flatten(self.config), **ranges}


def prepare_search(path: Path, space_path: Path, overrides: dict[str, Any]) -> Search:
    """Read a config and a search space for it.

    path (Path): The config.
    space_path (Path): The search space.
    overrides (dict[str, Any]): Settings of the config to change, by dotted name. What of these is
        in the space is not searched.
    RETURNS (Search): What to search.
    RAISES: CorpusError if a file cannot be read; ValueError if one is not what it should be.
    """
    source = "\n".join(read_lines(path))
    space = read_space(space_path)
    try:
        config = _parse(source, overrides)
    except configparser.Error as error:
        raise CorpusError(" ".join(str(error).split()), path) from None
    filled = load_model_from_config(config, auto_fill=True, validate=False).config
    check_space(space, filled, space_path)
    fixed = [name for name in space if name in overrides]
    searched = {name: values for name, values in space.items() if name not in overrides}
    if not searched:
        raise ValueError(f"{space_path}: the command line fixes all settings: nothing to tune.")
    return Search(path, source, config, filled, searched, fixed)


def run_trials(
    search: Search,
    shared: SharedStudy,
    folder: Path,
    n_trials: int,
    *,
    metric: str | None = None,
    use_gpu: int = -1,
    seconds: float | None = None,
) -> Iterator["FrozenTrial"]:
    """Train until a study has enough trials. After each, write the best config and the history.

    search (Search): What to search.
    shared (SharedStudy): The study.
    folder (Path): The folder for both.
    n_trials (int): The number of trials that the study should have.
    metric (str | None): The score, None for the config's own.
    use_gpu (int): The GPU, or -1 for the CPU.
    seconds (float | None): No trial is started after that time.
    YIELDS (FrozenTrial): Each trial that this process has finished.
    RAISES: ValueError if the first trial fails, because the config is to blame then.
    """

    def train(trial: "Trial", report: Callable[[int, float], None]) -> float:
        config = with_values(search.config, to_values(search.space, trial.params))
        return train_once(config, report, metric=metric, use_gpu=use_gpu)

    end = None if seconds is None else time.monotonic() + seconds
    while end is None or time.monotonic() < end:
        trial = shared.ask(n_trials)
        if trial is None:
            return
        finished = shared.tell(trial, _try(trial, train, may_fail=bool(shared.finished())))
        with shared.workers.alone():
            write_best(search, shared, folder / BEST)
            write_history(shared.study, search.space, search.own[0], folder / HISTORY)
        yield finished


def write_best(search: Search, shared: SharedStudy, path: Path) -> None:
    """Write the config with the values of the best trial.

    search (Search): What was searched.
    shared (SharedStudy): The study.
    path (Path): The file. It has the comments and the variables of the config, and is not changed
        by the command line. Nothing is written if no trial is complete.
    """
    best = best_of(shared.finished())
    if best is None:
        return
    values = to_values(search.space, best.params)
    config = with_values(_parse(search.source), values)
    text = arrange(config.to_str(interpolate=False), search.source)
    head = (
        f"# {search.path.name} with the values that `python -m spacy crf tune` found in trial "
        f"{best.number}.\n# It scored {best.value:.4f} on the dev corpus.\n\n"
    )
    with replacing(path) as temporary:
        temporary.write_text(head + text, encoding="utf8")


def _try(trial: "Trial", train: Callable[..., float], *, may_fail: bool) -> float | str | None:
    """Train, and return what `SharedStudy.tell` takes."""
    from optuna import TrialPruned

    def report(step: int, score: float) -> None:
        trial.report(score, step)
        if trial.should_prune():
            raise TrialPruned

    try:
        return train(trial, report)
    except TrialPruned:
        return None
    except _FAILURES as error:
        if not may_fail:
            raise
        return str(error) or type(error).__name__


def _parse(source: str, overrides: dict[str, Any] = {}) -> Config:  # noqa: B006
    config = Config(section_order=CONFIG_SECTION_ORDER)
    return config.from_str(source, interpolate=False, overrides=overrides)


def _flatten(node: dict[str, Any], above: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in node.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{above}{key}.")
        else:
            flat[f"{above}{key}"] = value
    return flat

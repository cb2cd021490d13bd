"""A study: trials that several processes share, and that outlive each of them."""

import random
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..util import CorpusError
from .space import Space
from .storage import Workers

if TYPE_CHECKING:
    from optuna import Study
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial, Trial

_NAME = "tune"
_SETTINGS, _WORKER, ERROR = "settings", "worker", "error"
# So many trials finish before others are pruned, which are compared with their median.
_FINISH_FIRST = 5


@dataclass
class SharedStudy:
    """A study and this process's part in it.

    study (Study): Optuna's study.
    space (Space): The search space.
    workers (Workers): All processes that work on the study.
    worker (str): The name of this one.
    seed (int): The seed of the search.
    """

    study: "Study"
    space: Space
    workers: Workers
    worker: str
    seed: int

    def ask(self, n_trials: int) -> "Trial | None":
        """Start the next trial.

        n_trials (int): The number of trials that the study should have.
        RETURNS (Trial | None): The trial; None if that many are finished or running.
        """
        with self.workers.alone():
            retry_lost(self.study, self.workers)
            trials = self.study.get_trials(deepcopy=False)
            if sum(is_done(t) or _is_running(t) for t in trials) >= n_trials:
                return None
            self.study.sampler = _make_sampler(self.seed, len(trials))
            distributions = {name: values.distribution() for name, values in self.space.items()}
            trial = self.study.ask(distributions)
            trial.set_user_attr(_WORKER, self.worker)
            return trial

    def tell(self, trial: "Trial", result: float | str | None) -> "FrozenTrial":
        """Finish a trial.

        trial (Trial): The trial.
        result (float | str | None): Its score; or its error; or None if it was pruned.
        RETURNS (FrozenTrial): What is kept of it.
        """
        from optuna.trial import TrialState

        with self.workers.alone():
            if isinstance(result, str):
                trial.set_user_attr(ERROR, result)
                return self.study.tell(trial, state=TrialState.FAIL)
            if result is None:
                return self.study.tell(trial, state=TrialState.PRUNED)
            return self.study.tell(trial, result)

    def finished(self) -> list["FrozenTrial"]:
        """The trials that are finished: complete, pruned or failed with an error.

        RETURNS (list[FrozenTrial]): The trials.
        """
        return [trial for trial in self.study.get_trials(deepcopy=False) if is_done(trial)]


@contextmanager
def open_study(
    folder: Path,
    space: Space,
    settings: dict[str, Any],
    own: dict[str, Any] | None,
    *,
    seed: int,
    warmup_steps: int,
) -> Iterator[SharedStudy]:
    """Make a study, or go on with one.

    folder (Path): The folder of the study.
    space (Space): The search space.
    settings (dict[str, Any]): What the scores depend on, as JSON.
    own (dict[str, Any] | None): The config's own values, as Optuna calls them, for the first trial.
    seed (int): The seed of the search.
    warmup_steps (int): Training steps before a trial may be pruned.
    YIELDS (SharedStudy): The study.
    RAISES: CorpusError if the study in the folder has other settings.
    """
    from optuna.pruners import MedianPruner

    workers = Workers(folder)
    pruner = MedianPruner(n_startup_trials=_FINISH_FIRST, n_warmup_steps=warmup_steps)
    with workers.join() as worker:
        with workers.alone():
            study = _load_or_create(workers, folder, settings, pruner)
            if own is not None and not study.get_trials(deepcopy=False):
                study.enqueue_trial(own)
        yield SharedStudy(study, space, workers, worker, seed)


def read_study(folder: Path) -> "Study":
    """Read a study, without working on it.

    folder (Path): The folder of the study.
    RETURNS (Study): Optuna's study.
    RAISES: CorpusError if there is none.
    """
    import optuna

    workers = Workers(folder)
    if not workers.folder.is_dir():
        raise CorpusError("no study. `python -m spacy crf tune --output` makes one.", folder)
    return optuna.load_study(study_name=_NAME, storage=workers.open_storage())


def is_done(trial: "FrozenTrial") -> bool:
    """Whether a trial came to an end, other than by being killed.

    trial (FrozenTrial): The trial.
    RETURNS (bool): Whether it is complete, pruned or failed with an error.
    """
    from optuna.trial import TrialState

    if trial.state == TrialState.FAIL:
        return ERROR in trial.user_attrs
    return trial.state in (TrialState.COMPLETE, TrialState.PRUNED)


def best_of(trials: Sequence["FrozenTrial"]) -> "FrozenTrial | None":
    """The best of some trials.

    trials (Sequence[FrozenTrial]): The trials.
    RETURNS (FrozenTrial | None): The first of the complete ones with the best score, if there are
        any.
    """
    complete = [trial for trial in trials if trial.state.name == "COMPLETE"]
    return max(complete, key=lambda trial: trial.value or 0.0, default=None)


def retry_lost(study: "Study", workers: Workers) -> None:
    """Queue the trials of killed workers again. Only one worker may do so at a time.

    study (Study): The study.
    workers (Workers): Its workers.
    """
    from optuna.trial import TrialState

    for trial in study.get_trials(deepcopy=False):
        if _is_running(trial) and not workers.is_alive(trial.user_attrs.get(_WORKER, "")):
            # It may have been killed before it got all of its queued values.
            params = trial.system_attrs.get("fixed_params") or trial.params
            if params:
                study.enqueue_trial(params)
            study.tell(trial.number, state=TrialState.FAIL)


def _is_running(trial: "FrozenTrial") -> bool:
    from optuna.trial import TrialState

    return trial.state == TrialState.RUNNING


def _load_or_create(
    workers: Workers, folder: Path, settings: dict[str, Any], pruner: "BasePruner"
) -> "Study":
    import optuna

    storage = workers.open_storage()
    if _NAME in optuna.get_all_study_names(storage):
        study = optuna.load_study(study_name=_NAME, storage=storage, pruner=pruner)
        retry_lost(study, workers)
        before = study.user_attrs.get(_SETTINGS, {})
        if before == settings:
            return study
        if any(is_done(t) or _is_running(t) for t in study.get_trials(deepcopy=False)):
            raise CorpusError(_describe_change(before, settings), folder)
        optuna.delete_study(study_name=_NAME, storage=storage)
    study = optuna.create_study(
        study_name=_NAME, storage=storage, pruner=pruner, direction="maximize"
    )
    study.set_user_attr(_SETTINGS, settings)
    return study


def _describe_change(before: dict[str, Any], now: dict[str, Any]) -> str:
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    changes = ", ".join(f"{n} was {before.get(n)!r}, now {now.get(n)!r}" for n in names[:5])
    return (
        f"there is a study with other settings: {changes}. Repeat its command to go on with it, "
        "or name another folder."
    )


def _make_sampler(seed: int, number: int) -> "BaseSampler":
    """A sampler for one trial. A sampler with the same seed for all of them would begin anew with
    the same numbers in each process."""
    from optuna.exceptions import ExperimentalWarning
    from optuna.samplers import TPESampler

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        # constant_liar: workers keep away from what others are trying.
        return TPESampler(
            multivariate=True,
            constant_liar=True,
            seed=random.Random(f"{seed} {number}").getrandbits(32),
        )

"""Pictures of a study."""

import warnings
from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from .study import best_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from optuna import Study
    from optuna.trial import FrozenTrial

_BEST, _COMPLETE, _PRUNED = "#b3261e", "#1f5fa8", "#b0b0b0"
# So many complete trials say something about which setting matters.
ENOUGH = 8


def plot_history(trials: Sequence["FrozenTrial"], axes: "Axes") -> None:
    """Plot the score of each trial, and the best one so far.

    trials (Sequence[FrozenTrial]): The finished trials.
    axes (Axes): Where to plot.
    """
    for state, color in (("PRUNED", _PRUNED), ("COMPLETE", _COMPLETE)):
        shown = [trial for trial in trials if trial.state.name == state]
        numbers = [trial.number for trial in shown]
        scores = [100 * (trial.value or 0.0) for trial in shown]
        axes.scatter(numbers, scores, color=color, s=16, label=state.lower(), zorder=2)
    best = list(accumulate(scores, max))
    axes.step(numbers, best, where="post", color=_BEST, label="best so far", zorder=1)
    axes.set(title="History", xlabel="trial", ylabel="score on dev")
    axes.legend(loc="lower right")


def plot_curves(trials: Sequence["FrozenTrial"], axes: "Axes") -> None:
    """Plot the scores during each training.

    trials (Sequence[FrozenTrial]): The finished trials.
    axes (Axes): Where to plot.
    """
    best = best_of(trials)
    for trial in trials:
        color = _COMPLETE if trial.state.name == "COMPLETE" else _PRUNED
        steps = sorted(trial.intermediate_values)
        scores = [100 * trial.intermediate_values[step] for step in steps]
        is_best = trial is best
        axes.plot(
            steps,
            scores,
            color=_BEST if is_best else color,
            linewidth=2 if is_best else 0.8,
            label=f"trial {trial.number}, the best" if is_best else None,
            zorder=2 if is_best else 1,
        )
    axes.set(title="Learning curves (grey: pruned)", xlabel="step", ylabel="score on dev")
    if best is not None:
        axes.legend(loc="lower right")


def plot_importance(importance: dict[str, float], axes: "Axes") -> None:
    """Plot how much each setting matters.

    importance (dict[str, float]): The shares by name.
    axes (Axes): Where to plot.
    """
    names = sorted(importance, key=importance.__getitem__)
    axes.barh(names, [100 * importance[name] for name in names], color=_COMPLETE)
    axes.set(title="Importance", xlabel="share, percent")


def plot_study(study: "Study", trials: Sequence["FrozenTrial"]) -> "Figure":
    """Plot the history, the learning curves, and the importance if there are enough trials.

    study (Study): The study.
    trials (Sequence[FrozenTrial]): Its finished trials.
    RETURNS (Figure): The figure.
    """
    from matplotlib.figure import Figure

    importance = find_importance(study)
    n_plots = 3 if importance else 2
    figure = Figure(figsize=(8, 3.2 * n_plots), layout="constrained")
    axes = figure.subplots(n_plots)
    plot_history(trials, axes[0])
    plot_curves(trials, axes[1])
    if importance:
        plot_importance({short_name(n, importance): x for n, x in importance.items()}, axes[2])
    return figure


def find_importance(study: "Study") -> dict[str, float]:
    """How much each setting matters for being among the best quarter of the complete trials, by
    PED-ANOVA (Watanabe et al. 2023, https://arxiv.org/abs/2304.10255).

    study (Study): The study.
    RETURNS (dict[str, float]): The shares by name; empty if there are too few complete trials.
    """
    from optuna.exceptions import ExperimentalWarning
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
    from optuna.trial import TrialState

    complete = study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])
    if len(complete) < ENOUGH:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        # That all scores are the same.
        warnings.simplefilter("ignore", UserWarning)
        evaluator = PedAnovaImportanceEvaluator(target_quantile=0.25)
        return get_param_importances(study, evaluator=evaluator)


def short_name(name: str, names: Any) -> str:
    """A setting's name without the sections that no other needs.

    name (str): The dotted name.
    names (Any): All names.
    RETURNS (str): The shortest end of it that only it has.
    """
    parts = name.split(".")
    ends = (".".join(parts[i:]) for i in range(len(parts) - 1, -1, -1))
    return next(end for end in ends if sum(f".{n}".endswith(f".{end}") for n in names) == 1)

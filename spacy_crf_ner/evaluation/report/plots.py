"""Plots as SVG that is part of the page: its colours are the page's, light or dark."""

import re
from collections.abc import Callable, Sequence
from io import StringIO
from typing import TYPE_CHECKING, Any

from ..calibration import N_BINS, Bin
from .learning_curve import Evaluation
from .thresholds import Point

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# What is drawn in these colours gets those of the page's style sheet.
INK, GRID, FIRST, SECOND, THIRD = "#010101", "#020202", "#030303", "#040404", "#050505"
_COLOURS = {INK: "ink", GRID: "line", FIRST: "first", SECOND: "second", THIRD: "third"}
_SETTINGS: dict[Any, Any] = {
    "axes.edgecolor": GRID,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.5,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "text.color": INK,
    "xtick.color": GRID,
    "xtick.labelcolor": INK,
    "ytick.color": GRID,
    "ytick.labelcolor": INK,
    # Text stays text, in the reader's font, and the same plot gets the same bytes.
    "svg.fonttype": "none",
    "svg.hashsalt": "spacy-crf-ner",
}


def plot_reliability(bins: Sequence[Bin]) -> str:
    """Draw a reliability diagram: accuracy by confidence, and the number of entities.

    bins (Sequence[Bin]): What `calibration.reliability` returned.
    RETURNS (str): The SVG.
    """
    filled = [b for b in bins if b.count]
    width = 1 / N_BINS

    def draw(top: "Axes", below: "Axes") -> None:
        top.bar(
            [b.low for b in filled],
            [b.accuracy or 0.0 for b in filled],
            width * 0.94,
            align="edge",
            color=FIRST,
            label="share that is correct",
        )
        top.plot([0, 1], [0, 1], "--", color=INK, linewidth=1, label="perfect calibration")
        top.plot(
            [b.confidence or 0.0 for b in filled],
            [b.accuracy or 0.0 for b in filled],
            "o",
            color=SECOND,
            label="mean confidence",
        )
        top.set(ylabel="share that is correct", ylim=(0, 1))
        _add_legend(top)
        below.bar(
            [b.low for b in bins], [b.count for b in bins], width * 0.94, align="edge", color=FIRST
        )
        below.set(xlabel="confidence", ylabel="entities", xlim=(0, 1))

    return _draw("reliability", "Reliability diagram", draw, n_rows=2)


def plot_thresholds(points: Sequence[Point], threshold: float, best: float) -> str:
    """Draw precision, recall and F1 against the threshold.

    points (Sequence[Point]): What `score_thresholds` returned.
    threshold (float): That of the component.
    best (float): The one with the highest F1.
    RETURNS (str): The SVG.
    """
    x = [point.threshold for point in points]

    def draw(axes: "Axes") -> None:
        axes.plot(x, _percent(p.counts.f1 for p in points), color=FIRST, linewidth=2.5, label="F1")
        axes.plot(x, _percent(p.counts.precision for p in points), color=SECOND, label="precision")
        axes.plot(x, _percent(p.counts.recall for p in points), "--", color=THIRD, label="recall")
        axes.axvline(threshold, color=INK, label=f"its own threshold, {threshold:.2f}")
        axes.axvline(best, color=INK, linestyle=":", label=f"highest F1 here, {best:.2f}")
        axes.set(xlabel="threshold", ylabel="per cent", xlim=(0, 1))
        _add_legend(axes)

    return _draw("thresholds", "Precision, recall and F1 against the threshold", draw)


def plot_learning_curve(evaluations: Sequence[Evaluation]) -> str:
    """Draw the scores and the loss of a training against its steps.

    evaluations (Sequence[Evaluation]): What `read_log` returned.
    RETURNS (str): The SVG.
    """
    steps = [e.step for e in evaluations]
    styles: dict[str, dict[str, Any]] = {
        "ents_f": {"color": FIRST, "linewidth": 2.5, "label": "F1"},
        "ents_p": {"color": SECOND, "label": "precision"},
        "ents_r": {"color": THIRD, "linestyle": "--", "label": "recall"},
    }
    named = {
        key: style for key, style in styles.items() if any(key in e.scores for e in evaluations)
    }

    def draw(top: "Axes", below: "Axes") -> None:
        for key, style in named.items():
            top.plot(steps, _percent(e.scores.get(key) for e in evaluations), **style)
        if not named:
            top.plot(steps, _percent(e.score for e in evaluations), color=FIRST, label="score")
        best = max(evaluations, key=lambda e: e.score or 0.0)
        top.axvline(best.step, color=INK, linestyle=":", label=f"best, step {best.step:,}")
        top.set(ylabel="per cent")
        _add_legend(top)
        below.plot(
            steps, [float("nan") if e.loss is None else e.loss for e in evaluations], color=FIRST
        )
        below.set(xlabel="step", ylabel="loss")

    return _draw("learning", "Scores and loss against training steps", draw, n_rows=2)


def _add_legend(axes: "Axes") -> None:
    """Beside the axes, where it hides nothing."""
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))


def _percent(values: Any) -> list[float]:
    return [float("nan") if value is None else 100 * value for value in values]


def _draw(name: str, title: str, draw: Callable[..., None], *, n_rows: int = 1) -> str:
    """Draw into axes, one above the other, and return the SVG."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    output = StringIO()
    with rc_context(_SETTINGS):
        figure = Figure(figsize=(8, 3.4 if n_rows == 1 else 4.4), layout="constrained")
        ratios = (3, 1)[:n_rows]
        axes = figure.subplots(n_rows, sharex=True, squeeze=False, height_ratios=ratios)
        draw(*axes[:, 0])
        no_metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(output, format="svg", transparent=True, metadata=no_metadata)
    return _fit_into_page(output.getvalue(), name, title)


def _fit_into_page(svg: str, name: str, title: str) -> str:
    """The element alone, with ids that no other plot has, and the colours of the page."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", svg)
    for colour, variable in _COLOURS.items():
        svg = svg.replace(colour, f"var(--{variable})")
    return svg.replace("<svg", f'<svg class="plot" role="img" aria-label="{title}"', 1)

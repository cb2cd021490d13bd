"""The page that shows a study."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment

from ..util import replacing
from .plots import ENOUGH, plot_study, short_name
from .space import Space, to_values
from .study import ERROR, best_of, is_done

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from optuna import Study
    from optuna.trial import FrozenTrial

_PAGE = """\
<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>crf tune</title>
<style>
body { font: 15px/1.5 sans-serif; margin: 2em auto; max-width: 60em; padding: 0 1em }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
td, th { border-bottom: 1px solid #ddd; padding: .2em .7em; text-align: right }
.best { font-weight: bold } .PRUNED { color: #777 } .FAIL { color: #b3261e }
svg { height: auto; max-width: 100% }
</style>
<h1>crf tune</h1>
<p>{{ counts }}. Scores are on the dev corpus, in points. The best of many is too good by chance:
score it on a test corpus before you believe it.</p>
{{ svg | safe }}
<p>A setting is important if its values in the best quarter of the complete trials differ from
those in all of them (PED-ANOVA). It is shown after {{ enough }} complete trials.</p>
<table>
<tr><th>trial<th>score<th>steps<th>minutes{% for name in names %}<th>{{ name }}{% endfor %}
{% for row in rows %}
<tr class="{{ row.css }}"><td>{{ row.number }}<td>{{ row.score }}<td>{{ row.steps }}\
<td>{{ row.minutes }}{% for value in row["values"] %}<td>{{ value }}{% endfor %}
{% endfor %}
</table>
</html>
"""


def write_history(study: "Study", space: Space, own: dict[str, Any], path: Path) -> None:
    """Write a page with the history, the learning curves, the importance and all trials of a study.

    study (Study): The study.
    space (Space): The search space.
    own (dict[str, Any]): The config's own values, as Optuna calls them, to be marked.
    path (Path): The HTML file, which needs no other file.
    """
    trials = [trial for trial in study.get_trials(deepcopy=False) if is_done(trial)]
    page = Environment(autoescape=True).from_string(_PAGE)
    html = page.render(
        enough=ENOUGH,
        counts=count_trials(trials),
        svg=_to_svg(plot_study(study, trials)),
        names=[short_name(name, space) for name in space],
        rows=[_make_row(trial, best_of(trials), space, own) for trial in trials],
    )
    with replacing(path) as temporary:
        temporary.write_text(html, encoding="utf8")


def count_trials(trials: list["FrozenTrial"]) -> str:
    """Say how trials ended.

    trials (list[FrozenTrial]): The finished trials.
    RETURNS (str): Some words.
    """
    states = [trial.state.name for trial in trials]
    complete, pruned, failed = (states.count(state) for state in ("COMPLETE", "PRUNED", "FAIL"))
    return f"{len(trials)} trials: {complete} complete, {pruned} pruned, {failed} failed"


def show_score(trial: "FrozenTrial") -> str:
    """The score of a trial, or why there is none.

    trial (FrozenTrial): The finished trial.
    RETURNS (str): Some words.
    """
    if trial.state.name == "FAIL":
        return f"failed: {trial.user_attrs[ERROR]}"
    score = f"{100 * (trial.value or 0.0):.2f}"
    return f"pruned at {score}" if trial.state.name == "PRUNED" else score


def show_value(value: Any) -> str:
    """A value of a setting, for people.

    value (Any): The value.
    RETURNS (str): Numbers with four digits, others as they are.
    """
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def minutes_of(trial: "FrozenTrial") -> float:
    """How long a trial took.

    trial (FrozenTrial): The finished trial.
    RETURNS (float): Minutes.
    """
    return trial.duration.total_seconds() / 60 if trial.duration else 0.0


def _make_row(
    trial: "FrozenTrial", best: "FrozenTrial | None", space: Space, own: dict[str, Any]
) -> dict[str, Any]:
    return {
        "css": f"{trial.state.name} {'best' if trial is best else ''}",
        "number": f"{trial.number} (config)" if trial.params == own else trial.number,
        "score": show_score(trial),
        "steps": trial.last_step,
        "minutes": f"{minutes_of(trial):.1f}",
        "values": [show_value(value) for value in to_values(space, trial.params).values()],
    }


def _to_svg(figure: "Figure") -> str:
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    text = file.getvalue()
    return text[text.index("<svg") :]

"""`python -m spacy crf tune`: search for better values of a training config."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from spacy.cli._util import import_code, parse_config_overrides
from wasabi import msg

from ..tuning.history import count_trials, minutes_of, show_score, show_value
from ..tuning.plots import short_name
from ..tuning.run import BEST, HISTORY, Search, prepare_search, run_trials
from ..tuning.space import to_values
from ..tuning.storage import require_packages
from ..tuning.study import SharedStudy, best_of, open_study
from .errors import exit_with
from .gpu import GpuId, use_gpu

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


def tune_cli(
    ctx: typer.Context,
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="Training config")],
    space: Annotated[
        Path,
        typer.Argument(metavar="SPACE", help="The values to try, in the syntax of the config"),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of the study, for best.cfg too")
    ],
    trials: Annotated[
        int, typer.Option(min=1, help="Trainings in all, with those of earlier runs")
    ] = 40,
    metric: Annotated[
        str | None,
        typer.Option(help="Score to improve, such as ents_f; by default, the config's own"),
    ] = None,
    seed: Annotated[
        int, typer.Option(help="Seed of the search. That of training is in the config")
    ] = 0,
    timeout: Annotated[
        float | None, typer.Option(min=0, help="Minutes after which no training is started")
    ] = None,
    code: Annotated[
        Path | None,
        typer.Option("--code", "-c", help="Python file to import before, for its names"),
    ] = None,
    gpu_id: GpuId = -1,
) -> None:
    """Search for values of a config that score higher on the dev corpus. Settings are changed as in
    `spacy train`, for example --paths.train corpus/train.spacy, and are not searched then.

    Repeat the command to go on if it was stopped or killed; start it several times at once to
    search with several processes.
    """
    args = list(ctx.args)  # parsing empties ctx.args
    overrides = parse_config_overrides(ctx.args)
    use_gpu(gpu_id)
    try:
        require_packages()
        import_code(code)
        search = prepare_search(config, space, overrides)
        own, outside = search.own
        with open_study(
            output,
            search.space,
            search.settings(metric, seed),
            None if outside else own,
            seed=seed,
            warmup_steps=search.warmup_steps,
        ) as shared:
            _show_start(search, shared, outside, trials)
            for trial in run_trials(
                search,
                shared,
                output,
                trials,
                metric=metric,
                use_gpu=gpu_id,
                seconds=None if timeout is None else 60 * timeout,
            ):
                typer.echo(_describe(trial, search, shared))
            _show_end(search, shared, output, args)
    except (ImportError, OSError, ValueError) as error:
        exit_with(error)


def _show_start(search: Search, shared: SharedStudy, outside: list[str], n_trials: int) -> None:
    for name in search.fixed:
        msg.info(f"not searched, because the command line sets it: {name}")
    for name in outside:
        msg.warn(
            f"the config's own {name} is not in the search space: there is no trial with the "
            "config's own values to compare with"
        )
    done = shared.finished()
    if done:
        msg.info(f"going on after {count_trials(done)}")
    msg.info(f"{n_trials} trials of {len(search.space)} settings")


def _describe(trial: "FrozenTrial", search: Search, shared: SharedStudy) -> str:
    """A line on a trial: its score, the best one so far, and where it differs from the config."""
    own, _ = search.own
    values = to_values(search.space, trial.params)
    changes = [
        f"{short_name(name, search.space)} {show_value(value)}"
        for name, value in values.items()
        if trial.params[name] != own[name]
    ]
    best = best_of(shared.finished())
    so_far = "" if best is None else f"  best {show_score(best)} (trial {best.number})"
    return (
        f"trial {trial.number:3}  {show_score(trial)}{so_far}  {minutes_of(trial):.1f} min  "
        f"{', '.join(changes) or 'the values of the config'}"
    )


def _show_end(search: Search, shared: SharedStudy, output: Path, args: list[str]) -> None:
    best = best_of(shared.finished())
    msg.info(count_trials(shared.finished()))
    if best is None:
        return
    own, _ = search.own
    first = next((t for t in shared.finished() if t.params == own), None)
    compared = f"; the values of the config: {show_score(first)}" if first else ""
    msg.info(f"best: trial {best.number}, {show_score(best)}{compared}")
    msg.good(f"written: {output / HISTORY}")
    msg.good(f"written: {output / BEST}")
    command = ["python", "-m", "spacy", "train", str(output / BEST), "--output", "training/best"]
    typer.echo(f"To train with it: {shlex.join([*command, *args])}")

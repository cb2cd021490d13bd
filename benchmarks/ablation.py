"""`python -m benchmarks.ablation`: what each part of a training config is worth."""

import json
import platform
import re
from collections.abc import Callable, Sequence
from configparser import Error as ConfigParserError
from copy import deepcopy
from datetime import date
from importlib.metadata import version
from pathlib import Path
from statistics import mean, stdev
from time import process_time
from typing import Annotated, Any, NamedTuple

import srsly
import torch
import typer
from spacy.cli._util import parse_config_overrides
from spacy.cli.train import train
from spacy.language import DEFAULT_CONFIG
from spacy.schemas import ConfigSchemaInit, ConfigSchemaTraining
from spacy.scorer import Scorer
from spacy.util import CONFIG_SECTION_ORDER, load_config, load_model_from_config, registry
from thinc.api import Config
from wasabi import msg

from spacy_crf_ner.cli.errors import exit_with
from spacy_crf_ner.cli.overrides import CONTEXT
from spacy_crf_ner.util import read_lines, replacing

from .report import write_table

ALL = "all"
F, MACRO_F = "ents_f", "ents_macro_f"
# Files in the folder of each training: its config, and its scores once it is finished.
CONFIG, FINISHED = "config.cfg", "scores.json"
# The time that the processor spent on a training. That of a clock depends on what else runs.
MINUTES = "cpu_minutes"
HEADER = ("variant", "F1", "macro F1", f"F1 minus {ALL}", "CPU minutes")

Scores = dict[str, float]
Results = dict[str, list[Scores]]
app = typer.Typer(add_completion=False)


@app.command(context_settings=CONTEXT)
def main(
    ctx: typer.Context,
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="Training config")],
    corpus: Annotated[
        Path, typer.Argument(metavar="CORPUS", help="Folder of train.spacy and dev.spacy")
    ],
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="Folder for all results")],
    variants: Annotated[
        Path, typer.Argument(metavar="VARIANTS", help="JSON file of changes to the config")
    ],
    seeds: Annotated[int, typer.Option(min=1, help="Trainings per variant, with seeds from 0")] = 3,
) -> None:
    """Train with the config and with each variant of it, with several seeds, and compare the scores
    on dev. A second run trains only what is unfinished or has a different config now. Use another
    OUTPUT for another corpus with the same name. Settings of the config are changed as in
    `spacy train`, for example --training.max_steps 1000."""
    overrides = parse_config_overrides(ctx.args)
    try:
        configs = ablation_configs(config, corpus, read_variants(variants), overrides)
    except (OSError, ValueError) as error:
        exit_with(error)
    results = run_ablation(configs, output, seeds, msg.divider)
    rows = ablation_rows(results)
    steps = configs[ALL]["training"]["max_steps"]
    packages = ", ".join(f"{name} {version(name)}" for name in ("spacy-crf-ner", "spacy", "torch"))
    summary = (
        f"{config.name} on dev of {corpus.name}, points; mean ± standard deviation; differences "
        f"are taken per seed; seeds: {seeds}; {steps:,} steps; {platform.machine()}, "
        f"{torch.get_num_threads()} threads, Python {platform.python_version()}, {packages}, "
        f"{date.today()}"
    )
    msg.table(rows, header=HEADER, aligns=tuple("lrrrr"), divider=True)
    msg.info(summary)
    write_table(output / "ablation.md", HEADER, rows, summary)
    try:
        plot_ablation(results, output / "ablation.png")
    except ImportError:
        exit_with("A picture needs matplotlib: pip install 'spacy-crf-ner[report]'.")
    msg.good(f"written: {output / 'ablation.png'}")


class Variant(NamedTuple):
    """A change to a config. Paths are those of spaCy's overrides, such as "training.dropout".

    source (Path): The file with the variant.
    name (str): Its name.
    remove (list[str]): The paths of sections and settings to remove. This is done first.
    set (dict[str, Any]): Values by path. A dict replaces a whole section.
    """

    source: Path
    name: str
    remove: list[str]
    set: dict[str, Any]

    def error(self, problem: str) -> ValueError:
        """The error to raise if something is wrong with the variant.

        problem (str): What is wrong and what to do about it.
        RETURNS (ValueError): The error, with the file and the name.
        """
        return ValueError(f'{self.source}: variant "{self.name}": {problem}')


def read_variants(path: Path) -> list[Variant]:
    """Read variants of a config.

    path (Path): A JSON file, such as {"no dropout": {"set": {"training.dropout": 0.0}}}.
    RETURNS (list[Variant]): The variants.
    RAISES: ValueError, with file, variant and remedy, for any other content.
    """
    try:
        content = json.loads("\n".join(read_lines(path)))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}, line {error.lineno}: this is no JSON: {error.msg}.") from None
    if not isinstance(content, dict) or not content:
        raise ValueError(f'{path}: expected variants by name: {{"name": {{"set": {{…}}}}, …}}.')
    folders = {ALL: ALL}
    variants = []
    for name, changes in content.items():
        variant = Variant(path, name, [], {})
        folder = _slug(name)
        if not folder or folder in folders:
            rival = f'that of "{folders[folder]}"' if folder else "empty"
            raise variant.error(f"its folder's name would be {rival}. Choose another name.")
        folders[folder] = name
        if not isinstance(changes, dict):
            raise variant.error(f'expected {{"remove": […], "set": {{…}}}}, got {changes!r}.')
        unknown = sorted(set(changes) - {"remove", "set"})
        if unknown:
            raise variant.error(f'unknown "{unknown[0]}". Only "remove" and "set" are known.')
        remove, values = changes.get("remove", []), changes.get("set", {})
        if not isinstance(remove, list) or not all(isinstance(item, str) for item in remove):
            raise variant.error(f'"remove" must be a list of paths, got {remove!r}.')
        if not isinstance(values, dict):
            raise variant.error(f'"set" must have values by path, got {values!r}.')
        variants.append(variant._replace(remove=remove, set=values))
    return variants


def apply_variant(config: Config, variant: Variant) -> Config:
    """Apply a variant to a copy of a config.

    config (Config): The config, with its variables. It is not changed.
    variant (Variant): What to change. Missing parent sections are created.
    RETURNS (Config): The changed copy.
    RAISES: ValueError, with file, variant and path, if a path to remove does not exist, or a path
        to set is inside something that is not a section.
    """
    changed = config.copy()
    for path in variant.remove:
        *parents, key = path.split(".")
        section = _find_section(changed, parents)
        if section is None or key not in section:
            raise variant.error(f'the config has no "{path}" to remove. Check the path.')
        del section[key]
    for path, value in variant.set.items():
        *parents, key = path.split(".")
        section = _find_section(changed, parents, create=True)
        if section is None:
            raise variant.error(f'"{path}" would be inside a plain setting. Set that setting.')
        # A copy, because another path may set something inside it.
        section[key] = deepcopy(value)
    return changed


def ablation_configs(
    path: Path,
    corpus: Path,
    variants: Sequence[Variant],
    overrides: dict[str, Any],
) -> dict[str, Config]:
    """Make the configs to train with, and check them all, so that no training fails hours later.

    path (Path): The training config.
    corpus (Path): A folder with train.spacy and dev.spacy.
    variants (Sequence[Variant]): How to change the config.
    overrides (dict[str, Any]): Settings by path that replace those of the config.
    RETURNS (dict[str, Config]): The configs by name, the unchanged one first.
    RAISES: OSError if a file is missing, ValueError if a config is not valid for training.
    """
    files = {f"paths.{name}": corpus / f"{name}.spacy" for name in ("train", "dev")}
    for file in files.values():
        if not file.is_file():
            raise OSError(
                f"{file}: no such file. `python -m spacy crf convert` writes it from a corpus."
            )
    files_and_settings = {**{name: str(file) for name, file in files.items()}, **overrides}
    config = load_config(path, overrides=files_and_settings)
    training = config["training"]
    # Otherwise, only the very first step of a short training would be evaluated.
    settings = {**DEFAULT_CONFIG["training"], **training}
    training["eval_frequency"] = min(settings["eval_frequency"], settings["max_steps"])
    configs = {ALL: config}
    base = _resolve(config, Variant(path, ALL, [], {}))
    for variant in variants:
        configs[variant.name] = apply_variant(config, variant)
        if _resolve(configs[variant.name], variant) == base:
            raise variant.error("it changes nothing that training depends on. Check its paths.")
    return configs


def run_ablation(
    configs: dict[str, Config], output: Path, seeds: int, report: Callable[[str], None]
) -> Results:
    """Train with each config and each seed.

    Trainings that an earlier run with the same config finished are not repeated. It is not checked
    whether the contents of the files named in the config are still the same.

    configs (dict[str, Config]): The configs by name.
    output (Path): The folder for the pipelines, with a folder for each name and seed.
    seeds (int): The number of seeds, which start at 0.
    report (Callable[[str], None]): Called with a line about each training before it starts.
    RETURNS (Results): For each name and seed, the scores of the best step on dev, and the minutes
        of CPU time that the training took.
    """
    results: Results = {name: [] for name in configs}
    # Seed by seed, so that the results after an interruption compare all variants.
    runs = [(seed, name) for seed in range(seeds) for name in configs]
    for n, (seed, name) in enumerate(runs, start=1):
        config = configs[name].copy()
        config.setdefault("system", {})["seed"] = seed
        folder = output / _slug(name) / str(seed)
        finished = _is_finished(config, folder)
        earlier = " (finished earlier)" if finished else ""
        report(f"{n} of {len(runs)}: {name}, seed {seed}{earlier}")
        scores = srsly.read_json(folder / FINISHED) if finished else _train(config, folder)
        results[name].append(scores)
    return results


def ablation_rows(results: Results) -> list[tuple[str, ...]]:
    """Make a table of the scores, means and standard deviations over the seeds, in points; and of
    the time.

    results (Results): The results of `run_ablation`.
    RETURNS (list[tuple[str, ...]]): The rows below HEADER.
    """
    rows = []
    for name, scores in results.items():
        cells = [_show(*_mean_and_sd([score[key] for score in scores])) for key in (F, MACRO_F)]
        difference = "" if name == ALL else _show(*_difference(results, name), sign="+")
        minutes = mean(score[MINUTES] for score in scores)
        rows.append((name, *cells, difference, f"{minutes:.1f}"))
    return rows


def plot_ablation(results: Results, path: Path) -> None:
    """Draw the differences between the variants and the unchanged config.

    results (Results): The results of `run_ablation`.
    path (Path): The image file to write. Its extension sets the format.
    RAISES: ImportError without matplotlib.
    """
    from matplotlib.figure import Figure

    names = [name for name in results if name != ALL]
    means, sds = zip(*(_difference(results, name) for name in names))
    errors = None if None in sds else sds
    figure = Figure(figsize=(8, 0.4 * len(names) + 1.2), layout="constrained")
    axes = figure.subplots()
    axes.barh(names, means, 0.6, xerr=errors, capsize=3)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.invert_yaxis()
    seeds = len(results[ALL])
    spread = f", mean and standard deviation over {seeds} seeds" if errors else ""
    axes.set_xlabel(f"points of F1 on dev, difference to {ALL}{spread}")
    figure.savefig(path, dpi=120)


def _train(config: Config, folder: Path) -> Scores:
    # First of all: without it, the other files there are not taken for those of this config.
    (folder / FINISHED).unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    config.to_disk(folder / CONFIG, interpolate=False)
    start = process_time()
    train(folder / CONFIG, folder)
    minutes = round((process_time() - start) / 60, 3)
    performance = srsly.read_json(folder / "model-best" / "meta.json")["performance"]
    # None without any entity. spaCy also takes that as 0.
    scores = {key: performance[key] or 0.0 for key in (F, MACRO_F)} | {MINUTES: minutes}
    with replacing(folder / FINISHED) as path:
        srsly.write_json(path, scores)
    return scores


def _is_finished(config: Config, folder: Path) -> bool:
    paths = (folder / CONFIG, folder / FINISHED)
    if not all(path.is_file() for path in paths):
        return False
    return paths[0].read_text(encoding="utf8") == config.to_str(interpolate=False)


def _resolve(config: Config, variant: Variant) -> dict[str, Any]:
    """Check a config, and return the part that training depends on, as spaCy resolves it."""
    try:
        nlp = load_model_from_config(config, auto_fill=True)
        filled = nlp.config.interpolate()
        registry.resolve(filled["training"], schema=ConfigSchemaTraining)
        registry.resolve(filled["initialize"], schema=ConfigSchemaInit)
    except (ConfigParserError, ValueError) as error:
        problem = str(error).strip()
        raise variant.error(f"the config cannot be used for training. {problem}") from error
    for path in variant.set:
        *parents, key = path.split(".")
        # spaCy drops unknown settings; the variant would be the unchanged config.
        if key not in (_find_section(filled, parents) or ()):
            raise variant.error(f'there is no setting "{path}". Check the path.')
    # A score that no component computes is saved as 0, and one without a weight is not saved.
    scored = set(Scorer(nlp).score([])) & set(filled["training"]["score_weights"])
    for key in (F, MACRO_F):
        if key not in scored:
            raise variant.error(
                f'"{key}" would not be scored. Give the recognizer the scorer '
                f'spacy_crf_ner.ner_scorer.v1, and [training.score_weights] an "{key}".'
            )
    variables = ("paths", "variables", "system")
    return {name: filled.get(name) for name in CONFIG_SECTION_ORDER if name not in variables}


def _find_section(
    config: Config, names: Sequence[str], *, create: bool = False
) -> dict[str, Any] | None:
    section: Any = config
    for name in names:
        section = section.setdefault(name, {}) if create else section.get(name)
        if not isinstance(section, dict):
            return None
    return section


def _difference(results: Results, name: str) -> tuple[float, float | None]:
    pairs = zip(results[name], results[ALL])  # of the same seed
    return _mean_and_sd([score[F] - base[F] for score, base in pairs])


def _mean_and_sd(scores: Sequence[float]) -> tuple[float, float | None]:
    points = [score * 100 for score in scores]
    return mean(points), stdev(points) if len(points) > 1 else None


def _show(points: float, sd: float | None, sign: str = "-") -> str:
    return f"{points:{sign}.2f}" + ("" if sd is None else f" ± {sd:.2f}")


def _slug(name: str) -> str:
    return re.sub(r"[\W_]+", "-", name.lower()).strip("-")


if __name__ == "__main__":
    app()

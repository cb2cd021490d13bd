"""The commands of `python -m spacy crf benchmark` that train: what something is worth."""

import platform
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Sequence

import spacy
import torch
import typer
from spacy.cli._util import parse_config_overrides
from wasabi import msg

from ..benchmarks.ablation import (
    ALL,
    HEADER,
    ablation_configs,
    ablation_rows,
    plot_ablation,
    read_variants,
    run_ablation,
)
from ..benchmarks.partial import train_on_parts
from ..formats.files import replacing
from .errors import exit_with
from .evaluate import evaluate


def benchmark_ablation_cli(
    ctx: typer.Context,
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="Training config")],
    corpus: Annotated[
        Path, typer.Argument(metavar="CORPUS", help="Folder of train.spacy and dev.spacy")
    ],
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="Folder for all results")],
    variants: Annotated[
        Path, typer.Argument(metavar="VARIANTS", help="JSON file of changes to the config")
    ],
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each, with seeds from 0")] = 3,
) -> None:
    """Train as the config says and once for each variant of it, with several seeds, and compare the
    scores on dev. Run again, it trains only what is unfinished or has another config now; for
    another corpus of the same name, take another OUTPUT. Settings of the config are changed as in
    `spacy train`, such as --training.max_steps 1000."""
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
        f"{config.name} on dev of {corpus.name}, points; mean ± standard deviation, of differences "
        f"seed by seed; seeds: {seeds}; {steps:,} steps; {platform.machine()}, "
        f"{torch.get_num_threads()} threads, Python {platform.python_version()}, {packages}, "
        f"{date.today()}"
    )
    msg.table(rows, header=HEADER, aligns=tuple("lrrr"), divider=True)
    msg.info(summary)
    write_table(output / "ablation.md", HEADER, rows, summary)
    try:
        plot_ablation(results, output / "ablation.png")
    except ImportError:
        exit_with("A picture needs matplotlib: pip install 'spacy-crf-ner[report]'.")
    msg.good(f"written: {output / 'ablation.png'}")


def benchmark_partial_cli(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="Training config")],
    corpus: Annotated[
        Path, typer.Argument(metavar="CORPUS", help="Folder of train.spacy, dev.spacy, test.spacy")
    ],
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="Folder for what is trained")],
    share: Annotated[float, typer.Option(min=0, max=1, help="Share of entities removed")] = 0.5,
    seed: Annotated[int, typer.Option(help="Seed that draws which")] = 0,
    max_steps: Annotated[int, typer.Option(help="Training steps")] = 3000,
) -> None:
    """Train twice without the annotation of some entities of train: once their tokens are missing
    annotation, once they are O. Shows the scores of both on test."""
    models = train_on_parts(config, corpus, output, share, seed, max_steps)
    rows = []
    for name, model in models.items():
        scores = evaluate(spacy.load(model), corpus / "test.spacy")
        values = (scores[key] for key in ("ents_p", "ents_r", "ents_f"))
        rows.append((name, *(f"{value * 100:.2f}" for value in values)))
    msg.table(
        rows, header=(f"{share:.0%} removed", "P", "R", "F"), aligns=tuple("lrrr"), divider=True
    )


def write_table(
    output: Path, header: Sequence[str], rows: Sequence[Sequence[str]], summary: str
) -> None:
    """Write a table as Markdown, its first column to the left and all others to the right.

    output (Path): The file.
    header (Sequence[str]): The heads of the columns.
    rows (Sequence[Sequence[str]]): The rows.
    summary (str): What to say below it.
    """
    table = [header, ("---", *["---:"] * (len(header) - 1)), *rows]
    cells = [[cell.replace("|", "\\|") for cell in row] for row in table]
    lines = [f"| {' | '.join(row)} |" for row in cells]
    output.parent.mkdir(parents=True, exist_ok=True)
    with replacing(output) as path:
        path.write_text("\n".join([*lines, "", summary, ""]), encoding="utf8")
    msg.good(f"written: {output}")

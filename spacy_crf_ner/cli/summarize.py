"""`python -m spacy crf summarize`: what trainings with several seeds come to."""

import re
from collections import defaultdict
from pathlib import Path
from statistics import mean, stdev
from typing import Annotated, Any, Dict, List

import srsly
import typer
from wasabi import msg

from .errors import exit_with

COLUMNS = {
    "P": "ents_p",
    "R": "ents_r",
    "F": "ents_f",
    "macro F": "ents_macro_f",
    "tags: accuracy": "ents_token_acc",
    "tags: macro F": "ents_token_macro_f",
}


def summarize_cli(
    scores: Annotated[
        List[Path],
        typer.Argument(metavar="SCORES...", help="JSON files of `crf evaluate`: NAME-SEED.json"),
    ],
) -> None:
    """Show the means and standard deviations of scores over seeds, for each name."""
    groups: Dict[str, List[Dict[str, Any]]] = defaultdict(list)
    for path in scores:
        groups[re.sub(r"-\d+$", "", path.stem)].append(_read(path))
    rows = [
        (name, len(group), *(_show([scores[key] for scores in group]) for key in COLUMNS.values()))
        for name, group in sorted(groups.items())
    ]
    header = ("", "seeds", *COLUMNS)
    msg.table(rows, header=header, aligns=("l", *"r" * (len(header) - 1)), divider=True)


def _read(path: Path) -> Dict[str, Any]:
    try:
        scores = srsly.read_json(path)
    except (OSError, ValueError) as error:
        exit_with(f"{path}: {error}. `python -m spacy crf evaluate ... --output` writes scores.")
    missing = [key for key in COLUMNS.values() if not isinstance(scores, dict) or key not in scores]
    if missing:
        exit_with(
            f"{path}: no {missing[0]}. `python -m spacy crf evaluate ... --output` writes it."
        )
    return scores


def _show(values: List[float]) -> str:
    # None without any entity.
    points = [100 * (value or 0.0) for value in values]
    return f"{mean(points):.2f}" + (f" ± {stdev(points):.2f}" if len(points) > 1 else "")

"""The scores of trainings with several seeds, summarized."""

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any, NamedTuple

import srsly

COLUMNS = {
    "P": "ents_p",
    "R": "ents_r",
    "F": "ents_f",
    "macro F": "ents_macro_f",
    "tags: accuracy": "ents_token_acc",
    "tags: macro F": "ents_token_macro_f",
}


class Summary(NamedTuple):
    """The scores of trainings that differ only in their seed.

    name (str): Their name.
    seeds (int): The number of seeds.
    scores (list[str]): Means and standard deviations, in points, in the order of COLUMNS.
    """

    name: str
    seeds: int
    scores: list[str]


def summarize_seeds(paths: Sequence[Path]) -> list[Summary]:
    """Summarize the scores of several trainings.

    paths (Sequence[Path]): JSON files of `spacy crf evaluate`, named NAME-SEED.json.
    RETURNS (list[Summary]): One for each name, sorted by name.
    RAISES: ValueError for a file that cannot be read or lacks a score.
    """
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for path in paths:
        groups[re.sub(r"-\d+$", "", path.stem)].append(_read(path))
    return [
        Summary(
            name, len(group), [_show([scores[key] for scores in group]) for key in COLUMNS.values()]
        )
        for name, group in sorted(groups.items())
    ]


def _read(path: Path) -> dict[str, Any]:
    try:
        scores = srsly.read_json(path)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{path}: {error}. `python -m spacy crf evaluate ... --output` writes scores."
        ) from error
    missing = [key for key in COLUMNS.values() if not isinstance(scores, dict) or key not in scores]
    if missing:
        raise ValueError(
            f"{path}: no {missing[0]}. `python -m spacy crf evaluate ... --output` writes it."
        )
    return scores


def _show(values: list[float]) -> str:
    # None without any entity.
    points = [100 * (value or 0.0) for value in values]
    return f"{mean(points):.2f}" + (f" ± {stdev(points):.2f}" if len(points) > 1 else "")

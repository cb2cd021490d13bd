"""The scores and losses of a training, from the log that it wrote."""

from pathlib import Path
from typing import Any, NamedTuple

from ...util import CorpusError
from .json_lines import read_objects

LOG_NAME = "training.jsonl"
_WRITTEN_BY = "A logger of training with an output file"
_KEYS: dict[str, type | tuple[type, ...]] = {
    "step": int,
    "losses": dict,
    "score": (int, float, type(None)),
}


class Evaluation(NamedTuple):
    """One evaluation in a training.

    step (int): The number of steps before it.
    score (float | None): The score by which the best pipeline is chosen.
    loss (float | None): The losses of all components since the evaluation before, summed.
    scores (dict[str, float]): Precision, recall and F1, by spaCy's names, those that the log has.
    """

    step: int
    score: float | None
    loss: float | None
    scores: dict[str, float]


def find_log(model: Path) -> Path | None:
    """Find the log of the training that made a pipeline.

    model (Path): The folder of the pipeline, such as `training/model-best`.
    RETURNS (Path | None): The file `training.jsonl` beside the folder, if there is one.
    """
    path = model.parent / LOG_NAME
    return path if model.is_dir() and path.is_file() else None


def read_log(path: Path) -> list[Evaluation]:
    """Read the log of a training.

    path (Path): A file with one JSON object for each evaluation, as spaCy's ConsoleLogger with an
        `output_file` writes it too.
    RETURNS (list[Evaluation]): The evaluations, in order.
    RAISES: CorpusError naming the line of what is no evaluation.
    """
    found = [_evaluation(entry) for _, entry in read_objects(path, _KEYS, _WRITTEN_BY)]
    if not found:
        raise CorpusError("there is no evaluation in it. Train for longer.", path)
    return found


def _evaluation(entry: dict[str, Any]) -> Evaluation:
    numbers = [value for value in entry["losses"].values() if isinstance(value, int | float)]
    scores = entry.get("scores")
    scores = scores if isinstance(scores, dict) else {}
    return Evaluation(
        entry["step"],
        entry["score"],
        sum(numbers) if numbers else None,
        {
            key: scores[key]
            for key in ("ents_p", "ents_r", "ents_f")
            if isinstance(scores.get(key), int | float)
        },
    )

"""One training of a search, without saving anything."""

from collections.abc import Callable
from typing import Any

from spacy.training.initialize import init_nlp
from thinc.api import Config

from ..training.distributed import Ranks
from ..training.train import start_training

# Given the step and the score of an evaluation; may end the training by an exception.
Report = Callable[[int, float], None]


def train_once(
    config: Config, report: Report, *, metric: str | None = None, use_gpu: int = -1
) -> float:
    """Train a pipeline, and forget it.

    config (Config): The training config.
    report (Report): Is told the score of each evaluation.
    metric (str | None): The score, such as ents_f. By default, the mean of all that the config's
        score_weights weigh.
    use_gpu (int): The GPU, or -1 for the CPU.
    RETURNS (float): The best score on the dev corpus, which is that of model-best.
    RAISES: ValueError if something is wrong with the config or the training, or if the pipeline has
        no such score.
    """
    nlp = init_nlp(config, use_gpu=use_gpu)
    best = 0.0
    for _, info, is_best in start_training(nlp, Ranks()).steps:
        if is_best is not None:
            score = _read_score(info, metric)
            best = max(best, score)
            report(info["step"], score)
    return best


def _read_score(info: dict[str, Any], metric: str | None) -> float:
    if metric is None:
        return info["score"]
    scores = {k: v for k, v in info["other_scores"].items() if isinstance(v, int | float)}
    if metric not in scores:
        raise ValueError(
            f"--metric {metric}: no such score. The pipeline has {', '.join(sorted(scores))}."
        )
    return scores[metric]

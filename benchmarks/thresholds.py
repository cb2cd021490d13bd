"""`python -m benchmarks.thresholds`: ways to fit the temperature and the threshold, on samples."""

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Annotated

import numpy as np
import spacy
import torch
import typer
from wasabi import msg

from spacy_crf_ner.calibration.gold import Batch, read_batches
from spacy_crf_ner.calibration.temperature import fit_temperature, most_likely_temperature
from spacy_crf_ner.calibration.threshold import (
    Found,
    find_spans,
    fit_threshold,
    predict,
    real_f1,
)
from spacy_crf_ner.evaluation.calibration import expected_calibration_error, reliability
from spacy_crf_ner.evaluation.examples import read_examples
from spacy_crf_ner.pipeline.component import crf_pipes
from spacy_crf_ner.pipeline.decoding import Decoding
from spacy_crf_ner.tags import TagSet

THRESHOLDS = [i / 100 for i in range(5, 96)]
# How many entities make the best threshold of a sample count as much as half of the expected F1.
N_EQUAL = 300

app = typer.Typer(add_completion=False)


@app.command()
def main(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Pipeline name or folder")],
    data: Annotated[Path, typer.Argument(metavar="DATA", help="A .spacy file, such as dev")],
    entities: Annotated[list[int], typer.Option(help="Gold entities in a sample")] = [100, 1000],  # noqa: B006
    runs: Annotated[int, typer.Option(min=1, help="Samples of each size")] = 40,
    seed: Annotated[int, typer.Option(help="Seed for drawing them")] = 0,
) -> None:
    """Fit a crf_ner to samples of documents in several ways, and score it on the other documents:
    F1 by threshold, all at the fitted temperature except for the first, and the expected
    calibration error by temperature."""
    nlp = spacy.load(model)
    (pipe,) = crf_pipes(nlp).values()
    (batch,) = read_batches(pipe, [read_examples(nlp, data)])
    generator = random.Random(seed)
    rows = []
    for size in entities:
        scores = defaultdict(list)
        for _ in range(runs):
            sample, rest = split(batch, size, generator)
            for name, value in compare(sample, rest, pipe.tag_set, pipe.decoding).items():
                scores[name].append(value)
        rows.append((f"{size:,}", *(f"{mean(values) * 100:.2f}" for values in scores.values())))
    msg.table(rows, header=("entities", *scores), aligns=tuple("r" * len(rows[0])), divider=True)


def split(batch: Batch, n_entities: int, generator: random.Random) -> tuple[Batch, Batch]:
    """Draw documents.

    batch (Batch): All documents.
    n_entities (int): The number of gold entities that they should have at least.
    generator (random.Random): Draws them.
    RETURNS (tuple[Batch, Batch]): Those that were drawn, and the others.
    """
    order = generator.sample(range(len(batch.gold)), len(batch.gold))
    drawn = np.cumsum([len(batch.gold[i]) for i in order])
    n = int(np.searchsorted(drawn, n_entities)) + 1
    return take(batch, order[:n]), take(batch, order[n:])


def take(batch: Batch, numbers: Sequence[int]) -> Batch:
    """Take some documents.

    batch (Batch): All documents.
    numbers (Sequence[int]): The numbers of those to take.
    RETURNS (Batch): These documents.
    """
    parts = batch.legal.emissions.split(batch.legal.lengths.tolist())
    emissions = torch.cat([parts[i] for i in numbers])
    legal = replace(batch.legal, emissions=emissions, lengths=batch.legal.lengths[list(numbers)])
    return Batch(legal, [batch.gold[i] for i in numbers], [batch.possible[i] for i in numbers])


def compare(sample: Batch, rest: Batch, tag_set: TagSet, decoding: Decoding) -> dict[str, float]:
    """Fit to some documents in several ways, and score the others.

    sample (Batch): The documents to fit to.
    rest (Batch): The others.
    tag_set (TagSet): The component's tags.
    decoding (Decoding): The component's decoding.
    RETURNS (dict[str, float]): F1 by threshold, and the expected calibration error by temperature.
    """
    temperature = fit_temperature([sample], tag_set)
    fitted = fit_threshold([sample], tag_set, decoding, temperature)
    half = fitted.expected_f1 / 2
    seen, n_seen = find_spans(sample, tag_set, decoding, temperature), count(sample)
    best = max(THRESHOLDS, key=lambda each: real_f1(seen, n_seen, decoding, each))
    mixed = (n_seen * best + N_EQUAL * half) / (n_seen + N_EQUAL)
    found = find_spans(rest, tag_set, decoding, temperature)
    before = find_spans(rest, tag_set, decoding, 1.0)
    likely = find_spans(rest, tag_set, decoding, most_likely_temperature([sample], tag_set))
    n_gold, threshold = count(rest), fitted.threshold
    return {
        "not fitted": real_f1(before, n_gold, decoding, 0.45),
        "0.45": real_f1(found, n_gold, decoding, 0.45),
        "best": real_f1(found, n_gold, decoding, best),
        "mixed": real_f1(found, n_gold, decoding, mixed),
        "half": real_f1(found, n_gold, decoding, half),
        "fitted": real_f1(found, n_gold, decoding, threshold),
        "ECE at 1": calibration_error(before, decoding, threshold),
        "likelihood": calibration_error(likely, decoding, threshold),
        "fitted ECE": calibration_error(found, decoding, threshold),
        "perfect": calibration_error(found, decoding, threshold, np.random.default_rng(0)),
    }


def count(batch: Batch) -> int:
    """Count the gold entities.

    batch (Batch): The documents.
    RETURNS (int): The number.
    """
    return sum(map(len, batch.gold))


def calibration_error(
    found: Sequence[Found],
    decoding: Decoding,
    threshold: float,
    generator: np.random.Generator | None = None,
) -> float:
    """The expected calibration error of the entities that the component predicts.

    found (Sequence[Found]): The spans of each document.
    decoding (Decoding): The decoding.
    threshold (float): The threshold.
    generator (np.random.Generator | None): Draws which entities are correct, each with its
        confidence as the probability: the error of confidences that are perfect. None for those
        that are.
    RETURNS (float): The error; 0 without any entity.
    """
    predicted = list(predict(found, decoding, threshold))
    confidences = [confidence for confidence, _ in predicted]
    correct = [is_correct for _, is_correct in predicted]
    if generator is not None:
        correct = [bool(generator.random() < confidence) for confidence in confidences]
    return expected_calibration_error(reliability(confidences, correct)) or 0.0


if __name__ == "__main__":
    app()

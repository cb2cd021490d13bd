"""Series of measurements: what grows is all that changes within one of them."""

from collections.abc import Sequence
from functools import partial
from itertools import cycle, islice
from statistics import median
from typing import NamedTuple

import spacy
from spacy.language import Language

from spacy_crf_ner.pipeline.component import crf_pipes
from spacy_crf_ner.pipeline.decoding import Decoding

from .memory import peak_memory
from .pipelines import tag
from .timing import time_once

LENGTH, TEXTS, LABELS = "characters in a document", "texts", "labels"
# Short documents are timed again and again, until they have as many characters together.
ENOUGH = 10_000
# The texts in a memory zone.
ZONE = 1000
# As in the configs; 0 computes no probabilities.
THRESHOLDS: dict[Decoding, float] = {"viterbi": 0.0, "entities": 0.45}


class Point(NamedTuple):
    """A measurement.

    pipeline (str): What was measured.
    what (str): What grows.
    size (int): How large it is.
    characters (int): How many characters were read.
    seconds (float): The time that took.
    memory (float | None): The peak memory of the process up to then, in MB.
    """

    pipeline: str
    what: str
    size: int
    characters: int
    seconds: float
    memory: float | None

    @property
    def per_character(self) -> float:
        """Microseconds per character."""
        return 1e6 * self.seconds / self.characters


def by_length(
    model: str, texts: Sequence[str], sizes: Sequence[int], gpu_id: int = -1
) -> list[Point]:
    """Time a pipeline on single documents.

    model (str): Its name or path.
    texts (Sequence[str]): What the documents are made of.
    sizes (Sequence[int]): Their lengths in characters, in increasing order.
    gpu_id (int): The GPU, or -1 for the CPU.
    RETURNS (list[Point]): A measurement for each length.
    """
    nlp = spacy.load(model)
    nlp.max_length = max(nlp.max_length, *sizes)
    joined = "\n".join(texts)
    joined *= max(sizes) // len(joined) + 1
    tag(nlp, texts[:ZONE])  # what is only done once
    points = []
    for size in sizes:
        run = partial(tag, nlp, [joined[:size]])
        seconds = median(time_once(run) for _ in range(max(ENOUGH // size, 1)))
        points.append(Point(model, LENGTH, size, size, seconds, peak_memory(gpu_id)))
    return points


def by_texts(
    model: str, texts: Sequence[str], sizes: Sequence[int], gpu_id: int = -1
) -> list[Point]:
    """Time a pipeline on a stream of texts, in memory zones.

    model (str): Its name or path.
    texts (Sequence[str]): The texts, which are repeated.
    sizes (Sequence[int]): After how many texts to measure, in increasing order.
    gpu_id (int): The GPU, or -1 for the CPU.
    RETURNS (list[Point]): A measurement for each number of texts.
    """
    nlp = spacy.load(model)
    tag(nlp, texts[:ZONE])  # what is only done once
    stream = cycle(texts)
    points = []
    done, characters, seconds = 0, 0, 0.0
    for size in sizes:
        while done < size:
            part = list(islice(stream, min(ZONE, size - done)))
            seconds += time_once(partial(_tag_in_zone, nlp, part))
            done += len(part)
            characters += sum(map(len, part))
        points.append(Point(model, TEXTS, size, characters, seconds, peak_memory(gpu_id)))
    return points


def by_labels(
    decoding: Decoding, texts: Sequence[str], sizes: Sequence[int], gpu_id: int = -1
) -> list[Point]:
    """Time untrained pipelines with the default network.

    decoding (Decoding): The decoding.
    texts (Sequence[str]): The texts.
    sizes (Sequence[int]): The numbers of labels, in increasing order.
    gpu_id (int): The GPU, or -1 for the CPU.
    RETURNS (list[Point]): A measurement for each number of labels.
    """
    points = []
    characters = sum(map(len, texts))
    settings = {"decoding": decoding, "threshold": THRESHOLDS[decoding]}
    for size in sizes:
        nlp = spacy.blank("zh")
        nlp.add_pipe("crf_ner", config=settings)
        for i in range(size):
            crf_pipes(nlp)["crf_ner"].add_label(f"L{i}")
        nlp.initialize()
        run = partial(tag, nlp, texts)
        run()  # what is only done once
        seconds = time_once(run)
        name = f"untrained, {decoding}"
        points.append(Point(name, LABELS, size, characters, seconds, peak_memory(gpu_id)))
    return points


def _tag_in_zone(nlp: Language, texts: Sequence[str]) -> None:
    with nlp.memory_zone():
        tag(nlp, texts)

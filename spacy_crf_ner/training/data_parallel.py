"""Data-parallel updates: each rank computes the gradients of its share of the batch."""

import random
import zlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import numpy as np
from spacy.language import Language
from spacy.training import Example
from spacy.training.loop import subdivide_batch
from thinc.api import fix_random_seed

from ..layers.vectors import assign_rows
from .distributed import Ranks
from .gradients import Gradients, trainable_pipes

Item = TypeVar("Item")
# Sums of checksums of so many bits are exact in float32, for up to 4096 ranks.
CHECKSUM = 0xFFF


class DataParallel:
    """A pipeline for spaCy's `train_while_improving` that is updated by all ranks together."""

    def __init__(
        self, nlp: Language, ranks: Ranks, *, frozen: Sequence[str], accumulate_gradient: int
    ) -> None:
        """Give all ranks the weights of rank 0.

        nlp (Language): The pipeline, initialized.
        ranks (Ranks): All ranks.
        frozen (Sequence[str]): The names of the components that do not learn.
        accumulate_gradient (int): The number of parts in which a batch is processed.
        RAISES: ValueError if a component cannot be trained in this way, or if this rank has
            another pipeline than rank 0.
        """
        self._nlp = nlp
        self._ranks = ranks
        self._accumulate_gradient = accumulate_gradient
        pipes = trainable_pipes(nlp, frozen)
        self._pipes = pipes
        self._gradients = Gradients(list(pipes.values()), ranks, len(pipes) + 1)
        self._gradients.copy_first()

    @property
    def pipeline(self) -> list[tuple[str, Any]]:
        """The components and their names."""
        return self._nlp.pipeline

    def use_params(self, params: dict[Any, Any]) -> AbstractContextManager[None]:
        """Use other weights temporarily.

        params (dict[Any, Any]): The weights.
        RETURNS (AbstractContextManager[None]): The context in which they are used.
        """
        return self._nlp.use_params(params)

    def update(
        self, examples: Sequence[Example], *, losses: dict[str, float], **settings: Any
    ) -> None:
        """Leave the gradient of a batch in the parameters: the mean over its documents.

        examples (Sequence[Example]): The batch of all ranks together, of which this one takes every
            n-th document.
        losses (dict[str, float]): The losses by component. Those of this batch are added.
        settings (Any): Other arguments of `Language.update`.
        RAISES: ValueError if the ranks have different batches, RankLost if a rank has ended.
        """
        numbers = self._gradients.numbers
        for batch in subdivide_batch(examples, self._accumulate_gradient):
            for pipe in self._pipes.values():
                # In the same order on all ranks, or a row would be another token's on each.
                assign_rows(pipe.model, [eg.predicted for eg in batch])
            shard = batch[self._ranks.rank :: self._ranks.size]
            if shard:
                share = len(shard) / len(batch)
                own = self._nlp.update(shard, losses={}, **settings)
                self._gradients.collect(share)
                numbers[:-1] += share * numbers.new_tensor(
                    [own.get(name, 0.0) for name in self._pipes]
                )
        text = "\n".join(eg.text for eg in examples)
        checksum = zlib.crc32(text.encode("utf8")) & CHECKSUM
        numbers[-1] = checksum
        *sums, checksums = self._gradients.exchange().tolist()
        if checksums != checksum * self._ranks.size:
            raise ValueError(
                f"Rank {self._ranks.rank} has another batch than the other ranks. All ranks must "
                "read the same documents in the same order. Compare the corpora of all machines, "
                "and set the seed of readers and augmenters that have one."
            )
        for name, loss in zip(self._pipes, sums):
            losses[name] = losses.get(name, 0.0) + loss


def draw_alike(batches: Iterator[Item], seed: int, ranks: Ranks) -> Iterator[Item]:
    """Draw batches with the same random numbers on all ranks. All else has others on each rank.

    batches (Iterator[Item]): The batches. They use the generators of Python and numpy.
    seed (int): The seed of the batches. That of the rest is this plus the rank.
    ranks (Ranks): All ranks.
    YIELDS (Item): The batches.
    """
    fix_random_seed(seed)
    alike = _random_state()
    fix_random_seed(seed + ranks.rank)
    while True:
        different = _random_state()
        _set_random_state(alike)
        batch = next(batches, None)
        alike = _random_state()
        _set_random_state(different)
        if batch is None:
            return
        yield batch


def _random_state() -> tuple[Any, Any]:
    return random.getstate(), np.random.get_state()


def _set_random_state(state: tuple[Any, Any]) -> None:
    random.setstate(state[0])
    np.random.set_state(state[1])

"""From a network's scores to entities: the CRF, in NumPy.

`crf export` copies this module into the folder that it writes. It needs nothing but NumPy.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

# The score of forbidden tags and transitions, as in `crf.potentials`.
IMPOSSIBLE = -1e30
# If the scores are further apart, a product of matrices could lose a probability that matters.
MAX_RANGE = 200.0
# As in `pipeline.decoding`.
MIN_THRESHOLD = 0.01


class Entity(NamedTuple):
    """An entity.

    start (int): Where it begins: the character in a text, or the word among words.
    end (int): Where it ends, exclusive.
    label (str): Its label.
    confidence (float): The probability that exactly this is an entity of this label.
    """

    start: int
    end: int
    label: str
    confidence: float


class Layout:
    """Where the tokens of a batch are if they are read step by step: the first token of each text,
    the second of each, ...; or the last of each, the one before the last, ...

    starts (np.ndarray): (B,) the first token of each text.
    is_last (np.ndarray): (N,) which tokens are the last of a text.
    steps (list[slice]): The tokens of each step within `order`. At each step there are only the
        texts that have not ended yet, which are the first ones.
    order (dict[str, np.ndarray]): For "forward" and for "backward", (N,) the tokens step by step.
    """

    def __init__(self, lengths: np.ndarray) -> None:
        """Lay out a batch.

        lengths (np.ndarray): (B,) the tokens of each text, at least 1, in descending order.
        """
        steps = np.arange(lengths[0])[:, None]
        is_real = steps < lengths
        self.starts = lengths.cumsum() - lengths
        self.is_last = np.zeros(lengths.sum(), dtype=bool)
        self.is_last[self.starts + lengths - 1] = True
        ends = is_real.sum(axis=1).cumsum().tolist()
        self.steps = [slice(begin, end) for begin, end in zip([0, *ends], ends)]
        self.order = {
            "forward": (self.starts + steps)[is_real],
            "backward": (self.starts + lengths - 1 - steps)[is_real],
        }


class Decoder:
    """Decodes batches. Sums are taken in float64."""

    def __init__(self, settings: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
        """Read what `crf export` wrote.

        settings (dict[str, Any]): The content of `settings.json`.
        arrays (dict[str, np.ndarray]): The content of `arrays.npz`.
        """
        self._labels = [tag[2:] for tag in settings["tags"]]
        self._decoding: str = settings["decoding"]
        self._threshold: float = settings["threshold"]
        self._start, self._transitions, self._end = (
            arrays[name].astype("f8") for name in ("start", "transitions", "end")
        )
        self._opens, self._continues, self._closes = (
            arrays[name] for name in ("opens", "continues", "closes")
        )

    def __call__(
        self, emissions: np.ndarray, is_space: np.ndarray, layout: Layout
    ) -> list[list[Entity]]:
        """Find the entities of a batch.

        emissions (np.ndarray): (N, C) the scores of each token's tags.
        is_space (np.ndarray): (N,) which tokens are white space: they neither open nor close an
            entity.
        layout (Layout): The texts.
        RETURNS (list[list[Entity]]): The entities of each text, in tokens.
        """
        scores = emissions.astype("f8")
        inner = ~self._opens & ~(self._continues & self._closes)
        scores[np.ix_(is_space, ~inner)] = IMPOSSIBLE
        if self._decoding == "viterbi":
            found = self._find(scores, layout, 0.0, self._best_tags(scores, layout))
            return [[ent for ent in ents if ent.confidence >= self._threshold] for ents in found]
        threshold = max(self._threshold, MIN_THRESHOLD)
        return [without_overlaps(e, threshold) for e in self._find(scores, layout, threshold)]

    def _best_tags(self, scores: np.ndarray, layout: Layout) -> np.ndarray:
        """(N,) the best tag sequence of each text (Viterbi 1967)."""
        order, steps = layout.order["forward"], layout.steps
        best = scores[order]
        best[steps[0]] += self._start
        for step, following in pairwise(steps):
            before = best[step][: following.stop - following.start]
            best[following] += (before[:, :, None] + self._transitions).max(axis=1)
        tags = np.empty(len(best), dtype="i8")
        chosen = tags[:0]
        for step in reversed(steps):
            # Texts that go on have the tag that leads to the chosen one of the next token.
            after = np.tile(self._end, (step.stop - step.start, 1))
            after[: len(chosen)] = self._transitions[:, chosen].T
            chosen = (best[step] + after).argmax(axis=1)
            tags[order[step]] = chosen
        return tags

    def _find(
        self, scores: np.ndarray, layout: Layout, threshold: float, path: np.ndarray | None = None
    ) -> list[list[Entity]]:
        """All spans that are at least as probable as the threshold, by the search of
        `pipeline.decoding.probable_spans`; or, of a tag sequence, its spans."""
        marginals, following = self._posterior(scores, layout)
        tag_ids = np.arange(len(self._labels))
        is_chosen = marginals >= threshold if path is None else tag_ids == path[:, None]
        starts, tags = np.nonzero(self._opens & is_chosen)
        chances, tokens = marginals[starts, tags], starts
        found: list[tuple[int, int, int, float]] = []
        while len(tokens):
            # After the last token comes nothing, as certain as can be.
            next_tags = np.zeros((len(tokens), len(tag_ids)))
            goes_on = np.flatnonzero(~layout.is_last[tokens])
            after = self._transitions[tags[goes_on]] + following[tokens[goes_on] + 1]
            next_tags[goes_on] = _softmax(after)
            longer = chances[:, None] * next_tags * self._continues
            closed = np.minimum(chances - longer.sum(axis=1), 1.0)
            if path is None:
                continues = longer >= threshold
                is_done = self._closes[tags] & (closed >= threshold)
            else:
                following_path = np.append(path, 0)[tokens + 1]
                continues = self._continues & (tag_ids == following_path[:, None])
                continues[layout.is_last[tokens]] = False
                is_done = ~continues.any(axis=1)
            found += zip(*(x[is_done].tolist() for x in (starts, tokens + 1, tags, closed)))
            which, tags = np.nonzero(continues)
            chances, starts, tokens = longer[which, tags], starts[which], tokens[which] + 1
        return self._split(found, layout)

    def _posterior(self, scores: np.ndarray, layout: Layout) -> tuple[np.ndarray, np.ndarray]:
        """(N, C) the probability of each tag of each token; and (N, C) the log-sum over all tag
        sequences from each token on, up to a constant for each token."""
        ranges = (scores, self._transitions, self._start[None], self._end[None])
        is_wide = sum(map(_range, ranges)) >= MAX_RANGE
        following = scores + self._sweep(scores, layout, "backward", is_wide)
        before = self._sweep(scores, layout, "forward", is_wide)
        return _softmax(before + following), following

    def _sweep(
        self, scores: np.ndarray, layout: Layout, direction: str, is_wide: bool
    ) -> np.ndarray:
        """(N, C) the log-sums over all tags of the tokens before each token, in a direction."""
        is_forward = direction == "forward"
        matrix = self._transitions if is_forward else self._transitions.T
        shift = matrix.max()
        factors = np.exp(matrix - shift)
        order, steps = layout.order[direction], layout.steps
        scores = scores[order]
        sums = np.empty_like(scores)
        sums[steps[0]] = self._start if is_forward else self._end
        for step, following in pairwise(steps):
            logs = (sums[step] + scores[step])[: following.stop - following.start]
            if is_wide:
                sums[following] = np.logaddexp.reduce(logs[:, :, None] + matrix, axis=1)
            else:
                largest = logs.max(axis=1, keepdims=True)
                with np.errstate(divide="ignore"):
                    sums[following] = np.log(np.exp(logs - largest) @ factors) + largest + shift
        by_token = np.empty_like(sums)
        by_token[order] = sums
        return by_token

    def _split(
        self, found: list[tuple[int, int, int, float]], layout: Layout
    ) -> list[list[Entity]]:
        """The spans of each text, counted from its first token."""
        starts = layout.starts.tolist()
        spans: list[list[Entity]] = [[] for _ in starts]
        for start, end, tag, chance in sorted(found):
            text = bisect_right(starts, start) - 1
            first = starts[text]
            spans[text].append(Entity(start - first, end - first, self._labels[tag], chance))
        return spans


def _range(scores: np.ndarray) -> float:
    """The widest range of possible scores in a row."""
    is_possible = scores > IMPOSSIBLE / 2
    high = scores.max(axis=1, keepdims=True)
    return float((high - np.where(is_possible, scores, high)).max())


def _softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def without_overlaps(spans: Sequence[Entity], threshold: float) -> list[Entity]:
    """The non-overlapping spans with the highest sum of confidence - threshold. See
    `pipeline.decoding.without_overlaps`.

    spans (Sequence[Entity]): The spans of a text.
    threshold (float): The threshold.
    RETURNS (list[Entity]): Those of the best set, in order.
    """
    spans = sorted(spans, key=lambda span: span.end)
    ends = [span.end for span in spans]
    # For the first i spans: the best sum, the last one of its spans, and the same for those before.
    best: list[tuple[float, Entity | None, Any]] = [(0.0, None, None)]
    for i, span in enumerate(spans):
        before = best[bisect_right(ends, span.start, 0, i)]
        total = before[0] + span.confidence - threshold
        best.append((total, span, before) if total > best[i][0] else best[i])
    chosen: list[Entity] = []
    _, last, before = best[-1]
    while last is not None:
        chosen.append(last)
        _, last, before = before
    return chosen[::-1]

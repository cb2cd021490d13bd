"""The passes of the network over a batch in training: one, or two of which one learns from the
other."""

from typing import Callable, List, Tuple, cast

import numpy as np
from spacy.tokens import Doc
from thinc.api import Model, Ops, chain
from thinc.types import Floats1d, Floats2d, Ints1d

from ..layers.ragged import unflatten
from ..layers.tagger import Scores
from .losses import Extras, divergence

# The least norm of a gradient that is divided by.
SMALLEST = 1e-30
Loss = Callable[[Scores], Tuple[float, Scores]]


def backpropagate(
    model: Model[List[Doc], Scores], docs: List[Doc], get_loss: Loss, settings: Extras
) -> float:
    """Run the network forward and back over a batch.

    model (Model[List[Doc], Scores]): The network, whose parameters get gradients.
    docs (List[Doc]): The documents.
    get_loss (Loss): The loss of scores, and its gradient.
    settings (Extras): Whether there is a second pass.
    RETURNS (float): The loss.
    RAISES: ValueError for a second pass of a network that cannot have one.
    """
    if settings.consistency:
        _refuse_listeners(model)
        return _with_other_dropout(model, docs, get_loss, settings.consistency)
    if settings.perturbation:
        return _with_perturbed_embeddings(model, docs, get_loss, settings.perturbation)
    scores, backprop = model.begin_update(docs)
    loss, d_scores = get_loss(scores)
    backprop(d_scores)
    return loss


def _refuse_listeners(model: Model[List[Doc], Scores]) -> None:
    """What listens is told once of each batch, and what it listens to cannot be run again."""
    for node in model.walk():
        # Their classes' names for their instances, of spaCy's and of spacy-transformers'.
        if node.name in ("tok2vec-listener", "transformer-listener"):
            raise ValueError(
                "extras.consistency runs the network twice, which it cannot be with a "
                f"{node.name} in it. Set it to 0."
            )


def _with_other_dropout(
    model: Model[List[Doc], Scores], docs: List[Doc], get_loss: Loss, weight: float
) -> float:
    """Two passes, which shall say the same (Liang et al. 2021)."""
    passes = [model.begin_update(docs) for _ in range(2)]
    apart, *d_apart = divergence(*(scores.emissions for scores, _ in passes))
    # The loss is a mean over documents.
    weight /= len(docs)
    total = weight * apart
    for (scores, backprop), d_emissions in zip(passes, d_apart):
        loss, gradient = get_loss(scores)
        total += loss / 2
        half = Scores(
            gradient.emissions / 2 + weight * d_emissions,
            gradient.lengths,
            gradient.start / 2,
            gradient.transitions / 2,
            gradient.end / 2,
        )
        backprop(half)
    return total


def _with_perturbed_embeddings(
    model: Model[List[Doc], Scores], docs: List[Doc], get_loss: Loss, length: float
) -> float:
    """A second pass from embeddings that have moved where the first one's loss grows fastest
    (Miyato et al. 2017)."""
    tok2vec = model.get_ref("tok2vec")
    if not tok2vec.has_ref("embed") or not tok2vec.has_ref("encode"):
        raise ValueError(
            "extras.perturbation needs a tok2vec that has an embedding and an encoder of its own, "
            f"such as spacy.Tok2Vec.v2, not '{tok2vec.name}'. Set it to 0."
        )
    vectors, backprop_embed = tok2vec.get_ref("embed").begin_update(docs)
    rest: Model[List[Floats2d], Scores] = chain(tok2vec.get_ref("encode"), *model.layers[1:])
    first_loss, first = _pass(rest, vectors, get_loss)
    second_loss, second = _pass(rest, _move(model.ops, vectors, first, length), get_loss)
    # At once, since a listener among the embeddings passes on what it is given first.
    backprop_embed([d_first + d_second for d_first, d_second in zip(first, second)])
    return (first_loss + second_loss) / 2


def _pass(
    model: Model[List[Floats2d], Scores], vectors: List[Floats2d], get_loss: Loss
) -> Tuple[float, List[Floats2d]]:
    scores, backprop = model.begin_update(vectors)
    loss, d_scores = get_loss(scores)
    return loss, backprop(d_scores)


def _move(
    ops: Ops, vectors: List[Floats2d], gradients: List[Floats2d], length: float
) -> List[Floats2d]:
    """Move the vectors of each document along their gradient, all documents at once: on a GPU each
    would have to be waited for."""
    xp, lengths = ops.xp, np.array([len(rows) for rows in vectors])
    doc_of_row = ops.asarray1i(cast(Ints1d, np.repeat(np.arange(len(lengths)), lengths)))
    gradient = ops.flatten(gradients)
    squares = ops.alloc1f(len(lengths))
    ops.scatter_add(squares, doc_of_row, (gradient**2).sum(axis=1))
    norms = xp.sqrt(squares)
    # Where there is no gradient, nothing is moved, and not divided by 0.
    distances = cast(Floats1d, length * lengths**0.5)
    steps = ops.asarray1f(distances) * (norms > 0) / xp.maximum(norms, SMALLEST)
    return unflatten(ops, ops.flatten(vectors) + steps[doc_of_row, None] * gradient, lengths)

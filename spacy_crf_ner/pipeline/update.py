"""Updates of the network: forward and backward passes over a batch, and a learning rate for each
part of the network."""

from collections.abc import Callable
from functools import partial
from typing import Any, cast

import numpy as np
from spacy.tokens import Doc
from thinc.api import Model, Ops, Optimizer, chain
from thinc.types import Floats1d, Floats2d, Ints1d

from ..layers.ragged import unflatten
from ..layers.tagger import LR_SCALE
from ..layers.types import Scores
from .adam import adam

# The minimum gradient norm to divide by.
SMALLEST = 1e-30
Loss = Callable[[Scores], tuple[float, Scores]]


def backpropagate(
    model: Model[list[Doc], Scores], docs: list[Doc], get_loss: Loss, epsilon: float
) -> float:
    """Run the network forward and backward over a batch; in adversarial training, twice.

    model (Model[list[Doc], Scores]): The network, whose parameters get gradients.
    docs (list[Doc]): The documents.
    get_loss (Loss): The loss of scores, and its gradient.
    epsilon (float): How far adversarial training moves the embeddings, see `factory.make_crf_ner`.
    RETURNS (float): The loss; if there are two passes, their mean.
    RAISES: ValueError for adversarial training of a network without a separate embedding layer.
    """
    if epsilon:
        return _with_moved_embeddings(model, docs, get_loss, epsilon)
    scores, backprop = model.begin_update(docs)
    loss, d_scores = get_loss(scores)
    backprop(d_scores)
    return loss


def finish_update(model: Model, optimizer: Optimizer) -> None:
    """Update the weights like `Model.finish_update`, but with a learning rate for each layer.

    The rate is the optimizer's, multiplied by the layer's attribute `LR_SCALE` if it has one.

    model (Model): The network, with gradients.
    optimizer (Optimizer): The optimizer; or the function with which `nlp.rehearse` collects
        gradients, which has no learning rate.
    """
    for node in model.walk():
        update: Callable[..., Any] = optimizer
        if isinstance(optimizer, Optimizer):
            update = partial(adam, optimizer, lr_scale=node.attrs.get(LR_SCALE, 1.0))
        for shim in node.shims:
            shim.finish_update(update)
        for name in node.param_names:
            if node.has_grad(name):
                weights, _ = update((node.id, name), node.get_param(name), node.get_grad(name))
                node.set_param(name, weights)


def _with_moved_embeddings(
    model: Model[list[Doc], Scores], docs: list[Doc], get_loss: Loss, epsilon: float
) -> float:
    """Run the network twice: from its embeddings, and from embeddings that are moved along the
    gradient of the first loss (Miyato et al. 2017)."""
    tok2vec = model.get_ref("tok2vec")
    if not tok2vec.has_ref("embed") or not tok2vec.has_ref("encode"):
        raise ValueError(
            "adversarial_epsilon needs a tok2vec with an embedding and an encoder, "
            f"such as spacy.Tok2Vec.v2, not '{tok2vec.name}'. Set it to 0."
        )
    vectors, backprop_embed = tok2vec.get_ref("embed").begin_update(docs)
    rest: Model[list[Floats2d], Scores] = chain(tok2vec.get_ref("encode"), *model.layers[1:])
    first_loss, first = _pass(rest, vectors, get_loss)
    second_loss, second = _pass(rest, _move(model.ops, vectors, first, epsilon), get_loss)
    # In one call, because a listener among the embeddings passes its gradient on at once.
    backprop_embed([d_first + d_second for d_first, d_second in zip(first, second)])
    return (first_loss + second_loss) / 2


def _pass(
    model: Model[list[Floats2d], Scores], vectors: list[Floats2d], get_loss: Loss
) -> tuple[float, list[Floats2d]]:
    scores, backprop = model.begin_update(vectors)
    loss, d_scores = get_loss(scores)
    return loss, backprop(d_scores)


def _move(
    ops: Ops, vectors: list[Floats2d], gradients: list[Floats2d], epsilon: float
) -> list[Floats2d]:
    """Move the vectors of each document along their gradient. All documents are moved at once:
    one by one, each would wait for the GPU."""
    xp, lengths = ops.xp, np.array([len(rows) for rows in vectors])
    doc_of_row = ops.asarray1i(cast(Ints1d, np.repeat(np.arange(len(lengths)), lengths)))
    gradient = ops.flatten(gradients)
    squares = ops.alloc1f(len(lengths))
    ops.scatter_add(squares, doc_of_row, (gradient**2).sum(axis=1))
    norms = xp.sqrt(squares)
    # Where the gradient is 0, nothing is moved, and there is no division by 0.
    distances = cast(Floats1d, epsilon * lengths**0.5)
    steps = ops.asarray1f(distances) * (norms > 0) / xp.maximum(norms, SMALLEST)
    return unflatten(ops, ops.flatten(vectors) + steps[doc_of_row, None] * gradient, lengths)

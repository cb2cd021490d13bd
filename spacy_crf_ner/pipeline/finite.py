"""What to do when a loss or a gradient is not finite."""

from collections.abc import Iterator
from typing import cast

import numpy as np
from spacy.tokens import Doc
from thinc.api import Model, PyTorchShim, to_numpy, xp2torch
from torch import Tensor

from ..layers.finite import LEARNING_RATE, all_finite
from ..layers.types import Scores


def explain_gradients(model: Model) -> str | None:
    """Look for a gradient that is not finite.

    model (Model): The network, after backprop.
    RETURNS (str | None): What is wrong, why, and what to do; None if all gradients are finite.
    """
    gradients = list(_gradients(model))
    if all_finite([gradient for _, gradient in gradients]):
        return None
    # Backprop goes from the last layer to the first.
    layer = next(name for name, gradient in reversed(gradients) if not all_finite([gradient]))
    return f"the gradient of the layer '{layer}' is not finite. {LEARNING_RATE}"


def explain_loss(model: Model[list[Doc], Scores], docs: list[Doc]) -> str:
    """Find out why a loss is not finite.

    model (Model[list[Doc], Scores]): The network, before backprop.
    docs (list[Doc]): The batch.
    RETURNS (str): What is wrong, why, and what to do.
    """
    return f"the loss is not finite. {_find_cause(model, docs)}"


def discard_gradients(model: Model) -> None:
    """Set all gradients to 0.

    model (Model): The network.
    """
    for node in model.walk():
        for name in node.grad_names:
            node.get_grad(name).fill(0)
        for shim in node.shims:
            shim._model.zero_grad()


def _find_cause(model: Model[list[Doc], Scores], docs: list[Doc]) -> str:
    for name, weights in _weights(model):
        if not all_finite([weights]):
            return (
                f"The weights of the layer '{name}' are not: they were damaged before. Start from "
                "an earlier pipeline, such as model-best."
            )
    tok2vec = model.get_ref("tok2vec")
    heard = [node.upstream_name for node in tok2vec.walk() if hasattr(node, "upstream_name")]
    if heard and not all_finite([xp2torch(x) for x in tok2vec.begin_update(docs)[0]]):
        return (
            f"The vectors from the component '{heard[0]}' are not. If its encoder runs in float16, "
            "use a gradient scaler, or bfloat16 or float32. Otherwise lower "
            "training.optimizer.learn_rate."
        )
    if not np.isfinite(to_numpy(docs[0].vocab.vectors.data)).all():
        return "The vectors in the vocab are not. Replace those that initialize.vectors names."
    return LEARNING_RATE


def _weights(model: Model) -> Iterator[tuple[str, Tensor]]:
    for node in model.walk():
        for name in node.param_names:
            if node.has_param(name):
                yield node.name, xp2torch(node.get_param(name))
        for shim in node.shims:
            yield from ((node.name, weights.data) for weights in shim._model.parameters())


def _gradients(model: Model) -> Iterator[tuple[str, Tensor]]:
    for node in model.walk():
        for name in node.grad_names:
            yield node.name, xp2torch(node.get_grad(name))
        for shim in node.shims:
            # Where gradients are scaled, infinite ones are expected: the scaler skips the step.
            if not cast(PyTorchShim, shim)._grad_scaler._enabled:
                found = (weights.grad for weights in shim._model.parameters())
                yield from ((node.name, gradient) for gradient in found if gradient is not None)

"""A learn rate for each part of a network."""

from functools import partial
from typing import Any, Callable

from thinc.api import Model, Optimizer

from ..layers.tagger import LEARN_RATE


def finish_update(model: Model, optimizer: Optimizer) -> None:
    """Update the weights, as `Model.finish_update` does, each layer at its own learn rate: that of
    the optimizer times the layer's attribute `LEARN_RATE`, if it has one.

    model (Model): The network, with gradients.
    optimizer (Optimizer): The optimizer; or what `nlp.rehearse` collects gradients with, which has
        no learn rate of its own.
    """
    for node in model.walk():
        scale = {"lr_scale": node.attrs.get(LEARN_RATE, 1.0)}
        update: Callable[..., Any] = partial(
            optimizer, **scale if isinstance(optimizer, Optimizer) else {}
        )
        for shim in node.shims:
            shim.finish_update(update)
        for name in node.param_names:
            if node.has_grad(name):
                weights, _ = update((node.id, name), node.get_param(name), node.get_grad(name))
                node.set_param(name, weights)

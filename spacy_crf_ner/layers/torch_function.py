"""A torch function as the forward pass of a Thinc layer.

The weights stay Thinc parameters, so Thinc's optimizers, averages and serialization handle them
like any others, without a torch module, a shim or a pickle.
"""

from collections.abc import Callable
from typing import cast

import torch
from thinc.api import Model, torch2xp, xp2torch
from thinc.types import ArrayXd, FloatsXd
from torch import Tensor


def apply_torch(
    model: Model, function: Callable[..., Tensor], X: ArrayXd, is_train: bool
) -> tuple[ArrayXd, Callable[[ArrayXd], ArrayXd]]:
    """Apply a torch function to an input and all parameters of a layer.

    model (Model): The layer. Its parameters are passed by name.
    function (Callable[..., Tensor]): A differentiable function(X, **parameters).
    X (ArrayXd): The input.
    is_train (bool): Whether backprop will be called.
    RETURNS (tuple[ArrayXd, Callable]): The output, and the callback that takes its gradient, adds
        to the gradients of the parameters and returns the gradient of X.
    """
    inputs = xp2torch(X, requires_grad=is_train)
    parameters = {
        name: xp2torch(model.get_param(name), requires_grad=is_train) for name in model.param_names
    }
    with torch.set_grad_enabled(is_train):
        outputs = function(inputs, **parameters)

    def backprop(dY: ArrayXd) -> ArrayXd:
        dX, *gradients = torch.autograd.grad(outputs, [inputs, *parameters.values()], xp2torch(dY))
        for name, gradient in zip(parameters, gradients):
            model.inc_grad(name, cast(FloatsXd, torch2xp(gradient)))
        return torch2xp(dX)

    return torch2xp(outputs.detach()), backprop

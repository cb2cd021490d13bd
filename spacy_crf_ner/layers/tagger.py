"""The network of `crf_ner`: any tok2vec, one linear layer, and the parameters of a CRF."""

import math
from collections.abc import Callable
from typing import Any, cast

from spacy.tokens import Doc
from thinc.api import Model, chain, with_array
from thinc.types import Floats1d, Floats2d, Ragged

from .device import share_gpu_memory
from .linear import Linear
from .ragged import list2ragged
from .types import Scores

# The attribute of a layer with the factor of the learning rate for its weights.
LR_SCALE = "lr_scale"


def CRFTagger(
    tok2vec: Model[list[Doc], list[Floats2d]],
    nO: int | None = None,
    tok2vec_lr_scale: float = 1.0,
    output_lr_scale: float = 1.0,
    crf_lr_scale: float = 1.0,
) -> Model[list[Doc], Scores]:
    """Score the tags of each token from its vector, and the transitions between tags.

    tok2vec (Model[list[Doc], list[Floats2d]]): Any tok2vec, including a listener.
    nO (int | None): The number of tags C. The component sets it when it is initialized.
    tok2vec_lr_scale (float): The factor of the optimizer's learning rate for the tok2vec. A
        component that it listens to learns at the optimizer's own rate. The rate for a pretrained
        encoder is far too low for new weights.
    output_lr_scale (float): The factor of the learning rate for the linear layer.
    crf_lr_scale (float): The factor of the learning rate for the transitions.
    RETURNS (Model[list[Doc], Scores]): The network.
    RAISES: ValueError for an nO below 1, or a negative factor.
    """
    if nO is not None and nO < 1:
        raise ValueError(f"CRFTagger: nO, the number of tags, must be at least 1, got {nO}.")
    scales = tok2vec_lr_scale, output_lr_scale, crf_lr_scale
    if not all(0 <= scale < math.inf for scale in scales):
        raise ValueError(f"CRFTagger: each lr_scale must be a number of at least 0, got {scales}.")
    share_gpu_memory()
    for node in tok2vec.walk():
        node.attrs[LR_SCALE] = tok2vec_lr_scale
    output_layer = Linear(nO)
    output_layer.attrs[LR_SCALE] = output_lr_scale
    crf = CRF(nO)
    crf.attrs[LR_SCALE] = crf_lr_scale
    t2v_width = tok2vec.get_dim("nO") if tok2vec.has_dim("nO") else None
    if t2v_width:
        output_layer.set_dim("nI", t2v_width)
    model: Model[list[Doc], Scores] = chain(tok2vec, list2ragged(), with_array(output_layer), crf)
    model.set_ref("tok2vec", tok2vec)
    model.set_ref("output_layer", output_layer)
    model.set_ref("crf", crf)
    model.attrs["resize_output"] = resize_output
    return model


def CRF(nO: int | None = None) -> Model[Ragged, Scores]:
    """The transition scores of a linear-chain CRF. Emissions pass through unchanged.

    Its parameters have the names and shapes of those of `torchcrf.CRF`, and start at 0.

    nO (int | None): The number of tags C; None to infer it.
    RETURNS (Model[Ragged, Scores]): Emissions (N, C) to scores.
    """
    return Model(
        "crf",
        _forward,
        init=_init,
        dims={"nO": nO},
        params={"start_transitions": None, "transitions": None, "end_transitions": None},
    )


def resize_output(model: Model[list[Doc], Scores], nO: int) -> None:
    """Add tags after the existing ones, whose scores stay the same.

    model (Model[list[Doc], Scores]): A `CRFTagger`.
    nO (int): The new number of tags, at least the present one.
    """
    output_layer, crf = model.get_ref("output_layer"), model.get_ref("crf")
    around = [
        node
        for node in model.walk()
        if any(layer is output_layer or layer is crf for layer in node.layers)
    ]
    # New nodes have new ids, so an optimizer does not apply moments of the old shapes to them.
    for old, new in (
        (output_layer, Linear(nO, output_layer.maybe_get_dim("nI"))),
        (crf, CRF(nO)),
    ):
        for name in old.param_names:
            if old.has_param(name):
                small = old.get_param(name)
                # All dimensions are tags, except the last of the output layer's (tags, inputs).
                shape = (nO, small.shape[-1]) if name == "W" else (nO,) * small.ndim
                large = new.ops.alloc(shape, dtype="f")
                large[tuple(slice(size) for size in small.shape)] = small
                new.set_param(name, large)
        new.attrs.update(old.attrs)
        model.replace_node(old, new)
    for node in around:
        if node.has_dim("nO"):
            node.set_dim("nO", nO, force=True)


def count_trained_tags(model: Model[list[Doc], Scores]) -> int:
    """The number of tags without those that `resize_output` added and that were never trained.

    model (Model[list[Doc], Scores]): A `CRFTagger`.
    RETURNS (int): The number of tags up to the last one with a weight that is not 0.
    """
    weights = model.ops.to_numpy(cast(Floats2d, model.get_ref("output_layer").get_param("W")))
    (trained,) = weights.any(axis=1).nonzero()
    return int(trained[-1]) + 1 if len(trained) else len(weights)


def _init(model: Model, X: Ragged | None = None, Y: Any = None) -> None:
    if X is not None and model.has_dim("nO") is None:
        model.set_dim("nO", X.dataXd.shape[-1])
    n_tags = model.get_dim("nO")
    model.set_param("start_transitions", model.ops.alloc1f(n_tags))
    model.set_param("transitions", model.ops.alloc2f(n_tags, n_tags))
    model.set_param("end_transitions", model.ops.alloc1f(n_tags))


def _forward(
    model: Model[Ragged, Scores], X: Ragged, is_train: bool
) -> tuple[Scores, Callable[[Scores], Ragged]]:
    def backprop(d_scores: Scores) -> Ragged:
        model.inc_grad("start_transitions", d_scores.start)
        model.inc_grad("transitions", d_scores.transitions)
        model.inc_grad("end_transitions", d_scores.end)
        return Ragged(d_scores.emissions, X.lengths)

    scores = Scores(
        cast(Floats2d, X.dataXd),
        X.lengths,
        cast(Floats1d, model.get_param("start_transitions")),
        cast(Floats2d, model.get_param("transitions")),
        cast(Floats1d, model.get_param("end_transitions")),
    )
    return scores, backprop

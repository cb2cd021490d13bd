"""Initialization of a student with weights of its teacher."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any, cast

import numpy as np
from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats1d, FloatsXd

from ..layers.bidirectional import DIRECTIONS

# The ridge penalty for regressing one embedding on another, as a share of the variance.
RIDGE = 1e-3

# The attributes that say what a table is for.
_PURPOSE = ("seed", "column", "classes")
# The attribute that maps keys to rows, in tables whose rows are assigned during training.
_ROWS = "index"


def take_embeddings(student: Model, teacher: Model) -> int:
    """Copy the embedding tables of a teacher that match those of its student.

    DistilBERT starts from layers of BERT in the same way (Sanh et al. 2019, "DistilBERT, a
    distilled version of BERT"). Embeddings are most of what a small network has to learn. Tables
    match if they have the same kind and shape, and embed the same token feature or the same word
    classes.

    student (Model): The initialized network, changed in place.
    teacher (Model): The trained network.
    RETURNS (int): The number of copied tables.
    """
    theirs: dict[Hashable, list[Model]] = defaultdict(list)
    for key, node in _embeddings(teacher):
        theirs[key].append(node)
    n_taken = 0
    for key, node in _embeddings(student):
        if theirs[key]:
            other = theirs[key].pop(0)
            for name in node.param_names:
                table = node.ops.asarray(other.get_param(name)).copy()
                node.set_param(name, cast(FloatsXd, table))
            if _ROWS in node.attrs:
                node.attrs[_ROWS] = dict(other.attrs[_ROWS])
            n_taken += 1
    return n_taken


def take_encoder(
    student: Model,
    teacher: Model,
    order: Sequence[int],
    batches: Iterable[tuple[list[Doc], list[Doc]]],
) -> bool:
    """Copy the layers of a teacher above the embeddings, if its encoder matches the student's.

    Both encoders must begin with a BiLSTM and have the same shapes. The embeddings may differ: the
    teacher's may include the vectors of a transformer. If the teacher's BiLSTM reads its embeddings
    z with weights W, the student's reads its own embeddings s with W B, where B is the linear
    (ridge) regression of z on s. If both have the same embeddings, that is W itself.

    student (Model): The initialized `CRFTagger`, changed in place.
    teacher (Model): The trained `CRFTagger`.
    order (Sequence[int]): (C,) for each tag of the student, the teacher's id for it.
    batches (Iterable[tuple[list[Doc], list[Doc]]]): The same documents for the student and for the
        teacher, for the regression. Read only if the encoders match.
    RETURNS (bool): Whether the layers were copied.
    """
    mine, theirs = _encoder(student), _encoder(teacher)
    shapes = _shapes(mine)
    if not mine or mine[0].name != "bilstm" or shapes != _shapes(theirs):
        return False
    for i, _, _, name in shapes:
        mine[i].set_param(name, theirs[i].get_param(name).copy())
    B, shift = _regress(_embed(student, teacher, *docs) for docs in batches)
    ops = student.ops
    for direction in DIRECTIONS:
        W = ops.to_numpy(theirs[0].get_param(f"weight_ih_l0{direction}"))
        mine[0].set_param(f"weight_ih_l0{direction}", ops.asarray2f(W @ B, dtype="f"))
        bias = ops.asarray1f(W @ shift, dtype="f")
        bias += cast(Floats1d, theirs[0].get_param(f"bias_ih_l0{direction}"))
        mine[0].set_param(f"bias_ih_l0{direction}", bias)
    for ref in ("output_layer", "crf"):
        node, other = student.get_ref(ref), teacher.get_ref(ref)
        for name in node.param_names:
            value = cast(Any, other.get_param(name))[order]
            # Only transitions have a second dimension of tags.
            node.set_param(name, value[:, order] if name == "transitions" else value)
    return True


def _encoder(model: Model) -> list[Model]:
    """The layers above the embeddings that have parameters."""
    encode = model.get_ref("tok2vec").maybe_get_ref("encode")
    return [node for node in encode.walk() if node.param_names] if encode else []


def _shapes(nodes: list[Model]) -> dict[tuple[int, str, int | None, str], tuple[int, ...]]:
    """The shapes of all parameters of an encoder, except its input weights."""
    return {
        # Attention has the same parameters for any number of heads.
        (i, node.name, node.attrs.get("heads"), name): node.get_param(name).shape
        for i, node in enumerate(nodes)
        for name in node.param_names
        if i or not name.startswith("weight_ih")
    }


def _embed(
    student: Model, teacher: Model, docs: list[Doc], copies: list[Doc]
) -> tuple[np.ndarray, np.ndarray]:
    """Both networks' embeddings of the same tokens: (N, nS) and (N, nT), float64."""
    parts = []
    for model, read in ((student, docs), (teacher, copies)):
        vectors = model.get_ref("tok2vec").get_ref("embed").predict(read)
        parts.append(np.concatenate([model.ops.to_numpy(v) for v in vectors]).astype("f8"))
    return parts[0], parts[1]


def _regress(batches: Iterable[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Ridge regression of z (N, nT) on s (N, nS): B (nT, nS) and shift (nT,) of z = B s + shift.

    Only the sums of the products of all columns are kept, including a column of ones.
    """
    n_inputs, products = 0, np.zeros(())
    for S, Z in batches:
        n_inputs = S.shape[1]
        columns = np.hstack([S, Z, np.ones((len(S), 1))])
        products = products + columns.T @ columns
    means = products[-1, :-1] / products[-1, -1]
    covariances = products[:-1, :-1] / products[-1, -1] - np.outer(means, means)
    inputs = covariances[:n_inputs, :n_inputs]
    ridge = RIDGE * np.trace(inputs) / n_inputs * np.eye(n_inputs)
    B = np.linalg.solve(inputs + ridge, covariances[:n_inputs, n_inputs:]).T
    return B, means[n_inputs:] - B @ means[:n_inputs]


def _embeddings(model: Model) -> Iterator[tuple[Hashable, Model]]:
    """The layers with a table, each with a key that is equal if two tables match."""
    nodes = list(model.walk())
    # A table knows the column of its feature, and an earlier layer knows the columns' features.
    read = [node.attrs.get("features", node.attrs.get("columns")) for node in nodes]
    features = [names for names in read if names is not None]
    for node in nodes:
        if node.name.endswith("embed") and node.param_names:
            shapes = tuple(node.get_param(name).shape for name in node.param_names)
            purpose = [node.attrs[name] for name in _PURPOSE if name in node.attrs]
            purpose += [features] if "column" in node.attrs else []
            yield (node.name, shapes, repr(purpose)), node

"""Self-attention in which no document sees another document or padding."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from thinc.api import (
    Model,
    chain,
    glorot_uniform_init,
    ragged2list,
    residual,
    with_array,
)
from thinc.types import Floats2d, Ragged
from torch import Tensor
from torch.nn.functional import linear, scaled_dot_product_attention

from .dropout import Dropout, check_rate
from .embeddings import TAKES_EMBEDDINGS
from .layer_norm import LayerNorm
from .padding import groups_of_similar_length, to_device
from .ragged import list2ragged
from .torch_function import apply_torch


def SelfAttentionEncoder(
    encode: Model[list[Floats2d], list[Floats2d]],
    heads: int = 1,
    dropout: float = 0.0,
    window: int = 512,
) -> Model[list[Floats2d], list[Floats2d]]:
    """Add self-attention over the document to an encoder: scaled dot-product attention (Vaswani et
    al. 2017) with a residual connection, and LayerNorm.

    It does not know positions; those are left to the encoder, such as a BiLSTM.

    encode (Model[list[Floats2d], list[Floats2d]]): The encoder, which comes first.
    heads (int): The number of attention heads, each with its own part of the width.
    dropout (float): The dropout rate of the attention's output. `nlp.update` and `spacy train`
        override it (`training.dropout`).
    window (int): In documents of up to twice this many tokens, each token attends to all others.
        See `SelfAttention` for longer documents.
    RETURNS (Model[list[Floats2d], list[Floats2d]]): The encoder, for `spacy.Tok2Vec.v2`.
    RAISES: ValueError for heads that do not divide the width of `encode`, a window below 1, a
        dropout outside [0, 1).
    """
    check_rate("SelfAttentionEncoder: dropout", dropout)
    width = encode.get_dim("nO")
    attention: Model[list[Floats2d], list[Floats2d]] = chain(
        list2ragged(),
        SelfAttention(width, heads, window),
        with_array(Dropout(dropout)),
        ragged2list(),
    )
    # Not around Ragged: without tokens, thinc's `residual` would lose its width.
    model: Model[list[Floats2d], list[Floats2d]] = chain(
        encode, residual(attention), with_array(LayerNorm(width))
    )
    model.set_dim("nO", width)
    if TAKES_EMBEDDINGS in encode.attrs:
        model.attrs[TAKES_EMBEDDINGS] = True
    return model


def SelfAttention(nO: int, heads: int = 1, window: int = 512) -> Model[Ragged, Ragged]:
    """Scaled dot-product self-attention (Vaswani et al. 2017) within each ragged sequence.

    Its parameters are `query`, `key`, `value` and `output`, each (nO, nO) and without a bias.
    `output` starts at zero, the others Glorot-uniform. With a residual connection, training then
    begins without attention, which makes it faster (Bachlechner et al. 2021, "ReZero is all you
    need", do so with a factor).

    A long sequence is cut into blocks of `window` tokens. A token sees its own block and the two
    next to it, so time and memory grow with the length and not with its square. In a sequence of up
    to 2 * window tokens, each token sees all others.

    nO (int): The width of input and output.
    heads (int): The number of attention heads, each with its own part of the width.
    window (int): The minimum distance that a token of a long sequence sees to either side.
    RETURNS (Model[Ragged, Ragged]): (N, nO) to (N, nO), lengths unchanged.
    RAISES: ValueError for heads that do not divide the width, or a window below 1.
    """
    if heads < 1 or nO % heads:
        raise ValueError(
            f"SelfAttention: heads must be a positive number that divides the width {nO}; "
            f"got {heads}."
        )
    if window < 1:
        raise ValueError(f"SelfAttention: window must be at least 1, got {window}.")
    return Model(
        "self_attention",
        _forward,
        init=_init,
        dims={"nO": nO, "nI": nO},
        params=dict.fromkeys(("query", "key", "value", "output")),
        attrs={"heads": heads, "window": window},
    )


def _init(model: Model, X: Ragged | None = None, Y: Ragged | None = None) -> None:
    width = model.get_dim("nO")
    for name in ("query", "key", "value"):
        model.set_param(name, glorot_uniform_init(model.ops, (width, width)))
    model.set_param("output", model.ops.alloc2f(width, width))


def _forward(
    model: Model[Ragged, Ragged], X: Ragged, is_train: bool
) -> tuple[Ragged, Callable[[Ragged], Ragged]]:
    if not len(X.dataXd):
        return X, lambda dY: dY
    lengths = np.asarray(model.ops.to_numpy(X.lengths), dtype="i8")
    function = partial(
        _attention, blocks=_blocks(lengths, model.attrs["window"]), heads=model.attrs["heads"]
    )
    Y, backprop_array = apply_torch(model, function, X.dataXd, is_train)

    def backprop(dY: Ragged) -> Ragged:
        return Ragged(backprop_array(dY.dataXd), dY.lengths)

    return Ragged(Y, X.lengths), backprop


def _blocks(lengths: np.ndarray, window: int) -> np.ndarray:
    """(blocks, 4): the first token of each block and one past its last token; then the same for the
    tokens that the block sees."""
    blocks = []
    for end, length in zip(lengths.cumsum(), lengths):
        for first in range(end - length, end, window):
            last = min(first + window, end)
            blocks.append((first, last, max(first - window, end - length), min(last + window, end)))
    return np.array(blocks)


def _attention(
    X: Tensor,
    *,
    blocks: np.ndarray,
    heads: int,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    output: Tensor,
) -> Tensor:
    """(N, nO) to (N, nO). Blocks that see similar numbers of tokens are padded and run together."""
    queries, keys, values = linear(X, query), linear(X, key), linear(X, value)
    first, last, seen_first, seen_last = blocks.T
    # For each group: the tokens that attend, the tokens that they see, and which of the former are
    # not padding.
    shapes: list[tuple[int, int]] = []
    rows: list[np.ndarray] = []
    visible: list[np.ndarray] = []
    tokens: list[np.ndarray] = []
    for group in groups_of_similar_length(seen_last - seen_first):
        asking, real = _padded(first[group], last[group])
        seen, can_be_seen = _padded(seen_first[group], seen_last[group])
        shapes.append(seen.shape)
        rows += [asking.ravel(), seen.ravel(), np.flatnonzero(real)]
        visible.append(can_be_seen.ravel())
        tokens.append(asking[real])
    *on_device, order = to_device([*rows, np.concatenate(tokens).argsort()], X.device)
    masks = to_device(visible, X.device)
    outputs: list[Tensor] = []
    for i, (n_blocks, n_seen) in enumerate(shapes):
        asking_rows, seen_rows, real_rows = on_device[3 * i : 3 * i + 3]
        attended = scaled_dot_product_attention(
            _split(queries, asking_rows, n_blocks, heads),
            _split(keys, seen_rows, n_blocks, heads),
            _split(values, seen_rows, n_blocks, heads),
            attn_mask=masks[i].view(n_blocks, 1, 1, n_seen),
        )
        attended = attended.transpose(1, 2).reshape(-1, X.shape[1])
        outputs.append(attended.index_select(0, real_rows))
    return linear(torch.cat(outputs).index_select(0, order), output)


def _padded(first: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(B, T) the tokens of each range from first to last, exclusive; and which are not padding."""
    tokens = first[:, None] + np.arange((last - first).max())
    real = tokens < last[:, None]
    # Any token will do as padding.
    return np.minimum(tokens, last[:, None] - 1), real


def _split(X: Tensor, tokens: Tensor, n_blocks: int, heads: int) -> Tensor:
    """The rows of tokens, split into blocks and heads: (blocks, heads, tokens, nO / heads)."""
    return X.index_select(0, tokens).view(n_blocks, -1, heads, X.shape[1] // heads).transpose(1, 2)

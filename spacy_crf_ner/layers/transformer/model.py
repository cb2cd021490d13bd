"""The Thinc side of the encoder: from documents to windows, and back to tokens."""

from collections.abc import Callable
from typing import Any, NoReturn, cast

import numpy as np
from spacy.tokens import Doc, Span
from spacy_transformers.data_classes import FullTransformerBatch, WordpieceBatch
from spacy_transformers.layers.transformer_model import TransformerModel, set_pytorch_transformer
from thinc.api import Model
from thinc.types import Floats2d, Ints1d, Ints2d, Ragged
from torch import Tensor
from torch.nn import Embedding
from transformers.modeling_outputs import BaseModelOutput

from ..device import use_device
from .shim import EncoderShim, from_pretrained
from .windows import most_central, window_starts
from .wordpieces import Wordpieces, align, special_tokens, split_into_wordpieces


class WindowedTransformer(TransformerModel):
    """A `TransformerModel` of spacy-transformers with windows of wordpieces. Windows of tokens may
    have too many wordpieces for the encoder."""

    def __init__(self, name: str, shim: EncoderShim, window: int, stride: int) -> None:
        """For the arguments see `architecture.TransformerModel`.

        shim (EncoderShim): The encoder, to be loaded when the model is initialized.
        """
        Model.__init__(
            self,
            "transformer",
            _forward,
            init=_init,
            dims={"nO": None},
            layers=[Model("encoder", _encode, shims=[shim])],
            attrs={
                "name": name,
                "has_transformer": False,
                "set_transformer": set_pytorch_transformer,
                "replace_listener_cfg": _refuse_replacing,
            },
        )
        self.window = window
        self.stride = stride

    @property
    def size(self) -> int:
        """How many wordpieces a window has room for besides the special tokens.

        RAISES: ValueError if the window is too large for the encoder, or the stride for the window.
        """
        limit = _longest_input(self.tokenizer, self.transformer)
        if self.window > limit:
            raise ValueError(
                f"TransformerModel: window = {self.window}, but {self.attrs['name']} takes at most "
                f"{limit} wordpieces at once. Set window to at most {limit}."
            )
        size = self.window - sum(map(len, special_tokens(self.tokenizer)))
        if self.stride > size:
            raise ValueError(
                f"TransformerModel: stride = {self.stride} leaves gaps: a window of "
                f"{self.window} has room for {size} wordpieces besides special tokens. Set stride "
                f"to at most {size}, or raise window."
            )
        return size


def _init(model: WindowedTransformer, X: list[Doc] | None = None, Y: Any = None) -> None:
    if not model.attrs["has_transformer"]:
        configs = model._init_tokenizer_config, model._init_transformer_config
        set_pytorch_transformer(model, from_pretrained(model.attrs["name"], *configs))
    model.size  # noqa: B018 (settings that do not fit fail here, not in the first update)


def _forward(
    model: WindowedTransformer, docs: list[Doc], is_train: bool
) -> tuple[FullTransformerBatch, Callable[[FullTransformerBatch], list[Doc]]]:
    use_device(model.ops, next(model.transformer.parameters()))
    tokenizer, size = model.tokenizer, model.size
    before, after = special_tokens(tokenizer)
    spans: list[list[Span]] = [[] for _ in docs]
    windows: list[list[int]] = []
    # For each token of the batch: how many wordpieces it has, and where to read them.
    counts, window_of, place_of = [], [], []
    not_empty = [i for i, doc in enumerate(docs) if len(doc)]
    all_pieces = split_into_wordpieces(tokenizer, [docs[i] for i in not_empty])
    for i, pieces in zip(not_empty, all_pieces):
        n_pieces = len(pieces.ids)
        starts = window_starts(n_pieces, size, model.stride)
        window = most_central(starts, n_pieces, size)
        aligned, lengths = align(pieces, len(docs[i]))
        counts.append(lengths)
        window_of.append(len(windows) + window[aligned])
        place_of.append(len(before) + aligned - starts[window[aligned]])
        spans[i] = _spans_of_windows(docs[i], pieces, starts, size)
        windows += [[*before, *pieces.ids[start : start + size], *after] for start in starts]
    wordpieces = _pad(tokenizer, windows)
    output, backprop_encoder = model.layers[0](wordpieces, is_train)
    rows = np.concatenate(window_of) * wordpieces.input_ids.shape[1] + np.concatenate(place_of)
    batch = FullTransformerBatch(
        spans=spans,
        wordpieces=wordpieces,
        model_output=BaseModelOutput(last_hidden_state=output),
        align=Ragged(rows.astype("i"), cast(Ints1d, np.concatenate(counts).astype("i"))),
    )

    def backprop(d_batch: FullTransformerBatch) -> list[Doc]:
        backprop_encoder(d_batch.tensors[0])
        return docs

    return batch, backprop


def _encode(
    model: Model, wordpieces: WordpieceBatch, is_train: bool
) -> tuple[Tensor, Callable[[Tensor], None]]:
    return model.shims[0](wordpieces, is_train)


def _spans_of_windows(doc: Doc, pieces: Wordpieces, starts: np.ndarray, size: int) -> list[Span]:
    """The tokens in each window. spacy-transformers expects the spans to cover all tokens, even
    those without a wordpiece."""
    spans: list[Span] = []
    for start in starts:
        first = pieces.first[start : start + size].min(initial=len(doc) - 1)
        end = pieces.end[start : start + size].max(initial=first + 1)
        spans.append(doc[min(first, spans[-1].end) if spans else 0 : end])
    spans[-1] = doc[spans[-1].start :]
    return spans


def _pad(tokenizer: Any, windows: list[list[int]]) -> WordpieceBatch:
    lengths = [len(ids) for ids in windows]
    mask = np.arange(max(lengths)) < np.array(lengths)[:, None]
    input_ids = np.full(mask.shape, tokenizer.pad_token_id or 0, dtype="i8")
    input_ids[mask] = np.concatenate(windows)
    return WordpieceBatch(
        strings=[tokenizer.convert_ids_to_tokens(ids) for ids in input_ids],
        input_ids=cast(Ints2d, input_ids),
        attention_mask=cast(Floats2d, mask.astype("f")),
        lengths=lengths,
        token_type_ids=None,
    )


def _longest_input(tokenizer: Any, transformer: Any) -> int:
    """The maximum number of wordpieces that an encoder has positions for."""
    limits = [tokenizer.model_max_length]
    for name, module in transformer.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, Embedding):
            # RoBERTa counts from the position after that of padding.
            padding = -1 if module.padding_idx is None else module.padding_idx
            limits.append(module.num_embeddings - padding - 1)
    return min(limits)


def _refuse_replacing(*configs: Any) -> NoReturn:
    raise ValueError(
        "spacy_crf_ner.TransformerModel.v1 cannot be copied into the components that listen to it "
        "(replace_listeners). Let them share the component 'transformer'."
    )

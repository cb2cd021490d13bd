"""The registered architecture. It imports the extra 'transformers' only when it is called."""

from typing import Any

from spacy.tokens import Doc
from spacy.util import SimpleFrozenDict
from thinc.api import Model

from ..types import EncoderPrecision

FAST_TOKENIZER = SimpleFrozenDict(use_fast=True)
AS_PUBLISHED = SimpleFrozenDict()


def TransformerModel(
    name: str,
    tokenizer_config: dict[str, Any] = FAST_TOKENIZER,
    transformer_config: dict[str, Any] = AS_PUBLISHED,
    window: int = 512,
    stride: int = 384,
    precision: EncoderPrecision = "float32",
    layer_decay: float = 1.0,
    frozen_layers: int = 0,
    frozen_steps: int = 0,
) -> Model[list[Doc], Any]:
    """A pretrained encoder for the component `transformer`, in place of
    `spacy-transformers.TransformerModel.v3`, for documents of any length.

    A document's wordpieces are split into overlapping windows. A token's vector comes from the
    window in which it has the most context on both sides, and nothing is ever truncated. Only the
    encoder's last layer is kept.

    name (str): Name on the hub, or a local folder. Only needed when the model is initialized.
    tokenizer_config (dict[str, Any]): Settings of the tokenizer.
    transformer_config (dict[str, Any]): Settings of the encoder, such as
        `attention_probs_dropout_prob`. With `trust_remote_code = true` here and for the tokenizer,
        code that its author put beside the encoder is run when the model is initialized, but never
        when it is loaded.
    window (int): How many wordpieces the encoder sees at once, including special tokens.
    stride (int): The distance between the starts of two windows, in wordpieces.
    precision (Literal["float32", "bfloat16", "float16"]): The precision of the encoder, where torch
        considers it safe; weights and gradients stay in float32. "float16" scales the gradients,
        which needs a GPU. A model trained with it runs in float32 on a CPU.
    layer_decay (float): The learning rate of a layer relative to the layer above; embeddings are
        below all layers. 1: the same for all. Howard and Ruder (2018), "Universal language model
        fine-tuning for text classification"; Clark et al. (2020), "ELECTRA", use 0.8 and 0.9.
    frozen_layers (int): If above 0, the embeddings and this many of the lowest layers are frozen.
    frozen_steps (int): The number of initial training steps in which the whole encoder is frozen,
        so that the new weights above it learn first.
    RETURNS (Model[list[Doc], FullTransformerBatch]): The encoder.
    RAISES: ImportError without the extra 'transformers', ValueError for settings out of range.
    """
    if not 0 < stride <= window:
        raise ValueError(
            f"TransformerModel: stride must be above 0 and at most window = {window}, got {stride}."
        )
    if not 0 < layer_decay <= 1:
        raise ValueError(
            f"TransformerModel: layer_decay must be above 0 and at most 1, got {layer_decay}."
        )
    if frozen_layers < 0 or frozen_steps < 0:
        raise ValueError(
            "TransformerModel: frozen_layers and frozen_steps must be at least 0, got "
            f"{frozen_layers} and {frozen_steps}."
        )
    try:
        from .model import WindowedTransformer
        from .shim import EncoderShim
    except ImportError as error:
        raise ImportError(
            f"TransformerModel needs spacy-transformers ({error}): "
            "pip install 'spacy-crf-ner[transformers]'."
        ) from error
    shim = EncoderShim(
        tokenizer_config,
        transformer_config,
        precision=precision,
        layer_decay=layer_decay,
        frozen_layers=frozen_layers,
        frozen_steps=frozen_steps,
    )
    return WindowedTransformer(name, shim, window, stride)

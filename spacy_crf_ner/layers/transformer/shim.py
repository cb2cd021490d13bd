"""The torch side of the encoder: runs it within the available memory, updates and stores it."""

import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import numpy as np
import srsly
import torch
from spacy_transformers.data_classes import HFObjects, WordpieceBatch
from spacy_transformers.layers.hf_shim import HFShim
from thinc.api import Optimizer, get_torch_default_device, xp2torch
from thinc.types import FloatsXd
from torch import Tensor
from torch.utils.checkpoint import checkpoint
from transformers import AutoModel, AutoTokenizer

from ..finite import LEARNING_RATE, all_finite
from ..types import EncoderPrecision
from .memory import WORDPIECES_AT_ONCE, WORDPIECES_ON_CPU, Memory
from .payload import check_files, load_files, unpack

AUTOCAST = {"bfloat16": torch.bfloat16, "float16": torch.float16}
OVERFLOW = (
    "TransformerModel: float16 overflowed in the encoder. Batches where this happens are computed "
    'in float32. If this is too slow, set precision to "bfloat16" or "float32".'
)
# The indices of some windows, and their vectors: (windows, longest, width).
Part = tuple[np.ndarray, Tensor]


class EncoderShim(HFShim):
    """A Hugging Face encoder behind a Thinc layer. It only defines what differs from `HFShim`."""

    def __init__(
        self,
        tokenizer_config: dict[str, Any],
        transformer_config: dict[str, Any],
        *,
        precision: EncoderPrecision = "float32",
        layer_decay: float = 1.0,
        frozen_layers: int = 0,
        frozen_steps: int = 0,
    ) -> None:
        """For the arguments see `architecture.TransformerModel`."""
        super().__init__(
            HFObjects(None, None, None, tokenizer_config, transformer_config),
            grad_scaler_config={"enabled": precision == "float16"},
        )
        self.precision = precision
        self.layer_decay = layer_decay
        self.frozen_layers = frozen_layers
        self.frozen_steps = frozen_steps
        self._steps = 0
        self._memory = Memory()

    # Thinc annotates the input as that of any torch module. A shim gets what its layer passes.
    def predict(self, inputs: WordpieceBatch) -> Tensor:  # type: ignore[override]
        """Run the encoder.

        inputs (WordpieceBatch): The windows.
        RETURNS (Tensor): (windows, longest, width) float32, the last layer.
        """
        # It stays in this mode: another thread may be predicting, and would have dropout otherwise.
        self._model.eval()
        with torch.no_grad():
            output, *_ = self._encode_all(inputs, False)
        return output

    def begin_update(  # type: ignore[override]
        self, inputs: WordpieceBatch
    ) -> tuple[Tensor, Callable[[Tensor], None]]:
        """Run the encoder for training.

        inputs (WordpieceBatch): The windows.
        RETURNS (tuple[Tensor, Callable]): What `predict` returns, and the callback that takes its
            gradient and adds to the gradients of the weights.
        RAISES: ValueError for float16 without a GPU.
        """
        if self.precision == "float16" and self.device.type == "cpu":
            raise ValueError(
                'TransformerModel: precision = "float16" needs a GPU for training. Set it to '
                '"bfloat16" or "float32".'
            )
        depths = self._depths()
        top = max(depths.values())
        if self._steps < self.frozen_steps or 0 < top <= self.frozen_layers:
            return self.predict(inputs), lambda d_output: None
        for name, parameter in self._model.named_parameters():
            parameter.requires_grad_(not self.frozen_layers or depths[name] > self.frozen_layers)
        self._model.train()
        output, graph, precision = self._encode_all(inputs, True)

        def backprop(d_output: Tensor) -> None:
            self._model.train()  # there may have been a prediction, and activations be recomputed
            d_output = cast(Tensor, self._grad_scaler.scale(d_output))
            before = {p: p.grad for p in self._model.parameters() if p.grad is not None}

            def add_gradients(parts: Sequence[np.ndarray]) -> None:
                # After a failed attempt, its gradients are discarded and its graph is used up. The
                # next attempt has other parts, and so other dropout for this one batch.
                self._model.zero_grad()
                done = list(graph) or self._encode(inputs, parts, True, precision)[1]
                graph.clear()
                torch.autograd.backward(
                    [vectors for _, vectors in done],
                    [d_output[part, : vectors.shape[1]] for part, vectors in done],
                )

            self._memory.run(inputs.lengths, True, add_gradients)
            for parameter, gradient in before.items():
                parameter.grad = (
                    gradient if parameter.grad is None else gradient.add_(parameter.grad)
                )

        return output, backprop

    def finish_update(self, optimizer: Optimizer) -> None:
        """Update the weights, each layer at its own learning rate.

        optimizer (Optimizer): The optimizer.
        RAISES: ValueError if a gradient is not finite, before anything is updated. With float16,
            the step is skipped instead, and the factor of the gradients lowered.
        """
        gradients = [p.grad for p in self._model.parameters() if p.grad is not None]
        if self.precision != "float16" and not all_finite(gradients):
            self._model.zero_grad()
            raise ValueError(
                f"TransformerModel: Step {self._steps}: a gradient of the encoder is not finite. "
                f"{LEARNING_RATE} The weights are those before this step."
            )
        self._steps += 1
        self._grad_scaler.unscale(gradients)
        depths = self._depths()
        top = max(depths.values())

        def update(key: tuple[int, str], weights: FloatsXd, gradient: FloatsXd) -> Any:
            lr_scale = self.layer_decay ** (top - depths[key[1]])
            return optimizer(key, weights, gradient, lr_scale=lr_scale)

        # The parent only calls the optimizer.
        super().finish_update(cast(Optimizer, update))
        # The parent leaves zeros, with which an optimizer would continue in its old direction.
        self._model.zero_grad()

    @contextmanager
    def use_params(self, params: dict[tuple[int, str], Any]) -> Iterator[None]:
        """Use other weights temporarily, such as an optimizer's averages.

        params (dict[tuple[int, str], FloatsXd]): Weights by the keys that optimizers use. The
            parent looks for other keys and never finds any.
        """
        backup = {}
        for name, parameter in self._model.named_parameters():
            if (self.id, name) in params:
                backup[parameter] = parameter.data
                parameter.data = xp2torch(params[self.id, name], device=parameter.device)
        yield
        for parameter, data in backup.items():
            parameter.data = data

    def to_bytes(self) -> bytes:
        """Serialize the encoder and its tokenizer as the files that `save_pretrained` writes. The
        weights are in safetensors format.

        RETURNS (bytes): The payload.
        RAISES: ValueError for an encoder that comes with other files, such as code.
        """
        files: dict[str, bytes] = {}
        use_fast = True
        if self._model is not None:
            with TemporaryDirectory() as folder:
                self._hfmodel.transformer.save_pretrained(folder)
                self._hfmodel.tokenizer.save_pretrained(folder)
                files = {p.name: p.read_bytes() for p in Path(folder).iterdir() if p.is_file()}
            check_files(files)
            use_fast = self._hfmodel.tokenizer.is_fast
        return srsly.msgpack_dumps({"files": files, "use_fast": use_fast})

    def from_bytes(self, bytes_data: bytes) -> "EncoderShim":
        """Load the encoder and its tokenizer. This needs neither the network nor the place that
        they were first loaded from.

        bytes_data (bytes): A payload of `to_bytes`.
        RETURNS (EncoderShim): The shim itself.
        RAISES: ValueError as `payload.load_files` does. Then the shim stays as it was.
        """
        message = unpack(bytes_data)
        if message["files"]:
            tokenizer, encoder = load_files(message["files"], message["use_fast"])
            encoder.to(get_torch_default_device())
            self._hfmodel = HFObjects(tokenizer, encoder, None, {}, {})
            self._model = encoder
        return self

    def _encode_all(
        self, inputs: WordpieceBatch, is_train: bool
    ) -> tuple[Tensor, list[Part], EncoderPrecision]:
        """Run `_encode` in parts as large as memory allows. Returns its results and the precision
        used: float32 if float16, whose largest number is 65504, overflows."""
        precision = self.precision
        on_cpu = self.device.type == "cpu" and not is_train
        at_most = WORDPIECES_ON_CPU if on_cpu else WORDPIECES_AT_ONCE
        while True:
            encode = partial(self._encode, inputs, is_train=is_train, precision=precision)
            output, graph = self._memory.run(inputs.lengths, is_train, encode, at_most)
            if precision != "float16" or torch.isfinite(output).all():
                return output, graph, precision
            warnings.warn(OVERFLOW, stacklevel=1)  # always from this line: shown once
            precision = "float32"

    def _encode(
        self,
        inputs: WordpieceBatch,
        parts: Sequence[np.ndarray],
        is_train: bool,
        precision: EncoderPrecision,
    ) -> tuple[Tensor, list[Part]]:
        """The vectors of all windows and, in training, those of each part with their graph."""
        ids, mask = (
            xp2torch(array, device=self.device)
            for array in (inputs.input_ids, inputs.attention_mask)
        )
        output = torch.zeros((*ids.shape, self._model.config.hidden_size), device=self.device)
        graph = []
        for part in parts:
            longest = inputs.lengths[part[0]]
            arguments = ids[part, :longest], mask[part, :longest]
            if is_train and self._memory.recompute:
                vectors = checkpoint(self._run, *arguments, precision, use_reentrant=False)
            else:
                vectors = self._run(*arguments, precision)
            output[part, :longest] = vectors.detach()
            if is_train:
                graph.append((part, vectors))
        return output, graph

    def _run(self, ids: Tensor, mask: Tensor, precision: EncoderPrecision) -> Tensor:
        dtype = AUTOCAST.get(precision)
        enabled = dtype is not None and (self.device.type, precision) != ("cpu", "float16")
        with torch.autocast(self.device.type, dtype=dtype, enabled=enabled):
            output = self._model(input_ids=ids, attention_mask=mask)
        return output.last_hidden_state.float()

    def _depths(self) -> dict[str, int]:
        """The depth of each parameter: 0 for embeddings, 1 for the lowest layer, and so on.
        Parameters come in this order, and one without a number belongs to the layer before it."""
        depths, depth = {}, 0
        for name, _ in self._model.named_parameters():
            number = re.search(r"\.(\d+)\.", name)
            depth = int(number[1]) + 1 if number else depth
            depths[name] = depth
        return depths


def from_pretrained(
    source: str, tokenizer_config: dict[str, Any], transformer_config: dict[str, Any]
) -> HFObjects:
    """Load an encoder and its tokenizer. Code that comes with them is run only if the settings say
    `trust_remote_code = true`.

    source (str): Name on the hub, or a local folder.
    tokenizer_config (dict[str, Any]): Settings of the tokenizer.
    transformer_config (dict[str, Any]): Settings of the encoder.
    RETURNS (HFObjects): Both, the encoder on Thinc's device.
    """
    # Not the default, which asks on the terminal.
    no_code = {"trust_remote_code": False}
    tokenizer = AutoTokenizer.from_pretrained(source, **{**no_code, **tokenizer_config})
    transformer = AutoModel.from_pretrained(source, **{**no_code, **transformer_config})
    transformer.to(get_torch_default_device())
    return HFObjects(tokenizer, transformer, None, tokenizer_config, transformer_config)

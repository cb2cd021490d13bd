"""`LinearChainCRF`: this package's CRF with the interface of pytorch-crf."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torchcrf import CRF

from .decoding import best_tags
from .likelihood import log_likelihood
from .potentials import Potentials


class LinearChainCRF(CRF):
    """A drop-in replacement for `torchcrf.CRF`: same parameters, public methods and values.

    It differs in four ways: batch-first is the default, no Python loop runs over the sequences,
    transitions can be forbidden, and `torch.jit.script` does not work (TorchScript is deprecated
    since torch 2.9). A `state_dict` of `torchcrf.CRF` loads unchanged.

    A module that contains it can be compiled with `torch.compile`. The CRF itself stays uncompiled
    and breaks the graph, so `fullgraph=True` fails. It cannot be exported with `torch.export`.
    Export the network that computes the emissions, and call the CRF on its output.

    num_tags (int): The number of tags C, at least 1.
    batch_first (bool): Whether emissions come as (batch, length, tags) or (length, batch, tags).
    legal (tuple[Tensor, Tensor, Tensor] | None): Boolean masks (C,), (C, C) and (C,) of the
        legal starts, transitions [from, to] and ends, as in `TagSet`; None allows all. Illegal
        tag sequences have probability 0 and are never decoded.
    RAISES: ValueError for fewer than 1 tag or masks of the wrong shape.
    """

    def __init__(
        self,
        num_tags: int,
        batch_first: bool = True,
        *,
        legal: tuple[Tensor, Tensor, Tensor] | None = None,
    ) -> None:
        super().__init__(num_tags, batch_first=batch_first)
        shapes = [(num_tags,), (num_tags, num_tags), (num_tags,)]
        masks = legal or [torch.ones(shape, dtype=torch.bool) for shape in shapes]
        for name, mask, shape in zip(("starts", "transitions", "ends"), masks, shapes):
            if tuple(mask.shape) != shape:
                raise ValueError(f"legal {name}: expected shape {shape}, got {tuple(mask.shape)}")
            # Not persistent, so that the state dict stays that of torchcrf.CRF.
            self.register_buffer(f"legal_{name}", mask.bool(), persistent=False)

    def forward(
        self,
        emissions: Tensor,
        tags: Tensor,
        mask: Tensor | None = None,
        reduction: str = "sum",
    ) -> Tensor:
        """The conditional log-likelihood of the tags given the emissions.

        emissions (Tensor): (batch, length, tags) or (length, batch, tags), see `batch_first`.
        tags (Tensor): (batch, length) or (length, batch) int64.
        mask (Tensor | None): Shaped like `tags`, bool: True for tokens, False for padding, which
            must follow the tokens. Each sequence needs at least one token. None: no padding.
        reduction (str): "none" for one value per sequence, "sum", "mean" (over sequences) or
            "token_mean".
        RETURNS (Tensor): (batch,) for "none", else a scalar.
        RAISES: ValueError for shapes that do not match, a bad mask or an unknown reduction.
        """
        return _call_uncompiled(
            LinearChainCRF._log_likelihood, self, emissions, tags, mask, reduction
        )

    def decode(self, emissions: Tensor, mask: Tensor | None = None) -> list[list[int]]:
        """The tag sequence with the highest score, for each sequence.

        emissions (Tensor): (batch, length, tags) or (length, batch, tags), see `batch_first`.
        mask (Tensor | None): As for `forward`.
        RETURNS (list[list[int]]): The tag ids of each sequence's tokens.
        RAISES: ValueError for shapes that do not match or a bad mask.
        """
        return _call_uncompiled(LinearChainCRF._decode, self, emissions, mask)

    def _log_likelihood(
        self, emissions: Tensor, tags: Tensor, mask: Tensor | None, reduction: str
    ) -> Tensor:
        self._validate(emissions, tags=tags, mask=mask)
        if reduction not in ("none", "sum", "mean", "token_mean"):
            raise ValueError(f"invalid reduction: {reduction}")
        tokens = self._tokens(emissions, mask)
        potentials = self._potentials(emissions, tokens)
        llh = log_likelihood(potentials, self._batch_first(tags)[tokens])
        llh = llh.to(torch.promote_types(emissions.dtype, self.transitions.dtype))
        if reduction == "none":
            return llh
        if reduction == "sum":
            return llh.sum()
        return llh.sum() / (len(llh) if reduction == "mean" else tokens.sum())

    def _decode(self, emissions: Tensor, mask: Tensor | None) -> list[list[int]]:
        self._validate(emissions, mask=mask)
        potentials = self._potentials(emissions, self._tokens(emissions, mask))
        tags, ends = best_tags(potentials).tolist(), potentials.lengths.cumsum(0).tolist()
        return [tags[begin:end] for begin, end in zip([0, *ends], ends)]

    def _batch_first(self, x: Tensor) -> Tensor:
        return x if self.batch_first else x.transpose(0, 1)

    def _tokens(self, emissions: Tensor, mask: Tensor | None) -> Tensor:
        """(batch, length) bool: True for tokens, False for padding."""
        if mask is None:
            return self._batch_first(emissions.new_ones(emissions.shape[:2], dtype=torch.bool))
        tokens = self._batch_first(mask).bool()
        if (tokens[:, 1:] & ~tokens[:, :-1]).any():
            raise ValueError("mask must not have a token on after one that is off")
        return tokens

    def _potentials(self, emissions: Tensor, tokens: Tensor) -> Potentials:
        return Potentials(
            _Tokens.apply(self._batch_first(emissions), tokens),
            tokens.sum(1).cpu(),
            self.start_transitions,
            self.transitions,
            self.end_transitions,
        ).constrained(self.legal_starts, self.legal_transitions, self.legal_ends)


def _call_uncompiled(method: Callable[..., Any], *arguments: Any) -> Any:
    """Call a method without tracing into it if the caller is being compiled or exported.

    Tracing would break the graph at each shape that depends on the mask and at each numba kernel.
    Compilation would take a minute and make nothing faster.
    """
    if not torch.compiler.is_compiling():
        return method(*arguments)
    if not torch.compiler.is_dynamo_compiling():  # so it is exporting
        raise RuntimeError(
            "LinearChainCRF cannot be exported by torch.export. Export the network that computes "
            "the emissions, and call the CRF on its output."
        )
    # Not used as a decorator, because importing it takes seconds.
    return torch.compiler.disable(method)(*arguments)


class _Tokens(torch.autograd.Function):
    """emissions[tokens]: (batch, length, tags) and (batch, length) bool to (N, tags). torch's own
    gradient allows for tokens selected twice, and takes as long as the rest of the likelihood."""

    @staticmethod
    def forward(ctx: Any, emissions: Tensor, tokens: Tensor) -> Tensor:
        ctx.save_for_backward(tokens)
        ctx.shape = emissions.shape
        return emissions[tokens]

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (tokens,) = ctx.saved_tensors
        padded = gradient.new_zeros(ctx.shape)
        padded[tokens] = gradient
        return padded, None

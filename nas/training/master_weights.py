"""The weights of a model as the optimiser sees them: few long float32 vectors, and what the model computes with."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nas.model import Decoder


class MasterWeights:
    """Mixed precision with master weights (Micikevicius et al. 2018, 3.1), and one optimiser step for all tensors.

    The weights of `model` become parts of two float32 vectors: matrices, which are decayed, and gains and biases, which
    are not. `trained` is the model that computes losses: `model` itself in float32; in half precision a twin
    with rounded weights, which `refresh` rounds again. Steps too small for half precision so add up in the masters.
    """

    def __init__(self, model: Decoder, dtype: torch.dtype) -> None:
        groups = _in_order(model)
        self.vectors = [nn.Parameter(_flattened(group)) for group in groups]
        self.trained = model
        self._rounded: list[Tensor] = []
        if dtype != torch.float32:
            self._rounded = [vector.detach().to(dtype) for vector in self.vectors]
            self.trained = _twin(model, groups, self._rounded).to(dtype)
        self._trained = [one for group in _in_order(self.trained) for one in group]
        self._num_matrices = len(groups[0])

    def take_gradients(self, loss: Tensor) -> None:
        """Add the gradient of `loss` to that of the vectors, in float32."""
        grads = [grad.reshape(-1) for grad in torch.autograd.grad(loss, self._trained)]
        for vector, group in zip(self.vectors, (grads[: self._num_matrices], grads[self._num_matrices :]), strict=True):
            grad = torch.cat(group, out=torch.empty_like(vector, requires_grad=False))
            vector.grad = grad if vector.grad is None else vector.grad.add_(grad)

    @torch.no_grad()
    def refresh(self) -> None:
        """Round the masters anew, after they changed, and let go of the gradient."""
        for vector in self.vectors:
            vector.grad = None
        if self._rounded:
            for rounded, vector in zip(self._rounded, self.vectors, strict=True):
                rounded.copy_(vector)


def _in_order(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Matrices, then gains and biases."""
    parameters = list(model.parameters())
    return [one for one in parameters if one.dim() >= 2], [one for one in parameters if one.dim() < 2]


def _flattened(parameters: list[nn.Parameter]) -> Tensor:
    """One vector with the values of all; from here on each is a view of its part."""
    flat = torch.cat([one.detach().reshape(-1) for one in parameters])
    for one, part in zip(parameters, _parts(flat, parameters), strict=True):
        one.data = part
    return flat


def _twin(model: Decoder, groups: Sequence[list[nn.Parameter]], vectors: Sequence[Tensor]) -> Decoder:
    """A copy of `model` whose parameters are parts of `vectors`; no other memory is taken on the way."""
    memo: dict[int, Any] = {}
    for group, vector in zip(groups, vectors, strict=True):
        memo |= {id(one): nn.Parameter(part) for one, part in zip(group, _parts(vector, group), strict=True)}
    return copy.deepcopy(model, memo)


def _parts(flat: Tensor, parameters: list[nn.Parameter]) -> list[Tensor]:
    pieces = torch.split(flat, [one.numel() for one in parameters])
    return [piece.view_as(one) for piece, one in zip(pieces, parameters, strict=True)]

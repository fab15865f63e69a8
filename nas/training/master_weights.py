"""Weights as the optimiser updates them, in a few long float32 vectors, and as the model computes with them."""

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
    are not. `trained` is the model that computes losses: `model` itself in float32; in half precision a copy
    with rounded weights, which `refresh` rounds again. So steps too small for half precision add up in the masters.
    """

    def __init__(self, model: Decoder, dtype: torch.dtype) -> None:
        groups = _parameter_groups(model)
        self.vectors = [nn.Parameter(_flattened(group)) for group in groups]
        self.trained = model
        self._rounded: list[Tensor] = []
        if dtype != torch.float32:
            self._rounded = [vector.detach().to(dtype) for vector in self.vectors]
            self.trained = _rounded_copy(model, groups, self._rounded).to(dtype)
        self._trained = [parameter for group in _parameter_groups(self.trained) for parameter in group]
        self._num_matrices = len(groups[0])

    def add_gradients(self, loss: Tensor) -> None:
        """Add the gradient of `loss` to the gradients of the vectors, in float32."""
        grads = [grad.reshape(-1) for grad in torch.autograd.grad(loss, self._trained)]
        for vector, group in zip(self.vectors, (grads[: self._num_matrices], grads[self._num_matrices :]), strict=True):
            grad = torch.cat(group, out=torch.empty_like(vector, requires_grad=False))
            vector.grad = grad if vector.grad is None else vector.grad.add_(grad)

    @torch.no_grad()
    def refresh(self) -> None:
        """Round the changed masters again and drop their gradients."""
        for vector in self.vectors:
            vector.grad = None
        if self._rounded:
            for rounded, vector in zip(self._rounded, self.vectors, strict=True):
                rounded.copy_(vector)


def _parameter_groups(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Return the matrices, then the gains and biases."""
    parameters = list(model.parameters())
    matrices = [parameter for parameter in parameters if parameter.dim() >= 2]
    return matrices, [parameter for parameter in parameters if parameter.dim() < 2]


def _flattened(parameters: list[nn.Parameter]) -> Tensor:
    """Return one vector with all values, and make each parameter a view of its part."""
    flat = torch.cat([parameter.detach().reshape(-1) for parameter in parameters])
    for parameter, part in zip(parameters, _parts(flat, parameters), strict=True):
        parameter.data = part
    return flat


def _rounded_copy(model: Decoder, groups: Sequence[list[nn.Parameter]], vectors: Sequence[Tensor]) -> Decoder:
    """Return a copy of `model` whose parameters are parts of `vectors`, without allocating others on the way."""
    memo: dict[int, Any] = {}
    for group, vector in zip(groups, vectors, strict=True):
        parts = zip(group, _parts(vector, group), strict=True)
        memo |= {id(parameter): nn.Parameter(part) for parameter, part in parts}
    return copy.deepcopy(model, memo)


def _parts(flat: Tensor, parameters: list[nn.Parameter]) -> list[Tensor]:
    pieces = torch.split(flat, [parameter.numel() for parameter in parameters])
    return [piece.view_as(parameter) for piece, parameter in zip(pieces, parameters, strict=True)]

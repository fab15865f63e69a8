"""The weights of a model as the optimiser sees them: few long float32 vectors, and what the model computes with."""

from __future__ import annotations

import copy

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
        self._masters = _in_order(model)
        self.vectors = [nn.Parameter(_flattened(group)) for group in self._masters]
        self.trained = model
        self._rounded: list[Tensor] = []
        if dtype != torch.float32:
            self.trained = copy.deepcopy(model).to(dtype)
            self._rounded = [_flattened(group) for group in _in_order(self.trained)]
        self._trained = [one for group in _in_order(self.trained) for one in group]
        self._num_matrices = len(self._masters[0])
        for vector in self.vectors:
            vector.grad = torch.empty_like(vector)

    def take_gradients(self, loss: Tensor) -> None:
        """Put the gradient of `loss` into that of the vectors."""
        grads = [grad.reshape(-1) for grad in torch.autograd.grad(loss, self._trained)]
        for vector, group in zip(self.vectors, (grads[: self._num_matrices], grads[self._num_matrices :]), strict=True):
            assert vector.grad is not None
            torch.cat(group, out=vector.grad)

    def refresh(self) -> None:
        """Round the masters anew, after they changed."""
        with torch.no_grad():
            for rounded, vector in zip(self._rounded, self.vectors, strict=True) if self._rounded else ():
                rounded.copy_(vector)


def _in_order(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Matrices, then gains and biases."""
    parameters = list(model.parameters())
    return [one for one in parameters if one.dim() >= 2], [one for one in parameters if one.dim() < 2]


def _flattened(parameters: list[nn.Parameter]) -> Tensor:
    """One vector with the values of all; from here on each is a view of its part."""
    flat = torch.cat([one.detach().reshape(-1) for one in parameters])
    parts = torch.split(flat, [one.numel() for one in parameters])
    for one, part in zip(parameters, parts, strict=True):
        one.data = part.view_as(one)
    return flat

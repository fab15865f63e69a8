"""A matrix product without bias."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Linear(nn.Module):
    """The product x @ weight^T (..., out) of x (..., in).

    The weight is not initialised: `Decoder` draws it from its own seed. `nn.Linear` would draw from PyTorch's global
    random state while it is built.
    """

    packed: Tensor | None = None
    """The weight as packed by `packed_weights`, which the product then reads in its place."""

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out_dim, in_dim))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight) if self.packed is None else multiply_packed(x, self.packed)


def multiply_packed(x: Tensor, packed: Tensor) -> Tensor:
    """Return x @ weight^T (..., out) of x (..., in), with the weight that was packed into `packed`."""
    product: Tensor = torch.ops.mkldnn._linear_pointwise(x, packed, None, "none", [], "")
    return product

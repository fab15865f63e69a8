"""LayerNorm and RMSNorm over the last dimension.

H is the normalised dimension; leading dimensions are free.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EPSILON = 1e-5
_NUMBERS_AT_ONCE = 1 << 18  # few enough that intermediate results stay in the processor's cache


def build_norm(name: str, dim: int) -> nn.Module:
    """Return the norm called `name` over `dim` features: layernorm has weight and bias, rmsnorm a weight."""
    if name == "layernorm":
        return LayerNorm(dim)
    assert name == "rmsnorm", name
    return RMSNorm(dim)


class LayerNorm(nn.Module):
    """(x - mean) / sqrt(variance + eps) * weight + bias (Ba et al. 2016). Statistics are float32 in half precision."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.bias = nn.Parameter(torch.zeros(dim))

    def forward(self, x: Tensor) -> Tensor:
        weight: Tensor = self.weight
        bias: Tensor = self.bias
        if x.is_cpu:
            # On a CPU the kernel keeps its statistics in the type of the weight.
            precise = torch.promote_types(x.dtype, torch.float32)
            weight, bias = weight.to(precise), bias.to(precise)
        return F.layer_norm(x, weight.shape, weight, bias, EPSILON)


class RMSNorm(nn.Module):
    """x / sqrt(mean(x^2) + eps) * weight (Zhang and Sennrich 2019). The mean is float32 in half precision."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        if not x.is_cpu:
            return F.rms_norm(x, self.weight.shape, self.weight, EPSILON)
        normed: Tensor = _RMSNormFunction.apply(x, self.weight)  # type: ignore[no-untyped-call]
        return normed


class _RMSNormFunction(torch.autograd.Function):
    """RMSNorm with a derivative for CPUs, far faster than that of `F.rms_norm`; sums in float32 or better.

    With r = 1 / sqrt(mean(x^2) + eps) and p = r x dy:  y = r x w,  dw = sum(p),  dx = r w dy - r^2 x mean(p w).
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        precise = torch.promote_types(x.dtype, torch.float32)
        norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=precise)
        scale = norm.square_().div_(x.shape[-1]).add_(EPSILON).rsqrt_()
        ctx.save_for_backward(x, scale, weight)
        output: Tensor = (x * scale).mul_(weight).to(x.dtype)
        return output

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        x, scale, weight = ctx.saved_tensors
        dim, precise_weight = len(weight), weight.to(scale.dtype)
        grad_x, grad_weight = (
            torch.empty_like(x, memory_format=torch.contiguous_format),
            torch.zeros_like(precise_weight),
        )
        rows = max(1, _NUMBERS_AT_ONCE // dim)
        ones = scale.new_ones(rows)
        whole = (grad_x.view(-1, dim), grad.reshape(-1, dim), x.reshape(-1, dim), scale.reshape(-1, 1))
        for target, dy, x_part, r in zip(*(torch.split(tensor, rows) for tensor in whole), strict=True):
            products = (x_part * r).mul_(dy)
            grad_weight.addmv_(products.T, ones[: len(dy)])
            mean = torch.mv(products, precise_weight).div_(dim)[:, None]
            target.copy_(torch.mul(r, precise_weight, out=products).mul_(dy).addcmul_(x_part, mean * r * r, value=-1))
        return grad_x, grad_weight.to(weight.dtype)

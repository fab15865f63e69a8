"""Matrices in the order in which oneDNN's products read them, for as long as no weight changes.

PyTorch gives float32 products to MKL, which leaves the widest instructions of a processor that is not Intel's unused;
oneDNN uses them on any. Its products are float32 as well, with the sums in another order.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from nas.model.decoder import Decoder
from nas.model.linear import Linear

MIN_NUMBERS = 4096
"""In a matrix: with fewer, what a call of oneDNN costs is more than it gains."""


@contextmanager
def packed_weights(model: Decoder) -> Iterator[None]:
    """Inside, the products of a float32 `model` on an x86 processor read packed copies of its weights.

    The weights must not change meanwhile, and nothing can be differentiated. Elsewhere (another type, a GPU, a
    PyTorch without oneDNN) nothing happens, nor inside another such block, whose copies stay.
    """
    linears = [module for module in model.modules() if isinstance(module, Linear)]
    is_packed = model.packed_embedding is not None or any(linear.packed is not None for linear in linears)
    if is_packed or not can_pack(model.output_weight):
        yield
        return
    try:
        for linear in linears:
            linear.packed = pack(linear.weight)
        if model.head is None:
            model.packed_embedding = pack(model.embedding.weight)
        yield
    finally:
        for linear in linears:
            linear.packed = None
        model.packed_embedding = None


def can_pack(weight: Tensor) -> bool:
    """Whether this PyTorch has packed products for `weight`: they have no public name, so they are looked for."""
    return (
        weight.dtype == torch.float32
        and weight.is_cpu
        and platform.machine() in ("x86_64", "AMD64")
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )


def pack(weight: Tensor) -> Tensor | None:
    """None for a small matrix."""
    if weight.numel() < MIN_NUMBERS:
        return None
    packed: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight.detach())
    return packed

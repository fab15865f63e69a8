"""Weights in the memory order of oneDNN's products, for as long as no weight changes.

PyTorch gives float32 products to MKL, which leaves the widest instructions of a processor that is not Intel's unused;
oneDNN uses them on any processor. Its products are float32 as well, with the sums in another order.
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
"""Numbers in the smallest matrix that is packed: with fewer, a call of oneDNN costs more than it gains."""


@contextmanager
def packed_weights(model: Decoder) -> Iterator[None]:
    """Let the products of a float32 `model` on an x86 processor read packed copies of its weights.

    Inside the block the weights must not change, and nothing can be differentiated. With another type, on a GPU or
    with a PyTorch without oneDNN nothing happens, nor inside another such block, whose copies stay.
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
    """Return whether this PyTorch has packed products for `weight`; they have no public name, so look them up."""
    return (
        weight.dtype == torch.float32
        and weight.is_cpu
        and platform.machine() in ("x86_64", "AMD64")
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )


def pack(weight: Tensor) -> Tensor | None:
    """Return the packed matrix; None for a small one."""
    if weight.numel() < MIN_NUMBERS:
        return None
    packed: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight.detach())
    return packed

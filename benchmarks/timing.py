"""Seconds of several contenders side by side, so that what else the machine does hits all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence

import torch

PRODUCT = (2048, 1024, 1024)
"""Rows, inner and columns of the matrix product that stands for the machine's peak."""
_PRODUCTS_AT_ONCE = 4  # so that the caches and threads that a contender left behind hardly show
_PRODUCT_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def interleaved(
    contenders: Mapping[str, Callable[[], object]], rounds: int, warmups: int = 1
) -> dict[str, list[float]]:
    """Seconds of each contender, one call a round, `warmups` rounds before them left out.

    Each round begins with another contender: none always runs after the same one with the caches it left.
    """
    names = list(contenders)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for number in range(-warmups, rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            started = time.perf_counter()
            contenders[name]()
            if number >= 0:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, least and largest."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def ratio(slower: Sequence[float], faster: Sequence[float]) -> dict[str, float]:
    """How many times as long as `faster` the other took: the spread of the ratios of each round."""
    return spread([one / other for one, other in zip(slower, faster, strict=True)])


def products() -> dict[str, Callable[[], object]]:
    """A contender for each type of number that a product is done in."""
    rows, inner, columns = PRODUCT

    def contender(dtype: torch.dtype) -> Callable[[], object]:
        left, right = torch.ones(rows, inner, dtype=dtype), torch.ones(inner, columns, dtype=dtype)
        out = torch.empty(rows, columns, dtype=dtype)
        return lambda: [torch.mm(left, right, out=out) for _ in range(_PRODUCTS_AT_ONCE)]

    return {f"product {name}": contender(dtype) for name, dtype in _PRODUCT_DTYPES.items()}


def peak_flops(seconds: Mapping[str, Sequence[float]], numbers: str) -> float:
    """FLOP/s of the median product in `numbers`, `fp32` or `bf16`, of a run with `products` in it."""
    rows, inner, columns = PRODUCT
    flops = _PRODUCTS_AT_ONCE * 2 * rows * inner * columns
    return flops / statistics.median(seconds[f"product {numbers}"])

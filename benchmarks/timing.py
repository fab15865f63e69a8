"""Timing of several contenders in turns, so that other load on the machine affects all of them equally."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence

import torch

PRODUCT = (2048, 1024, 1024)
"""Rows, inner dimension and columns of the matrix product that defines the machine's peak."""
_PRODUCTS_PER_CALL = 4  # so that the caches and threads of the previous contender hardly matter
_PRODUCT_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def interleaved(
    contenders: Mapping[str, Callable[[], object]], rounds: int, warmups: int = 1
) -> dict[str, list[float]]:
    """Return the seconds of each contender, one call per round, without the first `warmups` rounds.

    Each round begins with another contender, so that none always runs with the caches of the same predecessor.
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
    """Return the median, the minimum and the maximum."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def ratio(slower: Sequence[float], faster: Sequence[float]) -> dict[str, float]:
    """Return the spread of the ratios of each round: how many times as long as `faster` the other took."""
    return spread([slow / fast for slow, fast in zip(slower, faster, strict=True)])


def products() -> dict[str, Callable[[], object]]:
    """Return a matrix product as a contender for each type of number."""
    rows, inner, columns = PRODUCT

    def contender(dtype: torch.dtype) -> Callable[[], object]:
        left, right = torch.ones(rows, inner, dtype=dtype), torch.ones(inner, columns, dtype=dtype)
        out = torch.empty(rows, columns, dtype=dtype)
        return lambda: [torch.mm(left, right, out=out) for _ in range(_PRODUCTS_PER_CALL)]

    return {f"product {name}": contender(dtype) for name, dtype in _PRODUCT_DTYPES.items()}


def peak_flops(seconds: Mapping[str, Sequence[float]], numbers: str) -> float:
    """Return the FLOP/s of the median product in `numbers` (`fp32` or `bf16`), timed among the contenders."""
    rows, inner, columns = PRODUCT
    flops = _PRODUCTS_PER_CALL * 2 * rows * inner * columns
    return flops / statistics.median(seconds[f"product {numbers}"])

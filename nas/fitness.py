"""What a trial is worth, and which trials no other one beats."""

from __future__ import annotations

from collections.abc import Sequence


def fitness(val_bpb: float, collapse_rate: float, collapse_weight: float) -> float:
    """Bits per byte, lower is better: validation bits per byte plus the price of collapsed completions.

    `collapse_weight` is what a collapse rate of 1 costs, in bits per byte.
    """
    return val_bpb + collapse_weight * collapse_rate


def pareto_front(points: Sequence[Sequence[float]]) -> list[int]:
    """Indices of the non-dominated points, all objectives minimised, in the order given.

    A point is dominated by another that is no worse in every objective and better in one; of equal
    points all stay. Plain O(n^2) comparison: a study has thousands of trials at most.
    """
    return [index for index, point in enumerate(points) if not any(_dominates(other, point) for other in points)]


def _dominates(first: Sequence[float], second: Sequence[float]) -> bool:
    return all(a <= b for a, b in zip(first, second, strict=True)) and any(
        a < b for a, b in zip(first, second, strict=True)
    )

"""The fitness of a trial, and which trials no other one dominates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def fitness(val_bpb: float, collapse_rate: float, collapse_weight: float) -> float:
    """Return validation bits per byte plus the price of collapsed completions; lower is better.

    `collapse_weight` is what a collapse rate of 1 costs, in bits per byte.
    """
    return val_bpb + collapse_weight * collapse_rate


def pareto_front(points: Sequence[Sequence[float]]) -> list[int]:
    """Return the indices of the non-dominated points in the given order, all objectives minimised.

    A point is dominated by another that is no worse in every objective and better in one; equal points all stay.
    Plain O(n^2) comparison: a study has thousands of trials at most.
    """
    return [index for index, point in enumerate(points) if not any(_dominates(other, point) for other in points)]


def non_dominated_ranks(points: Sequence[Sequence[float]] | NDArray[np.float64]) -> list[int]:
    """Return the rank of each point, all objectives minimised: 0 for non-dominated points, 1 for the next front, ...

    Deb et al. 2002 (NSGA-II), section III A. With one objective it is the rank among the distinct values.
    """
    values = np.asarray(points, dtype=float).reshape(len(points), -1)
    if values.shape[1] == 1:
        return [int(rank) for rank in np.unique(values, return_inverse=True)[1].reshape(-1)]
    pairs = values[:, None] - values[None]
    dominates: NDArray[np.bool_] = np.all(pairs <= 0, axis=2) & np.any(pairs < 0, axis=2)
    ranks = np.full(len(values), -1)
    rank, left = 0, np.ones(len(values), dtype=bool)
    while left.any():
        front = left & ~dominates[left].any(axis=0)
        ranks[front] = rank
        rank, left = rank + 1, left & ~front
    return [int(rank) for rank in ranks]


def crowding_distances(points: Sequence[Sequence[float]] | NDArray[np.float64]) -> list[float]:
    """Return how far each point of one front is from its neighbours; the ends of an objective are infinitely far.

    Deb et al. 2002 (NSGA-II), section III B.
    """
    values = np.asarray(points, dtype=float).reshape(len(points), -1)
    distances = np.zeros(len(values))
    for column in values.T:
        order = np.argsort(column, kind="stable")
        span = column[order[-1]] - column[order[0]]
        distances[order[[0, -1]]] = np.inf
        if span > 0:
            distances[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / span
    return [float(distance) for distance in distances]


def hypervolume(points: Sequence[Sequence[float]], reference: Sequence[float]) -> float:
    """Return the volume that `points` dominate below `reference`, all objectives minimised (Zitzler and Thiele 1998).

    Points that are not below the reference in every objective add nothing. The volume is summed by slices along the
    last objective; the time is exponential in the number of objectives, so this is for two to four.
    """
    inside = [tuple(point) for point in points if all(a < b for a, b in zip(point, reference, strict=True))]
    if not inside:
        return 0.0
    if len(reference) == 1:
        return reference[0] - min(point[0] for point in inside)
    inside.sort(key=lambda point: point[-1])
    ends = [point[-1] for point in inside[1:]] + [reference[-1]]
    return sum(
        (end - point[-1]) * hypervolume([below[:-1] for below in inside[: index + 1]], reference[:-1])
        for index, (point, end) in enumerate(zip(inside, ends, strict=True))
        if end > point[-1]
    )


def _dominates(first: Sequence[float], second: Sequence[float]) -> bool:
    return all(a <= b for a, b in zip(first, second, strict=True)) and any(
        a < b for a, b in zip(first, second, strict=True)
    )

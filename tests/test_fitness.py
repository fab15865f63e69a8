from __future__ import annotations

import itertools
import random

import pytest

from nas.fitness import fitness, pareto_front


def brute_force(points: list[tuple[float, ...]]) -> list[int]:
    """By the definition: a point is left out when another is no worse everywhere and not equal to it."""
    kept = []
    for index, point in enumerate(points):
        beaten = False
        for other in points:
            beaten = beaten or (other != point and not any(b > a for a, b in zip(point, other, strict=True)))
        if not beaten:
            kept.append(index)
    return kept


@pytest.mark.parametrize(
    ("val_bpb", "rate", "weight", "expected"),
    [(2.0, 0.25, 1.0, 2.25), (2.0, 0.25, 0.0, 2.0), (1.5, 1.0, 4.0, 5.5), (1.5, 0.0, 4.0, 1.5)],
)
def test_a_collapse_rate_of_one_costs_the_weight(val_bpb: float, rate: float, weight: float, expected: float) -> None:
    assert fitness(val_bpb, rate, weight) == expected


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([], []),
        ([(1, 1)], [0]),
        ([(1, 2), (2, 1)], [0, 1]),
        ([(1, 2), (1, 1)], [1]),
        ([(1, 1), (1, 1)], [0, 1]),
        ([(2, 2), (1, 1), (1, 1), (3, 0)], [1, 2, 3]),
        ([(1, 2), (2, 1), (2, 2), (1.5, 1.5)], [0, 1, 3]),
        ([(1, 1, 5), (1, 1, 4), (0, 2, 9)], [1, 2]),
        ([(3,), (1,), (1,)], [1, 2]),
    ],
)
def test_the_front_by_hand(points: list[tuple[float, ...]], expected: list[int]) -> None:
    assert pareto_front(points) == expected == brute_force(points)


def test_the_front_is_the_brute_force_one_on_small_grids_full_of_ties() -> None:
    draw = random.Random(0)
    sizes = [len(pareto_front(points)) for points in _grids(draw)]
    assert len(set(sizes)) > 3


def _grids(draw: random.Random) -> list[list[tuple[float, ...]]]:
    found = []
    for dimensions, count in itertools.product((1, 2, 3), (2, 5, 12, 30)):
        for _ in range(20):
            points = [tuple(float(draw.randrange(4)) for _ in range(dimensions)) for _ in range(count)]
            assert pareto_front(points) == brute_force(points)
            found.append(points)
    return found

from __future__ import annotations

import itertools
import math
import random

import pytest

from nas.records.fitness import crowding_distances, fitness, hypervolume, pareto_front


def brute_force(points: list[tuple[float, ...]]) -> list[int]:
    """Return the front by its definition: drop a point if a different one is at least as good in every objective."""
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
def test_the_front_equals_one_worked_out_by_hand(points: list[tuple[float, ...]], expected: list[int]) -> None:
    assert pareto_front(points) == expected == brute_force(points)


def test_the_front_is_the_brute_force_one_on_small_grids_full_of_ties() -> None:
    draw = random.Random(0)
    sizes = [len(pareto_front(points)) for points in _grids(draw)]
    assert len(set(sizes)) > 3


def _grids(draw: random.Random) -> list[list[tuple[float, ...]]]:
    grids = []
    for dimensions, count in itertools.product((1, 2, 3), (2, 5, 12, 30)):
        for _ in range(20):
            points = [tuple(float(draw.randrange(4)) for _ in range(dimensions)) for _ in range(count)]
            assert pareto_front(points) == brute_force(points)
            grids.append(points)
    return grids


def test_a_hypervolume_by_hand() -> None:
    """Add two boxes to (4, 4): 3 x 1 of (1, 3) and 2 x 2 of (2, 2), which share 2 x 1."""
    assert hypervolume([(1, 3), (2, 2), (3, 3), (5, 0)], (4, 4)) == 3 + 4 - 2
    assert hypervolume([(2,), (1,)], (4,)) == 3
    assert hypervolume([(4, 1)], (4, 4)) == 0
    assert hypervolume([], (4, 4)) == 0


def test_a_hypervolume_counts_the_cells_that_a_point_reaches() -> None:
    """On a grid of whole numbers the volume is the number of unit cubes above some point."""
    draw = random.Random(0)
    points = [tuple(draw.randint(0, 6) for _ in range(3)) for _ in range(8)]
    cubes = itertools.product(range(6), repeat=3)
    covered = sum(any(all(p <= c for p, c in zip(point, cube, strict=True)) for point in points) for cube in cubes)
    assert hypervolume(points, (6, 6, 6)) == covered


def test_crowding_by_hand() -> None:
    """Inner points of four on a line have neighbours 3/4 apart in either objective; outer ones are infinite."""
    assert crowding_distances([(0, 4), (1, 3), (3, 1), (4, 0)]) == [math.inf, 1.5, 1.5, math.inf]
    assert crowding_distances([(1, 1), (1, 1), (1, 1)])[1] == 0

"""Architectures spread over a search space by a Latin hypercube: a few draws reach all parts of every range."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from nas.space.dimension import Dimension, Range, Scalar
from nas.space.search_space import Candidate, SearchSpace
from nas.training.batches import derived_seed

_ATTEMPTS = 1000


def spread_candidates(space: SearchSpace, vocabulary_sizes: Mapping[str, int], count: int) -> list[Candidate]:
    """Return `count` different legal candidates, the same ones for the same space.

    Each dimension is cut into `count` equal strata and each stratum is used once (McKay et al. 1979). An
    illegal candidate is drawn again uniformly, so the strata hold for the others only.
    """
    rng = np.random.default_rng(derived_seed("spread", count))
    names = list(space.dimensions)
    strata = {name: (rng.permutation(count) + rng.random(count)) / count for name in names}
    chosen: dict[str, Candidate] = {}
    for row in range(count):
        places = {name: float(strata[name][row]) for name in names}
        for _ in range(_ATTEMPTS):
            point = {name: value_at(dimension, places[name]) for name, dimension in space.dimensions.items()}
            candidate = space.candidate(point, vocabulary_sizes)
            key = candidate.architecture.id
            if key not in chosen and space.is_legal(candidate.architecture):
                chosen[key] = candidate
                break
            places = {name: float(rng.random()) for name in names}
    assert len(chosen) == count, f"{len(chosen)} legal architectures in {space.name}"
    return list(chosen.values())


def value_at(dimension: Dimension, place: float) -> Scalar:
    """Return the value of a dimension at a place in [0, 1) of its range."""
    if isinstance(dimension, Range) and dimension.is_continuous:
        low, high = dimension.min, dimension.last
        return float(low * math.exp(place * math.log(high / low))) if dimension.log else low + place * (high - low)
    if isinstance(dimension, Range):
        low, high, step = dimension.min, dimension.last, dimension.step or 1
        return low + step * int(place * (round((high - low) / step) + 1))
    return dimension[int(place * len(dimension))] if isinstance(dimension, tuple) else dimension

"""Architectures spread over a search space: a Latin hypercube, so that few draws reach all of every range."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nas.space.search_space import Candidate, SearchSpace
from nas.space.sections import SearchSection
from nas.training.batches import derived_seed

_ATTEMPTS = 1000


def spread_candidates(space: SearchSpace, vocabulary_sizes: Mapping[str, int], count: int) -> list[Candidate]:
    """`count` different legal candidates; the same ones for the same space.

    Each dimension is cut into `count` equal strata and each stratum is used once (McKay et al. 1979). An
    illegal candidate is drawn again uniformly, so the strata hold for the others only.
    """
    rng = np.random.default_rng(derived_seed("spread", count))
    names = list(SearchSection.model_fields)
    strata = {name: (rng.permutation(count) + rng.random(count)) / count for name in names}
    found: dict[str, Candidate] = {}
    for row in range(count):
        place = {name: float(strata[name][row]) for name in names}
        for _ in range(_ATTEMPTS):
            candidate = space.suggest(_Placed(place), vocabulary_sizes)
            key = candidate.architecture.id
            if key not in found and space.is_legal(candidate.architecture):
                found[key] = candidate
                break
            place = {name: float(rng.random()) for name in names}
    assert len(found) == count, f"{len(found)} legal architectures found in {space.name}"
    return list(found.values())


class _Placed:
    """Takes the place of a trial: each dimension's value stands at a place in [0, 1) of its range."""

    def __init__(self, place: Mapping[str, float]) -> None:
        self._place = place

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        return choices[int(self._place[name] * len(choices))]

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        return low + step * int(self._place[name] * ((high - low) // step + 1))

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        if step is not None:
            return low + step * int(self._place[name] * (round((high - low) / step) + 1))
        if log:
            return float(low * math.exp(self._place[name] * math.log(high / low)))
        return low + self._place[name] * (high - low)

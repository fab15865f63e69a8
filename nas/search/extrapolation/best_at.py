"""Which architecture of a space a scaling law predicts to be best at a budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nas.architecture.config import ArchitectureConfig
from nas.scaling_law.fitted import ScalingLaw
from nas.scaling_law.law import Array, TrainingPoint
from nas.space.dimension import Dimension, Range, choices_of
from nas.space.search_space import Candidate, SearchSpace
from nas.space.sections import SearchSection

NUM_DRAWS = 3000
NUM_DESCENTS = 5
_GRID = 17
"""Values that a continuous range is looked at."""
_ATTEMPTS = 10
"""Draws for each of NUM_DRAWS, legal or not."""

Point = dict[str, Any]


@dataclass(frozen=True)
class VocabularyFacts:
    """What a budget must know of a vocabulary."""

    num_tokens: int
    bytes_per_token: float
    """Mean over the training split."""


def training_at(
    architecture: ArchitectureConfig, lr_multiplier: float, train_flops: float, bytes_per_token: float
) -> TrainingPoint:
    """The training that `train_flops` buy."""
    tokens = train_flops / architecture.train_flops_per_token(architecture.max_seq_length)
    return TrainingPoint(architecture, lr_multiplier, train_flops, tokens * bytes_per_token)


def best_at(
    space: SearchSpace,
    law: ScalingLaw,
    target_flops: float,
    vocabularies: Mapping[str, VocabularyFacts],
    seed: int = 0,
) -> Candidate | None:
    """The legal candidate with the fewest predicted bits per byte at `target_flops`; None where none was found legal.

    Random draws, the best few of them then improved one dimension at a time until none helps. Sizes trade off against
    each other and constraints can cut a way off, so this is the best nearly always and not by proof. The best of many
    predictions promises more than it keeps: where the law errs in its favour is why it was chosen.
    """
    search = _Search(space, law, target_flops, vocabularies)
    rng = np.random.default_rng(seed)
    drawn: list[Point] = []
    for _ in range(_ATTEMPTS * NUM_DRAWS):
        point = {name: values[rng.integers(len(values))] for name, values in search.grid.items()}
        drawn += [point] if search.is_legal(point) else []
        if len(drawn) == NUM_DRAWS:
            break
    if not drawn:
        return None
    starts = [drawn[index] for index in np.argsort(search.predict(drawn), kind="stable")[:NUM_DESCENTS]]
    ended = [search.descend(start) for start in starts]
    return search.candidate(ended[int(np.argmin(search.predict(ended)))])


class _Search:
    """The points of a space's grid and what the law says of them."""

    def __init__(
        self,
        space: SearchSpace,
        law: ScalingLaw,
        target_flops: float,
        vocabularies: Mapping[str, VocabularyFacts],
    ) -> None:
        self._space, self._law, self._target_flops = space, law, target_flops
        self._vocabularies = vocabularies
        self._tokens = {name: facts.num_tokens for name, facts in vocabularies.items()}
        self.grid = {name: grid_of(getattr(space.search, name)) for name in SearchSection.model_fields}

    def candidate(self, point: Point) -> Candidate:
        return self._space.suggest(_Fixed(point), self._tokens)

    def is_legal(self, point: Point) -> bool:
        return self._space.is_legal(self.candidate(point).architecture)

    def predict(self, points: Sequence[Point]) -> Array:
        """(n,) bits per byte."""
        return self._law.predict_all([self._training(self.candidate(point)) for point in points])

    def descend(self, point: Point) -> Point:
        """The point when no other value of any one dimension is legal and better."""
        best = float(self.predict([point])[0])
        while True:
            near = [point | {name: value} for name, values in self.grid.items() for value in values]
            near = [one for one in near if self.is_legal(one)]
            predicted = self.predict(near)
            index = int(np.argmin(predicted))
            if predicted[index] >= best - 1e-12:
                return point
            point, best = near[index], float(predicted[index])

    def _training(self, candidate: Candidate) -> TrainingPoint:
        facts = self._vocabularies[candidate.vocabulary]
        return training_at(candidate.architecture, candidate.lr_multiplier, self._target_flops, facts.bytes_per_token)


def grid_of(dimension: Dimension) -> list[Any]:
    """The values of a dimension; of a continuous range some, evenly spaced, in ratio where it is logarithmic."""
    if not isinstance(dimension, Range) or dimension.is_integer or dimension.step is not None:
        return choices_of(dimension)
    spaced = np.geomspace if dimension.log else np.linspace
    return [float(one) for one in spaced(dimension.min, dimension.max, _GRID)]


class _Fixed:
    """Takes the place of a trial whose values are known."""

    def __init__(self, point: Point) -> None:
        self._point = point

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        return self._point[name]

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        return int(self._point[name])

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        return float(self._point[name])

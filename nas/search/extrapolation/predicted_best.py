"""Search a space for the architecture that a scaling law predicts to be best at a budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nas.architecture.config import ArchitectureConfig
from nas.scaling_law.fitted_law import ScalingLaw
from nas.scaling_law.law import Array, TrainingPoint
from nas.space.dimension import Dimension, Range, choices_of
from nas.space.search_space import Candidate, SearchSpace

NUM_DRAWS = 3000
NUM_DESCENTS = 5
_GRID_SIZE = 17
"""Number of values tried in a continuous range."""
_ATTEMPTS = 10
"""Random draws for each of NUM_DRAWS legal points, before fewer of them have to do."""

Point = dict[str, Any]


@dataclass(frozen=True)
class VocabularyFacts:
    """Size of a vocabulary and text per token, which convert a training budget to bytes."""

    num_tokens: int
    bytes_per_token: float
    """Mean over the training split."""


def training_point(
    architecture: ArchitectureConfig, lr_multiplier: float, train_flops: float, bytes_per_token: float
) -> TrainingPoint:
    """Return the training of an architecture for as many bytes as `train_flops` can read."""
    tokens = train_flops / architecture.train_flops_per_token(architecture.max_seq_length)
    return TrainingPoint(architecture, lr_multiplier, train_flops, tokens * bytes_per_token)


def find_predicted_best(
    space: SearchSpace,
    law: ScalingLaw,
    target_flops: float,
    vocabularies: Mapping[str, VocabularyFacts],
    seed: int = 0,
) -> Candidate | None:
    """Return the legal candidate with the fewest predicted bits per byte, or None if no legal one was found.

    The best of many random draws are improved one dimension at a time until no change helps. Because sizes trade off
    against each other, and constraints can block a path, this finds the best nearly always, but not provably. The
    lowest of many predictions is optimistic: an error of the law in its favour is part of why it was selected.
    """
    search = _PointSearch(space, law, target_flops, vocabularies)
    rng = np.random.default_rng(seed)
    points: list[Point] = []
    for _ in range(_ATTEMPTS * NUM_DRAWS):
        point = {name: values[rng.integers(len(values))] for name, values in search.grid.items()}
        points += [point] if search.is_legal(point) else []
        if len(points) == NUM_DRAWS:
            break
    if not points:
        return None
    starts = [points[index] for index in np.argsort(search.predict(points), kind="stable")[:NUM_DESCENTS]]
    minima = [search.descend(start) for start in starts]
    return search.candidate(minima[int(np.argmin(search.predict(minima)))])


class _PointSearch:
    """The points of a space's grid, and the law's predictions for them."""

    def __init__(
        self,
        space: SearchSpace,
        law: ScalingLaw,
        target_flops: float,
        vocabularies: Mapping[str, VocabularyFacts],
    ) -> None:
        self._space, self._law, self._target_flops = space, law, target_flops
        self._vocabularies = vocabularies
        self._vocabulary_sizes = {name: facts.num_tokens for name, facts in vocabularies.items()}
        self.grid = {name: grid_values(dimension) for name, dimension in space.dimensions.items()}

    def candidate(self, point: Point) -> Candidate:
        return self._space.candidate(point, self._vocabulary_sizes)

    def is_legal(self, point: Point) -> bool:
        return self._space.is_legal(self.candidate(point).architecture)

    def predict(self, points: Sequence[Point]) -> Array:
        """Return bits per byte (n,) of n points."""
        return self._law.predict_all([self._training(self.candidate(point)) for point in points])

    def descend(self, point: Point) -> Point:
        """Return the point from which no legal change of one dimension is predicted to help."""
        lowest = float(self.predict([point])[0])
        while True:
            changed = [point | {name: value} for name, values in self.grid.items() for value in values]
            neighbours = [neighbour for neighbour in changed if self.is_legal(neighbour)]
            predicted = self.predict(neighbours)
            index = int(np.argmin(predicted))
            if predicted[index] >= lowest - 1e-12:
                return point
            point, lowest = neighbours[index], float(predicted[index])

    def _training(self, candidate: Candidate) -> TrainingPoint:
        bytes_per_token = self._vocabularies[candidate.vocabulary].bytes_per_token
        return training_point(candidate.architecture, candidate.lr_multiplier, self._target_flops, bytes_per_token)


def grid_values(dimension: Dimension) -> list[Any]:
    """Return the values of a dimension; of a continuous range some, in even steps or, if it is logarithmic, ratios."""
    if not isinstance(dimension, Range) or dimension.is_integer or dimension.step is not None:
        return choices_of(dimension)
    spaced = np.geomspace if dimension.log else np.linspace
    return [float(value) for value in spaced(dimension.min, dimension.max, _GRID_SIZE)]

"""The dimensions of a search space as distributions of Optuna."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import Trial

from nas.space.dimension import Range, Scalar
from nas.space.search_space import SearchSpace


def search_distributions(space: SearchSpace) -> dict[str, BaseDistribution]:
    """Return Optuna's distribution of every searched dimension, in the order in which they are suggested."""
    distributions: dict[str, BaseDistribution] = {}
    for name, dimension in space.dimensions.items():
        if isinstance(dimension, tuple):
            distributions[name] = CategoricalDistribution(dimension)
        elif isinstance(dimension, Range) and dimension.is_integer:
            step = int(dimension.step or 1)
            distributions[name] = IntDistribution(int(dimension.min), int(dimension.last), step=step)
        elif isinstance(dimension, Range):
            distributions[name] = FloatDistribution(
                dimension.min, dimension.last, log=dimension.log, step=dimension.step
            )
    return distributions


def suggest(trial: Trial, distributions: Mapping[str, BaseDistribution]) -> dict[str, Scalar]:
    """Have `trial` suggest a value for every distribution, and return the values by name."""
    return {name: _suggest(trial, name, distribution) for name, distribution in distributions.items()}


def _suggest(trial: Trial, name: str, distribution: BaseDistribution) -> Any:
    match distribution:
        case CategoricalDistribution():
            return trial.suggest_categorical(name, distribution.choices)
        case IntDistribution():
            return trial.suggest_int(name, distribution.low, distribution.high, step=distribution.step)
        case FloatDistribution():
            return trial.suggest_float(
                name, distribution.low, distribution.high, step=distribution.step, log=distribution.log
            )

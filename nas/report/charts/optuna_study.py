"""An Optuna study in memory, filled from records, for Optuna's own plots to draw from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from nas.records.trial import TrialRecord
from nas.space.dimension import Scalar

LOGARITHMIC = frozenset({"hidden_dim", "vocab_size", "lr_multiplier"})
_COUNTS = frozenset({"num_layers", "hidden_dim", "vocab_size", "head_dim", "query_group_size"})
"""Dimensions that are whole by nature; any other number is on a continuous scale, even if a space has whole ones."""


def memory_study(records: Sequence[TrialRecord], objectives: Sequence[Callable[[TrialRecord], float]]) -> optuna.Study:
    """Return a study that minimises `objectives`; its trial number i is records[i], all of them COMPLETE."""
    names = dict.fromkeys(name for record in records for name in record.point)
    distributions = {name: _distribution(name, records) for name in names}
    with _quiet():
        study = optuna.create_study(directions=["minimize"] * len(objectives))
        for record in records:
            study.add_trial(
                optuna.create_trial(
                    values=[objective(record) for objective in objectives],
                    params=record.point,
                    distributions={name: distributions[name] for name in record.point},
                    user_attrs={"record": record.number, "architecture": record.architecture.describe()},
                )
            )
    return study


def varying(records: Sequence[TrialRecord]) -> list[str]:
    """Return the dimensions that do not have one value in all records, which are of one space."""
    names = records[0].point if records else {}
    return [name for name in names if len({record.point[name] for record in records}) > 1]


def are_numbers(values: Sequence[Scalar]) -> bool:
    return all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)


def _distribution(name: str, records: Sequence[TrialRecord]) -> BaseDistribution:
    """Return the observed range of a dimension as a distribution."""
    values = [record.point[name] for record in records if name in record.point]
    if not are_numbers(values):
        return CategoricalDistribution(sorted(set(values), key=str))
    low, high = float(min(values)), float(max(values))
    if name in _COUNTS:
        return IntDistribution(int(low), int(high), log=name in LOGARITHMIC)
    return FloatDistribution(low, high, log=name in LOGARITHMIC)


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the line that Optuna logs for each new study."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)

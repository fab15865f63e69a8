"""An Optuna study in memory, filled from records, for Optuna's own plots to draw from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from nas.records.study import TrialRecord
from nas.scaling_law.fitted import Choice

Value = bool | int | float | str

PARAMETERS: dict[str, Callable[[TrialRecord | Choice], Value]] = {
    "num_layers": lambda one: one.architecture.num_layers,
    "hidden_dim": lambda one: one.architecture.hidden_dim,
    "vocab_size": lambda one: one.architecture.vocab_size,
    "head_dim": lambda one: one.architecture.head_dim,
    "query_group_size": lambda one: one.architecture.num_heads // one.architecture.num_kv_heads,
    "ffn_multiplier": lambda one: one.architecture.ffn_multiplier,
    "activation": lambda one: one.architecture.activation,
    "normalization": lambda one: one.architecture.normalization,
    "position_encoding": lambda one: one.architecture.position_encoding,
    "tie_embeddings": lambda one: one.architecture.tie_embeddings,
    "qk_norm": lambda one: one.architecture.qk_norm,
    "dropout": lambda one: one.architecture.residual_dropout,
    "lr_multiplier": lambda one: one.lr_multiplier,
}
"""The dimensions of a search space, read back from what was built: records hold no suggested values."""

LOGARITHMIC = frozenset({"hidden_dim", "vocab_size", "lr_multiplier"})


def memory_study(records: Sequence[TrialRecord], objectives: Sequence[Callable[[TrialRecord], float]]) -> optuna.Study:
    """A study that minimises `objectives`; its trial number i is records[i], all of them COMPLETE."""
    parameters = [{name: read(one) for name, read in PARAMETERS.items()} for one in records]
    distributions = {name: _distribution(name, [one[name] for one in parameters]) for name in PARAMETERS if records}
    with _no_chatter():
        study = optuna.create_study(directions=["minimize"] * len(objectives))
        for record, params in zip(records, parameters, strict=True):
            study.add_trial(
                optuna.create_trial(
                    values=[objective(record) for objective in objectives],
                    params=params,
                    distributions=distributions,
                    user_attrs={"record": record.number, "architecture": record.architecture.describe()},
                )
            )
    return study


def varying(records: Sequence[TrialRecord]) -> list[str]:
    """The parameters that do not have one value in all records."""
    return [name for name, read in PARAMETERS.items() if len({read(one) for one in records}) > 1]


def _distribution(name: str, values: Sequence[Value]) -> BaseDistribution:
    """The observed range as a distribution."""
    numbers = [one for one in values if isinstance(one, (int, float)) and not isinstance(one, bool)]
    if not numbers:
        return CategoricalDistribution(sorted(set(values), key=str))
    low, high = min(numbers), max(numbers)
    if all(isinstance(one, int) for one in numbers):
        return IntDistribution(int(low), int(high), log=name in LOGARITHMIC)
    return FloatDistribution(low, high, log=name in LOGARITHMIC)


@contextmanager
def _no_chatter() -> Iterator[None]:
    """Without the line that Optuna logs for each new study."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)

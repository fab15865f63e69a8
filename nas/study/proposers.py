"""The samplers of Optuna by name, and what they see of a study."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Container, Sequence
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, TPESampler
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from nas.records import TrialRecord
from nas.study.gains import Gains
from nas.study.objectives import Metric
from nas.study.results import Result, results_of
from nas.study.trial_attributes import unfinished_record

STARTUP_TRIALS = 10

PROPOSERS: dict[str, Callable[[int], BaseSampler]] = {
    "tpe": lambda seed: TPESampler(n_startup_trials=STARTUP_TRIALS, multivariate=True, constant_liar=True, seed=seed),
    "gp": lambda seed: GPSampler(n_startup_trials=STARTUP_TRIALS, seed=seed, warn_independent_sampling=False),
    "nsga2": lambda seed: NSGAIISampler(population_size=STARTUP_TRIALS, seed=seed),
}
"""Name -> a sampler with a seed. Beside them --sampler takes `law` (nas/study/law_proposer.py) and `random`.

The population of NSGA-II is that small because a search has some forty trials, and its first is drawn at random.
"""
ATTEMPTS = {"tpe": 50, "gp": 3, "nsga2": 50}
"""How often a sampler is asked for something new before it is drawn at random; a GP proposes its one optimum."""
BY_LAW = "law"
SAMPLERS = (BY_LAW, *PROPOSERS, "random")
NEEDS_ITS_TRIAL = ("nsga2",)
"""Samplers that write into the trial they propose for, which must be there before."""
_UNSEEN = (TrialState.WAITING, TrialState.FAIL)


def default_sampler(num_objectives: int) -> str:
    """What came to good architectures soonest on the table of docs/search-benchmark.md: for several objectives a GP."""
    return BY_LAW if num_objectives == 1 else "gp"


class Seen:
    """The study as TPE and GP are to see it.

    A trial that was stopped at a rung stands there as one that ended with the values expected of it at the top, once
    any trial has shown what is gained on the way. NSGA-II keeps its generations in the study, and sees that one.
    """

    def __init__(self, metrics: Sequence[Metric], num_rungs: int) -> None:
        self._metrics = metrics
        self._num_rungs = num_rungs
        self._records: dict[int, TrialRecord] = {}
        self._finished: dict[int, list[Result]] = {}

    def of(self, study: optuna.Study, trials: Sequence[FrozenTrial], number: int) -> optuna.Study:
        """`trials`: all of the study. What the sampler is to see when it is asked for trial `number`."""
        known = [one for one in trials if one.number != number and one.state not in _UNSEEN]
        if self._num_rungs == 1:
            return _Overlay(study, known)
        expected = self._expected(known)
        return _Overlay(study, [_as_ended(one, expected.get(one.number)) for one in known])

    def records(self, trials: Sequence[FrozenTrial]) -> list[TrialRecord]:
        """Of those trials that have finished a rung."""
        for one in trials:
            is_known = one.number in self._records and one.state.is_finished()
            if not is_known and (record := unfinished_record(one)) is not None:
                self._records[one.number] = record
        return [record for one in trials if (record := self._records.get(one.number)) is not None and record.rungs]

    def _results(self, trial: FrozenTrial) -> list[Result]:
        """Of a trial that has ended they stay what they are."""
        if trial.number in self._finished:
            return self._finished[trial.number]
        found = results_of(self.records([trial]), self._metrics)
        if trial.state.is_finished():
            self._finished[trial.number] = found
        return found

    def _expected(self, known: Sequence[FrozenTrial]) -> dict[int, NDArray[np.float64]]:
        """Number of a stopped trial -> the values expected of it at the top; none before any trial has come there."""
        results = {one.number: self._results(one) for one in known}
        gains = Gains([one for found in results.values() for one in found], self._metrics)
        by_rung: dict[int, list[Result]] = defaultdict(list)
        for one in known:
            if one.state is TrialState.PRUNED and results[one.number] and not one.constraints:
                last = results[one.number][-1]
                by_rung[last.rung].append(last)
        expected: dict[int, NDArray[np.float64]] = {}
        for stopped in by_rung.values():
            values = gains.at_rung(stopped, self._num_rungs - 1)
            if values is not None:
                expected |= {one.number: value for one, value in zip(stopped, values, strict=True)}
        return expected


def _as_ended(trial: FrozenTrial, values: NDArray[np.float64] | None) -> FrozenTrial:
    """A stopped trial as one that ended with these values; itself without them."""
    if values is None:
        return trial
    ended = copy.copy(trial)
    ended.state, ended.values = TrialState.COMPLETE, values.tolist()
    return ended


class _Overlay(optuna.Study):
    """A study whose trials are others than those of its storage, and which a sampler leaves as it is."""

    def __init__(self, study: optuna.Study, trials: list[FrozenTrial]) -> None:
        self.__dict__.update(study.__dict__)
        self._storage = _Unwritten(study._storage)  # type: ignore[assignment]
        self._overlaid = trials

    def _get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None, use_cache: bool = False
    ) -> list[FrozenTrial]:
        return [one for one in self._overlaid if states is None or one.state in states]


class _Unwritten:
    """A storage without what a sampler writes to explain itself."""

    def __init__(self, storage: BaseStorage) -> None:
        self._read = storage

    def __getattr__(self, name: str) -> Any:
        return getattr(self._read, name)

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Leave it out: the trial is not there yet."""

"""A study as TPE and GP are to see it: trials as they are expected to end, and what is over a limit as such."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from nas.records.trial import TrialRecord
from nas.search.objectives import METRICS, Metric
from nas.search.rungs.feasibility import relative_excess
from nas.search.rungs.gains import Gains
from nas.search.rungs.results import Result, recorded_results
from nas.search.trial_attributes import unfinished_record
from nas.space.search_space import SearchSpace

_UNSEEN = (TrialState.WAITING, TrialState.FAIL)


class ExpectedStudy:
    """Of a study, what a proposer is to learn from.

    A trial that was stopped at a rung stands there as one that ended with the values expected of it at the top, once
    any trial has shown what is gained on the way; one over a measured limit as Optuna has infeasible trials, with its
    values. NSGA-II keeps its generations in the study and sees that one, bred from feasible trials alone.
    """

    def __init__(self, metrics: Sequence[Metric], space: SearchSpace) -> None:
        self._space, self._num_rungs = space, space.training.num_rungs
        self._limits_collapse = space.constraints.max_collapse_rate is not None
        self._num_values = len(metrics)
        self._metrics = (*metrics, METRICS["collapse_rate"]) if self._limits_collapse else tuple(metrics)
        """Of which something is expected: the objectives, and a limited collapse rate."""
        self._records: dict[int, TrialRecord] = {}
        self._finished: dict[int, list[Result]] = {}

    def of(self, study: optuna.Study, trials: Sequence[FrozenTrial], number: int) -> optuna.Study:
        """`trials`: all of the study. What the sampler is to see when it is asked for trial `number`."""
        known = [one for one in trials if one.number != number and one.state not in _UNSEEN]
        if self._num_rungs == 1 and not self._space.constraints.of_measured:
            return _Overlay(study, known)
        expected = self._expected(known)
        return _Overlay(study, [self._as_ended(one, expected.get(one.number)) for one in known])

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
        found = recorded_results(self.records([trial]), self._metrics, self._space)
        if trial.state.is_finished():
            self._finished[trial.number] = found
        return found

    def _expected(self, known: Sequence[FrozenTrial]) -> dict[int, NDArray[np.float64]]:
        """Number of a stopped trial -> what is expected of it at the top; with measured limits of all that were judged.

        None of those that were stopped before any trial has come there, and none of what could not be used.
        """
        limits = set(self._space.constraints.of_measured)
        results = {one.number: self._results(one) for one in known}
        gains = Gains([one for found in results.values() for one in found], self._metrics)
        by_rung: dict[int, list[Result]] = defaultdict(list)
        for one in known:
            is_wanted = one.state is TrialState.PRUNED or (limits and one.state is TrialState.COMPLETE)
            if is_wanted and results[one.number] and one.constraints.keys() <= limits:
                last = results[one.number][-1]
                by_rung[last.rung].append(last)
        expected: dict[int, NDArray[np.float64]] = {}
        for ended in by_rung.values():
            values = gains.predict(ended, self._num_rungs - 1)
            if values is not None:
                expected |= {one.number: value for one, value in zip(ended, values, strict=True)}
        return expected

    def _as_ended(self, trial: FrozenTrial, expected: NDArray[np.float64] | None) -> FrozenTrial:
        """A trial as one that ended at the top, with how far it is over each measured limit; itself where that is not
        known.
        """
        if expected is None:
            return trial
        ended = copy.copy(trial)
        if trial.state is not TrialState.COMPLETE:
            ended.state, ended.values = TrialState.COMPLETE, expected[: self._num_values].tolist()
        collapse_rate = float(expected[-1]) if self._limits_collapse else None
        measured = self._records[trial.number].measured
        excess = relative_excess(self._space.constraints, measured, collapse_rate)
        if excess:
            _constrain(ended, excess)
        return ended


def _constrain(trial: FrozenTrial, excess: Mapping[str, float]) -> None:
    trial.system_attrs = {**trial.system_attrs}
    for name, over in excess.items():
        if name not in trial.constraints:
            trial.set_constraint(name, over)


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

"""A study for TPE and GP in which stopped trials have the values predicted at the top rung."""

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

_UNKNOWN_STATES = (TrialState.WAITING, TrialState.FAIL)


class StudyImputer:
    """Turns a study into one from which a sampler of Optuna can learn about stopped trials too.

    A trial that was stopped at a rung appears as completed, with the values predicted for it at the top, as soon as any
    trial has shown the gains on the way. A trial that exceeds a measured limit appears as infeasible, with its values.
    NSGA-II is not given such a study: it keeps its generations in the real one, and breeds feasible trials only.
    """

    def __init__(self, metrics: Sequence[Metric], space: SearchSpace) -> None:
        self._space, self._num_rungs = space, space.training.num_rungs
        self._limits_collapse = space.constraints.max_collapse_rate is not None
        self._num_values = len(metrics)
        self._metrics = (*metrics, METRICS["collapse_rate"]) if self._limits_collapse else tuple(metrics)
        """Metrics to predict: the objectives, and the collapse rate if it is limited."""
        self._records: dict[int, TrialRecord] = {}
        self._finished: dict[int, list[Result]] = {}

    def impute(self, study: optuna.Study, trials: Sequence[FrozenTrial], number: int) -> optuna.Study:
        """Return the study as the sampler sees it when it proposes trial `number`; `trials` are all of the study."""
        known = [trial for trial in trials if trial.number != number and trial.state not in _UNKNOWN_STATES]
        if self._num_rungs == 1 and not self._space.constraints.measured_limits:
            return _StudyView(study, known)
        predicted = self._predict_top(known)
        return _StudyView(study, [self._completed(trial, predicted.get(trial.number)) for trial in known])

    def records(self, trials: Sequence[FrozenTrial]) -> list[TrialRecord]:
        """Return the records of those trials that have finished a rung."""
        for trial in trials:
            is_final = trial.number in self._records and trial.state.is_finished()
            if not is_final and (record := unfinished_record(trial)) is not None:
                self._records[trial.number] = record
        records = (self._records.get(trial.number) for trial in trials)
        return [record for record in records if record is not None and record.rungs]

    def _results(self, trial: FrozenTrial) -> list[Result]:
        """Return the results of a trial's rungs; those of a finished trial do not change and are kept."""
        if trial.number in self._finished:
            return self._finished[trial.number]
        results = recorded_results(self.records([trial]), self._metrics, self._space)
        if trial.state.is_finished():
            self._finished[trial.number] = results
        return results

    def _predict_top(self, known: Sequence[FrozenTrial]) -> dict[int, NDArray[np.float64]]:
        """Return values predicted at the top of stopped trials, by number; with measured limits, of completed ones too.

        Leaves out trials stopped before any trial reached the top rung, and infeasible ones.
        """
        limits = set(self._space.constraints.measured_limits)
        results = {trial.number: self._results(trial) for trial in known}
        gains = Gains([result for trial_results in results.values() for result in trial_results], self._metrics)
        by_rung: dict[int, list[Result]] = defaultdict(list)
        for trial in known:
            is_wanted = trial.state is TrialState.PRUNED or (limits and trial.state is TrialState.COMPLETE)
            if is_wanted and results[trial.number] and trial.constraints.keys() <= limits:
                last = results[trial.number][-1]
                by_rung[last.rung].append(last)
        predicted: dict[int, NDArray[np.float64]] = {}
        for last_results in by_rung.values():
            values = gains.predict(last_results, self._num_rungs - 1)
            if values is not None:
                predicted |= {result.number: value for result, value in zip(last_results, values, strict=True)}
        return predicted

    def _completed(self, trial: FrozenTrial, predicted: NDArray[np.float64] | None) -> FrozenTrial:
        """Return the trial as completed at the top, with its excess over measured limits; itself without prediction."""
        if predicted is None:
            return trial
        completed = copy.copy(trial)
        if trial.state is not TrialState.COMPLETE:
            completed.state, completed.values = TrialState.COMPLETE, predicted[: self._num_values].tolist()
        collapse_rate = float(predicted[-1]) if self._limits_collapse else None
        measured = self._records[trial.number].measured
        excess = relative_excess(self._space.constraints, measured, collapse_rate)
        if excess:
            _set_constraints(completed, excess)
        return completed


def _set_constraints(trial: FrozenTrial, excess: Mapping[str, float]) -> None:
    trial.system_attrs = {**trial.system_attrs}  # set_constraint writes there, and the copy shares it with the original
    for name, value in excess.items():
        if name not in trial.constraints:
            trial.set_constraint(name, value)


class _StudyView(optuna.Study):
    """A study with other trials than its storage, which a sampler can read and does not write to.

    It overrides private parts of Optuna. The public way, to add the trials to a second study, copies all of them for
    every proposal: about a second per thousand trials.
    """

    def __init__(self, study: optuna.Study, trials: list[FrozenTrial]) -> None:
        self.__dict__.update(study.__dict__)
        self._storage = _ReadOnlyStorage(study._storage)  # type: ignore[assignment]
        self._visible_trials = trials

    def _get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None, use_cache: bool = False
    ) -> list[FrozenTrial]:
        return [trial for trial in self._visible_trials if states is None or trial.state in states]


class _ReadOnlyStorage:
    """A storage that ignores the attributes in which a sampler shares its proposal: the trial does not exist yet."""

    def __init__(self, storage: BaseStorage) -> None:
        self._storage = storage

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Ignore the attribute."""

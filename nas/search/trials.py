"""The trials of a study from proposal to end: begin, record, promote or stop, tell Optuna.

Where the trials run makes no difference here. The Optuna study is the source of truth: everything is written to it,
so a search whose driver was killed resumes from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from nas.errors import StudyError
from nas.records.trial import RungResult, TrialEnd, TrialRecord
from nas.search.objectives import Metric
from nas.search.proposals.distinct_sampler import DistinctSampler
from nas.search.proposals.distributions import suggest
from nas.search.rungs.feasibility import measured_excess
from nas.search.rungs.results import recorded_results, rung_result
from nas.search.rungs.stopping import StoppingRule
from nas.search.trial_attributes import ENDED, RECORD_KEY, attributes_of, records_of, unfinished_record
from nas.space.search_space import Candidate, SearchSpace
from nas.trial.task import RungTask

_FAULTS_IN_A_ROW = 5


class Observer(Protocol):
    """Receives the events of a search, for a progress table or a log."""

    def trial_started(self, number: int, description: str) -> None: ...
    def rung_ended(self, number: int, result: RungResult, num_rungs: int) -> None: ...
    def trial_ended(self, record: TrialRecord) -> None: ...


@dataclass
class _Open:
    """A trial between its proposal and its end."""

    trial_id: int
    """The trial's id in the storage, which is not its number."""
    candidate: Candidate
    reference: str | None
    record: TrialRecord | None = None
    """The record of the rungs done so far."""


class Trials:
    """The open trials of a study; decides after each rung whether its trial is promoted or stopped."""

    def __init__(
        self,
        study: optuna.Study,
        space: SearchSpace,
        sampler: DistinctSampler,
        metrics: tuple[Metric, ...],
        seed: int,
        observer: Observer,
        keep: Callable[[TrialRecord], None],
        attach: Callable[[Trial, TrialRecord], None] | None = None,
    ) -> None:
        """Read the study as it stands; each ended trial is given to `attach` before Optuna is told, to `keep` after."""
        # The private storage, as Optuna's `Trial` and `Study.tell` read each trial from the database again, and
        # `Study.add_trial` does not return the id of the trial.
        self._study, self._storage = study, study._storage
        self._space, self._sampler, self._metrics = space, sampler, metrics
        self._seed, self._observer, self._keep, self._attach = seed, observer, keep, attach
        self.rung_flops = space.training.rung_flops
        self._rule = StoppingRule(space.training.num_rungs, space.training.rung_factor, metrics)
        self._results = recorded_results(records_of(study, (*ENDED, TrialState.RUNNING)), metrics, space)
        self._unfinished = list(study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)))
        self._open: dict[int, _Open] = {}
        self._listed: list[FrozenTrial] = []
        self._faults = 0
        self.spent_flops = sum(result.spent_flops for result in self._results)
        """Training FLOPs of all rungs that ended, in earlier runs too."""
        self.num_ended = len(study.get_trials(deepcopy=False, states=ENDED))

    @property
    def num_open(self) -> int:
        """The number of trials that have begun and not ended."""
        return len(self._open)

    def has_next(self) -> bool:
        """Return whether there is an unfinished trial, a waiting one, or a legal architecture not tried yet."""
        if self._unfinished:
            return True
        self._listed = self._study.get_trials(deepcopy=False)
        return _any_waiting(self._listed) or self._sampler.has_unseen(self._listed)

    def begin(self) -> RungTask | None:
        """Begin the next trial, or resume one that a killed driver left; call it right after `has_next` is True.

        Returns None if the trial ended at once, over a limit that is known before training.
        """
        unfinished = self._unfinished.pop(0) if self._unfinished else None
        trial_id, stored = (unfinished._trial_id, unfinished) if unfinished else self._new_trial()
        number, params = self._storage.get_trial_number_from_id(trial_id), stored.params
        if not params.keys() >= self._sampler.dimensions:  # a waiting trial, or a driver was killed while proposing
            params = suggest(Trial(self._study, trial_id), self._sampler.distributions)
        candidate = self._sampler.candidate(params)
        record = unfinished_record(unfinished) if unfinished else None
        self._open[number] = _Open(trial_id, candidate, stored.user_attrs.get("reference"), record)
        if excess := _over(self._space.excess(candidate.architecture)):
            reason = f"over the limit, not trained: {_shares(excess)}"
            self._end(number, self._task(number).ended(TrialEnd.OVER_LIMIT, reason, self._seed), excess)
            return None
        if record is not None and record.is_complete:
            return self._decide(number)
        if record is not None:  # everything was written but its end
            self._end(number, record, {})
            return None
        task = self._task(number)
        reference = f" ({task.reference} reference)" if task.reference else ""
        self._observer.trial_started(number, candidate.architecture.describe() + reference)
        return task

    def _new_trial(self) -> tuple[int, FrozenTrial]:
        """Return the id and content of a waiting trial, or of a new one whose proposal is stored at once."""
        if self._sampler.needs_trial_in_study or _any_waiting(self._listed):
            trial_id = self._study.ask()._trial_id
            return trial_id, self._storage.get_trial(trial_id)
        proposal = self._sampler.propose(self._study, self._listed)
        return self._storage.create_new_trial(self._study._study_id, proposal), proposal

    def record(self, number: int, record: TrialRecord | None, error: str | None = None) -> RungTask | None:
        """Record the result of a trial's rung, or the `error` that left none, and decide how the trial continues.

        Returns the task of the next rung; None if the trial has ended. Raises StudyError after five faults in a row.
        """
        trial = self._open[number]
        if record is None:
            record = self._task(number).ended(TrialEnd.FAULT, error or "no record came back", self._seed)
        if not record.is_complete:
            self._end(number, record.after(trial.record), {} if record.end is TrialEnd.FAULT else {"unusable": 1.0})
            return None
        order = self._results[-1].order + 1 if self._results else 0
        rung = record.rungs[-1].model_copy(update={"order": order})
        trial.record = record.model_copy(update={"rungs": (rung,)}).after(trial.record)
        self._results.append(rung_result(trial.record, rung, self._metrics, self._space))
        self.spent_flops += rung.spent_flops
        self._storage.set_trial_user_attr(trial.trial_id, RECORD_KEY, trial.record.model_dump(mode="json"))
        self._observer.rung_ended(number, rung, len(self.rung_flops))
        return self._decide(number)

    def _task(self, number: int) -> RungTask:
        """Return the next task of an open trial."""
        trial = self._open[number]
        rung = len(trial.record.rungs) if trial.record else 0
        return RungTask(
            candidate=trial.candidate,
            number=number,
            rung=rung,
            reference=trial.reference,
        )

    def _decide(self, number: int) -> RungTask | None:
        """End the trial, or return the task of its next rung."""
        record = self._open[number].record
        assert record is not None
        rung = record.rungs[-1]
        is_top = rung.rung == len(self.rung_flops) - 1
        before = [result for result in self._results if result.order < rung.order]
        if over := _over(measured_excess(record, self._space)):
            self._end(
                number,
                record.ended(TrialEnd.OVER_MEASURED_LIMIT, f"over the limit, as measured: {_shares(over)}"),
                over,
            )
        elif reason := self._rule.stop_reason(rung_result(record, rung, self._metrics, self._space), before):
            self._end(number, record.ended(TrialEnd.STOPPED, reason), {})
        elif is_top:
            self._end(number, record, {})
        else:
            return self._task(number)
        return None

    def _end(self, number: int, record: TrialRecord, excess: Mapping[str, float]) -> None:
        """Write the whole trial to the study, and only then its final state: an ended trial is complete there."""
        trial_id = self._open.pop(number).trial_id
        for key, over in excess.items():
            Trial(self._study, trial_id).set_constraint(key, over)
        for key, value in attributes_of(record).items():
            self._storage.set_trial_user_attr(trial_id, key, value)
        if self._attach is not None:
            self._attach(Trial(self._study, trial_id), record)
        values = [metric.of(record) for metric in self._metrics] if record.is_complete else None
        self._storage.set_trial_state_values(trial_id, TrialState[record.state], values)
        self._keep(record)
        self._observer.trial_ended(record)
        self.num_ended += 1
        self._faults = self._faults + 1 if record.end is TrialEnd.FAULT else 0
        if self._faults >= _FAULTS_IN_A_ROW:
            raise StudyError(
                f"{self._faults} trials in a row failed, the last one with: {record.reason}; the search stops here"
            )


def _over(excess: Mapping[str, float]) -> dict[str, float]:
    return {key: share for key, share in excess.items() if share > 0}


def _shares(excess: Mapping[str, float]) -> str:
    return ", ".join(f"{key} by {100 * over:.0f}%" for key, over in excess.items())


def _any_waiting(trials: Sequence[FrozenTrial]) -> bool:
    return any(trial.state is TrialState.WAITING for trial in trials)

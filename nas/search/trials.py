"""The trials of a study from their proposal to their end, whoever runs them: begin, record, decide, tell.

The Optuna study is the truth: whatever is told here stands there, so a driver that was killed goes on from it.
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
from nas.search.proposals.sampler import DistinctSampler, suggest
from nas.search.rungs.feasibility import measured_excess
from nas.search.rungs.results import rung_result, recorded_results
from nas.search.rungs.stopping import StoppingRule
from nas.search.trial_attributes import ENDED, RECORD_KEY, attributes_of, records_of, unfinished_record
from nas.space.search_space import Candidate, SearchSpace
from nas.trial.task import RungTask

_FAULTS_IN_A_ROW = 5


class Observer(Protocol):
    """Is told what happens; reports and tables are its business."""

    def trial_started(self, number: int, description: str) -> None: ...
    def rung_ended(self, number: int, result: RungResult, num_rungs: int) -> None: ...
    def trial_ended(self, record: TrialRecord) -> None: ...


@dataclass
class _Open:
    """A trial between its proposal and its end."""

    trial_id: int
    """In the storage."""
    candidate: Candidate
    reference: str | None
    record: TrialRecord | None = None
    """Of the rungs it has done."""


class Trials:
    """The open trials of a study, and how each of them goes on."""

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
        """`keep` is called with every ended trial after the study was told, `attach` before."""
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
        self.spent_flops = sum(one.spent_flops for one in self._results)
        """On rungs that ended, those of earlier runs included."""
        self.num_ended = len(study.get_trials(deepcopy=False, states=ENDED))

    @property
    def num_open(self) -> int:
        return len(self._open)

    def has_next(self) -> bool:
        """Whether `begin` has one to begin: left unfinished, waiting, or a legal architecture that was not seen."""
        if self._unfinished:
            return True
        self._listed = self._study.get_trials(deepcopy=False)
        return _some_wait(self._listed) or self._sampler.has_fresh(self._listed)

    def begin(self) -> RungTask | None:
        """Begin the next trial, or go on with one that a killed driver left; right after `has_next` said there is one.

        None when the trial has ended at once, over a limit that is known before training.
        """
        left = self._unfinished.pop(0) if self._unfinished else None
        trial_id, written = (left._trial_id, left) if left else self._new_trial()
        number, params = self._storage.get_trial_number_from_id(trial_id), written.params
        if not params.keys() >= self._sampler.dimensions:  # one that waited, or was killed half proposed
            params = suggest(Trial(self._study, trial_id), self._sampler.distributions)
        candidate = self._sampler.candidate(params)
        record = unfinished_record(left) if left else None
        self._open[number] = _Open(trial_id, candidate, written.user_attrs.get("reference"), record)
        if excess := _over(self._space.excess(candidate.architecture)):
            reason = f"over the limit, not trained: {_shares(excess)}"
            self._end(number, self._task(number).ended(TrialEnd.OVER_LIMIT, reason, self._seed), excess)
            return None
        if record is not None and record.is_complete:
            return self._decide(number)
        if record is not None:  # all but the telling was written
            self._end(number, record, {})
            return None
        asked = self._task(number)
        reference = f" ({asked.reference} reference)" if asked.reference else ""
        self._observer.trial_started(asked.number, candidate.architecture.describe() + reference)
        return asked

    def _new_trial(self) -> tuple[int, FrozenTrial]:
        """One that waits, or one with a fresh proposal, which is written at once; with what is written of it."""
        if self._sampler.needs_its_trial or _some_wait(self._listed):
            trial_id = self._study.ask()._trial_id
            return trial_id, self._storage.get_trial(trial_id)
        proposal = self._sampler.propose(self._study, self._listed)
        return self._storage.create_new_trial(self._study._study_id, proposal), proposal

    def record(self, number: int, record: TrialRecord | None, error: str | None = None) -> RungTask | None:
        """Write down what a trial's evaluation gave, or the `error` for which it gave nothing.

        The evaluation that the trial goes on with; None when it has ended. StudyError after five faults in a row.
        """
        one = self._open[number]
        if record is None:
            record = self._task(number).ended(TrialEnd.FAULT, error or "no record came back", self._seed)
        if not record.is_complete:
            self._end(number, record.after(one.record), {} if record.end is TrialEnd.FAULT else {"unusable": 1.0})
            return None
        order = self._results[-1].order + 1 if self._results else 0
        rung = record.rungs[-1].model_copy(update={"order": order})
        one.record = record.model_copy(update={"rungs": (rung,)}).after(one.record)
        self._results.append(rung_result(one.record, rung, self._metrics, self._space))
        self.spent_flops += rung.spent_flops
        self._storage.set_trial_user_attr(one.trial_id, RECORD_KEY, one.record.model_dump(mode="json"))
        self._observer.rung_ended(number, rung, len(self.rung_flops))
        return self._decide(number)

    def _task(self, number: int) -> RungTask:
        """The next of an open trial."""
        one = self._open[number]
        rung = len(one.record.rungs) if one.record else 0
        return RungTask(
            candidate=one.candidate,
            number=number,
            rung=rung,
            reference=one.reference,
        )

    def _decide(self, number: int) -> RungTask | None:
        """The trial ends after its last rung, or goes on to the next."""
        record = self._open[number].record
        assert record is not None
        rung = record.rungs[-1]
        is_top = rung.rung == len(self.rung_flops) - 1
        before = [one for one in self._results if one.order < rung.order]
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
        """Write everything of a trial into the study before telling it: a told trial is whole."""
        trial_id = self._open.pop(number).trial_id
        for key, over in excess.items():
            Trial(self._study, trial_id).set_constraint(key, over)
        for key, value in attributes_of(record).items():
            self._storage.set_trial_user_attr(trial_id, key, value)
        if self._attach is not None:
            self._attach(Trial(self._study, trial_id), record)
        values = [one.of(record) for one in self._metrics] if record.is_complete else None
        # By the storage itself: the study's `tell`, as a Trial, reads the trial from the database again.
        self._storage.set_trial_state_values(trial_id, TrialState[record.state], values)
        self._keep(record)
        self._observer.trial_ended(record)
        self.num_ended += 1
        self._faults = self._faults + 1 if record.end is TrialEnd.FAULT else 0
        if self._faults >= _FAULTS_IN_A_ROW:
            raise StudyError(
                f"{self._faults} trials in a row failed, the last with: {record.reason}; the search stops here"
            )


def _over(excess: Mapping[str, float]) -> dict[str, float]:
    return {key: share for key, share in excess.items() if share > 0}


def _shares(excess: Mapping[str, float]) -> str:
    return ", ".join(f"{key} by {100 * over:.0f}%" for key, over in excess.items())


def _some_wait(trials: Sequence[FrozenTrial]) -> bool:
    return any(one.state is TrialState.WAITING for one in trials)

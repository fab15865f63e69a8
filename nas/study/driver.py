"""The search loop: ask, suggest, train elsewhere, tell. One driver, one Optuna study, any number of workers."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from nas.errors import SpaceError, StudyError
from nas.records import TrialRecord
from nas.space import Candidate, SearchSpace
from nas.study.sampler import RANDOM_ATTEMPTS, DistinctSampler
from nas.study.workers import Ended, WorkerPool

RECORD_KEY = "record"
_ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
_FAULTS_IN_A_ROW = 5


@dataclass(frozen=True)
class Budget:
    """When a search ends: at a number of ended trials in any state, after some hours of this run, or both."""

    trials: int | None = None
    hours: float | None = None


class Objective(Protocol):
    """Judges a candidate; called in a worker process, so it must be picklable."""

    def __call__(self, candidate: Candidate, *, number: int, reference: str | None) -> TrialRecord: ...


class Observer(Protocol):
    """Is told what happens; reports and tables are its business."""

    def trial_started(self, number: int, description: str) -> None: ...
    def trial_ended(self, record: TrialRecord) -> None: ...


def ended_records(study: optuna.Study) -> list[TrialRecord]:
    """The records of all ended trials, by number: the study is the truth, files follow it."""
    trials = study.get_trials(deepcopy=False, states=_ENDED)
    return [TrialRecord.model_validate(one.user_attrs[RECORD_KEY]) for one in trials if RECORD_KEY in one.user_attrs]


@dataclass
class Search:
    """One run of a study: what is asked, what is in the workers, what came back."""

    study: optuna.Study
    space: SearchSpace
    sampler: DistinctSampler
    objective: Objective
    pool: WorkerPool
    observer: Observer
    seed: int
    keep: Callable[[TrialRecord], None]
    """Called with every ended trial, after the study was told."""

    def run(self, budget: Budget) -> bool:
        """Go on until `budget` is reached; trials found unfinished are finished first, under their own number.

        False when the space had no other legal architecture before that; SpaceError when it has none at all.
        """
        started = time.monotonic()
        unfinished = list(self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)))
        num_ended = len(self.study.get_trials(deepcopy=False, states=_ENDED))
        running: dict[int, tuple[Trial, Candidate]] = {}
        used_up = False
        faults = 0

        def wants_more() -> bool:
            in_time = budget.hours is None or time.monotonic() - started < 3600 * budget.hours
            return in_time and (budget.trials is None or num_ended + len(running) < budget.trials)

        while True:
            while self.pool.num_free and wants_more() and not used_up:
                if not unfinished and not self._has_next():
                    used_up = True
                    break
                trial = self._next_trial(unfinished)
                candidate = self.sampler.candidate(trial.params)
                excess = {key: over for key, over in self.space.excess(candidate.architecture).items() if over > 0}
                if excess:
                    self._end(trial, self._refused(trial, candidate, excess), excess)
                    num_ended += 1
                    continue
                running[trial.number] = (trial, candidate)
                self._submit(trial, candidate)
            if not running:
                if used_up and not num_ended:
                    raise SpaceError(
                        f"no legal architecture in {RANDOM_ATTEMPTS:,} draws from the space '{self.space.name}'; "
                        "widen it or its [constraints], or give trials more FLOPs"
                    )
                return not used_up
            for result in self.pool.wait():
                trial, candidate = running.pop(int(str(result.key)))
                record = self._record_of(trial, candidate, result)
                self._end(trial, record, {"unusable": 1.0} if record.state == "PRUNED" else {})
                num_ended += 1
                faults = faults + 1 if record.state == "FAIL" else 0
            if faults >= _FAULTS_IN_A_ROW:
                raise StudyError(
                    f"{faults} trials in a row failed, the last with: {record.reason}; the search stops here"
                )

    def _has_next(self) -> bool:
        waiting = self.study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
        return bool(waiting) or self.sampler.has_fresh(self.study)

    def _next_trial(self, unfinished: list[FrozenTrial]) -> Trial:
        trial = Trial(self.study, unfinished.pop(0)._trial_id) if unfinished else self.study.ask()
        self.space.suggest(trial, self.sampler.vocabulary_sizes)
        return trial

    def _submit(self, trial: Trial, candidate: Candidate) -> None:
        reference = trial.user_attrs.get("reference")
        self.pool.submit(trial.number, partial(self.objective, candidate, number=trial.number, reference=reference))
        label = f"{candidate.architecture.describe()}{f' ({reference} reference)' if reference else ''}"
        self.observer.trial_started(trial.number, label)

    def _record_of(self, trial: Trial, candidate: Candidate, result: Ended) -> TrialRecord:
        if isinstance(result.value, TrialRecord):
            return result.value
        return self._ended(trial, candidate, "FAIL", result.error or f"no record came back: {result.value!r}")

    def _refused(self, trial: Trial, candidate: Candidate, excess: dict[str, float]) -> TrialRecord:
        reason = ", ".join(f"{key} by {100 * over:.0f}%" for key, over in excess.items())
        return self._ended(trial, candidate, "PRUNED", f"over the limit, not trained: {reason}")

    def _ended(self, trial: Trial, candidate: Candidate, state: Any, reason: str) -> TrialRecord:
        return TrialRecord(
            number=trial.number,
            state=state,
            reason=reason,
            reference=trial.user_attrs.get("reference"),
            architecture=candidate.architecture,
            vocabulary=candidate.vocabulary,
            lr_multiplier=candidate.lr_multiplier,
            seed=self.seed,
        )

    def _end(self, trial: Trial, record: TrialRecord, excess: dict[str, float]) -> None:
        """Write everything of a trial into the study before telling it: a told trial is whole."""
        for key, value in attributes_of(record).items():
            trial.set_user_attr(key, value)
        for key, over in excess.items():
            trial.set_constraint(key, over)
        if record.is_complete:
            self.study.tell(trial, record.fitness)
        else:
            self.study.tell(trial, state=TrialState[record.state])
        self.keep(record)
        self.observer.trial_ended(record)


def attributes_of(record: TrialRecord) -> dict[str, Any]:
    """A record as user attributes: the figures people look at by name, and the whole record."""
    attributes: dict[str, Any] = {"architecture": record.architecture.describe(), "vocabulary": record.vocabulary}
    if record.reason is not None:
        attributes["reason"] = record.reason
    return attributes | record.scores | {RECORD_KEY: record.model_dump(mode="json")}

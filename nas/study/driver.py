"""The search loop: ask, suggest, train elsewhere, stop or go on, tell. One driver, one Optuna study, any executor."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState

from nas.errors import SpaceError, StudyError
from nas.records import RungResult, TrialRecord
from nas.space import Candidate, SearchSpace
from nas.study.objective import Evaluation, Objective
from nas.study.objectives import Metric
from nas.study.results import Result, result_of, results_of
from nas.study.sampler import RANDOM_ATTEMPTS, DistinctSampler
from nas.study.stopping import StoppingRule
from nas.study.trial_attributes import ENDED, RECORD_KEY, attributes_of, records_of, unfinished_record
from nas.study.workers import Ended, Task

_FAULTS_IN_A_ROW = 5


@dataclass(frozen=True)
class Budget:
    """When a search starts no other trial: whichever of these is reached first."""

    trials: int | None = None
    """Ended ones, in any state, those of earlier runs included."""
    hours: float | None = None
    """Of this run."""
    train_flops: float | None = None
    """Spent on rungs that ended, those of earlier runs included."""


class Observer(Protocol):
    """Is told what happens; reports and tables are its business."""

    def trial_started(self, number: int, description: str) -> None: ...
    def rung_ended(self, number: int, result: RungResult, num_rungs: int) -> None: ...
    def trial_ended(self, record: TrialRecord) -> None: ...


class Executor(Protocol):
    """Runs tasks, at most so many at once: a WorkerPool, or this process."""

    @property
    def num_free(self) -> int: ...
    def submit(self, key: Hashable, task: Task) -> None: ...
    def wait(self, timeout: float | None = None) -> list[Ended]: ...


@dataclass
class _Running:
    """A trial between its first rung and its end."""

    trial: Trial
    candidate: Candidate
    record: TrialRecord | None = None
    """Of the rungs it has done."""

    @property
    def next_rung(self) -> int:
        return len(self.record.rungs) if self.record else 0


@dataclass
class Search:
    """One run of a study: what is asked, what is in the workers, what came back."""

    study: optuna.Study
    space: SearchSpace
    sampler: DistinctSampler
    objective: Objective
    pool: Executor
    observer: Observer
    seed: int
    keep: Callable[[TrialRecord], None]
    """Called with every ended trial, after the study was told."""
    metrics: tuple[Metric, ...]
    _results: list[Result] = field(init=False)
    _running: dict[int, _Running] = field(init=False, default_factory=dict)
    """Trials in the pool."""
    _ready: list[_Running] = field(init=False)
    """Trials whose next rung waits for a worker."""
    _unfinished: list[FrozenTrial] = field(init=False)
    _num_ended: int = field(init=False)
    _spent_flops: float = field(init=False)
    _faults: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        training = self.space.training
        self._rung_flops = training.rung_flops
        self._rule = StoppingRule(training.num_rungs, training.rung_factor, self.metrics)
        self._results = results_of(records_of(self.study, (*ENDED, TrialState.RUNNING)), self.metrics)
        self._spent_flops = sum(one.spent_flops for one in self._results)
        self._num_ended = len(self.study.get_trials(deepcopy=False, states=ENDED))
        self._unfinished = list(self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)))
        self._ready = []

    def run(self, budget: Budget) -> bool:
        """Go on until `budget` is reached; trials found unfinished are finished first, under their own number.

        False when the space had no other legal architecture before that; SpaceError when it has none at all.
        """
        started = time.monotonic()
        used_up = False
        while True:
            in_time = budget.hours is None or time.monotonic() - started < 3600 * budget.hours
            affordable = budget.train_flops is None or self._spent_flops < budget.train_flops
            while self.pool.num_free:
                if self._ready:
                    self._submit(self._ready.pop(0))
                    continue
                open_trials = self._num_ended + len(self._running)
                within = budget.trials is None or open_trials < budget.trials
                if used_up or not (in_time and affordable and within):
                    break
                used_up = not (self._unfinished or self._has_next())
                if not used_up:
                    self._start()
            if not self._running:
                if used_up and not self._num_ended:
                    raise SpaceError(
                        f"no legal architecture in {RANDOM_ATTEMPTS:,} draws from the space '{self.space.name}'; "
                        "widen it or its [constraints], or give trials more FLOPs"
                    )
                return not used_up
            for result in self.pool.wait():
                self._take(result)

    def _has_next(self) -> bool:
        waiting = self.study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
        return bool(waiting) or self.sampler.has_fresh(self.study)

    def _start(self) -> None:
        """Begin the next trial, or go on with one that a killed driver left."""
        left = self._unfinished.pop(0) if self._unfinished else None
        trial = Trial(self.study, left._trial_id) if left else self.study.ask()
        self.space.suggest(trial, self.sampler.vocabulary_sizes)
        candidate = self.sampler.candidate(trial.params)
        excess = {key: over for key, over in self.space.excess(candidate.architecture).items() if over > 0}
        running = _Running(trial, candidate, unfinished_record(left) if left else None)
        if excess:
            asked = self._evaluation(running)
            self._end(trial, asked.ended("PRUNED", f"over the limit, not trained: {_shares(excess)}"), excess)
        elif running.record is not None and not running.record.is_complete:
            self._end(trial, running.record, {})  # all was written but the telling
        elif running.record is not None:
            self._decide(running)
        else:
            self._submit(running)

    def _submit(self, running: _Running) -> None:
        asked = self._evaluation(running)
        self._running[asked.number] = running
        self.pool.submit(asked.number, partial(self.objective, asked))
        if asked.rung == 0:
            reference = f" ({asked.reference} reference)" if asked.reference else ""
            self.observer.trial_started(asked.number, running.candidate.architecture.describe() + reference)

    def _evaluation(self, running: _Running) -> Evaluation:
        return Evaluation(
            candidate=running.candidate,
            number=running.trial.number,
            rung=running.next_rung,
            train_flops=self._rung_flops[running.next_rung],
            seed=self.seed,
            reference=running.trial.user_attrs.get("reference"),
        )

    def _take(self, ended: Ended) -> None:
        """Write down what came back from the pool, and decide what becomes of the trial."""
        running = self._running.pop(int(str(ended.key)))
        record = ended.value
        if not isinstance(record, TrialRecord):
            asked = self._evaluation(running)
            record = asked.ended("FAIL", ended.error or f"no record came back: {ended.value!r}")
        if not record.is_complete:
            excess = {"unusable": 1.0} if record.state == "PRUNED" else {}
            self._end(running.trial, record.after(running.record), excess)
            return
        order = self._results[-1].order + 1 if self._results else 0
        rung = record.rungs[-1].model_copy(update={"order": order})
        running.record = record.model_copy(update={"rungs": (rung,)}).after(running.record)
        self._results.append(result_of(running.record, rung, self.metrics))
        self._spent_flops += rung.spent_flops
        running.trial.set_user_attr(RECORD_KEY, running.record.model_dump(mode="json"))
        self.observer.rung_ended(record.number, rung, len(self._rung_flops))
        self._decide(running)

    def _decide(self, running: _Running) -> None:
        """The trial ends here, or goes on to the next rung."""
        record = running.record
        assert record is not None
        rung = record.rungs[-1]
        is_top = rung.rung == len(self._rung_flops) - 1
        before = [one for one in self._results if one.order < rung.order]
        if over := self.space.constraints.measured_excess(record.measured, rung.collapse_rate if is_top else None):
            self._end(running.trial, record.stopped(f"over the limit, as measured: {_shares(over)}"), over)
        elif reason := self._rule.stops(result_of(record, rung, self.metrics), before):
            self._end(running.trial, record.stopped(reason), {})
        elif is_top:
            self._end(running.trial, record, {})
        else:
            self._ready.append(running)

    def _end(self, trial: Trial, record: TrialRecord, excess: dict[str, float]) -> None:
        """Write everything of a trial into the study before telling it: a told trial is whole."""
        for key, over in excess.items():
            trial.set_constraint(key, over)
        for key, value in attributes_of(record).items():
            trial.set_user_attr(key, value)
        if record.is_complete:
            self.study.tell(trial, [one.of(record) for one in self.metrics])
        else:
            self.study.tell(trial, state=TrialState[record.state])
        self.keep(record)
        self.observer.trial_ended(record)
        self._num_ended += 1
        self._faults = self._faults + 1 if record.state == "FAIL" else 0
        if self._faults >= _FAULTS_IN_A_ROW:
            raise StudyError(
                f"{self._faults} trials in a row failed, the last with: {record.reason}; the search stops here"
            )


def _shares(excess: Mapping[str, float]) -> str:
    return ", ".join(f"{key} by {100 * over:.0f}%" for key, over in excess.items())

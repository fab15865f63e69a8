"""The search loop: begin trials while the budget lasts, have them evaluated elsewhere, record what comes back."""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from functools import partial

from nas.errors import SpaceError
from nas.records.trial import TrialRecord
from nas.search.executors.executor import Executor, Task, TaskResult, run_tasks
from nas.search.proposals.sampler import RANDOM_ATTEMPTS
from nas.search.trials import Trials
from nas.trial.task import RungTask, RunRung


@dataclass(frozen=True)
class Budget:
    """When a search begins no other trial: whichever of these is reached first."""

    trials: int | None = None
    """Ended ones, in any state, those of earlier runs included."""
    hours: float | None = None
    """Of this run."""
    train_flops: float | None = None
    """Spent on rungs that ended, those of earlier runs included."""

    def allows(self, trials: Trials, seconds: float) -> bool:
        """Another trial, `seconds` after this run began."""
        return (
            (self.trials is None or trials.num_ended + trials.num_open < self.trials)
            and (self.hours is None or seconds < 3600 * self.hours)
            and (self.train_flops is None or trials.spent_flops < self.train_flops)
        )


class TrialQueue:
    """The trials that a budget allows, begun one by one; those found unfinished first, under their own number."""

    def __init__(self, trials: Trials, budget: Budget) -> None:
        self._trials, self._budget = trials, budget
        self._started = time.monotonic()
        self._used_up = False

    def next(self) -> RungTask | None:
        """None when there is no other: the budget is reached, or the space used up. Then there is none later."""
        while not self._used_up and self._budget.allows(self._trials, time.monotonic() - self._started):
            if not self._trials.has_next():
                self._used_up = True
            elif begun := self._trials.begin():
                return begun
        return None

    def end(self) -> bool:
        """What a search returns: False when the space was used up before the budget; SpaceError when it is empty."""
        if self._used_up and not self._trials.num_ended:
            raise SpaceError(
                f"no legal architecture in {RANDOM_ATTEMPTS:,} draws from the space; "
                "widen it or its [constraints], or give trials more FLOPs or fewer rungs"
            )
        return not self._used_up


def run_trials(trials: Trials, objective: RunRung, executor: Executor, budget: Budget) -> bool:
    """Go on until `budget` is reached; trials found unfinished are finished first, under their own number.

    False when the space had no other legal architecture before that; SpaceError when it has none at all.
    """
    queue = TrialQueue(trials, budget)
    ready: list[RungTask] = []

    def tasks() -> Iterator[tuple[Hashable, Task] | None]:
        while True:
            task = ready.pop(0) if ready else queue.next()
            yield (task.number, partial(objective, task)) if task else None

    for result in run_tasks(executor, tasks()):
        next_rung = record_ended(trials, result)
        ready += [next_rung] if next_rung else []
    return queue.end()


def record_ended(trials: Trials, result: TaskResult) -> RungTask | None:
    """Write down what came back of a trial's evaluation, under its number as the key; the one it goes on with."""
    is_record = isinstance(result.value, TrialRecord)
    error = result.error or (None if is_record else f"no record came back: {result.value!r}")
    return trials.record(int(str(result.key)), result.value if is_record else None, error)

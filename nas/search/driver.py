"""The search loop: begin trials while the budget lasts, have an executor run their rungs, record the results."""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from functools import partial

from nas.errors import SpaceError
from nas.records.trial import TrialRecord
from nas.search.executors.executor import Executor, Task, TaskResult, run_tasks
from nas.search.proposals.distinct_sampler import RANDOM_ATTEMPTS
from nas.search.trials import Trials
from nas.trial.task import RungTask, RunRung


@dataclass(frozen=True)
class Budget:
    """When a search begins no further trial: as soon as one of these limits is reached."""

    trials: int | None = None
    """Ended trials in any state, those of earlier runs included."""
    hours: float | None = None
    """Hours since this run began."""
    train_flops: float | None = None
    """Training FLOPs of all rungs that ended, those of earlier runs included."""

    def allows(self, trials: Trials, seconds: float) -> bool:
        """Return whether another trial may begin, `seconds` after this run began."""
        return (
            (self.trials is None or trials.num_ended + trials.num_open < self.trials)
            and (self.hours is None or seconds < 3600 * self.hours)
            and (self.train_flops is None or trials.spent_flops < self.train_flops)
        )


class TrialQueue:
    """Begins trials one by one while the budget allows; unfinished trials of an earlier run come first."""

    def __init__(self, trials: Trials, budget: Budget) -> None:
        self._trials, self._budget = trials, budget
        self._started = time.monotonic()
        self._used_up = False

    def next(self) -> RungTask | None:
        """Return the task of the next trial; None, from then on, if the budget is reached or the space used up."""
        while not self._used_up and self._budget.allows(self._trials, time.monotonic() - self._started):
            if not self._trials.has_next():
                self._used_up = True
            elif task := self._trials.begin():
                return task
        return None

    def end(self) -> bool:
        """Return whether the budget was reached: False if the space was used up; SpaceError if it is empty."""
        if self._used_up and not self._trials.num_ended:
            raise SpaceError(
                f"no legal architecture in {RANDOM_ATTEMPTS:,} draws from the space; "
                "widen it or its [constraints], or give trials more FLOPs or fewer rungs"
            )
        return not self._used_up


def run_trials(trials: Trials, objective: RunRung, executor: Executor, budget: Budget) -> bool:
    """Run trials until `budget` is reached; unfinished ones of an earlier run are resumed first.

    Returns False if the space had no other legal architecture before that. Raises SpaceError if it has none at all.
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
    """Record the result of a trial's rung, whose key is the trial's number, and return the task of the next rung."""
    is_record = isinstance(result.value, TrialRecord)
    error = result.error or (None if is_record else f"no record came back: {result.value!r}")
    return trials.record(int(str(result.key)), result.value if is_record else None, error)

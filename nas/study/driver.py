"""The search loop: begin trials while the budget lasts, have them evaluated elsewhere, record what comes back."""

from __future__ import annotations

import time
from collections.abc import Hashable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from nas.errors import SpaceError
from nas.records import TrialRecord
from nas.study.objective import Evaluation, Objective
from nas.study.sampler import RANDOM_ATTEMPTS
from nas.study.trials import Trials
from nas.study.workers import Ended, Task


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


class Executor(Protocol):
    """Runs tasks, at most so many at once: a WorkerPool, or this process."""

    @property
    def num_free(self) -> int: ...
    def submit(self, key: Hashable, task: Task) -> None: ...
    def wait(self, timeout: float | None = None) -> list[Ended]: ...


def run_trials(trials: Trials, objective: Objective, executor: Executor, budget: Budget) -> bool:
    """Go on until `budget` is reached; trials found unfinished are finished first, under their own number.

    False when the space had no other legal architecture before that; SpaceError when it has none at all.
    """
    started = time.monotonic()
    ready: list[Evaluation] = []
    num_running = 0
    used_up = False
    while True:
        while executor.num_free:
            if not ready and not used_up and budget.allows(trials, time.monotonic() - started):
                used_up = not trials.has_next()
                begun = None if used_up else trials.begin()
                ready += [begun] if begun else []
                if begun is None and not used_up:
                    continue  # it has ended at once
            if not ready:
                break
            asked = ready.pop(0)
            executor.submit(asked.number, partial(objective, asked))
            num_running += 1
        if not num_running:
            if used_up and not trials.num_ended:
                raise SpaceError(
                    f"no legal architecture in {RANDOM_ATTEMPTS:,} draws from the space; "
                    "widen it or its [constraints], or give trials more FLOPs"
                )
            return not used_up
        for ended in executor.wait():
            num_running -= 1
            is_record = isinstance(ended.value, TrialRecord)
            error = ended.error or (None if is_record else f"no record came back: {ended.value!r}")
            goes_on = trials.record(int(str(ended.key)), ended.value if is_record else None, error)
            ready += [goes_on] if goes_on else []

"""What a search asks of a trial: an evaluation of one candidate at one rung."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from nas.records.study import TrialRecord
from nas.space.search_space import Candidate


@dataclass(frozen=True)
class RungTask:
    """Train `candidate` to `rung` and evaluate it."""

    candidate: Candidate
    number: int
    """Of the trial."""
    rung: int
    """From 0, the lowest. The rungs of a trial are asked for one after the other, perhaps of different processes."""
    train_flops: float
    """Of the rung."""
    seed: int
    reference: str | None = None

    def ended(self, state: Any, reason: str) -> TrialRecord:
        """The record of a trial without a result."""
        return TrialRecord(
            number=self.number,
            state=state,
            reason=reason,
            reference=self.reference,
            architecture=self.candidate.architecture,
            vocabulary=self.candidate.vocabulary,
            lr_multiplier=self.candidate.lr_multiplier,
            seed=self.seed,
        )


class RunRung(Protocol):
    """Judges a candidate; called in a worker process, so it must be picklable."""

    def __call__(self, asked: RungTask) -> TrialRecord:
        """A record with the result of this rung alone: COMPLETE, PRUNED where the candidate is unusable, or FAIL."""
        ...

"""The task that a search gives to its objective: train and evaluate one candidate at one rung."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from nas.records.trial import TrialEnd, TrialRecord
from nas.space.search_space import Candidate


@dataclass(frozen=True)
class RungTask:
    """Train a candidate up to a rung and evaluate it."""

    candidate: Candidate
    number: int
    """The number of the trial."""
    rung: int
    """Counted from 0, the lowest; a trial's rungs run in order, perhaps in different processes."""
    reference: str | None = None

    def ended(self, end: TrialEnd, reason: str, seed: int) -> TrialRecord:
        """Return the record of a trial without a result."""
        return TrialRecord(
            number=self.number,
            end=end,
            reason=reason,
            reference=self.reference,
            point=self.candidate.point,
            architecture=self.candidate.architecture,
            vocabulary=self.candidate.vocabulary,
            lr_multiplier=self.candidate.lr_multiplier,
            seed=seed,
        )


class RunRung(Protocol):
    """An objective: it evaluates a candidate, in a worker process, so it must be picklable."""

    def __call__(self, task: RungTask) -> TrialRecord:
        """Return a record of this rung alone: COMPLETE, or PRUNED if the candidate cannot be used."""
        ...

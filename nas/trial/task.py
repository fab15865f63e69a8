"""What a search asks of a trial: an evaluation of one candidate at one rung."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from nas.records.trial import TrialEnd, TrialRecord
from nas.space.search_space import Candidate


@dataclass(frozen=True)
class RungTask:
    """Train `candidate` to `rung` and evaluate it."""

    candidate: Candidate
    number: int
    """Of the trial."""
    rung: int
    """From 0, the lowest. A trial runs its rungs in order, perhaps in different processes."""
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
    """Judges a candidate; called in a worker process, so it must be picklable."""

    def __call__(self, task: RungTask) -> TrialRecord:
        """A record with the result of this rung alone: COMPLETE, PRUNED where the candidate is unusable, or FAIL."""
        ...

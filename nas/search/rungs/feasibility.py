"""Decide from a trial's record whether it is inside the limits that are only known after training."""

from __future__ import annotations

from nas.records.trial import Measured, TrialRecord
from nas.space import SearchSpace
from nas.space.sections import ConstraintsSection


def relative_excess(
    constraints: ConstraintsSection, measured: Measured | None, collapse_rate: float | None
) -> dict[str, float]:
    """Return how far these figures are over each measured limit, as a share of it; unknown figures are skipped."""
    return constraints.measured_excess(
        collapse_rate=collapse_rate,
        decode_ms_per_token=measured.decode_ms_per_token if measured else None,
        peak_memory_bytes=measured.peak_memory_bytes if measured else None,
    )


def measured_excess(record: TrialRecord, space: SearchSpace) -> dict[str, float]:
    """Return how far a trial is over each measured limit at its last rung.

    The collapse rate counts at the top rung alone: below it, it says little about its final value.
    """
    if not record.rungs:
        return {}
    last = record.rungs[-1]
    is_top = last.rung == space.training.num_rungs - 1
    return relative_excess(space.constraints, record.measured, last.collapse_rate if is_top else None)


def is_feasible(record: TrialRecord, space: SearchSpace) -> bool:
    """Return whether a trial is inside all measured limits, as far as it was trained."""
    return all(excess <= 0 for excess in measured_excess(record, space).values())

"""A trial as it was last judged: at the top, or, of one that was stopped, at the rung that it came to."""

from __future__ import annotations

from nas.records.study import TrialRecord


def as_last_judged(record: TrialRecord) -> TrialRecord | None:
    """With the scores of its last rung; None where it was never judged. Its state stays."""
    if record.is_complete:
        return record
    if not record.rungs:
        return None
    return as_judged_at(record, -1)


def as_judged_at(record: TrialRecord, rung: int) -> TrialRecord:
    """With the scores of one of its rungs, by its place. Its state stays."""
    judged = record.rungs[rung]
    scores = {name: getattr(judged, name) for name in ("fitness", "val_bpb", "collapse_rate", "validation")}
    return record.model_copy(update=scores)


def was_stopped(record: TrialRecord) -> bool:
    """Whether it was judged and yet is not COMPLETE: its figures are of a shorter training."""
    return not record.is_complete and bool(record.rungs)

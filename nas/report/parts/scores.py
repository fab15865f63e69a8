"""The scores of a trial: at the top rung, at the last rung it reached, or at one that enough trials reached."""

from __future__ import annotations

from collections.abc import Sequence

from nas.records.trial import RungResult, TrialEnd, TrialRecord, completed


def val_bpb(record: TrialRecord) -> float:
    return _top(record).val_bpb


def collapse_rate(record: TrialRecord) -> float:
    return _top(record).collapse_rate


def fitness(record: TrialRecord) -> float:
    return _top(record).fitness


def _top(record: TrialRecord) -> RungResult:
    assert record.result is not None, "a COMPLETE trial has a result"
    return record.result


def was_stopped(record: TrialRecord) -> bool:
    """Return whether the trial was evaluated and is not COMPLETE: its scores are those of a shorter training."""
    return not record.is_complete and bool(record.rungs)


def at_last_rung(record: TrialRecord) -> TrialRecord | None:
    """Return the trial as if the last rung that it reached were the top; None if it was never evaluated."""
    return record if record.is_complete else at_rung(record, len(record.rungs) - 1) if record.rungs else None


def at_rung(record: TrialRecord, rung: int) -> TrialRecord:
    """Return the trial as if `rung`, counted from 0, were the top and it had completed there."""
    changes = {"end": TrialEnd.COMPLETE, "reason": None, "rungs": record.rungs[: rung + 1]}
    return record.model_copy(update=changes)


def at_widest_rung(records: Sequence[TrialRecord], min_trials: int) -> tuple[list[TrialRecord], str]:
    """Return the trials as they scored at the highest rung that `min_trials` of the search reached, and a caption.

    The trials are returned as they are, without a caption, if enough are complete or no rung has enough. Where most
    trials are stopped early, few reach the top, too few for charts of what mattered.
    """
    num_complete = _of_search(completed(records))
    top = max((len(record.rungs) for record in completed(records)), default=0)
    if num_complete >= min_trials:
        return list(records), ""
    for rung in range(top - 2, -1, -1):
        reached = [at_rung(record, rung) for record in records if len(record.rungs) > rung]
        if _of_search(reached) >= min_trials:
            caption = (
                f"Only {num_complete} trials of the search reached the top rung. This shows {len(reached)} trials at "
                f"rung {rung + 1} of {top}, {reached[0].rungs[rung].train_flops:.2g} FLOPs, where small architectures "
                "look better than they do after more training."
            )
            return reached, caption
    return list(records), ""


def _of_search(records: Sequence[TrialRecord]) -> int:
    return sum(not record.reference for record in records)

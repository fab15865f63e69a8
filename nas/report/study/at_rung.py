"""Trials as they stood at a rung, for charts of what mattered: where most are stopped, few have come to the top."""

from __future__ import annotations

from collections.abc import Sequence

from nas.records.study import TrialRecord, completed
from nas.report.charts.importance import MIN_FOR_IMPORTANCE
from nas.report.study.last_rung import as_judged_at


def at_widest_rung(records: Sequence[TrialRecord]) -> tuple[list[TrialRecord], str]:
    """Records with the figures of the highest rung that enough trials came to, and what to say of it.

    The records as they are, and nothing to say, where enough are complete, or too few at every rung.
    """
    top = max((len(one.rungs) for one in completed(records)), default=0)
    for rung in range(top - 1, 0, -1):
        below = [_at(one, rung - 1) for one in records if len(one.rungs) >= rung]
        if _enough(records):
            break
        if _enough(below):
            flops = next(one.rungs[rung - 1].train_flops for one in records if len(one.rungs) >= rung)
            count = sum(not one.reference for one in completed(records))
            said = (
                f"Few trials came to the top: {count} of the search. So this is how {len(below)} stood at rung {rung} "
                f"of {top}, {flops:.2g} FLOPs, where small architectures look better than they are later."
            )
            return below, said
    return list(records), ""


def _enough(records: Sequence[TrialRecord]) -> bool:
    return sum(not one.reference for one in completed(records)) >= MIN_FOR_IMPORTANCE


def _at(record: TrialRecord, rung: int) -> TrialRecord:
    """As if it had ended there."""
    return as_judged_at(record, rung).model_copy(update={"state": "COMPLETE", "reason": None})

"""The verdict of a search as lines of a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from nas.records.holdout_comparison import chosen_trial, comparison_of
from nas.records.study import StudyRecord, TrialRecord
from nas.report.parts.words import fixed
from nas.scaling_law.fitted import NoLaw

_INDENT = " " * 12


def verdict_lines(study: StudyRecord, records: Sequence[TrialRecord]) -> list[str]:
    """What was found at the search's budget, and what is predicted at the target; where a trial completed."""
    return [*_best(study, records), *_finalists(study, records), *_target(study)]


def _best(study: StudyRecord, records: Sequence[TrialRecord]) -> list[str]:
    best = chosen_trial(study, records, study.collapse_weight)
    assert best is not None
    return [
        f"best        trial {best.number}: {best.architecture.describe()}",
        f"{_INDENT}val_bpb {fixed(best.val_bpb)}  novel {fixed(best.val_novel_bpb)}  "
        f"collapse {fixed(best.collapse_rate)}  fitness {fixed(best.fitness)}",
    ]


def _finalists(study: StudyRecord, records: Sequence[TrialRecord]) -> list[str]:
    comparison = comparison_of(study, records, study.collapse_weight)
    if comparison is None:
        return []
    references = {one.number: one.reference for one in records}
    lines = [f"{_INDENT}{comparison.reason}"]
    for one in comparison.finalists:
        behind = f"  {one.behind:+.3f} ± {one.half_width:.3f}" if one.half_width is not None else ""
        lines.append(
            f"holdout     trial {one.number:>4} {references[one.number] or '':<6} bpb {one.bpb:.3f}  "
            f"novel {fixed(one.novel_bpb)}  collapse {one.collapse_rate:.3f}  fitness {one.fitness:.3f}{behind}"
        )
    lines += [
        f"{_INDENT}trial {lost.number:>4} fell apart with seed {lost.seed}: {lost.reason}" for lost in comparison.failed
    ]
    if by := study.compressors.get("holdout"):
        lines.append(f"holdout     the same bytes by {', '.join(f'{name} {value:.3f}' for name, value in by.items())}")
    return [*lines, f"{_INDENT}means of {comparison.best.num_seeds} fresh seeds; behind the best with a 95% interval"]


def _target(study: StudyRecord) -> list[str]:
    if isinstance(study.law, NoLaw):
        return [f"at target   no scaling law: {study.law.reason}"]
    at = study.at_target
    if at is None:
        return []
    best, searched = at.best.predicted, at.searched.predicted
    return [
        f"at target   {at.best.architecture.describe()}",
        f"{_INDENT}{at.target_flops:.2g} FLOPs: predicted bpb {best.bpb:.3f} [{best.low:.3f}, {best.high:.3f}], the "
        f"best above {searched.bpb:.3f}; better with a chance of {at.chance:.0%}",
        *(f"{_INDENT}not to be relied on: {one}" for one in at.shortcomings),
    ]

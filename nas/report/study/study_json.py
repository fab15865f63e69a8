"""A study's ranking and front as plain data, for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nas.records.study import StudyRecord, TrialRecord, completed, front


def as_json(study: StudyRecord, records: Sequence[TrialRecord], weight: float) -> dict[str, Any]:
    """`records` are ranked by their fitness as it stands: reweight them before."""
    return {
        "study": study.name,
        "complete": study.complete,
        "collapse_weight": weight,
        "search_collapse_weight": study.collapse_weight,
        "num_trials": len(records),
        "ranking": [_trial(one) for one in completed(records)],
        "front": [_trial(one) for one in front(records)],
        "at_target": study.at_target.model_dump(mode="json") if study.at_target else None,
    }


def _trial(record: TrialRecord) -> dict[str, Any]:
    return {
        "number": record.number,
        "reference": record.reference,
        "val_bpb": record.val_bpb,
        "val_novel_bpb": record.val_novel_bpb,
        "collapse_rate": record.collapse_rate,
        "fitness": record.fitness,
        "num_params": record.architecture.num_params,
        "describe": record.architecture.describe(),
        "architecture": record.architecture.model_dump(),
    }

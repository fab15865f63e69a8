"""The studies at hand, a line each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from nas.records.holdout_comparison import chosen_trial
from nas.records.study import StudyRecord, TrialRecord
from nas.report.parts.tables import aligned
from nas.report.parts.words import fixed

Study = tuple[Path, StudyRecord, Sequence[TrialRecord]]
_HEADS = ("study", "state", "trials", "val_bpb", "fitness", "best architecture")


def study_folders(folder: Path) -> list[Path]:
    """`folder` itself where it is a study, else the studies in it and one folder below, by name."""
    if (folder / "study.json").is_file():
        return [folder]
    return sorted({path.parent for pattern in ("*/study.json", "*/*/study.json") for path in folder.glob(pattern)})


def list_lines(studies: Iterable[Study]) -> list[str]:
    rows = [_row(*one) for one in studies]
    return aligned([_HEADS, *rows]) if rows else []


def _row(folder: Path, study: StudyRecord, records: Sequence[TrialRecord]) -> tuple[str, ...]:
    best = chosen_trial(study, records, study.collapse_weight)
    return (
        str(folder),
        "complete" if study.complete else "not complete",
        f"{len(records)}/{study.budget}" if study.budget is not None else str(len(records)),
        fixed(best.val_bpb if best else None),
        fixed(best.fitness if best else None),
        best.architecture.describe() if best else "",
    )

"""The files of a study: its records read, and its report written in each form that is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nas.errors import UsageError
from nas.records.study import read_study
from nas.records.trial import TrialRecord, read_trials
from nas.report.charts.pareto import pareto_figure
from nas.report.inputs import STUDY_FILE
from nas.report.parts.drawing import write_png
from nas.report.study.page import report_name, write_report
from nas.report.study.samples import read_samples
from nas.report.study.text import markdown
from nas.report.study.view import StudyView
from nas.system.files import write_json, write_text

FORMATS = ("html", "md", "json", "png")


def read_view(folder: Path, weight: float | None = None) -> StudyView:
    """Return the study in `folder`; one that has just begun may have no trials.jsonl yet."""
    study = read_study(folder / STUDY_FILE)
    trials = folder / "trials.jsonl"
    return StudyView.build(study, read_trials(trials) if trials.exists() else [], weight)


def study_folders(folder: Path) -> list[Path]:
    """Return `folder` if it is a study, else the studies in it and one folder below, by name."""
    if (folder / STUDY_FILE).is_file():
        return [folder]
    patterns = (f"*/{STUDY_FILE}", f"*/*/{STUDY_FILE}")
    return sorted({path.parent for pattern in patterns for path in folder.glob(pattern)})


def checked_formats(given: str) -> list[str]:
    """Return the formats in a list such as `html,md`; UsageError for one that does not exist."""
    formats = given.split(",")
    for name in formats:
        if name not in FORMATS:
            raise UsageError(f"--format takes {', '.join(FORMATS)}, separated by commas; found '{name}'")
    return formats


def write_study(
    folder: Path, view: StudyView, formats: Sequence[str], page: Path | None = None, *, with_samples: bool = True
) -> list[str]:
    """Write the report of a study as `page`, and as files of that name with other endings; return their paths."""
    page = page or folder / report_name(view)
    written = []
    for name in formats:
        path = page if name == "html" else page.with_suffix(f".{name}")
        if name == "html":
            samples = read_samples(folder, view.by_number) if with_samples else {}
            write_report(folder, view, samples, path)
        elif name == "md":
            write_text(path, markdown(folder, view))
        elif name == "json":
            write_json(path, as_json(view))
        else:
            write_front(view, path)
        written.append(str(path))
    return written


def write_front(view: StudyView, path: Path) -> None:
    """Write the Pareto front as a picture; UsageError where there is none."""
    if not view.ranked:
        raise UsageError("--png: no trial has completed yet, so there is no front to draw")
    write_png(pareto_figure(view.records), path)


def as_json(view: StudyView) -> dict[str, Any]:
    """Return a study's ranking and front as plain data, for programs."""
    study = view.study
    return {
        "study": study.name,
        "complete": study.complete,
        "collapse_weight": view.weight,
        "search_collapse_weight": study.collapse_weight,
        "num_trials": len(view.records),
        "ranking": [_trial(record) for record in view.ranked],
        "front": [_trial(record) for record in view.front],
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

"""A study in the forms that are asked for, files beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nas.errors import UsageError
from nas.records.study import StudyRecord, TrialRecord, completed
from nas.report.charts.pareto import pareto_figure
from nas.report.parts.drawing import write_png
from nas.report.study.markdown import markdown
from nas.report.study.page import write_report
from nas.report.study.samples import read_samples
from nas.report.study.study_json import as_json
from nas.system.files import write_json, write_text

FORMATS = ("html", "md", "json", "png")


def checked_formats(given: str) -> list[str]:
    """Of `html,md`; UsageError for a form that there is not."""
    asked = given.split(",")
    for one in asked:
        if one not in FORMATS:
            raise UsageError(f"--format takes {', '.join(FORMATS)}, with commas between; found '{one}'")
    return asked


def write_study(
    folder: Path,
    study: StudyRecord,
    records: Sequence[TrialRecord],
    weight: float,
    page: Path,
    formats: Sequence[str],
    *,
    with_samples: bool,
) -> list[str]:
    """The paths written, in the order asked for: `page`, and what has its name and another ending."""
    written = []
    for one in formats:
        path = page if one == "html" else page.with_suffix(f".{one}")
        if one == "html":
            samples = read_samples(folder, [record.number for record in records]) if with_samples else {}
            write_report(folder, study, records, samples, collapse_weight=weight, path=path)
        elif one == "md":
            write_text(path, markdown(folder, study, records, weight))
        elif one == "json":
            write_json(path, as_json(study, records, weight))
        else:
            write_front(records, path)
        written.append(str(path))
    return written


def write_front(records: Sequence[TrialRecord], path: Path) -> None:
    """The Pareto front as a picture; UsageError where there is none."""
    if not completed(records):
        raise UsageError("--png: no trial has completed yet, so there is no front to draw")
    write_png(pareto_figure(records), path)

"""Facts of each trial for the page's scripts: figures to rank, filter and draw by, and the text of its card."""

from __future__ import annotations

from typing import Any

from nas.records.trial import TrialRecord
from nas.report.parts.hover import Excerpts, figures, hover
from nas.report.parts.measures import measures_of
from nas.report.parts.words import title, visible
from nas.report.study.view import StudyView

_EXCERPT = 240
_KINDS = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}


def trial_facts(view: StudyView, excerpts: Excerpts) -> list[dict[str, Any]]:
    """Return the facts of each trial, for nas/report/assets: `codenas.trials`."""
    on_front = {record.number for record in view.front}
    return [_facts(record, record.number in on_front, excerpts) for record in view.records]


def finalist_facts(view: StudyView) -> list[dict[str, float]]:
    """Return what ranks the finalists at another collapse weight."""
    return [
        {"number": finalist.number, "bpb": finalist.bpb, "collapse_rate": finalist.collapse_rate}
        for finalist in (view.comparison.finalists if view.comparison else ())
    ]


def _facts(record: TrialRecord, on_front: bool, excerpts: Excerpts) -> dict[str, Any]:
    reason = f" {record.state.lower()}: {record.reason}" if record.reason else ""
    written = visible(excerpts[record.number])[:_EXCERPT] if record.number in excerpts else None
    return {
        "number": record.number,
        "title": visible(title(record)),
        "architecture": visible(record.architecture.describe()),
        "figures": visible("; ".join(figures(record)) if record.rungs else "") + visible(reason),
        "sample": written,
        "hover": hover(record, excerpts),
        "kinds": [_KINDS[record.state]] + ["front"] * on_front + ["reference"] * bool(record.reference),
        "measures": {name: _rounded(value) for name, value in measures_of(record).items()},
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.8g}")

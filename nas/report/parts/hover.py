"""The text that a chart shows when the mouse is over a trial: architecture, figures, and how the model writes."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from html import escape

from nas.records.trial import TrialRecord
from nas.report.parts.scores import at_last_rung
from nas.report.parts.words import count, fixed, title, visible

Excerpts = Mapping[int, str]
"""Trial number -> the beginning of one of its completions, as the model wrote it: untrusted text."""

HOVER_OF_TRIAL = "%{text}<extra></extra>"
"""The hover template of points that are trials: `customdata` holds their numbers, `text` what `hover` returns."""
_SAMPLE_LINES, _REASON_LINES = 4, 3
_WIDTH = 54
"""Characters per line: they fit a small window."""


def hover(record: TrialRecord, excerpts: Excerpts | None = None) -> str:
    """Return the hover text of a trial in the few tags that plotly knows; everything else is escaped."""
    lines = [f"<b>{escape(title(record))}</b>", escape(record.architecture.describe()), *figures(record)]
    if not record.is_complete:
        lines.append(escape(_wrapped(record.reason or "", _REASON_LINES)).replace("\n", "<br>"))
    if written := (excerpts or {}).get(record.number):
        lines += ["<i>writes</i>", escape(_wrapped(visible(written), _SAMPLE_LINES)).replace("\n", "<br>")]
    return "<br>".join(lines)


def figures(record: TrialRecord) -> list[str]:
    """Return the figures of a trial at its last rung, as two lines."""
    record = at_last_rung(record) or record
    return [
        f"{fixed(record.val_bpb)} bits per byte, {fixed(record.val_novel_bpb)} on novel lines",
        f"collapse {fixed(record.collapse_rate)}, fitness {fixed(record.fitness)}, "
        f"{count(record.architecture.num_params)} parameters",
    ]


def _wrapped(words: str, max_lines: int) -> str:
    lines = [
        part
        for line in words.replace("\t", "    ").strip("\n").split("\n")
        for part in textwrap.wrap(line, _WIDTH, drop_whitespace=False, break_on_hyphens=False) or [""]
    ]
    return "\n".join(lines[:max_lines] + (["…"] if len(lines) > max_lines else []))

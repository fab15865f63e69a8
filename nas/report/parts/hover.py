"""What a point of a chart says of its trial: architecture, figures, and how the model writes."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from html import escape

from nas.records.study import TrialRecord
from nas.report.parts.scores import at_last_rung
from nas.report.parts.words import count, fixed, title, visible

Excerpts = Mapping[int, str]
"""Trial number -> the beginning of one of its completions, as it was written: untrusted text."""

HOVER_OF_TRIAL = "%{text}<extra></extra>"
"""The hover template of points that are trials: `customdata` their numbers, `text` what `hover` says of them."""
_LINES, _WIDTH = 4, 54


def hover(record: TrialRecord, excerpts: Excerpts | None = None) -> str:
    """In the few tags that plotly knows; everything else is escaped."""
    lines = [f"<b>{escape(title(record))}</b>", escape(record.architecture.describe()), *figures(record)]
    if not record.is_complete:
        lines.append(escape(_wrapped(record.reason or "", 3)).replace("\n", "<br>"))
    if written := (excerpts or {}).get(record.number):
        lines += ["<i>writes</i>", escape(_wrapped(visible(written), _LINES)).replace("\n", "<br>")]
    return "<br>".join(lines)


def figures(record: TrialRecord) -> list[str]:
    record = at_last_rung(record) or record
    return [
        f"{fixed(record.val_bpb)} bits per byte, {fixed(record.val_novel_bpb)} on novel lines",
        f"collapse {fixed(record.collapse_rate)}, fitness {fixed(record.fitness)}, "
        f"{count(record.architecture.num_params)} parameters",
    ]


def _wrapped(words: str, most: int) -> str:
    """Lines no longer than a small window is wide, at most so many."""
    lines = [
        part
        for line in words.replace("\t", "    ").strip("\n").split("\n")
        for part in textwrap.wrap(line, _WIDTH, drop_whitespace=False, break_on_hyphens=False) or [""]
    ]
    return "\n".join(lines[:most] + (["…"] if len(lines) > most else []))

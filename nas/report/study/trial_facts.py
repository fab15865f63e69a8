"""What the page's scripts know of each trial: figures to rank, filter and draw by, and the words of its card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nas.records.holdout_comparison import Comparison
from nas.records.study import TrialRecord, front
from nas.report.parts.hover import Excerpts, figures, hover
from nas.report.parts.markup import text
from nas.report.parts.measures import measures_of
from nas.report.parts.templates import json_data
from nas.report.parts.words import title, visible

_EXCERPT = 240


def facts_scripts(records: Sequence[TrialRecord], excerpts: Excerpts, comparison: Comparison | None) -> str:
    on_front = {one.number for one in front(records)}
    finalists = [
        {"number": one.number, "bpb": one.bpb, "collapse_rate": one.collapse_rate}
        for one in (comparison.finalists if comparison else ())
    ]
    facts = [_facts(one, one.number in on_front, excerpts) for one in records]
    return json_script("trials", facts) + "\n" + json_script("finalists", finalists) + "\n" + _CARD


def json_script(name: str, data: Any) -> str:
    return f'<script type="application/json" id="{name}">{json_data(data)}</script>'


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
        "kinds": _kinds(record, on_front),
        "measures": _rounded(measures_of(record)),
    }


def _kinds(record: TrialRecord, on_front: bool) -> list[str]:
    state = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}[record.state]
    return [state] + ["front"] * on_front + ["reference"] * bool(record.reference)


def _rounded(values: Mapping[str, float | None]) -> dict[str, float | None]:
    return {name: None if value is None else float(f"{value:.8g}") for name, value in values.items()}


_CARD = f"""<aside id="card" hidden aria-label="{text("the selected trial")}">
<p class="name"></p><p class="architecture"></p><p class="soft figures"></p><pre class="code" tabindex="0"></pre>
<div class="row"><button type="button" class="find">show in the table</button>
<button type="button" class="close">close</button></div></aside>"""

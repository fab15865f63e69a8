"""What every page is: one self-contained HTML file that opens offline.

plotly.js stands in it once, and is not run before a chart comes into view: words and tables are there at once. A
content security policy refuses every request and every script but the page's own, which it knows by their hash, so that
generated text could neither run nor call home even if it were not escaped.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256
from typing import Any

import plotly.graph_objects as go
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from nas.report.assets import scripts, style
from nas.report.parts.chart import chart
from nas.report.parts.markup import attribute, text
from nas.report.parts.templates import render

_MIN_CONTENTS = 3
"""Fewer headings need no table of contents."""


def page(template: str, title: str, *, has_figures: bool, **context: Any) -> str:
    """Return the page that `template`, which extends base.html.jinja, makes of `context`."""
    plotly = get_plotlyjs() if has_figures else ""
    return render(
        template,
        title=title,
        policy=Markup(_policy(plotly, scripts())),
        style=Markup(style()),
        scripts=Markup(scripts()),
        plotly=Markup(plotly),
        **context,
    )


def document(title: str, sections: Iterable[str], *, has_figures: bool) -> str:
    """The page of these sections; empty ones are left out."""
    body = "\n".join(part for part in sections if part)
    contents = _contents(body)
    kind = "page has-contents" if contents else "page"
    plotly = get_plotlyjs() if has_figures else ""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_policy(plotly, scripts())}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{text(title)}</title>
<style>{style()}</style>
</head>
<body>
<div class="{kind}">
{contents}<main>
{body}
</main>
</div>
<script type="text/plain" id="plotly">{plotly}</script>
<script>{scripts()}</script>
</body>
</html>
"""


def embedded(figure: go.Figure, name: str, label: str, *, is_broad: bool = False) -> str:
    """Return what the macro `chart` writes, for pages that are not templates yet."""
    shown = chart(figure, name, label, is_broad=is_broad)
    return (
        f"<figure{attribute('class', 'broad' if is_broad else '')}{attribute('aria-label', label)}>"
        f'<div class="chart" id="{name}" style="min-height:{shown.height}px"></div></figure>\n'
        f'<script type="application/json" id="{name}-figure">{shown.json}</script>'
    )


def _policy(*run: str) -> str:
    hashes = " ".join(f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" for script in run if script)
    return f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:"


def _contents(body: str) -> str:
    """Links to the sections, by the headings that `markup.section` wrote."""
    found = re.findall(r'<section id="([a-z0-9-]+)">\n<h2>(.*?)</h2>', body)
    if len(found) < _MIN_CONTENTS:
        return ""
    items = "".join(f'<li><a href="#{name}">{heading}</a></li>' for name, heading in found)
    return f'<nav class="contents" aria-label="Contents"><ul>{items}</ul></nav>\n'

"""What every page is: one self-contained HTML file that opens offline.

plotly.js stands in it once, and a content security policy refuses every request, so that generated text could not
call home even if it were not escaped.
"""

from __future__ import annotations

from collections.abc import Iterable

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from nas.reporting.drawing import CONFIG
from nas.reporting.markup import text
from nas.reporting.page_style import CSS, SORT_JS

_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"


def document(title: str, sections: Iterable[str], *, has_figures: bool) -> str:
    """The page of these sections; empty ones are left out."""
    plotly = f"<script>{get_plotlyjs()}</script>" if has_figures else ""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{text(title)}</title>
<style>{CSS}</style>
{plotly}
</head>
<body>
{chr(10).join(part for part in sections if part)}
<script>{SORT_JS}</script>
</body>
</html>
"""


def embedded(figure: go.Figure, name: str) -> str:
    """The figure as a <div> with a fixed id, so that equal records give an equal page."""
    html = figure.to_html(full_html=False, include_plotlyjs=False, config=CONFIG, div_id=name)
    return f"<figure>{html}</figure>"

"""Every page: one self-contained HTML file that opens offline.

It holds plotly.js once, which does not run before a chart comes into view: words and tables are there at once. A
content security policy refuses every request and every script but the page's own, known by their hash, so that
generated text could neither run nor call home even if it were not escaped.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from typing import Any

from markupsafe import Markup
from plotly.offline import get_plotlyjs

from nas.report.assets import scripts, style
from nas.report.parts.templates import render


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


def _policy(*allowed: str) -> str:
    """Return a content security policy that lets these scripts run and no other."""
    hashes = " ".join(
        f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" for script in allowed if script
    )
    return f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:"

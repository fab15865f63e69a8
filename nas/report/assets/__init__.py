"""The style sheet and the scripts of a page as text, small enough to be part of every report."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

STYLE = "page.css"
SCRIPTS = ("figures.js", "selection.js", "tables.js", "axes.js", "weight.js", "copying.js")
"""The scripts in the order in which they run; each is a block of its own and uses earlier ones through `codenas`."""


@cache
def style() -> str:
    return _read(STYLE)


@cache
def scripts() -> str:
    return "\n".join(_read(name) for name in SCRIPTS)


def _read(name: str) -> str:
    return (files("nas.report.assets") / name).read_text(encoding="utf-8")

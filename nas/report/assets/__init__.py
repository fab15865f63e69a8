"""The page's style sheet and its scripts, files of their own, as text: small enough to stand in every report."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

STYLE = "page.css"
SCRIPTS = ("figures.js", "selection.js", "tables.js", "axes.js", "weight.js", "copying.js")
"""In the order they run in; each is a closed block that knows the ones before it by `codenas`."""


@cache
def style() -> str:
    return _read(STYLE)


@cache
def scripts() -> str:
    return "\n".join(_read(name) for name in SCRIPTS)


def _read(name: str) -> str:
    return (files("nas.report.assets") / name).read_text(encoding="utf-8")

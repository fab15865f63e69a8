"""Data in a page as JSON that can be nothing else: no character of it ends the element that it stands in."""

from __future__ import annotations

import json
from typing import Any

_ESCAPED = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def json_script(name: str, data: Any) -> str:
    """A <script> of that id which no browser runs; `codenas.read(id)` reads it. Strings must be whole: no NaN."""
    return json_text_script(name, json.dumps(data, allow_nan=False, separators=(",", ":")))


def json_text_script(name: str, text: str) -> str:
    """The same of what is JSON already."""
    for character, escape in _ESCAPED.items():
        text = text.replace(character, escape)
    return f'<script type="application/json" id="{name}">{text}</script>'

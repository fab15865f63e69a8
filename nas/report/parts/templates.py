"""The templates of pages and texts: one Jinja2 environment, which escapes HTML wherever a value enters it.

In HTML a value is escaped and its control characters are made visible, unless a macro or a filter here made it; so text
that a model wrote stays text. Markdown is not escaped by itself: its templates pass values through the filter `md`.
"""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from nas.report.parts.words import count, duration, fixed, flops_words, sentence, title, visible

_JSON_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
_MARKDOWN_SPECIALS = str.maketrans({character: f"\\{character}" for character in "\\`*_{}[]<>#|!~"})
_MIN_CONTENTS = 3
"""A page of fewer sections needs no table of contents."""


def render(name: str, **context: Any) -> Markup:
    """Return the text of the template `name`, such as `study.html.jinja`; a name it does not get is an error."""
    return Markup(_environment().get_template(name).render(**context))  # the template has escaped it


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("nas.report", "templates"),
        autoescape=lambda name: name is None or name.endswith(".html.jinja"),
        undefined=StrictUndefined,
        finalize=_visible,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    filters = {
        "trial": title,
        "sentence": sentence,
        "fixed": fixed,
        "count": count,
        "flops": flops_words,
        "duration": duration,
        "headings": headings,
        "slug": slug,
        "md": markdown_text,
    }
    environment.filters |= filters
    return environment


def _visible(value: object) -> object:
    """Make control characters of a value visible; what a macro or a filter made is left as it is."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def json_data(data: Any) -> Markup:
    """Return `data` as JSON for a <script>; ValueError where it holds a NaN, which JSON does not have."""
    return json_text(json.dumps(data, allow_nan=False, separators=(",", ":")))


def json_text(text: str) -> Markup:
    """Return JSON text that cannot close the HTML element around it."""
    for character, escape in _JSON_ESCAPES.items():
        text = text.replace(character, escape)
    return Markup(text)  # it holds no markup any more


def markdown_text(words: object) -> str:
    """Return a text as one line of Markdown whose special characters mean nothing."""
    return visible(str(words)).replace("\n", " ").translate(_MARKDOWN_SPECIALS)


def slug(heading: str) -> str:
    """Return the id of a heading: `Pareto front` becomes `pareto-front`."""
    return re.sub("[^a-z0-9]+", "-", heading.lower()).strip("-")


def headings(body: str) -> list[tuple[str, Markup]]:
    """Return the (id, heading) of each section that the macro `section` wrote; none where the page is short."""
    sections = re.findall(r'<section id="([a-z0-9-]+)">\n<h2>(.*?)</h2>', body)
    shown = sections if len(sections) >= _MIN_CONTENTS else []
    return [(name, Markup(heading)) for name, heading in shown]  # the template has escaped it

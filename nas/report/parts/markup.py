"""The few pieces of HTML that the page is made of. Every text that comes in is escaped here."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from html import escape

from nas.report.parts.tables import Cell, Row
from nas.report.parts.words import MISSING, visible


def text(value: object) -> str:
    """Any value as HTML text: control characters visible, markup escaped."""
    return escape(visible(str(value)))


def attribute(name: str, value: str) -> str:
    """` name="value"`, or nothing for an empty value."""
    return f' {name}="{text(value)}"' if value else ""


def cell_html(cell: Cell) -> str:
    tags = "".join(f' <span class="tag">{text(tag)}</span>' for tag in cell.tags)
    sort = "" if cell.sort_key is None else f' data-value="{cell.sort_key}"'
    return f"<td{attribute('class', cell.kind)}{sort}>{text(cell.shown)}{tags}</td>"


def table(
    heads: Sequence[str],
    rows: Iterable[Row],
    *,
    numeric: Collection[str] = (),
    sortable: bool = False,
    name: str = "",
    label: str = "",
    tall: bool = False,
) -> str:
    """A table in its own scrolling box, of its own height where it is `tall`; without heads it has no first line."""
    head = "".join(
        f"<th{attribute('class', 'n' if name in numeric else '')}>"
        + (f'<button type="button">{text(name)}</button>' if sortable else text(name))
        + "</th>"
        for name in heads
    )
    body = "".join(
        f"<tr{attribute('class', kind)}>{''.join(cell_html(cell) for cell in cells)}</tr>\n" for kind, cells in rows
    )
    return (
        f'<div class="{"scroll tall" if tall else "scroll"}" tabindex="0" role="region"'
        f"{attribute('aria-label', label or 'table')}>"
        f"<table{attribute('id', name)}{attribute('class', 'sortable' if sortable else '')}>"
        f"{f'<thead><tr>{head}</tr></thead>' if head else ''}<tbody>\n{body}</tbody></table></div>"
    )


def tiles(figures: Iterable[tuple[str, ...]]) -> str:
    """The few figures that matter most: name, value and, in small letters, how surely; unknown ones are left out."""
    return (
        '<dl class="tiles">'
        + "".join(
            f"<div><dt>{text(name)}</dt><dd>{text(value)}"
            + "".join(f"<small>{text(one)}</small>" for one in sure if one)
            + "</dd></div>"
            for name, value, *sure in figures
            if value != MISSING
        )
        + "</dl>"
    )


def section(heading: str, *parts: str) -> str:
    name = re.sub("[^a-z0-9]+", "-", heading.lower()).strip("-")
    opened = f'<section id="{name}">\n<h2>{text(heading)}</h2>\n'
    return opened + "\n".join(part for part in parts if part) + "\n</section>"


def behind(summary: str, *parts: str) -> str:
    """What is there for those who ask for it, such as the table behind a chart."""
    return f"<details><summary>{text(summary)}</summary>\n" + "\n".join(parts) + "\n</details>"


def command(words: str) -> str:
    """A command with a button that copies it."""
    return (
        f'<div class="command"><code>{text(words)}</code>'
        '<button type="button" class="copy" aria-live="polite">copy</button></div>'
    )


def code(words: str, kind: str = "") -> str:
    """Untrusted text as it stands. HTML leaves out a line feed right after <pre>, so one is put there."""
    return f"<pre{attribute('class', f'code {kind}'.strip())}>\n{text(words) or '&nbsp;'}</pre>"


def paragraph(words: str, kind: str = "") -> str:
    return f"<p{attribute('class', kind)}>{text(words)}</p>"

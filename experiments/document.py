"""A page whose tables are made from data: the text around them is written by hand and is kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from nas.errors import StudyError
from nas.system.files import write_text


def write_tables(path: Path, name: str, content: str) -> None:
    """Put `content` between `<!-- name -->` and `<!-- /name -->`; a page without these marks gets them at its end.

    Raises StudyError when the page has only one of the two, or has them in the wrong order.
    """
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    page = path.read_text(encoding="utf-8") if path.exists() else f"# {path.stem}\n\n{begin}\n{end}\n"
    if begin not in page and end not in page:
        page = f"{page.rstrip()}\n\n{begin}\n{end}\n"
    before, opening, rest = page.partition(begin)
    _, closing, after = rest.partition(end)
    if not opening or not closing:
        raise StudyError(f"{path}: needs both '{begin}' and '{end}', in this order")
    write_text(path, f"{before}{begin}\n{content}\n{end}{after}")


def read_tables(path: Path, name: str) -> str:
    """Return the text between `<!-- name -->` and `<!-- /name -->`."""
    _, _, rest = path.read_text(encoding="utf-8").partition(f"<!-- {name} -->\n")
    return rest.partition(f"\n<!-- /{name} -->")[0]


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; cells are text."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)

"""A page of docs/ whose tables come from data: the text around them is written by hand and stays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from nas.errors import StudyError
from nas.system.files import write_text


def write_tables(path: Path, name: str, content: str) -> None:
    """Put `content` between `<!-- name -->` and `<!-- /name -->`; a page without these marks gets them at its end.

    StudyError when only one of the two stands there.
    """
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    page = path.read_text(encoding="utf-8") if path.exists() else f"# {path.stem}\n\n{begin}\n{end}\n"
    if begin not in page and end not in page:
        page = f"{page.rstrip()}\n\n{begin}\n{end}\n"
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise StudyError(f"{path}: '{begin}' and '{end}' must both stand there, in this order")
    write_text(path, f"{before}{begin}\n{content}\n{end}{after}")


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells are text."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)

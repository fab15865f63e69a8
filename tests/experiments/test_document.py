from __future__ import annotations

from pathlib import Path

import pytest

from experiments.document import read_tables, write_tables
from nas.errors import StudyError


def test_only_the_text_between_the_marks_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "signal.md"
    page.write_text("# By hand\n\n<!-- tables -->\nold\n<!-- /tables -->\n\nMore by hand.\n")
    write_tables(page, "tables", "new\nlines")
    assert page.read_text() == "# By hand\n\n<!-- tables -->\nnew\nlines\n<!-- /tables -->\n\nMore by hand.\n"
    assert read_tables(page, "tables") == "new\nlines"


@pytest.mark.parametrize("before", [None, "# By hand\n"])
def test_a_page_without_marks_gets_them_at_its_end(tmp_path: Path, before: str | None) -> None:
    page = tmp_path / "signal.md"
    if before is not None:
        page.write_text(before)
    for content in ("first", "second"):
        write_tables(page, "tables", content)
    title = before or "# signal\n"
    assert page.read_text() == f"{title}\n<!-- tables -->\nsecond\n<!-- /tables -->\n"


@pytest.mark.parametrize("marks", ["<!-- tables -->\n", "<!-- /tables -->\n", "<!-- /tables -->\n<!-- tables -->\n"])
def test_half_a_pair_of_marks_is_refused_and_nothing_is_lost(tmp_path: Path, marks: str) -> None:
    page = tmp_path / "signal.md"
    page.write_text(f"By hand.\n{marks}")
    with pytest.raises(StudyError, match=r"signal\.md: .*<!-- tables -->"):
        write_tables(page, "tables", "new")
    assert page.read_text() == f"By hand.\n{marks}"

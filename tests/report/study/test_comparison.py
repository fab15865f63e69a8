from __future__ import annotations

from pathlib import Path

from nas.report.parts.words import MISSING
from nas.report.study.comparison import named, write_comparison
from tests.helpers.report_studies import five, study
from tests.report.study.test_page import Page, read


def compared(tmp_path: Path, *pairs: tuple[str, object, object]) -> Page:
    folders, studies, records = zip(*pairs, strict=True)
    write_comparison(tmp_path / "page.html", named([Path(one) for one in folders], studies, records))
    return read(tmp_path / "page.html")


def test_studies_stand_beside_each_other_the_best_first(tmp_path: Path) -> None:
    found = compared(tmp_path, ("a", study(), five()[2:]), ("b", study(seed=9), five()), ("c", study(), []))
    start = next(index for index, row in enumerate(found.rows) if row[:1] == ["study"])
    assert [row[0] for row in found.rows[start + 1 : start + 4]] == ["b", "a", "c"]
    assert found.rows[start + 1][1:4] == ["1.850", "0.200", "2.050"]
    assert found.rows[start + 3][1:4] == [MISSING] * 3
    assert found.headings == ["3 studies", "Pareto fronts", "How the searches went", "What differs"]
    assert found.charts.keys() == {"fronts", "progress"}
    assert found.requests == []
    assert "different corpora" not in found.words


def test_what_does_not_compare_is_said(tmp_path: Path) -> None:
    other = study(corpus={"content_hash": "cd"}, collapse_weight=2.0)
    words = compared(tmp_path, ("one/a", study(), five()), ("two/a", other, five())).words
    assert "bits per byte are of different texts" in words
    assert "Their collapse weights differ" in words
    assert "one/a" in words and "two/a" in words, "two folders of one name are told apart"


def test_studies_that_have_just_begun_have_a_page(tmp_path: Path) -> None:
    assert compared(tmp_path, ("a", study(), []), ("b", study(), [])).charts == {}

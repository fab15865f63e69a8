from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nas.records.study import StudyRecord
from nas.records.trial import TrialRecord
from nas.report.parts.words import MISSING
from nas.report.study.comparison import named, write_comparison
from nas.report.study.view import StudyView
from tests.helpers.report_studies import five, study, verdict
from tests.report.study.test_page import Page, read


def compared(tmp_path: Path, *studies: tuple[str, StudyRecord, Sequence[TrialRecord]]) -> Page:
    views = [StudyView.build(record, trials) for _, record, trials in studies]
    write_comparison(tmp_path / "page.html", named([Path(folder) for folder, _, _ in studies], views))
    return read(tmp_path / "page.html")


def test_studies_are_compared_with_the_best_first(tmp_path: Path) -> None:
    page = compared(
        tmp_path,
        ("a", study(verdict=()), five()[2:]),
        ("b", study(seed=9, verdict=verdict((1, 1.9, 0.1, 0.2), (0, 2.2, 0.1, 0.1))), five()),
        ("c", study(verdict=()), []),
    )
    start = next(index for index, row in enumerate(page.rows) if row[:1] == ["study"])
    assert [row[0] for row in page.rows[start + 1 : start + 4]] == ["b", "a", "c"]
    assert page.rows[start + 1][1:5] == ["1.850", "0.200", "2.050", "1.900"]
    assert page.rows[start + 3][1:5] == [MISSING] * 4
    assert page.headings == ["3 studies", "Pareto fronts", "How the searches went", "What differs"]
    assert page.charts.keys() == {"fronts", "progress"}
    assert page.requests == []
    assert "different corpora" not in page.words


def test_the_tables_have_the_front_and_the_improvements_of_each_study(tmp_path: Path) -> None:
    page = compared(tmp_path, ("<i>", study(), five()), ("b", study(), five()[3:]))
    start = next(index for index, row in enumerate(page.rows) if row[:3] == ["study", "trial", "bits per byte"])
    fronts = [tuple(row[:3]) for row in page.rows[start + 1 : start + 5]]
    assert fronts == [("<i>", "1", "1.850"), ("<i>", "0", "2.000"), ("<i>", "3", "2.350"), ("b", "3", "2.350")]
    start = next(index for index, row in enumerate(page.rows) if row[:3] == ["study", "trial", "FLOPs"])
    assert [(row[0], row[1], row[3]) for row in page.rows[start + 1 : start + 4]] == [
        ("<i>", "0", "2.100"),
        ("<i>", "1", "2.050"),
        ("b", "3", "2.400"),
    ]


def test_differences_that_prevent_a_comparison_are_reported(tmp_path: Path) -> None:
    other = study(corpus={"content_hash": "cd"}, collapse_weight=2.0, space={"training": {"trial_flops": 1e12}})
    words = compared(tmp_path, ("one/a", study(), five()), ("two/a", other, five())).words
    for warning in ("different corpora", "collapse weights differ", "different FLOPs"):
        assert warning in words
    assert "one/a" in words and "two/a" in words, "two folders of one name have different labels"


def test_studies_without_trials_have_a_page(tmp_path: Path) -> None:
    page = compared(tmp_path, ("a", study(verdict=()), []), ("b", study(verdict=()), []))
    assert page.charts == {}
    assert page.headings == ["2 studies", "What differs"]

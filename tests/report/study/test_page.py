from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from plotly.offline import get_plotlyjs

from nas.records.study import StudyRecord
from nas.records.trial import TrialRecord
from nas.report.parts.words import MISSING
from nas.report.study.page import write_report
from nas.report.study.samples import read_samples
from nas.report.study.view import StudyView
from tests.helpers.report_studies import ended, five, many, study, trial, verdict, write_samples

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """Strict reader of a page: checks that tags close in order, and keeps text, rows and data."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.requests: list[str] = []
        self.scripts: list[str] = []
        self.rows: list[list[str]] = []
        self.row_kinds: list[str | None] = []
        self.headings: list[str] = []
        self.words = ""
        self.data: dict[str, Any] = {}
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = dict(attrs)
        addresses = [names[name] or "" for name in ("src", "href", "action", "data") if name in names]
        self.requests += [address for address in addresses if not address.startswith("#")]
        assert not [name for name in names if name.startswith("on")], "no inline handlers"
        if tag == "tr":
            self.rows.append([])
            self.row_kinds.append(names.get("class"))
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag in ("h1", "h2"):
            self.headings.append("")
        if tag == "script":
            self.scripts.append("")
            self.data_of = (names.get("id") or "") if names.get("type") == "application/json" else ""
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "script" in self.open:
            self.scripts[-1] += data
            if self.data_of:
                self.data[self.data_of] = json.loads(data)
        elif "style" not in self.open:
            self.words += data
        if self.open and self.open[-1] in ("h1", "h2"):
            self.headings[-1] += data
        if "td" in self.open or "th" in self.open:
            self.rows[-1][-1] += data

    @property
    def charts(self) -> dict[str, Any]:
        """Return name -> figure, as plotly draws it."""
        return {name.removesuffix("-figure"): one for name, one in self.data.items() if name.endswith("-figure")}

    def row(self, first: str) -> list[str]:
        return next(row for row in self.rows if row and row[0].strip() == first)


def read(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


def page_of(folder: Path, record: StudyRecord, records: list[TrialRecord]) -> Page:
    return read(write_report(folder, StudyView.build(record, records)))


def test_a_whole_study_has_every_section_and_makes_no_request(tmp_path: Path) -> None:
    for number in (38, 40, 41):
        write_samples(tmp_path, number)
    path = write_report(tmp_path, StudyView.build(study(), many()), read_samples(tmp_path, [38, 40, 41]))
    assert path == tmp_path / "report.html"
    page = read(path)
    assert page.headings == [
        "Study base",
        "Pareto front",
        "What mattered",
        "Learning curves",
        "How the search went",
        "Samples",
        "All trials",
        "Health",
        "Corpus and provenance",
    ]
    assert page.requests == []
    assert sum(script == get_plotlyjs() for script in page.scripts) == 1
    assert {"pareto", "importance", "vocabulary", "parallel", "history", "hypervolume"} <= page.charts.keys()
    html = path.read_text(encoding="utf-8")
    assert "default-src 'none'" in html
    assert len(html) < len(get_plotlyjs()) + 200_000, "plotly.js stands there once"
    assert not list(tmp_path.glob(".*")), "no temporary file is left"


def test_generated_text_is_shown_and_never_run(tmp_path: Path) -> None:
    write_samples(tmp_path, 1)
    path = write_report(tmp_path, StudyView.build(study(), five()), read_samples(tmp_path, [1]))
    html = path.read_text(encoding="utf-8")
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&lt;/pre&gt;␀␛[31m\\u202e &amp; done" in html
    page = read(path)
    assert "This page holds samples" in page.words
    assert page.words.count("collapsed: loop") == 2


def test_samples_are_side_by_side_and_the_later_prompts_are_folded(tmp_path: Path) -> None:
    """Shown are the best of the search, trial 1, and the reference, trial 4; six of eight prompts are unfolded."""
    for number in (1, 4):
        write_samples(tmp_path, number, prompts=8, completion=f"written by {number}")
    samples = read_samples(tmp_path, [1, 4])
    words = read(write_report(tmp_path, StudyView.build(study(), five()), samples)).words
    assert "4 more prompts" in words
    assert [f"Prompt {number}" in words for number in (1, 2, 3, 6, 7)] == [True] * 4 + [False]
    assert (words.count("written by 1"), words.count("written by 4")) == (12, 12)


@pytest.mark.parametrize("place", ["name", "reason", "reference", "provenance"])
def test_markup_in_a_record_is_escaped(tmp_path: Path, place: str) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    changes: dict[str, object] = {"name": hostile} if place == "name" else {}
    if place == "provenance":
        changes = {"provenance": {hostile: {"deep": [hostile]}}}
    records = [
        trial(0, 2.0, 0.1, 0.2, reference=hostile if place == "reference" else None),
        ended(1, "fault", hostile if place == "reason" else "broken"),
    ]
    path = write_report(tmp_path, StudyView.build(study(**changes), records))
    assert hostile not in path.read_text(encoding="utf-8")
    assert hostile in read(path).words


def test_the_verdict_table_ranks_the_holdout_next_to_the_compressors(tmp_path: Path) -> None:
    """On the holdout trial 0 (2.10 + 0.10) beats trial 1 (1.95 + 0.30), the best on validation, with either seed."""
    rows = (1, 1.95, 0.2, 0.3), (0, 2.10, 0.0, 0.1), (4, 2.70, 0.3, 0.4)
    results = verdict(*rows, seed=7) + verdict(*rows[:2], (4, 2.72, 0.3, 0.4), seed=8)
    page = page_of(tmp_path, study(verdict=results), five())
    start = next(index for index, row in enumerate(page.rows) if row and row[0] == "model")
    assert [row[0].split()[0:2] for row in page.rows[start + 1 : start + 7]] == [
        ["trial", "0"],
        ["trial", "1"],
        ["trial", "4"],
        ["gzip", "(compressor)"],
        ["bzip2", "(compressor)"],
        ["xz", "(compressor)"],
    ]
    assert page.row("trial 1")[1:7] == ["1.950", "2.200", "60.5", "0.200", "0.300", "2.250"]
    assert page.row("trial 1")[7].startswith("+0.050 ± ")
    assert {len(row) for row in page.rows[start : start + 7]} == {10}
    assert "150,000 of the 262,144 bytes" in page.words
    assert page.row_kinds[start + 1] == "best"
    assert "Trial 0 is selected: " in page.words
    assert "trained again with 2 fresh seeds" in page.words
    assert "2 of the others are significantly worse" in page.words
    assert "not below gzip" not in page.words


def test_a_study_without_novel_lines_has_its_tables_without_them(tmp_path: Path) -> None:
    (result,) = verdict((1, 1.95, 0.2, 0.3))
    old = result.model_copy(update={"metrics": result.metrics.model_copy(update={"novel_bpb": None})})
    page = page_of(tmp_path, study(verdict=(old,)), five())
    assert page.row("trial 1")[1:3] == ["1.950", MISSING]
    assert "150,000" not in page.words


def test_all_trials_have_their_figure_on_novel_lines(tmp_path: Path) -> None:
    page = page_of(tmp_path, study(), [*five(), ended(5, "fault", "broken")])
    start = next(index for index, row in enumerate(page.rows) if row[:2] == ["trial", "fitness"])
    assert page.rows[start][2:5] == ["bits per byte", "on novel lines", "sampled"]
    assert {len(row) for row in page.rows[start : start + 7]} == {11}
    assert page.rows[start + 1][:5] == ["1", "2.050", "1.850", "2.100", "0.100"]
    assert page.rows[start + 6][1:4] == [MISSING] * 3


def test_another_weight_ranks_again_in_a_separate_file(tmp_path: Path) -> None:
    """Fitness on the holdout is 2.25 for trial 1 and 2.40 for trial 0; at weight 3 it is 2.85 and 2.60."""
    results = verdict((1, 1.95, 0.2, 0.3), (0, 2.30, 0.0, 0.1))
    own = write_report(tmp_path, StudyView.build(study(verdict=results), five()))
    path = write_report(tmp_path, StudyView.build(study(verdict=results), five(), 3.0))
    assert path == tmp_path / "report-w3.html"
    assert "The best architecture is trial 1:" in read(own).words
    page = read(path)
    assert "The best architecture is trial 0:" in page.words
    assert "Ranked here with a collapse weight of 3. The search itself used 1" in page.words
    assert page.row("trial 1")[6] == "2.850", "1.95 + 3 x 0.3"


def test_the_page_says_that_the_best_model_is_above_gzip(tmp_path: Path) -> None:
    results = verdict((1, 2.04, 0.1, 0.1))
    page = page_of(tmp_path, study(verdict=results), five())
    assert "not below gzip: 2.040 against 2.000 bits per byte" in page.words


def test_the_page_says_that_no_architecture_beats_a_reference(tmp_path: Path) -> None:
    records = [trial(0, 2.5, 0.0, 0.0), trial(1, 2.0, 0.0, 0.0, reference="gpt2")]
    words = page_of(tmp_path, study(), records).words
    assert "No searched architecture beats the reference gpt2 on validation" in words


def test_trials_without_a_result_are_dimmed_with_their_reason(tmp_path: Path) -> None:
    page = page_of(tmp_path, study(), [*five(), ended(5, "over_limit", "over max_params by 3%")])
    index = next(index for index, row in enumerate(page.rows) if row and row[-1] == "pruned: over max_params by 3%")
    assert page.row_kinds[index] == "aside"
    assert page.rows[index][0] == "5"


def test_the_next_command_names_the_arch_json(tmp_path: Path) -> None:
    folder = tmp_path / "with space"
    folder.mkdir()
    assert "--arch-json" not in page_of(folder, study(), five()).words
    (folder / "arch.json").write_text("{}")
    words = page_of(folder, study(), five()).words
    assert f"python -m nas.train --arch-json '{folder}/arch.json' --max-steps 2000" in words


@pytest.mark.parametrize(
    ("records", "sentence"),
    [
        ([], "No trial has completed yet"),
        ([ended(0, "over_limit", "too large"), ended(1, "fault", "broken")], "No trial has completed yet"),
        ([trial(0, 2.1, 0.1, 0.1)], "The best architecture is trial 0:"),
    ],
)
def test_a_study_that_has_just_begun_has_a_page(tmp_path: Path, records: list[TrialRecord], sentence: str) -> None:
    bare = study(complete=False, budget=None, compressors={}, corpus={}, provenance={}, measured={}, space={})
    page = page_of(tmp_path, bare, records)
    assert sentence in page.words
    assert "Not complete: the search is running or was stopped" in page.words
    assert "This page holds samples" not in page.words


def test_trials_of_a_callable_objective_have_a_page(tmp_path: Path) -> None:
    """No text was evaluated: records have only scores and rungs."""
    bare = {"validation": None, "measured": None, "learning_rate": None}
    records = [record.model_copy(update=bare) for record in many()]
    page = page_of(tmp_path, study(compressors={}, corpus={}), records)
    assert "pareto" in page.charts
    assert "on novel lines" not in page.words.partition("All trials")[0].partition("Pareto front")[0]


def test_equal_records_give_an_equal_page(tmp_path: Path) -> None:
    first = write_report(tmp_path, StudyView.build(study(), many())).read_bytes()
    assert write_report(tmp_path, StudyView.build(study(), many())).read_bytes() == first

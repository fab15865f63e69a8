from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from plotly.offline import get_plotlyjs

from nas.records.training import TrainingRun
from nas.report.parts.words import MISSING
from nas.report.run.page import spread, write_run_report
from tests.helpers.report_runs import COMMAND, FOUR, four, line, made_run
from tests.helpers.report_studies import architecture
from tests.report.study.test_page import Page, read

EVIL = "</pre></script><img src=x onerror=alert(1)>\x1b[31m\u202e & done"


def page(tmp_path: Path, *runs: TrainingRun) -> Page:
    write_run_report(tmp_path / "page.html", runs)
    return read(tmp_path / "page.html")


def next_steps(shown: Page) -> str:
    """Return the commands of the header."""
    return shown.words.split("What to do next")[1].split(shown.headings[1])[0]


def test_a_finished_run_has_every_section_and_makes_no_request(tmp_path: Path) -> None:
    run = made_run(tmp_path / "mine", four(), finished=True)
    shown = page(tmp_path, run)
    assert shown.headings == ["Run mine", "Learning curves", "Samples", "Evaluations", "Corpus and provenance"]
    assert shown.requests == []
    assert sum(script == get_plotlyjs() for script in shown.scripts) == 1
    assert shown.charts.keys() == {"curves"}
    assert "default-src 'none'" in (tmp_path / "page.html").read_text(encoding="utf-8")
    for fact in (
        *("Finished: 400 steps", "205k tokens", "4e+08 FLOPs", "7 min", "10.0%"),
        *("2 layers of width 96, 2 attention heads", "step 300", "step 400, is 0.1250 bits per byte worse"),
        *("262,144 bytes", "2.250 bits per byte", "128 prompts, 12.5%", "50.0% when greedy"),
    ):
        assert fact in shown.words
    assert f"python -m nas.evaluate {run.folder}" in shown.words
    assert f"python -m nas.export {run.folder} --to hf" in shown.words
    assert COMMAND not in next_steps(shown), "there is nothing to resume"
    assert shown.row("source")[1] == "stdlib"
    assert shown.row("command")[1] == COMMAND
    assert shown.row("decay")[1] == "sqrt"
    assert shown.row("content hash")[1] == "ab" * 32


def test_an_export_is_named_only_where_a_class_represents_the_architecture(tmp_path: Path) -> None:
    run = made_run(tmp_path / "mine", four(), finished=True)
    without = run.record.architecture.model_copy(update={"position_encoding": "alibi"})
    other = replace(run, record=run.record.model_copy(update={"architecture": without}))
    words = page(tmp_path, other).words
    assert "python -m nas.evaluate " in words
    assert "nas.export" not in words


def test_the_table_has_the_lines_of_the_log_and_marks_the_best(tmp_path: Path) -> None:
    shown = page(tmp_path, made_run(tmp_path / "run", four()))
    start = next(index for index, row in enumerate(shown.rows) if row[:1] == ["step"])
    assert shown.rows[start][3:6] == ["training loss", "bits per byte", "on novel lines"]
    rows = shown.rows[start + 1 : start + 5]
    assert [row[0] for row in rows] == ["100", "200", "300", "400"]
    assert [[float(row[column]) for column in (3, 4, 5, 7)] for row in rows] == [list(row[1:]) for row in FOUR]
    assert rows[0][1:3] == ["51.2k", "1e+08"]
    assert rows[0][8:] == ["2k", "2 min"]
    assert shown.row_kinds[start + 1 : start + 5] == [None, None, "best", None]


@pytest.mark.parametrize("lines", [None, []])
def test_a_run_that_has_just_begun_has_a_page(tmp_path: Path, lines: list[dict[str, Any]] | None) -> None:
    shown = page(tmp_path, made_run(tmp_path / "run", lines))
    assert shown.headings == ["Run run", "Corpus and provenance"]
    assert "no evaluation yet" in shown.words and "step 100 of 400" in shown.words
    assert COMMAND in next_steps(shown), "it resumes the run"
    assert "nas.evaluate" not in shown.words, "there are no weights yet"
    assert get_plotlyjs() not in shown.scripts


def test_an_unfinished_run_shows_its_progress_and_the_time_left(tmp_path: Path) -> None:
    shown = page(tmp_path, made_run(tmp_path / "run", four()[:1], tail='{"step": 200, "tr'))
    for fact in ("step 100 of 400 (25%)", "51.2k tokens", "in 2 min", "about 5 min left", "step 100, the last"):
        assert fact in shown.words
    assert "no verdict on the holdout yet" in shown.words
    assert COMMAND in next_steps(shown)


def test_a_run_without_its_verdict_says_so(tmp_path: Path) -> None:
    assert "All 400 steps are done" in page(tmp_path, made_run(tmp_path / "run", four())).words


def test_a_run_without_a_stored_command_has_a_page(tmp_path: Path) -> None:
    assert "Resume" not in page(tmp_path, made_run(tmp_path / "run", command=None)).words


def test_a_teacher_is_part_of_the_provenance(tmp_path: Path) -> None:
    runs = [made_run(tmp_path / "a", distillation={"share": 0.5, "top_k": 64}), made_run(tmp_path / "b")]
    assert page(tmp_path, runs[0]).row("top_k")[1] == "64"
    assert page(tmp_path, *runs).row("distillation · share")[1:] == ["0.5", MISSING]


def test_rollbacks_are_shown_with_their_reasons(tmp_path: Path) -> None:
    rollbacks = [(0, "the training loss is nan at step 9"), (200, "the training loss rose <far>")]
    lines = [line(*FOUR[0]), line(*FOUR[1], rollbacks[0]), line(*FOUR[2], *rollbacks), line(*FOUR[3], *rollbacks)]
    shown = page(tmp_path, made_run(tmp_path / "run", lines))
    for fact in (
        "diverged 2 times",
        "the start: the training loss is nan at step 9",
        "200: the training loss rose <far>",
    ):
        assert fact in shown.words
    steps = [row[0] for row in shown.rows if row and row[0].startswith(("100", "200", "300", "400"))]
    assert steps == ["100", "200 after a rollback", "300 after a rollback", "400"]


def test_generated_text_is_shown_and_never_run(tmp_path: Path) -> None:
    lines = [values | {"samples": [{"prompt": EVIL, "completion": EVIL}]} for values in four()]
    shown = page(tmp_path, made_run(tmp_path / "run", lines))
    html = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<img" not in html.replace(get_plotlyjs(), "")
    assert "&lt;/pre&gt;&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;␛[31m\\u202e &amp; done" in html
    assert shown.words.count("<img src=x onerror=alert(1)>") == 1 + 4
    assert "treat this file as private too" in shown.words


def test_markup_in_a_folder_name_is_escaped(tmp_path: Path) -> None:
    name = "<img src=x onerror=alert(1)>"
    runs = [made_run(tmp_path / parent / name, four()) for parent in ("one", "two")]
    for some in (runs[:1], runs):
        assert name in page(tmp_path, *some).words
        assert "<img" not in (tmp_path / "page.html").read_text(encoding="utf-8").replace(get_plotlyjs(), "")


def test_a_completion_keeps_its_first_line_feed(tmp_path: Path) -> None:
    """HTML drops a line feed right after <pre>, but the model wrote this one."""
    page(tmp_path, made_run(tmp_path / "run", four()))
    assert '<pre class="code">\n\n    return a  # of step 100</pre>' in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize(
    ("count", "steps"), [(1, [100]), (2, [100, 200]), (4, [100, 200, 300, 400]), (7, [100, 300, 500, 700])]
)
def test_samples_are_spread_from_the_first_to_the_last(tmp_path: Path, count: int, steps: list[int]) -> None:
    lines = [line(100 * (index + 1), 3.0, 2.0, None, 0.01) for index in range(count)]
    assert [line.step for line in spread(made_run(tmp_path, lines).lines)] == steps


def test_several_runs_are_compared_with_the_best_first(tmp_path: Path) -> None:
    worse = [values | {"val_bpb": values["val_bpb"] + 0.5} for values in four()]
    recipe = {"num_steps": 400, "batch_size": 16, "seq_length": 64}
    runs = [
        made_run(tmp_path / "a", worse),
        made_run(tmp_path / "b", four(), finished=True, built=architecture(hidden_dim=128), recipe=recipe),
        made_run(tmp_path / "c"),
    ]
    shown = page(tmp_path, *runs)
    assert shown.headings == [
        *("3 runs", "Learning curves", "What differs", "Samples", "Evaluations of a", "Evaluations of b"),
    ]
    start = next(index for index, row in enumerate(shown.rows) if row[:1] == ["run"])
    rows = shown.rows[start + 1 : start + 4]
    assert [row[0] for row in rows] == ["b", "a", "c"]
    assert rows[0][1:6] == ["2.5000", "2.8750", "2.2500", "0.125", "0.500"]
    assert [row[-1] for row in rows] == ["finished", "step 400 of 400", "step 0 of 400"]
    assert rows[2][1:6] == [MISSING] * 5
    assert shown.row("architecture · hidden_dim")[1:] == ["96", "128", "96"]
    assert shown.row("recipe · batch_size")[1:] == ["8", "16", "8"]
    assert shown.row("recipe · decay")[1:] == ["sqrt", MISSING, "sqrt"]
    assert not [row for row in shown.rows if row and row[0] == "corpus_hash"], "what is the same is left out"
    assert "different corpora" not in shown.words
    assert "a, step 400" in shown.words and "b, step 400" in shown.words


@pytest.mark.parametrize(
    ("changes", "warning"),
    [
        ({"corpus_hash": "cd" * 32}, "different corpora"),
        ({"validation_bytes": 65_536}, "different amounts of validation text"),
    ],
)
def test_runs_that_were_measured_on_other_bytes_carry_a_warning(
    tmp_path: Path, changes: dict[str, Any], warning: str
) -> None:
    shown = page(tmp_path, made_run(tmp_path / "a", four()), made_run(tmp_path / "b", four(), **changes))
    assert warning in shown.words


def test_runs_that_have_all_just_begun_have_a_page(tmp_path: Path) -> None:
    shown = page(tmp_path, made_run(tmp_path / "a"), made_run(tmp_path / "b"))
    assert shown.headings == ["2 runs", "What differs"]
    assert "Nothing: architecture, recipe, numerics and corpus are the same." in shown.words


def test_equal_records_give_an_equal_page(tmp_path: Path) -> None:
    run = made_run(tmp_path / "run", four(), finished=True)
    page(tmp_path, run)
    first = (tmp_path / "page.html").read_bytes()
    page(tmp_path, run)
    assert (tmp_path / "page.html").read_bytes() == first
    assert not list(tmp_path.glob(".*")), "no temporary file is left"

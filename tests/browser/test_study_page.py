"""The page of a study as people meet it: in a real browser, with a mouse, a keyboard, a phone, in the dark."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from nas.records.fitness import pareto_front
from nas.records.trial import CurvePoint, RungResult, TrialRecord, completed
from nas.report.study.page import write_report
from nas.report.study.samples import read_samples
from nas.report.study.view import StudyView
from tests.browser.conftest import Opened
from tests.helpers.report_studies import ended, many, metrics, study, trial, verdict, write_samples

HOSTILE = "</script><img src=x onerror=\"alert('run')\"><b>bold</b>\u2028 & done"
Open = Callable[..., Opened]


def with_curves(record: TrialRecord) -> TrialRecord:
    """Two rungs and a short curve, as a real trial has; of a pruned one the first rung alone."""
    bpb = record.val_bpb or 3.0
    rungs = [
        RungResult(
            rung=rung, train_flops=flops, train_bytes=flops / 1e6, spent_flops=flops, fitness=bpb + worse + 0.3,
            val_bpb=bpb + worse, collapse_rate=0.3, validation=metrics(bpb + worse, 0.1, 0.3), order=record.number,
        )
        for rung, (flops, worse) in enumerate(((7e11, 0.5), (2e12, 0.0)))
    ]  # fmt: skip
    curve = tuple(
        CurvePoint(train_flops=2e12 / 30 * at, train_bytes=1e5 * at, train_loss=9 / at + bpb) for at in range(1, 31)
    )
    return record.model_copy(update={"rungs": tuple(rungs if record.is_complete else rungs[:1]), "curve": curve})


@pytest.fixture(scope="module")
def records() -> list[TrialRecord]:
    return [with_curves(one) for one in many(40)]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, records: list[TrialRecord]) -> Path:
    """A study of 42 trials, each with completions that would run if they were HTML."""
    folder = tmp_path_factory.mktemp("study")
    for one in records:
        write_samples(folder, one.number, completion=HOSTILE)
    (folder / "arch.json").write_text("{}")
    best = completed(records)[0].number
    judged = verdict((best, 1.95, 0.2, 0.3), (40, 2.30, 0.0, 0.1), seed=7)
    judged += verdict((best, 1.96, 0.2, 0.3), (40, 2.32, 0.0, 0.1), seed=8)
    samples = read_samples(folder, [one.number for one in records])
    return write_report(folder, StudyView.build(study(verdict=judged), records), samples)


def test_every_chart_is_drawn_without_an_error_or_a_request(opened: Open, report: Path) -> None:
    found = opened(report)
    found.scroll_through()
    charts = found.page.evaluate("[...document.querySelectorAll('.chart')].map((one) => one.id)")
    assert {"pareto", "importance", "vocabulary", "parallel", "learning", "history", "hypervolume"} <= set(charts)
    assert "slice-hidden-dim" in charts
    assert found.errors == []
    assert found.requests == [report.resolve().as_uri()]


def test_pointing_at_a_trial_tells_what_it_is_and_how_it_writes(opened: Open, report: Path) -> None:
    found = opened(report)
    found.show("pareto")
    found.page.locator("#pareto .scatterlayer .trace .points path").last.hover(force=True)
    words = found.page.wait_for_selector("#pareto .hoverlayer .hovertext").text_content()
    assert "bits per byte" in words and "parameters" in words
    assert "<img src=x onerror=" in words, "the sample is text in it"
    assert found.page.locator("#pareto image, #pareto img").count() == 0


def test_what_a_model_wrote_is_text_everywhere(opened: Open, report: Path) -> None:
    found = opened(report)
    found.scroll_through()
    assert found.page.locator("main img, #card img").count() == 0
    assert found.page.locator("#samples pre", has_text="<img src=x onerror=").count() > 4
    found.page.locator("#trials-table tbody button").first.click()
    assert "<b>bold</b>" in found.page.locator("#card pre").inner_text()
    assert (found.dialogs, found.errors) == ([], [])


def numbers(found: Opened) -> list[int]:
    """Of the rows that are shown, from the top."""
    return found.page.evaluate(
        "[...document.querySelectorAll('#trials-table tbody tr:not([hidden])')]"
        ".map((row) => Number(row.cells[0].dataset.value))"
    )


def test_a_click_on_a_column_sorts_and_another_turns_the_order(
    opened: Open, report: Path, records: list[TrialRecord]
) -> None:
    found = opened(report)
    head = found.page.locator("#trials-table th button", has_text="bits per byte").first
    by_bpb = [one.number for one in sorted(completed(records), key=lambda one: one.val_bpb or 0)]
    head.click()
    assert [one for one in numbers(found) if one in by_bpb][:5] == by_bpb[:5]
    assert found.page.locator("#trials-table th[aria-sort=ascending]").count() == 1
    head.press("Enter")
    assert numbers(found)[0] == by_bpb[-1]
    unfinished = {one.number for one in records if not one.is_complete}
    assert set(numbers(found)[-len(unfinished) :]) == unfinished, "what has no figure stays below"


@pytest.mark.parametrize(
    ("typed", "state", "kept"),
    [
        ("", "failed", lambda one: one.state == "FAIL"),
        ("", "reference", lambda one: one.reference is not None),
        ("h64 v256", "", lambda one: (one.architecture.hidden_dim, one.architecture.vocab_size) == (64, 256)),
        ("num_params<100000", "complete", lambda one: one.is_complete and one.architecture.num_params < 100_000),
        ("no such words", "", lambda one: False),
    ],
)
def test_the_filter_keeps_what_was_asked_for(
    opened: Open, report: Path, records: list[TrialRecord], typed: str, state: str, kept: Callable[[TrialRecord], bool]
) -> None:
    found = opened(report)
    found.page.fill("#filter", typed)
    found.page.select_option("#filter-state", state)
    expected = {one.number for one in records if kept(one)}
    assert set(numbers(found)) == expected
    assert found.page.locator("#filter-shown").inner_text() == f"{len(expected)} of {len(records)} trials"
    found.show("pareto")
    faint = found.page.evaluate(
        "codenas.charts.get('pareto').data.filter((one) => one.meta === 'others')"
        ".flatMap((one) => one.customdata.filter((_, place) => [one.marker.opacity].flat()[place] < 0.2))"
    )
    assert not expected & set(faint)


def test_a_command_is_copied(opened: Open, report: Path) -> None:
    found = opened(report)
    found.page.locator(".command .copy").first.click()
    found.page.wait_for_selector(".command .copy >> text=copied")
    command = found.page.locator(".command code").first.inner_text()
    assert command.startswith("python -m nas.train --arch-json ")
    assert found.page.evaluate("navigator.clipboard.readText()") == command


def test_a_trial_is_selected_in_the_table_and_in_every_chart(
    opened: Open, report: Path, records: list[TrialRecord]
) -> None:
    found = opened(report)
    best = completed(records)[0]
    button = found.page.locator("#trials-table tbody button").first
    button.focus()
    button.press("Enter")
    assert found.page.locator("#card .name").inner_text() == f"trial {best.number}"
    assert found.page.locator("#trials-table tr.selected").count() == 1
    found.show("pareto")
    ring = found.page.evaluate("codenas.charts.get('pareto').data.find((one) => one.meta === 'ring')")
    assert (ring["x"], ring["y"]) == ([best.val_bpb], [best.collapse_rate])
    found.page.keyboard.press("Escape")
    assert found.page.locator("#card").is_hidden()


def test_a_point_of_a_chart_selects_its_row(opened: Open, report: Path) -> None:
    found = opened(report)
    found.show("history")
    found.page.locator("#history .scatterlayer .trace .points path").last.click(force=True)
    number = found.page.locator("#card .name").inner_text()
    found.page.locator("#card .find").click()
    assert found.page.evaluate("document.activeElement.textContent") == number.removeprefix("trial ")


def test_other_axes_have_a_front_of_their_own(opened: Open, report: Path, records: list[TrialRecord]) -> None:
    found = opened(report)
    found.show("pareto")
    found.page.select_option("#pareto-y", "num_params")
    ranked = completed(records)
    points = [(one.val_bpb or 0.0, float(one.architecture.num_params)) for one in ranked]
    expected = {ranked[index].number for index in pareto_front(points)}
    shown = found.page.evaluate("codenas.charts.get('pareto').data.find((one) => one.meta === 'front').customdata")
    assert set(shown) == expected
    layout = found.page.evaluate("(({ xaxis, yaxis }) => [xaxis.type, yaxis.type, yaxis.title.text])"
                                 "(codenas.charts.get('pareto')._fullLayout)")  # fmt: skip
    assert layout == ["linear", "log", "parameters"]
    assert found.errors == []


def test_axes_and_price_that_were_chosen_before_the_chart_is_drawn_are_kept(
    opened: Open, report: Path, records: list[TrialRecord]
) -> None:
    found = opened(report, height=300)
    assert not found.page.evaluate("codenas.charts.has('pareto')")
    found.page.evaluate("document.getElementById('pareto-y').value = 'num_params'")
    move = "(one) => { one.value = 2; one.dispatchEvent(new Event('input')); }"
    found.page.locator("#weight").evaluate(move)
    found.show("pareto")
    best = completed([one.reweighted(2.0) for one in records])[0]
    star = found.page.evaluate("codenas.charts.get('pareto').data.find((one) => one.meta === 'star')")
    assert (star["customdata"], star["y"]) == ([best.number], [best.architecture.num_params])
    title = found.page.evaluate("codenas.charts.get('pareto')._fullLayout.yaxis.title.text")
    assert title == "parameters"


def test_another_price_of_a_collapse_ranks_anew_and_back(
    opened: Open, report: Path, records: list[TrialRecord]
) -> None:
    found = opened(report)
    found.show("pareto")
    before = numbers(found)
    for weight in (0.0, 2.0):
        move = "(one, weight) => { one.value = weight; one.dispatchEvent(new Event('input')); }"
        found.page.locator("#weight").evaluate(move, weight)
        ranked = [one.number for one in completed([one.reweighted(weight) for one in records])]
        assert numbers(found)[: len(ranked)] == ranked
        assert f"the best is trial {ranked[0]} " in found.page.locator("#weight-says").inner_text()
        star = found.page.evaluate("codenas.charts.get('pareto').data.find((one) => one.meta === 'star').customdata[0]")
        assert star == ranked[0]
    found.page.locator("#weight-reset").click()
    assert numbers(found)[:20] == before[:20]


@pytest.mark.parametrize("width", [360, 1600])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_page_fits_its_window_in_either_light(opened: Open, report: Path, width: int, dark: bool) -> None:
    found = opened(report, width=width, dark=dark)
    found.scroll_through()
    assert found.page.evaluate("document.documentElement.scrollWidth") <= width
    background = found.page.evaluate("getComputedStyle(document.body).backgroundColor")
    channels = [int(one) for one in background.removeprefix("rgb(").rstrip(")").split(",")]
    assert max(channels) < 60 if dark else min(channels) > 240
    assert found.errors == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_no_serious_violation(opened: Open, report: Path, dark: bool) -> None:
    spec = find_spec("axe_playwright_python")
    if spec is None or spec.origin is None:
        pytest.skip("no axe-core here; `make test-browser` installs it")
    found = opened(report, dark=dark)
    found.scroll_through()
    found.page.locator("#trials-table tbody button").first.click()
    found.page.evaluate((Path(spec.origin).parent / "axe.min.js").read_text(encoding="utf-8"))
    result = found.page.evaluate("axe.run()")
    serious = [one for one in result["violations"] if one["impact"] in ("serious", "critical")]
    assert [(one["id"], [node["html"][:120] for node in one["nodes"][:3]]) for one in serious] == []


def test_printing_draws_every_chart(opened: Open, report: Path) -> None:
    found = opened(report)
    assert len(found.page.pdf(format="A4")) > 100_000
    drawn, charts = found.page.evaluate("[codenas.charts.size, document.querySelectorAll('.chart').length]")
    assert drawn == charts


@pytest.mark.parametrize(
    "records",
    [
        [],
        [ended(0, "fault", HOSTILE), ended(1, "over_limit", "over the limit, not trained: max_params by 3%")],
        [with_curves(trial(0, 2.1, 0.1, 0.1))],
        [trial(0, 2.1, 0.1, 0.1), trial(1, 2.2, 0.0, 0.0, 64, 512)],
    ],
    ids=["no trial", "only failures", "one trial", "two trials"],
)
def test_a_study_that_has_hardly_begun_has_a_page(opened: Open, tmp_path: Path, records: list[TrialRecord]) -> None:
    found = opened(write_report(tmp_path, StudyView.build(study(complete=False, verdict=()), records)), width=360)
    found.scroll_through()
    assert "Not complete: the search is running or was stopped" in found.page.locator("header").inner_text()
    assert found.page.evaluate("document.documentElement.scrollWidth") <= 360
    assert (found.errors, found.dialogs) == ([], [])


def test_two_hundred_trials_are_small_and_open_at_once(opened: Open, tmp_path: Path) -> None:
    records = [with_curves(one) for one in many(200)]
    for one in records:
        write_samples(tmp_path, one.number, prompts=128, completion=120 * "ab = c\n")
    path = write_report(tmp_path, StudyView.build(study(), records), read_samples(tmp_path, range(200)))
    assert path.stat().st_size < 6_000_000
    ready = "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
    assert min(opened(path).page.evaluate(ready) for _ in range(3)) < 2000

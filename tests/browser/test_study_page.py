"""The page of a study in a real browser: mouse, keyboard, narrow screen, dark colours."""

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
    """Return the trial with two rungs and a short curve, as real ones have; a pruned one has the first rung alone."""
    bpb = record.val_bpb or 3.0
    lowest = RungResult(
        rung=0,
        train_flops=7e11,
        train_bytes=7e5,
        spent_flops=7e11,
        fitness=bpb + 0.8,
        val_bpb=bpb + 0.5,
        collapse_rate=0.3,
        validation=metrics(bpb + 0.5, 0.1, 0.3),
        order=record.number,
    )
    top = [result.model_copy(update={"rung": 1, "order": record.number}) for result in record.rungs]
    curve = tuple(
        CurvePoint(train_flops=2e12 / 30 * at, train_bytes=1e5 * at, train_loss=9 / at + bpb) for at in range(1, 31)
    )
    return record.model_copy(update={"rungs": (lowest, *top), "curve": curve})


@pytest.fixture(scope="module")
def records() -> list[TrialRecord]:
    return [with_curves(record) for record in many(40)]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, records: list[TrialRecord]) -> Path:
    """Write the page of 42 trials, each with completions that would run if they were HTML."""
    folder = tmp_path_factory.mktemp("study")
    for record in records:
        write_samples(folder, record.number, completion=HOSTILE)
    (folder / "arch.json").write_text("{}")
    best = completed(records)[0].number
    results = verdict((best, 1.95, 0.2, 0.3), (40, 2.30, 0.0, 0.1), seed=7)
    results += verdict((best, 1.96, 0.2, 0.3), (40, 2.32, 0.0, 0.1), seed=8)
    samples = read_samples(folder, [record.number for record in records])
    return write_report(folder, StudyView.build(study(verdict=results), records), samples)


def test_every_chart_is_drawn_without_an_error_or_a_request(opened: Open, report: Path) -> None:
    tab = opened(report)
    tab.scroll_through()
    charts = tab.page.evaluate("[...document.querySelectorAll('.chart')].map((chart) => chart.id)")
    assert {"pareto", "importance", "vocabulary", "parallel", "learning", "history", "hypervolume"} <= set(charts)
    assert "slice-hidden-dim" in charts
    assert tab.errors == []
    assert tab.requests == [report.resolve().as_uri()]


def test_hovering_over_a_trial_shows_its_figures_and_a_sample(opened: Open, report: Path) -> None:
    tab = opened(report)
    tab.show("pareto")
    tab.page.locator("#pareto .scatterlayer .trace .points path").last.hover(force=True)
    words = tab.page.wait_for_selector("#pareto .hoverlayer .hovertext").text_content()
    assert "bits per byte" in words and "parameters" in words
    assert "<img src=x onerror=" in words, "the sample is shown as text"
    assert tab.page.locator("#pareto image, #pareto img").count() == 0


def test_generated_text_is_text_everywhere(opened: Open, report: Path) -> None:
    tab = opened(report)
    tab.scroll_through()
    assert tab.page.locator("main img, #card img").count() == 0
    assert tab.page.locator("#samples pre", has_text="<img src=x onerror=").count() > 4
    tab.page.locator("#trials-table tbody button").first.click()
    assert "<b>bold</b>" in tab.page.locator("#card pre").inner_text()
    assert (tab.dialogs, tab.errors) == ([], [])


def numbers(tab: Opened) -> list[int]:
    """Return the trial numbers of the rows that are shown, from the top."""
    return tab.page.evaluate(
        "[...document.querySelectorAll('#trials-table tbody tr:not([hidden])')]"
        ".map((row) => Number(row.cells[0].dataset.value))"
    )


def test_a_click_on_a_column_sorts_and_a_second_reverses_the_order(
    opened: Open, report: Path, records: list[TrialRecord]
) -> None:
    tab = opened(report)
    head = tab.page.locator("#trials-table th button", has_text="bits per byte").first
    by_bpb = [record.number for record in sorted(completed(records), key=lambda record: record.val_bpb or 0)]
    head.click()
    assert [number for number in numbers(tab) if number in by_bpb][:5] == by_bpb[:5]
    assert tab.page.locator("#trials-table th[aria-sort=ascending]").count() == 1
    head.press("Enter")
    assert numbers(tab)[0] == by_bpb[-1]
    unfinished = {record.number for record in records if not record.is_complete}
    assert set(numbers(tab)[-len(unfinished) :]) == unfinished, "rows without a figure stay at the end"


@pytest.mark.parametrize(
    ("typed", "state", "kept"),
    [
        ("", "failed", lambda record: record.state == "FAIL"),
        ("", "reference", lambda record: record.reference is not None),
        ("h64 v256", "", lambda record: (record.architecture.hidden_dim, record.architecture.vocab_size) == (64, 256)),
        (
            "num_params<100000",
            "complete",
            lambda record: record.is_complete and record.architecture.num_params < 100_000,
        ),
        ("no such words", "", lambda record: False),
    ],
)
def test_the_filter_keeps_matching_trials(
    opened: Open, report: Path, records: list[TrialRecord], typed: str, state: str, kept: Callable[[TrialRecord], bool]
) -> None:
    tab = opened(report)
    tab.page.fill("#filter", typed)
    tab.page.select_option("#filter-state", state)
    expected = {record.number for record in records if kept(record)}
    assert set(numbers(tab)) == expected
    assert tab.page.locator("#filter-shown").inner_text() == f"{len(expected)} of {len(records)} trials"
    tab.show("pareto")
    faint = tab.page.evaluate(
        "codenas.charts.get('pareto').data.filter((trace) => trace.meta === 'others')"
        ".flatMap((trace) => trace.customdata.filter((_, place) => [trace.marker.opacity].flat()[place] < 0.2))"
    )
    assert not expected & set(faint)


def test_a_command_is_copied(opened: Open, report: Path) -> None:
    tab = opened(report)
    tab.page.locator(".command .copy").first.click()
    tab.page.wait_for_selector(".command .copy >> text=copied")
    command = tab.page.locator(".command code").first.inner_text()
    assert command.startswith("python -m nas.train --arch-json ")
    assert tab.page.evaluate("navigator.clipboard.readText()") == command


def test_a_trial_is_selected_in_the_table_and_in_every_chart(
    opened: Open, report: Path, records: list[TrialRecord]
) -> None:
    tab = opened(report)
    best = completed(records)[0]
    button = tab.page.locator("#trials-table tbody button").first
    button.focus()
    button.press("Enter")
    assert tab.page.locator("#card .name").inner_text() == f"trial {best.number}"
    assert tab.page.locator("#trials-table tr.selected").count() == 1
    tab.show("pareto")
    ring = tab.page.evaluate("codenas.charts.get('pareto').data.find((trace) => trace.meta === 'ring')")
    assert (ring["x"], ring["y"]) == ([best.val_bpb], [best.collapse_rate])
    tab.page.keyboard.press("Escape")
    assert tab.page.locator("#card").is_hidden()


def test_a_point_of_a_chart_selects_its_row(opened: Open, report: Path) -> None:
    tab = opened(report)
    tab.show("history")
    tab.page.locator("#history .scatterlayer .trace .points path").last.click(force=True)
    number = tab.page.locator("#card .name").inner_text()
    tab.page.locator("#card .find").click()
    assert tab.page.evaluate("document.activeElement.textContent") == number.removeprefix("trial ")


def test_other_axes_show_their_own_front(opened: Open, report: Path, records: list[TrialRecord]) -> None:
    tab = opened(report)
    tab.show("pareto")
    tab.page.select_option("#pareto-y", "num_params")
    ranked = completed(records)
    points = [(record.val_bpb or 0.0, float(record.architecture.num_params)) for record in ranked]
    expected = {ranked[index].number for index in pareto_front(points)}
    shown = tab.page.evaluate("codenas.charts.get('pareto').data.find((trace) => trace.meta === 'front').customdata")
    assert set(shown) == expected
    layout = tab.page.evaluate("(({ xaxis, yaxis }) => [xaxis.type, yaxis.type, yaxis.title.text])"
                                 "(codenas.charts.get('pareto')._fullLayout)")  # fmt: skip
    assert layout == ["linear", "log", "parameters"]
    assert tab.errors == []


def test_axes_and_weight_chosen_before_the_chart_is_drawn_are_kept(
    opened: Open, report: Path, records: list[TrialRecord]
) -> None:
    tab = opened(report, height=300)
    assert not tab.page.evaluate("codenas.charts.has('pareto')")
    tab.page.evaluate("document.getElementById('pareto-y').value = 'num_params'")
    move = "(slider) => { slider.value = 2; slider.dispatchEvent(new Event('input')); }"
    tab.page.locator("#weight").evaluate(move)
    tab.show("pareto")
    best = completed([record.reweighted(2.0) for record in records])[0]
    star = tab.page.evaluate("codenas.charts.get('pareto').data.find((trace) => trace.meta === 'star')")
    assert (star["customdata"], star["y"]) == ([best.number], [best.architecture.num_params])
    title = tab.page.evaluate("codenas.charts.get('pareto')._fullLayout.yaxis.title.text")
    assert title == "parameters"


def test_another_collapse_weight_ranks_again_and_can_be_reset(
    opened: Open, report: Path, records: list[TrialRecord]
) -> None:
    tab = opened(report)
    tab.show("pareto")
    before = numbers(tab)
    for weight in (0.0, 2.0):
        move = "(slider, weight) => { slider.value = weight; slider.dispatchEvent(new Event('input')); }"
        tab.page.locator("#weight").evaluate(move, weight)
        ranked = [record.number for record in completed([record.reweighted(weight) for record in records])]
        assert numbers(tab)[: len(ranked)] == ranked
        assert f"the best is trial {ranked[0]} " in tab.page.locator("#weight-says").inner_text()
        star = tab.page.evaluate(
            "codenas.charts.get('pareto').data.find((trace) => trace.meta === 'star').customdata[0]"
        )
        assert star == ranked[0]
    tab.page.locator("#weight-reset").click()
    assert numbers(tab)[:20] == before[:20]


@pytest.mark.parametrize("width", [360, 1600])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_page_fits_its_window_in_light_and_dark_colours(opened: Open, report: Path, width: int, dark: bool) -> None:
    tab = opened(report, width=width, dark=dark)
    tab.scroll_through()
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= width
    background = tab.page.evaluate("getComputedStyle(document.body).backgroundColor")
    channels = [int(channel) for channel in background.removeprefix("rgb(").rstrip(")").split(",")]
    assert max(channels) < 60 if dark else min(channels) > 240
    assert tab.errors == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_no_serious_violation(opened: Open, report: Path, dark: bool) -> None:
    spec = find_spec("axe_playwright_python")
    if spec is None or spec.origin is None:
        pytest.skip("no axe-core here; `make test-browser` installs it")
    tab = opened(report, dark=dark)
    tab.scroll_through()
    tab.page.locator("#trials-table tbody button").first.click()
    tab.page.evaluate((Path(spec.origin).parent / "axe.min.js").read_text(encoding="utf-8"))
    result = tab.page.evaluate("axe.run()")
    serious = [violation for violation in result["violations"] if violation["impact"] in ("serious", "critical")]
    assert [(violation["id"], [node["html"][:120] for node in violation["nodes"][:3]]) for violation in serious] == []


def test_printing_draws_every_chart(opened: Open, report: Path) -> None:
    tab = opened(report)
    assert len(tab.page.pdf(format="A4")) > 100_000
    drawn, charts = tab.page.evaluate("[codenas.charts.size, document.querySelectorAll('.chart').length]")
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
    tab = opened(write_report(tmp_path, StudyView.build(study(complete=False, verdict=()), records)), width=360)
    tab.scroll_through()
    assert "Not complete: the search is running or was stopped" in tab.page.locator("header").inner_text()
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= 360
    assert (tab.errors, tab.dialogs) == ([], [])


def test_two_hundred_trials_are_small_and_open_at_once(opened: Open, tmp_path: Path) -> None:
    records = [with_curves(record) for record in many(200)]
    for record in records:
        write_samples(tmp_path, record.number, prompts=128, completion=120 * "ab = c\n")
    path = write_report(tmp_path, StudyView.build(study(), records), read_samples(tmp_path, range(200)))
    assert path.stat().st_size < 6_000_000
    ready = "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
    assert min(opened(path).page.evaluate(ready) for _ in range(3)) < 2000

"""The pages of runs, of several studies and of a foreign Optuna study in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.distributions import FloatDistribution

from nas.report.run.page import write_run_report
from nas.report.study.comparison import named, write_comparison
from nas.report.study.foreign_study import write_foreign
from nas.report.study.view import StudyView
from tests.browser.conftest import Opened
from tests.helpers.report_runs import four, made_run
from tests.helpers.report_studies import five, many, study


def write_run(folder: Path) -> None:
    write_run_report(folder / "page.html", [made_run(folder / "a", four(), finished=True)])


def write_runs(folder: Path) -> None:
    runs = [made_run(folder / "a", four(), finished=True), made_run(folder / "b", four())]
    write_run_report(folder / "page.html", runs)


def write_studies(folder: Path) -> None:
    views = [StudyView.build(study(), many(40)), StudyView.build(study(seed=9), five())]
    write_comparison(folder / "page.html", named([Path("a"), Path("b")], views))


def write_optuna_study(folder: Path) -> None:
    made = optuna.create_study(directions=["minimize", "maximize"])
    for number in range(12):
        values = [number / 12, 1 - number / 12]
        x = {"x": FloatDistribution(0, 1)}
        made.add_trial(optuna.create_trial(values=values, params={"x": number / 12}, distributions=x))
    write_foreign(folder / "page.html", made)


@pytest.mark.parametrize("write", [write_run, write_runs, write_studies, write_optuna_study])
def test_charts_are_drawn_without_an_error_or_a_request(
    opened: Callable[..., Opened], tmp_path: Path, write: Callable[[Path], None]
) -> None:
    write(tmp_path)
    path = tmp_path / "page.html"
    tab = opened(path, width=360)
    tab.scroll_through()
    assert tab.page.evaluate("codenas.charts.size") >= 1
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= 360
    assert (tab.errors, tab.requests) == ([], [path.resolve().as_uri()])


@pytest.mark.parametrize("name", ["FLOPs", "tokens", "steps"])
def test_a_button_chooses_what_the_x_axis_of_the_curves_shows(
    opened: Callable[..., Opened], tmp_path: Path, name: str
) -> None:
    write_run(tmp_path)
    tab = opened(tmp_path / "page.html")
    tab.show("curves")
    tab.page.locator(".updatemenu-button", has_text=name).click()
    title = "codenas.charts.get('curves')._fullLayout.xaxis3.title.text"
    assert name in tab.page.evaluate(title)
    assert tab.errors == []

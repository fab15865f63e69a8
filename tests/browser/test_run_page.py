"""The page of full trainings in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from nas.report.run.page import write_run_report
from tests.browser.conftest import Opened
from tests.helpers.report_runs import four, made_run


def test_its_curves_are_drawn_without_an_error_or_a_request(opened: Callable[..., Opened], tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    write_run_report(path, [made_run(tmp_path / "a", four(), finished=True), made_run(tmp_path / "b", four())])
    tab = opened(path, width=360)
    tab.show("curves")
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= 360
    assert (tab.errors, tab.requests) == ([], [path.resolve().as_uri()])

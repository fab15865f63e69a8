"""python -m tests.browser.screenshots FOLDER DOCS: take the pictures of a study's report that README and docs show.

The report is written without samples to a temporary folder. The browser of the machine takes pictures of its top on a
wide screen, of its front in the dark colour scheme, and of its top on a phone.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from nas.report.study.files import read_view
from nas.report.study.page import write_report
from tests.browser.conftest import chromium

MAX_BYTES = 400_000


def main() -> None:
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(prog="python -m tests.browser.screenshots", description=__doc__)
    parser.add_argument("folder", type=Path, help="a study")
    parser.add_argument("docs", type=Path, help="where the pictures go")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        page = Path(folder) / "report.html"
        write_report(options.folder, read_view(options.folder), path=page)
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        for name, width, height, dark, anchor in (
            ("report-verdict", 1400, 1050, False, ""),
            ("report-front", 1400, 1050, True, "#pareto-front"),
            ("report-phone", 360, 760, False, ""),
        ):
            path = options.docs / f"{name}.png"
            _take_picture(browser, page, path, width=width, height=height, dark=dark, anchor=anchor)
            size = path.stat().st_size
            assert size < MAX_BYTES, f"{path} has {size:,} bytes, at most {MAX_BYTES:,}"
            print(f"{path}  {size // 1000} kB")
        browser.close()


def _take_picture(browser: Any, page: Path, path: Path, *, width: int, height: int, dark: bool, anchor: str) -> None:
    opened = browser.new_page(viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light")
    opened.goto(page.as_uri() + anchor)
    opened.wait_for_timeout(3000)  # the charts in view are drawn a moment after scrolling
    if anchor:
        opened.evaluate(f"document.querySelector('{anchor}').scrollIntoView()")
    opened.screenshot(path=path)
    opened.close()


if __name__ == "__main__":
    main()

"""A real headless Chromium for the tests of pages; without one they are skipped. `make test-browser` installs it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)


def chromium() -> str | None:
    """Return the browser of the machine: BROWSER_PATH, or one on the PATH."""
    return os.environ.get("BROWSER_PATH") or next((path for name in NAMES if (path := shutil.which(name))), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        pytest.skip("no Playwright here; `make test-browser` installs it")
    path = chromium()
    if path is None:
        pytest.skip("no Chromium here; `make test-browser` installs it (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield launched
        launched.close()


@dataclass
class Opened:
    """A page in the browser, with its errors, requests and dialogs."""

    page: Any
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    def scroll_through(self) -> None:
        """Scroll from top to bottom, so that every chart comes into view; open closed details first."""
        self.page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true; })")
        height = self.page.evaluate("document.documentElement.scrollHeight")
        for y in range(0, height, 400):
            self.page.evaluate(f"window.scrollTo(0, {y})")
            self.page.wait_for_timeout(20)
        self.page.wait_for_function(
            "[...document.querySelectorAll('.chart')].every((chart) => chart.querySelector('svg'))"
        )
        self.page.evaluate("window.scrollTo(0, 0)")

    def show(self, chart: str) -> Any:
        """Return the chart of that name, drawn and in view."""
        self.page.locator(f"#{chart}").scroll_into_view_if_needed()
        self.page.wait_for_selector(f"#{chart} svg.main-svg")
        return self.page.locator(f"#{chart}")


@pytest.fixture
def opened(browser: Any) -> Iterator[Callable[..., Opened]]:
    """Open a file: `opened(path, width=360, dark=True)`."""
    contexts = []

    def open_file(path: Path, *, width: int = 1280, height: int = 900, dark: bool = False) -> Opened:
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
        )
        contexts.append(context)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        opened_page = Opened(context.new_page())
        page = opened_page.page
        page.on(
            "console", lambda message: message.type in ("error", "warning") and opened_page.errors.append(message.text)
        )
        page.on("pageerror", lambda error: opened_page.errors.append(str(error)))
        page.on("request", lambda request: opened_page.requests.append(request.url))
        page.on("dialog", lambda dialog: (opened_page.dialogs.append(dialog.message), dialog.dismiss()))
        page.goto(path.resolve().as_uri())
        return opened_page

    yield open_file
    for context in contexts:
        context.close()

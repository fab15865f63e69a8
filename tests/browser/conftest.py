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
    """The browser of the machine: BROWSER_PATH, or one on the PATH."""
    return os.environ.get("BROWSER_PATH") or next((found for name in NAMES if (found := shutil.which(name))), None)


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
    """A page in the browser, and what went wrong or out in it."""

    page: Any
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    def scroll_through(self) -> None:
        """From top to bottom, so that every chart has come into view; closed details are opened before."""
        self.page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        height = self.page.evaluate("document.documentElement.scrollHeight")
        for y in range(0, height, 400):
            self.page.evaluate(f"window.scrollTo(0, {y})")
            self.page.wait_for_timeout(20)
        self.page.wait_for_function("[...document.querySelectorAll('.chart')].every((one) => one.querySelector('svg'))")
        self.page.evaluate("window.scrollTo(0, 0)")

    def show(self, chart: str) -> Any:
        """The chart of that name, drawn and in view."""
        self.page.locator(f"#{chart}").scroll_into_view_if_needed()
        self.page.wait_for_selector(f"#{chart} svg.main-svg")
        return self.page.locator(f"#{chart}")


@pytest.fixture
def opened(browser: Any) -> Iterator[Callable[..., Opened]]:
    """Opens a file: `opened(path, width=360, dark=True)`."""
    contexts = []

    def open_file(path: Path, *, width: int = 1280, height: int = 900, dark: bool = False) -> Opened:
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
        )
        contexts.append(context)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        found = Opened(context.new_page())
        page = found.page
        page.on("console", lambda message: message.type in ("error", "warning") and found.errors.append(message.text))
        page.on("pageerror", lambda error: found.errors.append(str(error)))
        page.on("request", lambda request: found.requests.append(request.url))
        page.on("dialog", lambda dialog: (found.dialogs.append(dialog.message), dialog.dismiss()))
        page.goto(path.resolve().as_uri())
        return found

    yield open_file
    for context in contexts:
        context.close()

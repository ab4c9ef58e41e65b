"""A real Chromium without a network, for the tests that look at pages as a reader does."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass(frozen=True)
class Tab:
    """An opened page, and what it complained of or asked for while it was opened."""

    page: "Page"
    complaints: list[str]
    """Lines of the console and uncaught errors."""
    requests: list[str]
    """Every address that was asked for, the page's own first."""

    def colour(self, selector: str, name: str = "color") -> str:
        """Return a computed colour of the first element of a selector."""
        return str(self.page.locator(selector).first.evaluate("(it, n) => getComputedStyle(it)[n]", name))


@contextmanager
def launched() -> "Iterator[Browser]":
    """Yield a browser, or skip the test where there is none on PATH."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is on PATH")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=found, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(browser: "Browser", path: Path, scheme: Literal["light", "dark"], width: int) -> Iterator[Tab]:
    """Yield a file opened with the network cut off."""
    context = browser.new_context(
        color_scheme=scheme, viewport={"width": width, "height": 900}, offline=True, java_script_enabled=True
    )
    try:
        page = context.new_page()
        tab = Tab(page, [], [])
        page.on("console", lambda line: tab.complaints.append(line.text))
        page.on("pageerror", lambda error: tab.complaints.append(str(error)))
        page.on("request", lambda request: tab.requests.append(request.url))
        page.goto(path.as_uri())
        yield tab
    finally:
        context.close()

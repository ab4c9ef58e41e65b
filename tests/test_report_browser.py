"""The pages in a real browser without a network: light and dark, wide and narrow."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest
from browser import launched, opened
from stage_outputs import PREPARE, PRIVACY, RELEASE, facts

from fairmark.files import write_text
from fairmark.report.data import data_card, data_card_page
from fairmark.report.model_card import card, card_page
from fairmark.report.page import page

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser
SCHEMES: list[Literal["light", "dark"]] = ["light", "dark"]
WIDTHS = [390, 1366]
LONG = "a-name-without-any-place-to-break-" * 4


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """Yield one browser for all tests of the module."""
    with launched() as found:
        yield found


@pytest.fixture(scope="module", params=["report", "card", "data card", "long names"])
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a page on disk."""
    teams = {"team": {LONG if request.param == "long names" else "blue": 400, "red": 29, "green": 90}}
    found = facts(teams, names=(LONG if request.param == "long names" else "age", "job"))
    path = tmp_path_factory.mktemp("pages") / "page.html"
    pages = {
        "card": lambda: card_page(found, card(found)),
        "data card": lambda: data_card_page(found, data_card(found, PREPARE, PRIVACY, RELEASE)),
    }
    write_text(path, pages.get(request.param, lambda: page(found))())
    return path


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_it_opens_alone_without_a_complaint_and_fits(
    browser: "Browser", written: Path, scheme: Literal["light", "dark"], width: int
) -> None:
    with opened(browser, written, scheme, width) as tab:
        tab.page.locator("details").evaluate_all("all => all.forEach(it => it.open = true)")
        wide = tab.page.evaluate("document.documentElement.scrollWidth")

        assert tab.complaints == []
        assert tab.requests == [written.as_uri()]
        assert wide <= width


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the report on disk."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_text(path, page(facts()))
    return path


def _luminance(colour: str) -> float:
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


GROUNDS = {".outcome": ".verdict", ".badge": ".badge", ".soft": "body", "h1": "body", "summary": "body"}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_words_stand_out_from_their_ground(
    browser: "Browser", report: Path, scheme: Literal["light", "dark"]
) -> None:
    with opened(browser, report, scheme, 1366) as tab:
        for sign, ground in GROUNDS.items():
            both = (_luminance(tab.colour(sign)), _luminance(tab.colour(ground, "backgroundColor")))

            assert (max(both) + 0.05) / (min(both) + 0.05) >= 4.5, sign


def test_the_verdict_is_seen_without_scrolling(browser: "Browser", report: Path) -> None:
    with opened(browser, report, "light", 390) as tab:
        box = tab.page.locator(".outcome").bounding_box()

        assert box is not None
        assert 0 < box["y"] < 800
        assert tab.page.locator(".outcome").inner_text() == "Insufficient evidence"


def test_dark_is_dark_and_paper_is_white(browser: "Browser", report: Path) -> None:
    with opened(browser, report, "dark", 1366) as tab:
        dark = _luminance(tab.colour("body", "backgroundColor"))
        tab.page.emulate_media(media="print", color_scheme="dark")

        assert dark < 0.05
        assert _luminance(tab.colour("body", "backgroundColor")) == 1


def test_a_phone_sees_one_frontier_and_no_smaller_words(browser: "Browser", report: Path) -> None:
    with opened(browser, report, "light", 390) as tab:
        shown = tab.page.locator("#search svg.plot").evaluate_all(
            "all => all.filter(it => it.getBoundingClientRect().width > 0).map(it =>"
            " 11 * it.getBoundingClientRect().width / it.viewBox.baseVal.width)"
        )

        assert len(shown) == 1
        assert shown[0] > 9


def test_everything_opens_without_scripts_by_keyboard(browser: "Browser", report: Path) -> None:
    with opened(browser, report, "light", 1366) as tab:
        tab.page.locator("summary").first.focus()
        tab.page.keyboard.press("Enter")

        assert tab.page.locator("details").first.get_attribute("open") is not None

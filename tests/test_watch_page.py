"""The summary says what the counts say; a browser shows it offline, light, dark and on a phone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import launched, opened
from watched import START, WEEK, counted, outcomes, traffic, watched

from fairmark.journal.entry import DAY_US
from fairmark.watch.documents import WatchSummary
from fairmark.watch.look import Case, Desk, Drill, Promoted, standing
from fairmark.watch.page import lines, page, state
from fairmark.watch.summary import summarise
from fairmark.watch.windows import Counted

NOBODY = Desk(promotions=(), cases=(), contests=(), drills=(), alarms=())
HOSTILE = '<script>alert(1)</script> "x"'


def summary(weeks: int = 3, rows: int = 250, **shares: Any) -> WatchSummary:
    entries, held = traffic(weeks, rows, **shares)
    entries += outcomes(entries, 0.3)
    entries.sort(key=lambda each: each.at_us)
    until = START + weeks * WEEK + 2 * DAY_US  # the last outcome comes a day later
    return summarise(counted(entries, held, until_us=until), watched(), until)


@pytest.fixture(scope="module")
def quiet() -> WatchSummary:
    return summary()


@pytest.fixture(scope="module")
def moved() -> WatchSummary:
    return summary(4, job=[0.4, 0.4, 0.4, 0.7])


def test_nothing_moved_and_nothing_is_said_to_have(quiet: WatchSummary) -> None:
    assert quiet.alarms == ()
    assert state(quiet)["word"] == "quiet"
    assert (quiet.decisions, len(quiet.looks)) == (750, 3)


def test_a_moved_feature_is_an_alarm_that_names_it_and_when(moved: WatchSummary) -> None:
    first = moved.alarms[0]

    assert (first.of, first.change) == ("inputs", "covariate shift")
    assert first.moved[0].stream == "feature job"
    assert first.moved[0].since == moved.looks[3].start
    assert any(cell.startswith("nurse 40.0% to ") for cell in first.moved[0].cells)


def test_what_comes_again_after_it_was_gone_is_told_as_a_return() -> None:
    found = summary(6, 200, job=[0.4, 0.8, 0.4, 0.4, 0.4, 0.8])

    assert [each.moved[0].return_of for each in found.alarms] == [None, found.looks[1].start]


def test_what_is_written_is_read_again(quiet: WatchSummary, tmp_path: Path) -> None:
    quiet.write(tmp_path / "watch.json")

    assert WatchSummary.read(tmp_path / "watch.json").to_json() == quiet.to_json()


def test_before_the_first_look_it_waits() -> None:
    found = summarise(Counted("sha256:" + "a" * 64), watched(), START)

    assert state(found)["word"] == "waiting"
    assert "No look yet" in lines(found)[0]
    assert "No look yet" in page(found, NOBODY)


def test_lines_tell_limits_rates_and_how_soon(quiet: WatchSummary) -> None:
    text = "\n".join(lines(quiet))

    assert "limit four-fifths (at least 0.8): " in text
    assert "Accuracy: 0." in text
    assert "of the mass of" in text


def desk() -> Desk:
    promoted = Promoted(
        stage="production", release="loans@v0.1.0", action="promote", since="2026-01-02T00:00:00Z",
        until=None, by="Maker", approvals=(HOSTILE,), reason="first", faults=(),
    )  # fmt: skip
    case = Case(kind="review", opened="2026-01-05T00:00:00Z", due="2026-01-10T00:00:00Z", overdue=True)
    drill = Drill(at="2026-01-06T00:00:00Z", text=HOSTILE)
    return Desk(promotions=(promoted,), cases=(case,), contests=(), drills=(drill,), alarms=())


def test_what_people_wrote_is_text_on_the_page(moved: WatchSummary) -> None:
    text = page(moved, desk())

    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert "by the word of Maker" in text


def test_what_production_holds_stands_first_though_a_canary_reached_staging_later(
    moved: WatchSummary,
) -> None:
    held = desk()
    later = {"stage": "staging", "release": "loans@v0.2.0", "since": "2026-02-02T00:00:00Z"}
    tried = held.promotions[0].model_copy(update=later)

    text = page(moved, held.model_copy(update={"promotions": (*held.promotions, tried)}))

    assert "<b>loans@v0.1.0</b> is in production" in text


@pytest.mark.parametrize("unattended", [True, False])
def test_a_canary_under_way_is_on_the_page_and_whether_anybody_looks_at_it(
    quiet: WatchSummary, unattended: bool
) -> None:
    steered = standing(
        {"phase": "share", "release": "sha256:" + "b" * 64, "share": 0.25, "by": "flow promote",
         "seen_us": START, "unattended": unattended}
    )  # fmt: skip
    text = page(quiet, desk().model_copy(update={"canary": steered}))

    assert f'data-canary="{"un" if unattended else ""}attended"' in text
    assert "2026-01-05 00:00 UTC" in text
    assert ("the services have halted it" in text) is unattended


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launched() as found:
        yield found


@pytest.mark.browser
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390)])
def test_a_browser_shows_it_without_a_complaint_or_a_request(
    moved: WatchSummary, browser: Any, tmp_path: Path, scheme: Any, width: int
) -> None:
    path = tmp_path / "watch.html"
    path.write_text(page(moved, desk()), encoding="utf-8")
    with opened(browser, path, scheme, width) as tab:
        shown = tab.page.locator("[data-state]").inner_text()
        wide = tab.page.evaluate("document.documentElement.scrollWidth")

        assert (tab.complaints, tab.requests) == ([], [path.as_uri()])
        assert shown.startswith("Alarm")
        assert wide <= width
        assert tab.page.locator("svg[role=img]").count() >= 4

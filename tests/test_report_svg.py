"""Pictures are small, escape what they show, and stand where the numbers say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from fairmark.report.svg import Scale, around, brief, line, percent, spot, tag, ticks

SHARES = st.floats(0, 1, allow_nan=False)


def test_an_element_by_hand() -> None:
    assert tag("circle", cx=1.25, cy=3, class_="dot", stroke_width=2) == (
        '<circle cx="1.2" cy="3" class="dot" stroke-width="2"></circle>'
    )


def test_what_an_element_shows_is_escaped() -> None:
    hostile = '<script>"&'

    assert tag("text", hostile, aria_label=hostile) == (
        '<text aria-label="&lt;script&gt;&#34;&amp;">&lt;script&gt;&#34;&amp;</text>'
    )


def test_elements_nest_without_being_escaped_twice() -> None:
    assert tag("g", tag("rect"), Markup("<path/>")) == "<g><rect></rect><path/></g>"


def test_coordinates_are_short() -> None:
    assert [spot(each) for each in (1.0, 1.26, -0.04, 0.04)] == ["1", "1.3", "0", "0"]
    assert percent(0.123456) == "12.3%"
    assert line([(0, 0), (1.5, 2)]) == "M0 0L1.5 2"


def test_a_scale_by_hand() -> None:
    scale = Scale(0, 10, 100, 200)

    assert [scale(each) for each in (0, 5, 10, -3, 99)] == [100, 150, 200, 100, 200]


def test_a_scale_of_no_width_puts_everything_in_the_middle() -> None:
    assert Scale(3, 3, 0, 1)(3) == 0.5


@pytest.mark.parametrize(
    ("low", "high", "most", "expected"),
    [
        (0, 1, 5, [0, 0.25, 0.5, 0.75, 1]),
        (0, 1, 3, [0, 0.5, 1]),
        (0.82, 0.9, 5, [0.82, 0.84, 0.86, 0.88, 0.9]),
        (-3.7, 1.2, 3, [-2, 0]),
        (17, 84, 4, [20, 40, 60, 80]),
        (5, 5, 4, [5]),
    ],
)
def test_ticks_by_hand(low: float, high: float, most: int, expected: list[float]) -> None:
    assert ticks(low, high, most) == expected


@given(low=st.floats(-1e4, 1e4), span=st.floats(1e-3, 1e6), most=st.integers(2, 9))
def test_ticks_are_few_rising_and_within(low: float, span: float, most: int) -> None:
    found = ticks(low, low + span, most)

    assert len(found) <= most
    assert found == sorted(set(found))
    assert all(low - 1e-6 * span <= tick <= low + span * (1 + 1e-6) for tick in found)


@given(values=st.lists(SHARES, min_size=1, max_size=9))
def test_a_range_holds_its_values_and_stays_within_its_ends(values: list[float]) -> None:
    low, high = around(values, 0, 1)

    assert 0 <= low <= min(values)
    assert max(values) <= high <= 1


@pytest.mark.parametrize(
    ("value", "label"),
    [(0.5, "0.5"), (99999, "100k"), (13550, "13.55k"), (3137, "3137"), (-2, "\N{MINUS SIGN}2")],
)
def test_tick_labels_are_brief(value: float, label: str) -> None:
    assert brief(value) == label

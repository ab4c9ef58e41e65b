"""The number of rows that would decide does decide, and a little less does not."""

import math

import pytest

from fairmark.judge.comparisons import Comparison, Difference, Part, Ratio, Scored, Share
from fairmark.judge.limits import Aim, rows_needed
from fairmark.judge.measured import Measured, UnitCounts

AIM = Aim(0.8, at_least=True, clear=0.05, miss=0.05)


def _part(share: float, rows: int, group: str = "A") -> Part:
    return Part(group, share, float(rows), rows)


def _grown(found: Comparison, asked: dict[str, int], share: float) -> Comparison:
    return found.grown(tuple(1 + share * asked.get(part.group or "", 0) / part.tests for part in found.parts))


PAIR = Ratio(_part(0.154, 2000, "F"), _part(0.1775, 10_000, "M"))


def test_a_tenth_more_than_the_asked_rows_decide_and_a_tenth_less_do_not() -> None:
    asked = dict(rows_needed(PAIR, AIM) or {})

    assert list(asked) == ["F"]
    assert _grown(PAIR, asked, 1.1).low(0.05, 0.8) >= 0.8
    assert _grown(PAIR, asked, 0.9).low(0.05, 0.8) < 0.8


def test_both_groups_are_asked_where_one_alone_can_not_decide() -> None:
    small = Ratio(_part(0.15, 300, "F"), _part(0.18, 300, "M"))

    assert set(rows_needed(small, AIM) or {}) == {"F", "M"}


def test_rows_that_would_show_the_limit_missed_are_counted_too() -> None:
    low = Ratio(_part(0.12, 300, "F"), _part(0.18, 5000, "M"))
    asked = dict(rows_needed(low, AIM) or {})

    assert low.high(0.05, 0.8) > 0.8
    assert _grown(low, asked, 1.15).high(0.05, 0.8) <= 0.8 + 1e-9


PLACED = UnitCounts(value=(0.4, 0.84, 1.0), count=(15.0, 25.0, 35.0), heaviest=1.0, low=0.0, high=1.0)
"""Placements with a mean of (15 x 0.4 + 25 x 0.84 + 35) / 75 = 0.8267."""


@pytest.mark.parametrize(
    ("found", "aim"),
    [
        (Share(_part(0.82, 200)), AIM),
        (Share(_part(0.10, 200)), Aim(0.12, at_least=False, clear=0.05, miss=0.05)),
        (Difference(_part(0.5, 200, "F"), _part(0.45, 200, "M")), Aim(0.1, False, 0.05, 0.05)),
        (
            Scored(
                "roc_auc",
                Measured(value=0.82, low=None, high=None, se=0.03, positives=PLACED, negatives=PLACED),
                _part(0.0, 200),
            ),
            AIM,
        ),
    ],
)
def test_every_kind_of_comparison_can_ask_for_rows(found: Comparison, aim: Aim) -> None:
    asked = dict(rows_needed(found, aim) or {})
    more = _grown(found, asked, 1.1)

    assert sum(asked.values()) > 0
    if aim.at_least:
        assert more.low(0.05, aim.at) >= aim.at
    else:
        assert more.high(0.05, aim.at) <= aim.at


def test_a_value_on_the_limit_is_never_decided() -> None:
    assert rows_needed(Share(_part(0.8, 100)), AIM) is None
    assert rows_needed(Share(_part(math.nextafter(0.8, 1), 100)), AIM) is None


def test_without_rows_no_number_can_be_named() -> None:
    assert rows_needed(Ratio(_part(0.0, 0, "F"), _part(0.2, 100, "M")), AIM) is None

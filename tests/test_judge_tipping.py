"""Tipping points: put into the counts, each takes the comparison exactly to its limit."""

import pytest
from confusion_rows import document, limit, policy

from fairmark.judge.tipping import Tipping, tipping_points
from fairmark.judge.verdict import judge
from fairmark.params.policy import Limit

COUNTS = {"Female": (800, 100, 400, 1700), "Male": (1800, 600, 600, 3000)}
"""Selection rates of 0.3 and 0.4."""
FOUR_FIFTHS = limit("selection_rate_ratio", "sex", at_least=0.5)
PARITY = limit("selection_rate_difference", "sex", at_most=0.2)


def _of(asked: Limit) -> Tipping:
    found = document(COUNTS)
    rules = policy(asked)
    (one,) = tipping_points(found, judge(found, rules, None), rules)
    return one


def _rates(one: Tipping) -> tuple[float, float, float]:
    groups = document(COUNTS).groups["sex"]
    low, high = (
        groups[name].measures["selection_rate"].value or 0 for name in (one.disfavoured, one.favoured)
    )
    return low, high, groups[one.disfavoured].rows


@pytest.mark.parametrize("asked", [FOUR_FIFTHS, PARITY])
def test_missing_rows_take_the_value_to_the_limit(asked: Limit) -> None:
    one = _of(asked)
    low, high, rows = _rates(one)
    assert one.missing is not None
    moved = low * rows / (rows + one.missing)

    assert (moved / high if one.kind == "ratio" else high - moved) == pytest.approx(
        asked.at_least or asked.at_most
    )
    assert one.missing_share == pytest.approx(one.missing / rows)


@pytest.mark.parametrize("asked", [FOUR_FIFTHS, PARITY])
def test_rows_exchanged_between_groups_hide_a_value_at_the_limit(asked: Limit) -> None:
    """Unmixing the rates by the share gives the limit: p1 = (1 - e) q1 + e q2, and p2 the other way."""
    one = _of(asked)
    low, high, _ = _rates(one)
    assert one.mixed is not None
    e = one.mixed
    first, second = (((1 - e) * a - e * b) / (1 - 2 * e) for a, b in ((low, high), (high, low)))

    assert (first / second if one.kind == "ratio" else second - first) == pytest.approx(
        asked.at_least or asked.at_most
    )


def test_the_bound_turns_before_the_value() -> None:
    one = _of(FOUR_FIFTHS)

    assert one.mixed_bound is None or one.mixed is None or one.mixed_bound <= one.mixed


def test_what_is_past_its_limit_has_no_tipping_point() -> None:
    found, rules = document(COUNTS), policy(limit("selection_rate_ratio", "sex", at_least=0.999))

    assert tipping_points(found, judge(found, rules, None), rules) == []

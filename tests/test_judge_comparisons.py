"""Comparisons are bounded as the tests behind them say, whichever group is the lower one."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta

from fairmark.judge.comparisons import Balance, Difference, Part, Pooled, Ratio, Scored, Share
from fairmark.judge.measured import Measured, UnitCounts
from fairmark.stats.exact_test import lower, p_value
from fairmark.stats.intervals import clopper_pearson
from fairmark.stats.measures import f1_of


def _part(hits: int, rows: int, group: str = "A") -> Part:
    return Part(group, hits / rows, float(rows), rows)


PARTS = st.integers(2, 90).flatmap(lambda n: st.integers(0, n).map(lambda x: _part(x, n)))


@given(PARTS, PARTS)
@settings(max_examples=20, deadline=None)
def test_a_ratio_clears_and_misses_exactly_when_its_tests_say_so(one: Part, two: Part) -> None:
    ratio, tail = Ratio(one, two), 0.05
    up, down = (one.sample("above"), two.sample("below")), (two.sample("above"), one.sample("below"))

    clears = all(p_value(*pair, "ratio", 0.8) <= tail for pair in (up, down))
    misses = any(p_value(*pair, "ratio", 1.25) <= tail for pair in (up, down))
    assert (ratio.low(tail, 0.8) >= 0.8) == clears
    assert (ratio.high(tail, 0.8) <= 0.8 + 1e-9) == misses


@given(PARTS, PARTS)
@settings(max_examples=20, deadline=None)
def test_a_difference_clears_and_misses_exactly_when_its_tests_say_so(one: Part, two: Part) -> None:
    gap, tail = Difference(one, two), 0.05
    up, down = (one.sample("above"), two.sample("below")), (two.sample("above"), one.sample("below"))

    clears = all(p_value(*pair, "difference", -0.2) <= tail for pair in (up, down))
    misses = any(p_value(*pair, "difference", 0.2) <= tail for pair in (up, down))
    assert (gap.high(tail, 0.2) <= 0.2) == clears
    assert (gap.low(tail, 0.2) >= 0.2) == misses


def test_the_order_of_two_groups_does_not_matter() -> None:
    one, two = _part(20, 100), _part(50, 120)

    assert Ratio(one, two).low(0.05, 0.8) == Ratio(two, one).low(0.05, 0.8)
    assert Difference(one, two).high(0.05, 0.1) == Difference(two, one).high(0.05, 0.1)


def test_equal_shares_of_unlike_sizes_take_the_worse_of_both_ways_round() -> None:
    few, many = _part(3, 9), _part(30, 90)
    bounds = [
        lower(a.sample("above"), b.sample("below"), "ratio", 0.05, 0.8) for a, b in ((few, many), (many, few))
    ]

    assert abs(bounds[0] - bounds[1]) > 0.05
    assert Ratio(few, many).low(0.05, 0.8) == Ratio(many, few).low(0.05, 0.8) == min(bounds)


def test_a_share_has_the_exact_bounds_and_f1_those_of_its_jaccard_index() -> None:
    low, high = (float(end) for end in clopper_pearson(30, 100, 0.05))

    assert Share(_part(30, 100)).low(0.05, 0.5) == low
    assert Share(_part(30, 100), f1_of).value == pytest.approx(0.6 / 1.3)
    assert Share(_part(30, 100), f1_of).high(0.05, 0.5) == pytest.approx(2 * high / (1 + high))


def test_balanced_accuracy_is_half_of_a_difference() -> None:
    found = Balance(_part(80, 100), _part(30, 200))

    assert found.value == pytest.approx((0.8 + 0.85) / 2)
    assert found.low(0.05, 0.8) < 0.825 < found.high(0.05, 0.8)
    assert (found.low(0.05, 0.78) >= 0.78) == (
        p_value(found.one.sample("above"), found.two.sample("below"), "difference", 0.56) <= 0.05
    )


def test_counts_that_are_not_whole_are_rounded_against_the_claim() -> None:
    part = Part("A", 0.305, 50.7, 90)

    assert (part.sample("above").hits, part.sample("above").rows) == (15, 50)
    assert (part.sample("below").hits, part.sample("below").rows) == (16, 50)


def test_two_groups_without_hits_have_no_ratio() -> None:
    found = Ratio(_part(0, 100), _part(0, 100))

    assert found.value is None
    assert found.low(0.05, 0.8) == 0.0


def test_more_rows_narrow_the_bounds_of_a_score() -> None:
    placed = UnitCounts(value=(0.5, 0.8, 1.0), count=(4.0, 20.0, 6.0), heaviest=1.0, low=0.0, high=1.0)
    entry = Measured(value=0.8, low=None, high=None, se=0.04, positives=placed, negatives=placed)
    found = Scored("roc_auc", entry, Part(None, 0.0, 100.0, 100))

    assert found.grown((4.0,)).entry.se == pytest.approx(0.02)
    assert found.low(0.05, 0.7) < found.grown((4.0,)).low(0.05, 0.7) < 0.8


# ------------------------------------------------------------------ many groups


@given(
    shares=st.lists(st.floats(0.05, 0.95), min_size=2, max_size=2),
    counts=st.lists(st.integers(20, 400), min_size=2, max_size=2),
    tail=st.sampled_from([0.001, 0.05]),
)
@settings(max_examples=40, deadline=None)
def test_a_pooled_pair_follows_from_the_clopper_pearson_bounds_of_its_groups(
    shares: list[float], counts: list[int], tail: float
) -> None:
    pairs = enumerate(zip(shares, counts, strict=True))
    one, two = (Part(str(k), round(p * n) / n, float(n), n) for k, (p, n) in pairs)
    if not all(0 < part.hits < part.rows for part in (one, two)):
        return
    # The oracle: quantiles of the beta distribution, as Clopper and Pearson's bounds are defined.
    low = [float(beta.ppf(tail, each.hits, each.rows - each.hits + 1)) for each in (one, two)]
    high = [float(beta.ppf(1 - tail, each.hits + 1, each.rows - each.hits)) for each in (one, two)]
    ratio, gap = Pooled("ratio", one, two), Pooled("difference", one, two)

    assert ratio.low(tail, 0.8) == pytest.approx(min(low[0] / high[1], low[1] / high[0]), rel=1e-6)
    assert ratio.high(tail, 0.8) == pytest.approx(min(1, high[0] / low[1], high[1] / low[0]), rel=1e-6)
    assert gap.low(tail, 0.1) == pytest.approx(max(0, low[0] - high[1], low[1] - high[0]), abs=1e-9)
    assert gap.high(tail, 0.1) == pytest.approx(max(high[0] - low[1], high[1] - low[0]), abs=1e-9)


def test_a_pooled_pair_is_never_surer_than_an_exact_test_of_it_at_twice_the_tail() -> None:
    one, two = Part("a", 0.28, 400.0, 400), Part("b", 0.32, 400.0, 400)

    assert Pooled("ratio", one, two).low(0.01, 0.8) <= Ratio(one, two).low(0.02, 0.8) + 1e-3


@pytest.mark.parametrize("tail", [5e-5, 1e-4, 1e-3])
def test_what_is_far_apart_is_shown_to_be_at_any_tail_that_is_left_of_a_shared_level(tail: float) -> None:
    few, many = _part(1000, 10_000), _part(9000, 10_000)

    assert Ratio(few, many).high(tail, 0.8) < 0.2
    assert Difference(few, many).low(tail, 0.2) > 0.7

"""What test rows could prove is what the verdict's own tests say of the counts, tried one by one."""

import numpy as np
import pytest
from confusion_rows import limit, policy
from gates import boundary

from fairmark.judge.comparisons import Difference, Part, Ratio
from fairmark.judge.limits import Aim, shown
from fairmark.judge.provable import GroupRows, ProvableLimits, of_difference, of_ratio

RATE = "selection_rate"


@pytest.mark.parametrize(("few", "many", "rate"), [(300, 500, 0.3), (150, 150, 0.6), (90, 400, 0.5)])
def test_the_ratio_needed_is_the_least_count_that_is_shown(few: int, many: int, rate: float) -> None:
    (found,) = of_ratio("x", RATE, 0.8, [("a", few), ("b", many)], rate, 0.05)
    aim = Aim(0.8, at_least=True, clear=0.05, miss=0.05)
    high = Part("b", rate, many, many)
    by_hand = [
        hits
        for hits in range(int(rate * few) + 1)
        if shown(Ratio(Part("a", hits / few, few, few), high), aim, good=True)
    ]

    if found.needed is None:
        assert not by_hand
        assert found.more
    else:
        assert found.needed == pytest.approx(min(1, by_hand[0] / few / rate))
        assert found.needed > 0.8


def test_the_difference_needed_is_the_largest_that_is_shown() -> None:
    (found,) = of_difference("x", RATE, 0.2, [("a", 120), ("b", 200)], 0.5, 0.05)
    aim = Aim(0.2, at_least=False, clear=0.05, miss=0.05)
    shares = [hits / 120 for hits in range(61)]
    by_hand = [
        0.5 - share
        for share in shares
        if shown(Difference(Part("b", 0.5, 200, 200), Part("a", share, 120, 120)), aim, good=True)
    ]

    assert found.needed == pytest.approx(max(by_hand))


def test_rows_that_are_missing_would_do() -> None:
    (found,) = of_ratio("x", RATE, 0.8, [("a", 100), ("b", 3000)], 0.3, 0.05)
    assert found.needed is None
    grown = 100 + found.more["a"]

    (then,) = of_ratio("x", RATE, 0.8, [("a", grown), ("b", 3000)], 0.3, 0.05)

    assert then.needed is not None
    assert "can't be shown" in found.text(0.3)
    assert "at least" in then.text(0.3)


def test_the_hardest_pair_stands_first_and_no_group_meets_itself() -> None:
    groups = [("a", 50), ("b", 2000), ("c", 2000)]
    found = of_ratio("x", RATE, 0.8, groups, 0.3, 0.05)

    assert [each.groups for each in found[:2]] == [("a", "b"), ("a", "c")]
    assert found[2].groups == ("b", "c")
    assert found[2].needed is not None


def test_many_groups_take_the_bounds_of_groups() -> None:
    groups = [(f"g{k}", 4000) for k in range(18)]

    found = of_ratio("x", RATE, 0.8, groups, 0.3, 0.05 / 153)

    assert len(found) == 153
    assert all(each.needed is not None for each in found)


@pytest.mark.parametrize(("few", "many", "rate"), [(300, 900, 0.4), (1000, 1000, 0.24), (160, 5000, 0.5)])
def test_power_is_the_share_of_draws_that_the_exact_test_shows(few: int, many: int, rate: float) -> None:
    (found,) = of_ratio("x", RATE, 0.8, [("a", few), ("b", many)], rate, 0.05)
    draw = np.random.default_rng(0)
    low, high = draw.binomial(few, rate, 20_000), draw.binomial(many, rate, 20_000)
    one = boundary((few, many), (rate, rate), "ratio", 0.8, 0.05).passes(low, high)
    two = boundary((many, few), (rate, rate), "ratio", 0.8, 0.05).passes(high, low)

    assert found.at_parity == pytest.approx((one & two).mean(), abs=0.04)
    assert (found.halfway or 0.0) < (found.at_parity or 0.0)


def test_a_rate_among_the_positive_counts_the_positive_and_a_small_group_is_hopeless() -> None:
    rules = policy(limit("true_positive_rate_difference", "race", at_most=0.2))
    rows = {"race": [GroupRows("a", 800, 20), GroupRows("b", 9000, 3000), GroupRows("c", 900, 300)]}
    found = ProvableLimits.of(rules, rows, 0.3)

    assert [each.rows for each in found.pairs] == [(20, 300), (20, 3000), (300, 3000)]
    assert [each.groups for each in found.hopeless] == [("a", "c"), ("a", "b")][: len(found.hopeless)]
    assert [(each.at_parity or 0.0) >= 0.8 for each in found.pairs] == [False, False, True]
    assert found.pairs[0].more

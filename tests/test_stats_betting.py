"""Bets bound a bounded mean whatever its distribution: by Ville's inequality, in any order of the units."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from fairmark.stats.betting import Good, auc_bound, log_capital
from fairmark.stats.bounded_means import Pair, Units, lower_sum_of_gaps, spread, upper_sum_of_gaps

LEVEL = 0.05


def of_values(values: list[float], low: float = 0.0, high: float = 1.0) -> Units:
    ones = (1.0,) * len(values)
    return Units(ones, tuple(values), ones, 1.0, low, high, "betting")


# ------------------------------------------------------------------ by hand


def test_the_capital_is_the_mean_of_products_over_the_sizes_of_bets() -> None:
    units = Good(np.array([0.2, 0.9]), np.ones(2), np.ones(2))
    bets = np.minimum(units.sizes(), 1)  # at a mean of one half, the odds are 1

    by_hand = np.log(np.mean([(1 + f * (0.2 / 0.5 - 1)) * (1 + f * (0.9 / 0.5 - 1)) for f in bets]))
    assert log_capital(units, np.array([0.5]))[0] == pytest.approx(by_hand)


def test_equal_losses_leave_about_the_rule_of_three() -> None:
    """(1 - x) / (1 - m) to the power of 60 is 1 / 0.05 at the bound of who bets all."""
    assert of_values([0.01] * 60).upper(LEVEL) == pytest.approx(1 - 0.99 * LEVEL ** (1 / 60), abs=0.02)


def test_pairs_of_rows_without_a_row_in_common_have_the_bound_of_chernoff() -> None:
    """All 10 pairs in order: 10 ln(1 / AUC) = ln 20."""
    assert auc_bound(1.0, 10, 1.0, LEVEL) == pytest.approx(LEVEL**0.1, abs=1e-4)
    assert auc_bound(0.9, 0, 1.0, LEVEL) == 0


# ------------------------------------------------------------------ laws


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.floats(0.001, 0.4))
def test_the_order_of_units_changes_nothing_and_the_mean_is_within(values: list[float], tail: float) -> None:
    units = of_values(values)
    turned = of_values(values[::-1])

    assert units.upper(tail) == pytest.approx(turned.upper(tail), abs=1e-9)
    assert units.lower(tail) - 1e-6 <= units.mean <= units.upper(tail) + 1e-6


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_the_capital_falls_with_the_mean_and_units_on_a_grid_have_less(values: list[float]) -> None:
    ones = np.ones(len(values))
    mean = np.linspace(0.01, 0.99, 50)
    all_of_it = np.maximum(log_capital(Good(np.array(values), ones, ones), mean), -1e9)
    _, value, count = spread(ones, np.array(values), weights=np.ones(1), values=np.linspace(0, 1, 6))
    on_grid = np.maximum(log_capital(Good(value, np.ones(len(value)), count), mean), -1e9)

    assert (np.diff(all_of_it) <= 1e-9).all()
    assert (on_grid <= all_of_it + 1e-9).all()


def test_a_share_exactly_at_its_limit_is_shown_below_with_chance_at_most_the_level() -> None:
    """Summed over the binomial, not simulated; values 0.001 and 0.999 keep clear of Clopper and Pearson."""
    worst = 0.0
    for rows, share in ((20, 0.1), (60, 0.5), (300, 0.05), (300, 0.9)):
        hits = np.arange(rows + 1)
        truth = 0.001 + 0.998 * share
        found = [
            Units((1.0, 1.0), (0.001, 0.999), (rows - x + 1e-12, x + 1e-12), 1.0, 0.0, 1.0, "betting")
            for x in hits
        ]
        errs = np.array([float(one.p_below(np.array([truth]))[0]) <= LEVEL for one in found])
        worst = max(worst, float(binom.pmf(hits, rows, share)[errs].sum()))

    assert 0 < worst <= LEVEL


@pytest.mark.parametrize("kind", ["ratio", "difference"])
def test_pairs_bet_less_boldly_than_gaffke_and_least_where_units_cross(kind: str) -> None:
    one, two = (of_values([0.0] * miss + [0.5] * 5 + [1.0] * hit) for miss, hit in ((20, 80), (30, 170)))
    least = 0.0 if kind == "ratio" else -1.0
    conjectured, proven, crossing = (
        pair.lower(kind, LEVEL, 0.5, least, 1.0)  # type: ignore[arg-type]
        for pair in (
            Pair(replace(one, by="gaffke"), replace(two, by="gaffke")),
            Pair(one, two),
            Pair(one, two, crossing=True),
        )
    )

    assert least < crossing <= proven < conjectured < 1


def test_gaps_of_bins_are_bounded_on_both_sides_of_their_sum() -> None:
    bins = [of_values([gap] * 200, -1.0, 1.0) for gap in (0.2, -0.3, 0.0)]
    found = (0.2 + 0.3) / 3

    assert 0 < lower_sum_of_gaps(bins, LEVEL) < found < upper_sum_of_gaps(bins, LEVEL) < 0.3

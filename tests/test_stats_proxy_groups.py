"""Rates of groups known by probability: the weighted estimator, its bias, and all that stays possible."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import linprog

from fairmark.stats.measures import share
from fairmark.stats.proxy_groups import Nodes, ProxyRate, nodes_of

HALF = 0.5


def selected(nodes: Nodes, error: float = 0.0) -> ProxyRate:
    """Return the selection rate of such a group."""
    return ProxyRate.of(nodes, share("selection_rate"), error)


def rows(*blocks: tuple[float, int, int]) -> tuple[NDArray[np.float64], NDArray[np.int8], NDArray[np.int8]]:
    """Return probability, label (always 0) and decision of blocks: probability, rows, of them selected."""
    chance = np.concatenate([np.full(size, p) for p, size, _ in blocks])
    decided = np.concatenate([np.arange(size) < hits for _, size, hits in blocks])
    return chance, np.zeros(len(chance), dtype=np.int8), decided.astype(np.int8)


TWO = rows((0.25, 10, 4), (0.75, 10, 6))
"""2.5 and 7.5 members are expected: at most 2.5 + 6 of them are selected, and at least 0 + 3.5."""


def test_the_weighted_estimator_and_what_stays_possible_by_hand() -> None:
    found = selected(nodes_of(*TWO, 2))

    assert found.expected() == pytest.approx((0.25 * 4 + 0.75 * 6, 10))
    assert found.weighted == pytest.approx(0.55)
    assert found.identified() == pytest.approx((0.35, 0.85))


def test_fewer_bins_ask_less_of_the_proxy_and_leave_more_possible() -> None:
    one, two = (selected(nodes_of(*TWO, bins)).identified() for bins in (1, 2))

    assert one == pytest.approx((0, 1))  # 10 members of 20 rows, of which 10 are selected
    assert one[0] < two[0]
    assert two[1] < one[1]


def test_a_proxy_that_is_sure_leaves_nothing_open() -> None:
    found = selected(nodes_of(*rows((0.0, 30, 12), (1.0, 40, 10)), 10))

    assert found.identified() == pytest.approx((0.25, 0.25))
    assert found.weighted == pytest.approx(0.25)


def test_a_proxy_that_knows_nothing_leaves_what_base_rates_leave() -> None:
    found = selected(nodes_of(*rows((0.5, 100, 20)), 10))

    assert found.identified() == pytest.approx((0, 0.4))


def test_the_weighted_estimator_is_off_by_the_covariance_within_the_proxy() -> None:
    # Of 100 people at each probability so many are members (calibrated), and so many members and others are
    # selected: the bias of Chen, Kallus, Mao, Svacha and Udell (2019), counted person by person.
    chance, member, hit = [], [], []
    for p, of_members, of_others in ((0.2, 0.5, 0.3), (0.7, 0.2, 0.8)):
        size = round(100 * p)
        chance += [p] * 100
        member += [1] * size + [0] * (100 - size)
        hit += [1.0 * (k < of_members * size) for k in range(size)]
        hit += [1.0 * (k < of_others * (100 - size)) for k in range(100 - size)]
    proxy, a, h = (np.array(each) for each in (chance, member, hit))
    inside = np.mean([np.cov(a[proxy == q], h[proxy == q], bias=True)[0, 1] for q in (0.2, 0.7)])
    found = selected(nodes_of(proxy, np.zeros(200, dtype=np.int8), h.astype(np.int8), 10)).weighted

    assert found is not None
    assert found - h[a == 1].mean() == pytest.approx(-inside / a.mean())


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(st.floats(0.02, 0.98), st.integers(1, 40), st.floats(0, 1)), min_size=1, max_size=6),
    st.sampled_from([0.0, 0.05, 0.3]),
)
def test_no_rate_that_a_linear_programme_finds_possible_is_left_out(
    blocks: list[tuple[float, int, float]], error: float
) -> None:
    bins = 8
    given_rows = rows(*((p, size, round(part * size)) for p, size, part in blocks))
    found = selected(nodes_of(*given_rows, bins), error)
    place = np.minimum((given_rows[0] * bins).astype(int), bins - 1)
    size = np.bincount(place, minlength=bins)
    hits, mass = (
        np.asarray(np.bincount(place, weights=each, minlength=bins), dtype=np.float64)
        for each in (given_rows[2], given_rows[0])
    )

    highest = _possible(size, hits, mass, error)
    assert highest is None or found.identified()[1] >= highest - 1e-6
    assert error or found.identified()[1] == pytest.approx(highest, abs=1e-6)


def _possible(
    size: NDArray[np.intp], hits: NDArray[np.float64], mass: NDArray[np.float64], error: float
) -> float | None:
    """Return the highest rate of a group by linear programming (Charnes and Cooper 1962).

    Of each bin: members that hit, and members, over the sum of members.
    """
    bins, slack = len(size), error * size
    eye, zero = np.eye(bins), np.zeros((bins, bins))
    scale = np.array([np.minimum(hits, size), mass + slack, slack - mass])
    upper = np.block([[eye, zero], [zero, eye], [zero, -eye], [eye, -eye], [-eye, eye]])
    ends = np.concatenate([scale[0], np.minimum(scale[1], size), scale[2], np.zeros(bins), size - hits])
    # x = (members that hit, members) times t > 0, with the members times t adding up to 1.
    solved = linprog(
        -np.concatenate([np.ones(bins), np.zeros(bins + 1)]),
        A_ub=np.hstack([upper, -ends[:, None]]),
        b_ub=np.zeros(len(ends)),
        A_eq=np.concatenate([np.zeros(bins), np.ones(bins), [0.0]])[None],
        b_eq=[1.0],
    )
    return -solved.fun if solved.success else None


def test_a_rate_of_some_rows_is_bounded_from_outside() -> None:
    # Members may be those with the label or not: 5 of 10 rows are members, 4 have the label, 3 were found.
    label, decision = np.array([1] * 4 + [0] * 6), np.array([1, 1, 1, 0] + [0] * 6)
    found = ProxyRate.of(nodes_of(np.full(10, HALF), label, decision, 4), share("true_positive_rate"), 0.0)

    assert found.weighted == pytest.approx(0.75)
    assert found.identified() == pytest.approx((0, 1))


def test_bounds_are_outside_of_what_was_observed_and_close_in_with_rows() -> None:
    found = selected(nodes_of(*rows((0.05, 300, 90), (0.9, 200, 80)), 10))
    many = found.grown(100)
    (low, high), (near_low, near_high) = found.bounds(0.05), many.bounds(0.05)

    assert low < near_low < found.identified()[0]
    assert found.identified()[1] < near_high < high
    assert near_high - found.identified()[1] < 0.02


def test_an_error_of_the_proxy_widens_every_bound() -> None:
    nodes = nodes_of(*rows((0.05, 300, 90), (0.9, 200, 80)), 10)
    sure, unsure = selected(nodes), selected(nodes, 0.05)

    assert unsure.identified()[1] > sure.identified()[1]
    assert unsure.bounds(0.05)[1] > sure.bounds(0.05)[1]
    assert unsure.bounds(0.05)[0] < sure.bounds(0.05)[0]


@pytest.mark.parametrize("by", ["gaffke", "betting"])
def test_the_level_is_kept_where_members_are_chosen_to_be_at_the_end(by: str) -> None:
    """The group whose selection rate is the highest that the proxy leaves possible: few samples of many."""
    wrong = sum(_misses(by, 200, np.random.default_rng([3, k])) for k in range(60))

    assert wrong <= 8  # 0.05 each: more than 8 of 60 have a chance of 0.003


def _misses(by: str, size: int, draw: np.random.Generator) -> bool:
    chance = draw.choice([0.05, 0.45, 0.85], size)
    # Half of all are selected in each; members first: of them min(pi, 0.5) / pi.
    truth = (0.05 + 0.45 + HALF) / (0.05 + 0.45 + 0.85)
    decision = (draw.random(size) < HALF).astype(np.int8)
    nodes = nodes_of(chance, np.zeros(size, dtype=np.int8), decision, 10)
    rate = ProxyRate(
        nodes, ("fp", "tp"), ("fn", "fp", "tn", "tp"), 0.0, "betting" if by == "betting" else "gaffke"
    )
    return rate.is_below(truth, 0.05)

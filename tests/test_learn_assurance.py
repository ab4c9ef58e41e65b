"""The margin follows from the rows: by it the gate's own bound clears with the wanted chance."""

import numpy as np
import pandas as pd
import pytest
from people_table import limit, policy

from fairmark.learn.assurance import Bar, Sizes
from fairmark.learn.policy_limits import Limits, Rows
from fairmark.params.learn import Assurance
from fairmark.params.policy import Limit
from fairmark.stats.exact_test import Sample, lower

RATIO = limit("selection_rate_ratio", "side", at_least=0.8)
GAP = limit("true_positive_rate_difference", "side", at_most=0.2)
TIGHT = limit("true_positive_rate_difference", "side", at_most=0.08)
WANTED = Assurance(chance=0.8, room=0.9)


def table(one: float, two: float, base: float = 0.3) -> np.ndarray:
    """Return confusion matrices of two groups that are selected at these rates, whatever the label."""
    rates, label = np.array([one, two]), np.array([1 - base, base])
    return np.stack([label * (1 - rates[:, None]), label * rates[:, None]], axis=-1)


def sizes(held: float, tests: float, base: float = 0.3) -> Sizes:
    return Sizes(np.full(2, held), np.full(2, tests), base)


@pytest.mark.parametrize(("given", "tests"), [(RATIO, 1500), (RATIO, 6000), (TIGHT, 3000), (TIGHT, 6000)])
def test_the_gates_bound_clears_with_the_wanted_chance(given: Limit, tests: int) -> None:
    """The oracle draws: true rates around the held-out ones, test rows around these, and the score bound."""
    bar, held = Bar(WANTED, 0.05), sizes(4000, tests)
    lows = np.linspace(0.2, 0.3, 2001)
    every = np.stack([table(low, 0.3) for low in lows])
    edge = lows[bar.slack(given, every, held) >= 0][0]
    draw, found = np.random.default_rng(2), []
    share = 0.3 if given is TIGHT else 1.0
    for _ in range(600):
        rates = draw.binomial(int(4000 * share), [edge, 0.3]) / (4000 * share)
        seen = draw.binomial(int(tests * share), np.clip(rates, 0, 1)) / (tests * share)
        bound = bar.bound(given, table(*seen), held)
        assert bound is not None
        found.append(bound >= 0.8 if given is RATIO else bound <= 0.08)

    assert 0.2 < edge < 0.3
    assert np.mean(found) == pytest.approx(0.8, abs=0.06)


def test_where_rows_are_too_few_for_the_chance_no_more_than_the_room_to_parity_is_asked_for() -> None:
    """450 rows a group show a difference of 0.08 of equal rates less often than wanted: the cap binds."""
    held, rates = sizes(4000, 1500), np.stack([table(0.28, 0.3), table(0.295, 0.3)])

    asked = [Bar(Assurance(chance=0.8, room=room), 0.05).slack(TIGHT, rates, held) for room in (0.5, 0.99)]

    assert (asked[0] >= 0).all()
    assert (asked[1] >= 0).tolist() == [False, True]


def test_of_a_pair_in_which_nobody_is_selected_nothing_is_known() -> None:
    nobody, one_side = table(0.0, 0.0), table(0.0, 0.3)

    slack = Bar(WANTED, 0.05).slack(RATIO, np.stack([nobody, one_side]), sizes(2500, 3000))

    assert np.isnan(slack[0])
    assert slack[1] < -0.8


@pytest.mark.parametrize("given", [RATIO, TIGHT])
@pytest.mark.parametrize(("one", "two"), [(0.27, 0.3), (0.3, 0.3), (0.0, 0.1)])
def test_the_order_of_groups_changes_nothing(given: Limit, one: float, two: float) -> None:
    cells, rows = table(one, two), Sizes(np.array([300.0, 4000.0]), np.array([5000.0, 200.0]), 0.3)
    turned = Sizes(rows.held[::-1], rows.tests[::-1], rows.base)
    bar = Bar(WANTED, 0.05)

    assert bar.slack(given, cells[None], rows) == bar.slack(given, cells[None, ::-1], turned)
    assert bar.bound(given, cells, rows) == bar.bound(given, cells[::-1], turned)


def test_rates_within_one_label_do_not_hang_on_the_base_rate() -> None:
    """The cap of 75% of the way to parity binds here, and is worked out at a half for both bases."""
    few, rates = Assurance(chance=0.95, room=0.75), np.full((2, 2, 2), 1.0)
    rates[:, 0] = 500 * np.array([[0.7, 0.3], [0.72, 0.28]])
    rates[:, 1] = 500 * np.array([0.5, 0.5])
    limits = limit("false_positive_rate_ratio", "side", at_least=0.8)

    slack = [Bar(few, 0.05).slack(limits, rates[None], sizes(500, 120, base)) for base in (0.02, 0.5)]

    assert slack[0] == slack[1]


def test_the_bound_is_near_the_exact_one_of_the_gate() -> None:
    for one, two, tests in ((0.17, 0.19, 6000), (0.05, 0.055, 9000), (0.4, 0.45, 800)):
        found = Bar(WANTED, 0.05).bound(RATIO, table(one, two), sizes(3000, tests))
        hits = [round(rate * tests) for rate in (one, two)]

        exact = lower(Sample(hits[0], tests), Sample(hits[1], tests), "ratio", 0.05, 0.8)

        assert found == pytest.approx(exact, abs=0.01)


def test_six_selected_people_meet_nothing() -> None:
    few, many = table(0.0012, 0.0012), table(0.2, 0.2)

    slack = Bar(WANTED, 0.05).slack(RATIO, np.stack([few, many]), sizes(2500, 3000))

    assert slack[0] < 0 < slack[1]


def test_more_test_rows_ask_for_less_and_more_held_out_rows_too() -> None:
    margins = [
        0.1 - float(Bar(WANTED, 0.05).slack(RATIO, table(0.27, 0.3)[None], sizes(held, tests))[0])
        for held, tests in ((4000, 4000), (16000, 4000), (16000, 16000), (64000, 64000))
    ]

    assert margins == sorted(margins, reverse=True)


def test_where_even_parity_shows_little_part_of_the_way_to_it_is_asked_for() -> None:
    held, bar = sizes(150, 80), Bar(Assurance(chance=0.9, room=0.5), 0.05)

    slack = bar.slack(RATIO, np.stack([table(0.3, 0.3), table(0.24, 0.3)]), held)

    assert slack[0] > 0 > slack[1]


def test_at_the_limit_itself_nothing_is_shown() -> None:
    assert Bar(WANTED, 0.05).slack(RATIO, table(0.24, 0.3)[None], sizes(1e5, 1e5))[0] < 0


def test_a_number_keeps_its_meaning() -> None:
    side = pd.DataFrame({"side": ["l"] * 4 + ["r"] * 4})
    label, score = np.array([1, 1, 0, 0, 1, 0, 1, 0], dtype=np.int8), np.array([9, 8, 7, 2, 9, 6, 3, 1]) / 10
    rows = Rows(label, np.ones(8), side)

    found = Limits(policy(RATIO, min_group_rows=1), rows, 0.1)

    assert found.slacks(score, 0.5)["selection-rate-ratio"] == pytest.approx(2 / 3 - 0.8 - 0.1)


def test_a_rate_of_one_label_is_not_known_of_a_group_with_few_rows_of_it() -> None:
    draw = np.random.default_rng(3)
    side = np.repeat(["l", "r"], 200)
    label = np.r_[np.ones(9), np.zeros(191), draw.integers(0, 2, 200)].astype(np.int8)
    rows = Rows(label, np.ones(400), pd.DataFrame({"side": side}))
    rules = policy(GAP, RATIO, min_group_rows=50)

    found = Limits(rules, rows, WANTED)

    assert [each.name for each in found.unknown] == ["true-positive-rate-difference"]
    assert list(found.slacks(draw.random(400), 0.5)) == ["selection-rate-ratio"]
    assert Limits(rules, rows, 0.1).unknown == []


def test_many_groups_are_held_by_their_own_bounds() -> None:
    rates = np.full(20, 0.3)
    rates[3] = 0.1
    label = np.array([0.7, 0.3])
    cells = np.stack([label * (1 - rates[:, None]), label * rates[:, None]], axis=-1)
    alike = np.broadcast_to(cells[0], cells.shape)
    held = Sizes(np.full(20, 5000.0), np.full(20, 5000.0), 0.3)

    slack = Bar(Assurance(chance=0.8, room=0.75), 0.05).slack(RATIO, np.stack([cells, alike]), held)

    assert slack[0] < -0.4
    assert slack[1] > 0

"""Disparities are Fairlearn's; their intervals hold for the worst pair, and cover parity."""

from typing import Any

import numpy as np
import pytest
from fairlearn import metrics as fair
from sklearn.metrics import accuracy_score, precision_score

from fairmark.stats.confusion import confusion_matrix
from fairmark.stats.measures import COMPARED
from fairmark.stats.rates import Disparity, disparity, equalized_odds

DRAW = np.random.default_rng(12)
GROUP = DRAW.integers(0, 4, 600)
LABEL = (DRAW.random(600) < 0.4).astype(int)
DECISION = (DRAW.random(600) < 0.2 + 0.1 * GROUP + 0.2 * LABEL).astype(int)
CELLS = confusion_matrix(LABEL, DECISION, GROUP, 4)
PEERS: dict[str, Any] = {
    "selection_rate": fair.selection_rate,
    "true_positive_rate": fair.true_positive_rate,
    "false_positive_rate": fair.false_positive_rate,
    "accuracy": accuracy_score,
    "precision": precision_score,
    "false_negative_rate": fair.false_negative_rate,
    "false_discovery_rate": lambda y, d: 1 - precision_score(y, d),
}


def _apart(name: str, tail: float = 0.025) -> tuple[Disparity, Disparity]:
    found = disparity(CELLS, name, tail)
    assert not isinstance(found, str)
    return found


@pytest.mark.parametrize("name", COMPARED)
def test_a_disparity_is_fairlearns(name: str) -> None:
    frame = fair.MetricFrame(metrics=PEERS[name], y_true=LABEL, y_pred=DECISION, sensitive_features=GROUP)
    quotient, gap = _apart(name)

    assert quotient.value == pytest.approx(frame.ratio())
    assert gap.value == pytest.approx(frame.difference())
    assert quotient.lowest == frame.by_group.idxmin()
    assert gap.highest == frame.by_group.idxmax()


def test_equalized_odds_is_fairlearns() -> None:
    found = equalized_odds(
        [disparity(CELLS, f"{kind}_positive_rate", 0.025, claims=2) for kind in ("true", "false")]
    )

    assert not isinstance(found, str)
    assert found.value == pytest.approx(
        fair.equalized_odds_difference(LABEL, DECISION, sensitive_features=GROUP)
    )
    assert found.low <= found.value <= found.high


def test_the_interval_holds_its_value_and_narrows_with_the_tail() -> None:
    for wide, narrow in zip(_apart("selection_rate", 0.005), _apart("selection_rate", 0.1), strict=True):
        assert wide.low <= narrow.low <= narrow.value <= narrow.high <= wide.high


def test_parity_is_covered_where_the_percentile_bootstrap_never_covers_it() -> None:
    from fairmark.stats.intervals import difference, draw, percentile
    from fairmark.stats.rates import values_of

    other = np.random.default_rng(3)
    ours = theirs = 0
    for k in range(60):
        decision = (other.random(600) < 0.3).astype(int)
        cells = confusion_matrix(LABEL, decision, GROUP, 4)
        found = disparity(cells, "selection_rate", 0.025)
        assert not isinstance(found, str)
        ours += found[1].low == 0 and found[0].high == 1
        drawn = values_of(draw(cells, 300, np.random.default_rng(k)), "selection_rate")
        theirs += percentile(difference(drawn), 0.025)[0] <= 0

    assert ours >= 55
    assert theirs == 0


def test_a_group_without_rows_leaves_the_unfair_end_open() -> None:
    found = disparity(confusion_matrix(LABEL, DECISION, GROUP, 5), "selection_rate", 0.025)
    assert not isinstance(found, str)

    assert (found[0].low, found[1].high) == (0.0, 1.0)
    assert found[0].value == pytest.approx(_apart("selection_rate")[0].value)


def test_one_group_can_not_be_apart() -> None:
    found = disparity(confusion_matrix(LABEL, DECISION, np.zeros(600), 2), "recall", 0.025)

    assert found == "fewer than two groups to compare: no row has the positive label in the others"
    assert equalized_odds([found, found]) == found


def test_nobody_selected_is_no_ratio() -> None:
    found = disparity(confusion_matrix(LABEL, np.zeros(600), GROUP, 4), "selection_rate", 0.025)
    assert not isinstance(found, str)

    assert np.isnan(found[0].value)
    assert found[1].value == 0.0


@pytest.mark.parametrize("name", COMPARED)
def test_bounds_over_many_groups_hold_the_value_and_are_those_of_single_groups(name: str) -> None:
    draw = np.random.default_rng(4)
    group = np.repeat(np.arange(20), 200)
    label = (draw.random(4000) < 0.4).astype(int)
    decision = (draw.random(4000) < 0.3 + 0.01 * group).astype(int)
    found = disparity(confusion_matrix(label, decision, group, 20), name, 0.025)
    assert not isinstance(found, str)

    for each, parity in zip(found, (1.0, 0.0), strict=True):
        assert each.low <= each.value <= each.high
        assert 0 <= each.low <= each.high <= 1
        assert abs(each.value - parity) > 0

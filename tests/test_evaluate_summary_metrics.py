"""Summary metrics say of one scoring what a hand count says, and null where there is nothing to count."""

import numpy as np
import pytest
from scorecard_table import rows

from fairmark.evaluate.summary_metrics import rate_ratio, summary_metrics

SCORE = np.array([0.9, 0.8, 0.3, 0.6, 0.2, 0.1])
LABEL = [1, 0, 1, 1, 0, 0]
TEAMS = ["red", "red", "red", "blue", "blue", "blue"]


def test_a_hand_count_agrees() -> None:
    found = summary_metrics(rows(LABEL, TEAMS), SCORE, 0.5)

    assert found.rows == 6
    assert found.roc_auc == pytest.approx(7 / 9)  # of nine pairs, 0.3 and 0.6 lose to 0.8
    assert found.accuracy == pytest.approx(4 / 6)
    assert found.selection_rate == pytest.approx(3 / 6)
    assert found.selection_rate_ratio == {"team": pytest.approx((1 / 3) / (2 / 3))}


def test_a_row_that_weighs_two_counts_as_two_rows() -> None:
    twice = rows([*LABEL, 1], [*TEAMS, "red"])
    heavy = rows(LABEL, TEAMS, [1, 1, 2, 1, 1, 1])

    one, two = summary_metrics(heavy, SCORE, 0.5), summary_metrics(twice, np.append(SCORE, 0.3), 0.5)

    assert one.model_copy(update={"rows": 7}).to_json() == two.to_json()


def test_a_score_at_the_threshold_is_decided_1() -> None:
    assert summary_metrics(rows([1, 0], ["red", "blue"]), np.array([0.5, 0.4]), 0.5).selection_rate == 0.5


def test_one_label_has_no_area() -> None:
    assert summary_metrics(rows([1, 1], ["red", "blue"]), np.array([0.5, 0.4]), 0.5).roc_auc is None


def test_no_rows_have_no_rates() -> None:
    found = summary_metrics(rows([], []), np.empty(0), 0.5)

    assert (found.accuracy, found.selection_rate_ratio) == (None, {"team": None})


@pytest.mark.parametrize(
    ("rates", "ratio"), [([0.2, 0.4, np.nan], 0.5), ([0.0, 0.4], 0.0), ([0.0, 0.0], None), ([0.3], None)]
)
def test_rate_ratio_is_lowest_over_highest_of_the_groups_that_have_a_rate(
    rates: list[float], ratio: float | None
) -> None:
    assert rate_ratio(np.array(rates)) == ratio

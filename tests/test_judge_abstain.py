"""A band is chosen on validation rows; who is sent to a human, and how the rest is decided, is counted."""

import numpy as np
import pytest
from checked import rows

from fairmark.evaluate.abstention import Ranked, abstain, width

SCORE = np.array([0.1, 0.45, 0.55, 0.9])


def test_a_hand_count_agrees() -> None:
    few = rows([0, 1, 0, 1], ["red", "red", "blue", "blue"])

    whole, half = abstain(Ranked(SCORE, np.ones(4), 0.5), few, SCORE, 0.5, [0.5, 1], 0.05)

    assert (whole["coverage"], whole["decided"], whole["kept"]["error"]) == (1, 1, 0.5)
    assert (half["width"], half["decided"], half["kept"]["error"]) == (pytest.approx(0.4), 0.5, 0)
    assert half["kept"]["rows"] == 2
    assert half["sent"]["team"]["red"] == {"rows": 2, "share": 0.5} | _bounds(1, 2)


def _bounds(hits: int, size: int) -> dict[str, object]:
    from scipy.stats import binomtest

    found = binomtest(hits, size).proportion_ci(0.95, method="exact")
    return {"low": pytest.approx(found.low), "high": pytest.approx(found.high)}


def test_the_width_comes_from_the_rows_that_it_is_chosen_on() -> None:
    few = rows([0, 1], ["red", "blue"])

    (band,) = abstain(Ranked(SCORE, np.ones(4), 0.5), few, np.array([0.5, 0.5]), 0.5, [0.75], 0.05)

    assert band["width"] == pytest.approx(0.05)
    assert band["decided"] == 0  # though three quarters were asked for
    assert band["kept"]["error"] is None


def test_weights_are_what_is_covered() -> None:
    assert width(SCORE, np.array([1, 1, 1, 6.0]), 0.5, 0.6) == pytest.approx(0.4)
    assert width(SCORE, np.array([1, 6, 1, 1.0]), 0.5, 0.6) == pytest.approx(0.05)


@pytest.mark.parametrize("coverage", [0.1, 0.31, 0.5, 0.99])
def test_the_asked_share_is_covered_and_the_next_width_would_not_cover_it(coverage: float) -> None:
    score = np.random.default_rng(0).random(500)
    distance = np.abs(score - 0.4)

    found = width(score, np.ones(500), 0.4, coverage)

    assert (distance >= found).mean() >= coverage
    assert (distance > found).mean() < coverage


def test_all_rows_are_decided_at_full_coverage_even_at_the_threshold() -> None:
    assert width(np.array([0.5, 0.9]), np.ones(2), 0.5, 1) == 0


def test_a_group_that_is_sent_more_often_is_named() -> None:
    many = rows([0, 1] * 200, ["red", "blue"] * 200)
    score = np.tile([0.5, 0.9], 200)

    (band,) = abstain(Ranked(score, np.ones(400), 0.45), many, score, 0.45, [0.5], 0.05)

    gap = band["sent_difference"]["team"]
    assert (gap["lowest"], gap["highest"], gap["value"]) == ("blue", "red", 1)
    assert gap["low"] > 0.9


def test_a_group_without_rows_is_said_to_be_unknown() -> None:
    (band,) = abstain(Ranked(SCORE, np.ones(4), 0.5), rows([0] * 4, ["red"] * 4), SCORE, 0.5, [0.5], 0.05)

    assert band["sent"]["team"]["green"] == {"rows": 0, "share": None, "low": 0, "high": 1}
    assert band["sent_difference"]["team"] is None

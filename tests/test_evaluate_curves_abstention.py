"""A band is chosen on validation rows; who is sent to a human, and how the rest is decided, is counted."""

import numpy as np
import pytest
from scorecard_table import rows

from fairmark.evaluate.curves import ScoredRows, abstention_bands, band_width

SCORE = np.array([0.1, 0.45, 0.55, 0.9])


def test_a_hand_count_agrees() -> None:
    few = rows([0, 1, 0, 1], ["red", "red", "blue", "blue"])

    whole, half = abstention_bands(ScoredRows(SCORE, np.ones(4), 0.5), few, SCORE, 0.5, [0.5, 1], 0.05)

    assert (whole.coverage, whole.decided, whole.kept.error) == (1, 1, 0.5)
    assert half.width == pytest.approx(0.4)
    assert (half.decided, half.kept.error) == (0.5, 0)
    assert half.kept.rows == 2
    assert half.deferred["team"]["red"].to_json() == {"rows": 2, "share": 0.5} | _bounds(1, 2)


def _bounds(hits: int, size: int) -> dict[str, object]:
    from scipy.stats import binomtest

    found = binomtest(hits, size).proportion_ci(0.95, method="exact")
    return {"low": pytest.approx(found.low), "high": pytest.approx(found.high)}


def test_the_width_comes_from_the_rows_that_it_is_chosen_on() -> None:
    few = rows([0, 1], ["red", "blue"])

    (band,) = abstention_bands(
        ScoredRows(SCORE, np.ones(4), 0.5), few, np.array([0.5, 0.5]), 0.5, [0.75], 0.05
    )

    assert band.width == pytest.approx(0.05)
    assert band.decided == 0  # though three quarters were asked for
    assert band.kept.error is None


def test_weights_are_what_is_covered() -> None:
    assert band_width(ScoredRows(SCORE, np.array([1, 1, 1, 6.0]), 0.5), 0.6) == pytest.approx(0.4)
    assert band_width(ScoredRows(SCORE, np.array([1, 6, 1, 1.0]), 0.5), 0.6) == pytest.approx(0.05)


@pytest.mark.parametrize("coverage", [0.1, 0.31, 0.5, 0.99])
def test_the_asked_share_is_covered_and_the_next_width_would_not_cover_it(coverage: float) -> None:
    score = np.random.default_rng(0).random(500)
    distance = np.abs(score - 0.4)

    found = band_width(ScoredRows(score, np.ones(500), 0.4), coverage)

    assert (distance >= found).mean() >= coverage
    assert (distance > found).mean() < coverage


def test_all_rows_are_decided_at_full_coverage_even_at_the_threshold() -> None:
    assert band_width(ScoredRows(np.array([0.5, 0.9]), np.ones(2), 0.5), 1) == 0


def test_a_group_that_is_sent_more_often_is_named() -> None:
    many = rows([0, 1] * 200, ["red", "blue"] * 200)
    score = np.tile([0.5, 0.9], 200)

    (band,) = abstention_bands(ScoredRows(score, np.ones(400), 0.45), many, score, 0.45, [0.5], 0.05)

    gap = band.deferral_gap["team"]
    assert gap is not None
    assert (gap.lowest, gap.highest, gap.value) == ("blue", "red", 1)
    assert gap.low > 0.9


def test_a_group_without_rows_is_said_to_be_unknown() -> None:
    (band,) = abstention_bands(
        ScoredRows(SCORE, np.ones(4), 0.5), rows([0] * 4, ["red"] * 4), SCORE, 0.5, [0.5], 0.05
    )

    assert band.deferred["team"]["green"].to_json() == {"rows": 0, "share": None, "low": 0, "high": 1}
    assert band.deferral_gap["team"] is None

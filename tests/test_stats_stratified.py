"""Groups compared within strata agree with published tables, and with what formulas say of one stratum."""

import numpy as np
import pytest

from fairmark.stats.stratified import mantel_haenszel, mean_difference, ratio_by_share, standardised

# Graduate admissions to Berkeley in 1973 (Bickel, Hammel and O'Connell 1975), departments A to F: men and
# women, rejected and admitted.
BERKELEY = np.array(
    [
        [[313, 512], [19, 89]],
        [[207, 353], [8, 17]],
        [[205, 120], [391, 202]],
        [[279, 138], [244, 131]],
        [[138, 53], [299, 94]],
        [[351, 22], [317, 24]],
    ],
    dtype=np.float64,
)


def test_admissions_to_berkeley_have_the_published_common_odds_ratio() -> None:
    found = mantel_haenszel(BERKELEY[:, ::-1], 0.025)

    # R 4.3, mantelhaen.test(UCBAdmissions, correct = FALSE).
    assert found.odds_ratio == pytest.approx(0.9046968, abs=1e-7)
    assert (found.odds_low, found.odds_high) == pytest.approx((0.7719074, 1.0603298), abs=1e-7)
    assert found.p == pytest.approx(0.2169, abs=5e-5)


def test_women_were_admitted_less_overall_and_not_within_departments() -> None:
    overall, within = mantel_haenszel(BERKELEY.sum(axis=0)[None], 0.025), mantel_haenszel(BERKELEY, 0.025)

    # 557 of 1,835 women and 1,198 of 2,691 men.
    assert overall.difference == pytest.approx(557 / 1835 - 1198 / 2691, abs=1e-12)
    assert (overall.difference_high or 0) < 0 < (within.difference or 0)


def test_one_stratum_has_the_plain_odds_ratio_with_woolfs_bounds() -> None:
    found = mantel_haenszel(np.array([[[30.0, 70.0], [60.0, 40.0]]]), 0.025)

    spread = np.exp(1.959963985 * np.sqrt(1 / 30 + 1 / 70 + 1 / 60 + 1 / 40))
    assert found.odds_ratio == pytest.approx(40 * 30 / (60 * 70))
    assert (found.odds_low, found.odds_high) == pytest.approx((2 / 7 / spread, 2 / 7 * spread))


def test_bounds_of_the_difference_hold_as_often_as_they_say() -> None:
    draw, held = np.random.default_rng(5), 0
    base, sizes = np.array([0.2, 0.4, 0.6]), np.array([[60, 30], [40, 80], [100, 50]])
    for _ in range(2000):
        hits = np.stack([draw.binomial(sizes[:, 0], base), draw.binomial(sizes[:, 1], base + 0.1)], axis=1)
        found = mantel_haenszel(np.stack([sizes - hits, hits], axis=2).astype(float), 0.05)
        held += (found.difference_low or 0) <= 0.1 <= (found.difference_high or 0)

    assert 0.88 < held / 2000 < 0.92


def test_strata_of_one_group_say_nothing() -> None:
    alone = np.array([[[5.0, 5.0], [0.0, 0.0]], [[0.0, 0.0], [3.0, 2.0]]])

    found = mantel_haenszel(alone, 0.05)

    assert (found.strata, found.difference, found.odds_ratio, found.p) == (0, None, None, None)
    assert standardised(alone) is None


def test_nobody_selected_has_no_odds_ratio_and_no_p() -> None:
    found = mantel_haenszel(np.array([[[5.0, 0.0], [7.0, 0.0]]]), 0.05)

    assert (found.odds_ratio, found.p, found.difference) == (None, None, 0.0)


def test_standardised_rates_weigh_strata_by_all_rows() -> None:
    tables = np.array([[[80.0, 20.0], [5.0, 5.0]], [[5.0, 5.0], [60.0, 20.0]]])

    # Strata hold 110 and 90 of 200 rows: 0.2 and 0.5 of the first group, 0.5 and 0.25 of the second.
    assert standardised(tables) == pytest.approx((0.55 * 0.2 + 0.45 * 0.5, 0.55 * 0.5 + 0.45 * 0.25))


def test_the_mean_difference_is_in_standard_deviations() -> None:
    found = mean_difference(np.array([0.0, 2.0]), np.array([3.0, 5.0]), 0.025)

    # Means 1 and 4, both variances 1.
    assert found is not None
    assert found[0] == pytest.approx(3.0)
    assert found[1:] == pytest.approx((3 - 1.959964 * np.sqrt(1 + 9 / 8), 3 + 1.959964 * np.sqrt(1 + 9 / 8)))


def test_scores_without_spread_have_no_mean_difference() -> None:
    assert mean_difference(np.array([0.5, 0.5]), np.array([0.5]), 0.025) is None
    assert mean_difference(np.array([]), np.array([0.5]), 0.025) is None


def test_whole_weights_count_rows_in_the_mean_difference() -> None:
    plain = mean_difference(np.array([0.1, 0.1, 0.7]), np.array([0.2, 0.9]), 0.05)
    weighed = mean_difference(
        np.array([0.1, 0.7]), np.array([0.2, 0.9]), 0.05, (np.array([2.0, 1.0]), np.ones(2))
    )

    assert plain is not None
    assert weighed is not None
    assert weighed[0] == pytest.approx(plain[0])
    assert weighed[1:] == (None, None)


def test_the_ratio_by_share_is_counted_from_the_top() -> None:
    scores, second = np.array([0.9, 0.8, 0.7, 0.6]), np.array([False, True, False, True])

    # The best quarter is of the first group alone; the best half one of two each; all of both.
    assert ratio_by_share(scores, second, np.ones(4), np.array([0.25, 0.5, 0.75, 1.0])) == [0, 1, 0.5, 1]

"""Areas under curves are scikit-learn's; their standard errors are those of independent computations."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import brunnermunzel
from sklearn import metrics as peer

from fairmark.stats.score_measures import pr_auc, roc_auc

DRAW = np.random.default_rng(5)
LABEL = (DRAW.random(300) < 0.3).astype(np.int8)
SCORE = np.round(0.4 + 0.2 * LABEL + 0.2 * DRAW.standard_normal(300), 2)  # with ties
WEIGHT = DRAW.gamma(2.0, 1.0, 300)
ONES = np.ones(300)


@pytest.mark.parametrize("weight", [ONES, WEIGHT])
@pytest.mark.parametrize(
    ("ours", "theirs"), [(roc_auc, peer.roc_auc_score), (pr_auc, peer.average_precision_score)]
)
def test_an_area_is_that_of_its_peer(ours: Any, theirs: Any, weight: np.ndarray) -> None:
    assert ours(LABEL, SCORE, weight).value == pytest.approx(theirs(LABEL, SCORE, sample_weight=weight))


def test_delong_is_brunner_and_munzel_as_scipy_has_it() -> None:
    # Their statistic is (AUC - 1/2) / se, with the same variance and Welch's degrees of freedom.
    found = roc_auc(LABEL, SCORE, ONES)
    assert found is not None
    theirs = brunnermunzel(SCORE[LABEL == 0], SCORE[LABEL == 1])
    from scipy.stats import t

    assert (found.value - 0.5) / found.se == pytest.approx(theirs.statistic)
    assert 2 * t.sf(theirs.statistic, found.df) == pytest.approx(theirs.pvalue)


def test_delong_by_its_definition_over_all_pairs() -> None:
    positive, negative = SCORE[LABEL == 1], SCORE[LABEL == 0]
    wins = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
    by_pairs = wins.mean(1).var(ddof=1) / len(positive) + wins.mean(0).var(ddof=1) / len(negative)
    found = roc_auc(LABEL, SCORE, ONES)

    assert found is not None
    assert found.se**2 == pytest.approx(by_pairs)


@pytest.mark.parametrize("area", [roc_auc, pr_auc])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_standard_error_is_that_of_resampled_rows(area: Any, weighted: bool) -> None:
    weight = WEIGHT if weighted else ONES
    draw = np.random.default_rng(9)
    values = []
    for _ in range(300):
        at = draw.integers(0, 300, 300)
        values.append(area(LABEL[at], SCORE[at], weight[at]).value)

    assert area(LABEL, SCORE, weight).se == pytest.approx(np.std(values), rel=0.15)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=40))
@settings(max_examples=60, deadline=None)
def test_turning_labels_around_turns_the_area_around(drawn: list[tuple[bool, int]]) -> None:
    label, score = (
        np.array([y for y, _ in drawn], dtype=np.int8),
        np.array([s for _, s in drawn], dtype=float),
    )
    one, two = (roc_auc(y, score, np.ones(len(drawn))) for y in (label, (1 - label).astype(np.int8)))

    if one is None or two is None:
        assert len(set(label.tolist())) == 1
    else:
        assert one.value == pytest.approx(1 - two.value)
        assert one.se == pytest.approx(two.se)


def test_an_area_without_one_of_the_classes_is_none() -> None:
    assert roc_auc(np.zeros(300, dtype=np.int8), SCORE, ONES) is None
    assert pr_auc(np.zeros(300, dtype=np.int8), SCORE, ONES) is None


def test_scores_that_part_the_classes_have_no_standard_error() -> None:
    found = roc_auc(LABEL, LABEL.astype(float), ONES)

    assert found is not None
    assert (found.value, found.se, found.df) == (1.0, 0.0, 0.0)


def test_without_itself_a_row_has_the_precision_of_the_others_by_hand() -> None:
    # Scores fall from left to right: the first positive has nobody above, the second one hit and one miss.
    label = np.array([1, 0, 1, 0], dtype=np.int8)
    found = pr_auc(label, np.array([0.9, 0.8, 0.7, 0.1]), np.ones(4))

    assert found is not None
    assert found.value == pytest.approx((1 + 2 / 3) / 2)
    assert found.without_self == pytest.approx((0.5 + 1 / 2) / 2)


def test_rounding_of_weights_takes_no_area_past_its_ends() -> None:
    draw = np.random.default_rng(1)
    for _ in range(200):
        label = (np.arange(60) < 30).astype(np.int8)
        for score in (label, 1 - label):
            found = roc_auc(label, score.astype(float), draw.gamma(0.5, 1.0, 60) + 1e-9)
            assert found is not None
            assert 0 <= found.value <= 1

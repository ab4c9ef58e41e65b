"""Curves are scikit-learn's, thinned without losing their ends or their area."""

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as peer

from fairmark.evaluate.curves import calibration, calibrations, precision_recall, roc

DRAW = np.random.default_rng(13)
LABEL = (DRAW.random(2000) < 0.3).astype(np.int8)
SCORE = 1 / (1 + np.exp(-(1.5 * LABEL - 1 + DRAW.standard_normal(2000))))
ONES = np.ones(2000)


def test_a_curve_with_room_holds_every_point_of_its_peer() -> None:
    curve = roc(LABEL, SCORE, ONES, 10_000)
    fpr, tpr, threshold = peer.roc_curve(LABEL, SCORE, drop_intermediate=False)

    assert np.allclose(curve["false_positive_rate"], fpr)
    assert np.allclose(curve["true_positive_rate"], tpr)
    assert np.allclose(curve["threshold"][1:], threshold[1:])


def test_precision_and_recall_are_those_of_the_peer() -> None:
    curve = precision_recall(LABEL, SCORE, ONES, 10_000)
    precision, recall, _ = peer.precision_recall_curve(LABEL, SCORE)

    assert np.allclose(curve["precision"], precision[:-1][::-1])
    assert np.allclose(curve["recall"], recall[:-1][::-1])


def test_thinning_keeps_the_ends_and_the_area() -> None:
    curve = roc(LABEL, SCORE, ONES, 100)

    assert 50 < len(curve) <= 102
    assert curve.iloc[0].tolist()[:2] == [0.0, 0.0]
    assert curve.iloc[-1].tolist()[:2] == [1.0, 1.0]
    area = np.trapezoid(curve["true_positive_rate"], curve["false_positive_rate"])
    assert area == pytest.approx(peer.roc_auc_score(LABEL, SCORE), abs=2e-3)


def test_one_class_has_no_curve() -> None:
    assert roc(np.zeros(2000, dtype=np.int8), SCORE, ONES, 100).empty
    assert precision_recall(np.zeros(2000, dtype=np.int8), SCORE, ONES, 100).empty


def test_calibration_is_counted_by_hand_and_leaves_empty_bins_out() -> None:
    found = calibration(np.array([1, 0, 1], dtype=np.int8), np.array([0.1, 0.2, 1.0]), np.ones(3), 4, 0.025)

    assert found["rows"].tolist() == [2, 1]
    assert found["mean_score"].tolist() == pytest.approx([0.15, 1.0])
    assert found["positive_share"].tolist() == [0.5, 1.0]
    assert found["bin_low"].tolist() == [0.0, 0.75]


def test_every_group_has_a_calibration_beside_that_of_all() -> None:
    groups = pd.DataFrame({"sex": np.where(DRAW.random(2000) < 0.5, "F", "M")})
    found = calibrations(LABEL, SCORE, ONES, groups, 5, 0.025)

    assert found.groupby(["attribute", "group"])["rows"].sum()[("", "")] == 2000
    assert set(found["group"]) == {"", "F", "M"}

"""Importance says which features move the score, for everybody and within each group."""

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from fairmark.errors import InputError, StateError
from fairmark.explain.documents import FeatureImportance, GroupImportance
from fairmark.explain.shapley import additivity, group_importance, importance, sample_positions

Floats = NDArray[np.float64]

VALUES = np.array([[1.0, -2.0], [3.0, 0.0], [-2.0, 1.0]])  # [3 rows, 2 features]
ONES = np.ones(3)
GROUPS = pd.DataFrame({"team": ["red", "blue", "red"]})
KNOWN = {"team": ["blue", "green", "red"]}


def test_importance_by_hand_is_the_mean_size_of_the_moves_with_the_largest_first() -> None:
    assert importance(VALUES, ["a", "b"], ONES) == [
        FeatureImportance(feature="a", mean_abs_shap=2.0),
        FeatureImportance(feature="b", mean_abs_shap=1.0),
    ]


def test_features_of_the_same_importance_stand_by_name() -> None:
    ranked = importance(np.array([[1.0, -1.0, 1.0]]), ["c", "a", "b"], np.ones(1))

    assert [each.feature for each in ranked] == ["a", "b", "c"]


def test_a_row_of_weight_three_counts_as_three_rows() -> None:
    weighed = importance(VALUES, ["a", "b"], np.array([3.0, 1.0, 1.0]))
    repeated = importance(VALUES[[0, 0, 0, 1, 2]], ["a", "b"], np.ones(5))

    assert weighed == repeated


def test_groups_by_hand_keep_the_sign_of_their_moves() -> None:
    red = group_importance(VALUES, ["a", "b"], ONES, GROUPS, KNOWN)["team"]["red"]

    assert red == GroupImportance(
        rows=2, mean_abs_shap={"a": 1.5, "b": 1.5}, mean_shap={"a": -0.5, "b": -0.5}
    )


def test_a_group_without_rows_is_named_and_has_no_means() -> None:
    green = group_importance(VALUES, ["a", "b"], ONES, GROUPS, KNOWN)["team"]["green"]

    assert green == GroupImportance(rows=0, mean_abs_shap=None, mean_shap=None)


def test_the_features_carry_the_whole_gap_between_two_groups() -> None:
    rng = np.random.default_rng(0)
    values, team = rng.normal(size=(50, 4)), pd.DataFrame({"team": np.repeat(["x", "y"], 25)})
    margin = values.sum(axis=1) + 0.3

    means = group_importance(values, list("abcd"), np.ones(50), team, {"team": ["x", "y"]})["team"]

    one, other = means["x"].mean_shap, means["y"].mean_shap
    assert one is not None
    assert other is not None
    carried = sum(one[name] - other[name] for name in "abcd")
    assert carried == pytest.approx(margin[:25].mean() - margin[25:].mean())


def test_a_sample_is_drawn_once_each_in_order_and_again_the_same() -> None:
    rows = sample_positions(100, 30, 7)

    assert len(set(rows.tolist())) == 30
    assert rows.tolist() == sorted(sample_positions(100, 30, 7).tolist())


def test_a_sample_larger_than_the_rows_is_all_of_them() -> None:
    assert sample_positions(3, 30, 7).tolist() == [0, 1, 2]


def test_no_rows_are_refused() -> None:
    with pytest.raises(InputError, match="must have test rows to explain, got none"):
        sample_positions(0, 30, 7)


@pytest.mark.parametrize("margin", [[0.0, 3.0], [0.0, np.nan]])
def test_contributions_of_another_model_are_refused(margin: list[float]) -> None:
    with pytest.raises(StateError, match="must add up to the margin"):
        additivity(np.array([[1.0, -1.0], [1.0, 1.0]]), np.array(margin))

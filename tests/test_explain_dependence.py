"""Dependence sets one feature in every row, averages the score, and says where the data is."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from schemas import column

from fairmark.explain.dependence import LINES, dependence
from fairmark.explain.documents import MissingDependence


def _frame(**columns: Any) -> pd.DataFrame:
    frame = pd.DataFrame(columns)
    return frame.assign(_weight=np.ones(len(frame)))


def _sum(frame: pd.DataFrame) -> NDArray[np.float64]:
    return (frame["x"].fillna(-100) + frame["y"]).to_numpy(dtype=np.float64)


PAIRS = _frame(x=[0.0, 1.0, 2.0, 3.0], y=[10.0, 20.0, 30.0, 40.0])
X = column("x", "numeric")


def test_the_mean_by_hand_is_over_every_row_of_the_background() -> None:
    found = dependence(_sum, PAIRS, PAIRS, X, 4)

    assert found.grid == [0, 1, 2, 3]
    assert found.mean == [25, 26, 27, 28]
    assert found.ice[0] == [10, 11, 12, 13]


def test_a_row_of_weight_zero_does_not_move_the_mean() -> None:
    background = PAIRS.assign(_weight=[1.0, 0.0, 0.0, 0.0])

    assert dependence(_sum, background, PAIRS, X, 4).mean == [10, 11, 12, 13]


def test_no_more_lines_are_kept_than_can_be_read() -> None:
    many = pd.concat([PAIRS] * 20, ignore_index=True)

    assert len(dependence(_sum, many, many, X, 4).ice) == LINES


def test_missing_values_are_a_place_of_their_own() -> None:
    data = PAIRS.assign(x=[0.0, 1.0, 2.0, np.nan])

    assert dependence(_sum, PAIRS, data, X, 3).missing == MissingDependence(share=0.25, mean=-75)


def test_the_tail_of_a_column_of_zeros_is_still_on_the_grid() -> None:
    data = _frame(x=[0.0] * 95 + [1.0, 2.0, 3.0, 4.0, 5.0], y=[0.0] * 100)

    assert dependence(_sum, PAIRS, data, X, 10).grid == [0, 1, 2, 3, 4, 5]


def test_the_grid_stays_within_the_points_asked_for() -> None:
    data = _frame(x=np.random.default_rng(0).exponential(size=500), y=0.0)

    assert len(dependence(_sum, PAIRS, data, X, 7).grid) == 7


def test_density_by_hand_is_the_share_of_known_values_in_each_bin() -> None:
    found = dependence(_sum, PAIRS, _frame(x=[0.0, 1.0, 1.0, 4.0, np.nan], y=0.0), X, 2)

    assert found.edges == [0, 2, 4]
    assert found.density == [0.75, 0.25]


def test_nearness_by_hand_gives_each_known_value_to_one_place_of_the_grid() -> None:
    found = dependence(_sum, PAIRS, _frame(x=[0.0, 1.0, 2.0, 4.0, np.nan], y=0.0), X, 2)

    assert found.grid == [0, 4]
    assert found.near == [0.75, 0.25]


def test_categories_stand_by_name_the_most_frequent_first() -> None:
    data = _frame(job=["b", "a", "b", "c", None], y=1.0)

    found = dependence(
        lambda frame: np.asarray(frame["job"] == "a", dtype=np.float64),
        data,
        data,
        column("job", "categorical"),
        2,
    )

    assert (found.grid, found.mean, found.unshown) == (["b", "a"], [0, 1], 1)
    assert found.density == [0.5, 0.25]
    assert found.edges is None


def test_ordered_names_keep_their_order() -> None:
    data = _frame(size=["large", "small", "large"], y=1.0)
    feature = column("size", "ordinal", ["small", "middle", "large"])

    assert dependence(lambda frame: np.zeros(len(frame)), data, data, feature, 5).grid == [
        "small",
        "large",
    ]


def test_truth_values_keep_their_type() -> None:
    data = _frame(own=pd.array([True, False, None], dtype="boolean"), y=1.0)

    found = dependence(
        lambda frame: frame["own"].fillna(value=False).to_numpy(dtype=float),
        data,
        data,
        column("own", "boolean"),
        5,
    )

    assert (found.grid, found.mean) == ([False, True], [0, 1])


def test_days_stand_as_days() -> None:
    days = pd.to_datetime(pd.Series(["2020-01-01", "2020-01-03"])).astype("datetime64[us]")
    data = _frame(since=days, y=1.0)

    found = dependence(
        lambda frame: frame["since"].dt.day.to_numpy(dtype=float), data, data, column("since", "date"), 2
    )

    assert (found.grid, found.mean) == (["2020-01-01", "2020-01-03"], [1, 3])
    assert found.edges == [18262, 18263, 18264]
    assert found.near == [0.5, 0.5]


@pytest.mark.parametrize("kind", ["numeric", "categorical"])
def test_a_column_of_nothing_has_an_empty_curve(kind: str) -> None:
    data = _frame(x=pd.Series([None, None], dtype="float64" if kind == "numeric" else "str"), y=1.0)

    found = dependence(lambda frame: np.full(len(frame), 0.5), data, data, column("x", kind), 5)

    assert (found.grid, found.mean) == ([], [])
    assert found.missing == MissingDependence(share=1, mean=0.5)


@pytest.mark.slow
def test_the_curve_is_that_of_scikit_learn() -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.inspection import partial_dependence

    rng = np.random.default_rng(1)
    data = _frame(x=rng.normal(size=300), y=rng.normal(size=300))
    inputs = data[["x", "y"]]
    model = HistGradientBoostingClassifier(max_iter=20).fit(inputs, data["x"] * data["y"] > 0)

    mine = dependence(lambda frame: model.predict_proba(frame[["x", "y"]])[:, 1], data, data, X, 9)

    oracle = partial_dependence(model, inputs, ["x"], custom_values={"x": mine.grid}, method="brute")
    np.testing.assert_allclose(mine.mean, oracle["average"][0])

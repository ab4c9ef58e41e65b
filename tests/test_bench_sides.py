"""What bench/ compares with is what it says: the second setting is a small change of params.yaml."""

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import yaml

from fairmark.params.parse import typed
from fairmark.params.read import Params

ROOT = Path(__file__).parents[1]


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    return importlib.import_module("sides.rows")


@pytest.fixture
def points(rows: ModuleType) -> ModuleType:
    assert rows
    return importlib.import_module("sides.points")


def test_a_mapping_is_merged_and_anything_else_is_replaced(rows: ModuleType) -> None:
    under = {"a": {"x": 1, "y": [1, 2]}, "b": 3}

    assert rows.laid_over(under, {"a": {"y": [9]}}) == {"a": {"x": 1, "y": [9]}, "b": 3}


def test_the_second_setting_withholds_sex_and_race_alone(rows: ModuleType) -> None:
    whole = yaml.safe_load((ROOT / "params.yaml").read_text())
    changes = yaml.safe_load(rows.ALL_COLUMNS.read_text())

    params = typed(Params, rows.laid_over(whole, changes), "all-columns.yaml")

    assert params.prepare.forbidden == []
    assert params.prepare.protected == typed(Params, whole, "params.yaml").prepare.protected
    assert "selection_rate_ratio" in {limit.measure for limit in params.policy.limits if limit.gate}


def test_ours_at_the_same_ratio_lies_on_the_line_between_our_points(points: ModuleType) -> None:
    def point(method: str, ratio: float, accuracy: float) -> object:
        return points.Point(method, "knob", 1.0, (ratio, accuracy), np.ones(4), ratio, accuracy, 0.9)

    ours = [point("sweep", 0.6, 0.84), point("sweep", 0.8, 0.82)]
    peers = [point("peer", 0.7, 0.82), point("peer", 0.9, 0.8)]

    found = points.table([*ours, *peers])

    assert found["our_accuracy"].tolist()[2] == pytest.approx(0.83)
    assert found["our_accuracy_gain"].tolist()[2] == pytest.approx(0.01)
    assert found["our_accuracy"].isna().tolist() == [
        True,
        True,
        False,
        True,
    ]  # beyond our ratios: not compared


def test_the_standard_error_of_a_gain_is_that_of_a_paired_difference(points: ModuleType) -> None:
    ours, theirs = np.array([1.0, 1, 0, 1]), np.array([1.0, 0, 0, 0.5])

    # differences 0, 1, 0, 0.5: mean 0.375, squares around it 0.6875
    assert points.standard_error(ours, theirs) == pytest.approx((0.6875 / 4 / 4) ** 0.5)


def test_a_method_is_given_its_most_accurate_setting_that_reaches_the_ratio(points: ModuleType) -> None:
    fast = points.Point("sweep", "loose", 1.0, (0.7, 0.9), np.ones(4), 0.7, 0.9, 0.9)
    fair = points.Point("sweep", "tight", 1.0, (0.8, 0.85), np.ones(4), 0.82, 0.84, 0.9)

    found = points.at_aim([fast, fair], {"sweep": 2.0})

    assert found["knob"].tolist() == ["tight"]

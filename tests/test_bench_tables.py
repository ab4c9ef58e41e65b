"""bench/tables.py: every project that it makes has whole params, and methods are compared at one ratio."""

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import yaml
from fairlearn.metrics import demographic_parity_ratio
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from fairmark.params.parse import typed
from fairmark.params.read import Params

ROOT = Path(__file__).parents[1]
TABLES = yaml.safe_load((ROOT / "bench" / "tables.yaml").read_text())


@pytest.fixture
def sides(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "bench"))
    return importlib.import_module("sides")


@pytest.fixture
def projects(sides: ModuleType) -> ModuleType:
    assert sides
    return importlib.import_module("sides.projects")


@pytest.fixture
def equal_ratio(sides: ModuleType) -> ModuleType:
    assert sides
    return importlib.import_module("sides.equal_ratio")


@pytest.mark.parametrize("name", TABLES)
def test_the_params_of_every_table_are_whole_with_and_without_a_limit(
    name: str, projects: ModuleType, tmp_path: Path
) -> None:
    spec: dict[str, Any] = TABLES[name]
    (tmp_path / "data").mkdir()
    columns = {
        spec.get("target", {}).get("column", "y"),
        *(one["column"] for one in spec.get("protected", {}).values()),
    }
    header = ",".join(sorted(columns))
    (tmp_path / "data" / f"{name}.csv").write_text(f"{header}\n" + "1\n" * 1470)
    made = projects.Project(tmp_path, name, spec, next(iter(spec.get("protected", {"sex": None}))))

    for ratio in (None, 0.8):
        made.ask_for(ratio=ratio)
        params = typed(Params, yaml.safe_load(made.params.read_text()), "params.yaml")

        gated = [limit.attribute for limit in params.policy.limits if limit.gate and limit.attribute]
        assert gated == ([made.attribute] if ratio else [])
        assert {step.attribute for step in params.tune.mitigation} <= set(gated)
    if "default" not in spec["from"]:
        assert params.policy.min_group_rows == 29  # 1,470 rows / 50
        assert params.prepare.target.column == spec["target"]["column"]


def test_ratio_and_quality_are_those_of_fairlearn_and_scikit_learn(equal_ratio: ModuleType) -> None:
    draw = np.random.default_rng(3)
    label, group = draw.integers(0, 2, 400), draw.choice(["a", "b", "few"], 400, p=[0.5, 0.46, 0.04])
    decide = draw.integers(0, 2, 400)
    large = group != "few"  # fewer than 30 rows say nothing of a ratio
    assert (group == "few").sum() < equal_ratio.LEAST_GROUP

    for goal, score in {"accuracy": accuracy_score, "balanced_accuracy": balanced_accuracy_score}.items():
        judge = equal_ratio.Judge.of(label, group, goal)
        (ratio,), (quality,) = judge.measured(decide[None, :].astype(float))

        assert quality == pytest.approx(score(label, decide))
        wanted = demographic_parity_ratio(label[large], decide[large], sensitive_features=group[large])
        assert ratio == pytest.approx(wanted)


def test_a_curve_is_read_on_the_line_between_its_undominated_points(equal_ratio: ModuleType) -> None:
    # Two groups of 50; everybody selected at rates (first, second): ratios 0.5 and 0.9 with accuracies that
    # follow from the labels, a third point that both beat, and ours at 0.7.
    label = np.array([1] * 25 + [0] * 25 + [1] * 25 + [0] * 25)
    judge = equal_ratio.Judge.of(label, ["a"] * 50 + ["b"] * 50, "accuracy")

    def rates(first: float, second: float) -> np.ndarray:
        each: np.ndarray = np.repeat([first, first, second, second], 25)
        return np.where(label == 1, each, each / 2)

    theirs = np.stack([rates(0.8, 0.4), rates(0.6, 0.54), rates(0.2, 0.1)])
    ours = rates(0.7, 0.49)
    (ratio, *_), quality = judge.measured(np.vstack([ours, theirs]))
    assert ratio == pytest.approx(0.7)
    assert quality[1] > quality[2] > quality[3]

    value, gain, error = judge.gain(ours, theirs)

    assert value == pytest.approx((quality[1] + quality[2]) / 2)
    assert gain == pytest.approx(quality[0] - value)
    assert 0 < error < 0.1
    beyond = judge.gain(rates(0.7, 0.665), theirs)  # a ratio of 0.95: half way to deciding everybody alike
    assert beyond[0] == pytest.approx((quality[2] + 0.5) / 2)

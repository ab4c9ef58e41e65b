"""Costs are Fairlearn's, weights are Kamiran and Calders', and strength 0 changes nothing."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from fairlearn import reductions
from hypothesis import given
from hypothesis import strategies as st

from fairmark.learn.mitigation import Constraint, costs, factors, joined, multipliers, relabel, reweighing
from fairmark.params.learn import Step

CONSTRAINTS: dict[str, Any] = {
    "demographic_parity": reductions.DemographicParity,
    "true_positive_rate_parity": reductions.TruePositiveRateParity,
    "false_positive_rate_parity": reductions.FalsePositiveRateParity,
    "equalized_odds": reductions.EqualizedOdds,
    "error_rate_parity": reductions.ErrorRateParity,
}


def step(constraint: str = "demographic_parity", strength: float = 1.0) -> Step:
    return Step(attribute="side", constraint=constraint, strength=strength)  # type: ignore[arg-type]


def rows(n: int = 500) -> tuple[np.ndarray, pd.Series, np.ndarray]:
    draw = np.random.default_rng(2)
    group = pd.Series(draw.choice(["a", "b", "c"], n, p=[0.5, 0.4, 0.1]))
    label = (draw.random(n) < group.map({"a": 0.5, "b": 0.2, "c": 0.8}).to_numpy()).astype(np.int8)
    return label, group, np.ones(n)


@pytest.mark.parametrize("constraint", CONSTRAINTS)
def test_costs_are_the_signed_weights_of_fairlearns_moment_on_all_rows(constraint: str) -> None:
    label, group, _ = rows()
    weight = np.random.default_rng(3).integers(0, 4, len(label))
    parity = Constraint.of(constraint, label, group, weight.astype(float))
    chosen = multipliers(parity, 1.0, label, group, weight.astype(float))
    # Fairlearn knows no weights: a row of weight 3 is three rows of it.
    thrice = np.repeat(np.arange(len(label)), weight)
    moment = CONSTRAINTS[constraint]()
    moment.load_data(label[thrice, None], label[thrice], sensitive_features=group.iloc[thrice])
    sides = pd.concat({"+": chosen.clip(lower=0), "-": (-chosen).clip(lower=0)})

    theirs = moment.signed_weights(sides.reindex(moment.index))

    mine = costs(step(constraint), label, group, weight.astype(float)).of(label, group)
    np.testing.assert_allclose(mine[thrice], theirs, atol=1e-11)


@pytest.mark.parametrize("constraint", CONSTRAINTS)
def test_violations_are_the_gamma_of_fairlearns_moment_on_all_rows(constraint: str) -> None:
    label, group, weight = rows()
    chance = group.map({"a": 0.1, "b": 0.5, "c": 0.7})
    moment = CONSTRAINTS[constraint]()
    moment.load_data(label[:, None], label, sensitive_features=group)

    gamma = moment.gamma(lambda _: chance.to_numpy())["+"]

    found = Constraint.of(constraint, label, group, weight).violation({"a": 0.1, "b": 0.5, "c": 0.7})
    pd.testing.assert_series_equal(found, gamma, atol=1e-12, check_names=False)


@pytest.mark.parametrize("constraint", CONSTRAINTS)
def test_the_multipliers_hold_nothing_that_fairlearn_would_take_off(constraint: str) -> None:
    label, group, weight = rows()
    parity = Constraint.of(constraint, label, group, weight)
    chosen = multipliers(parity, 1.0, label, group, weight)
    sides = pd.concat({"+": chosen.clip(lower=0), "-": (-chosen).clip(lower=0)})
    moment = parity.moment

    projected = moment.project_lambda(sides.reindex(moment.index).rename_axis(moment.index.names))

    again = parity.costs(projected["+"] - projected["-"])
    assert again == pytest.approx(parity.costs(chosen))


def test_costs_by_hand() -> None:
    # 300 rows of "a", half of them positive; 100 rows of "b", a tenth of them. The overall rate is 0.4, and
    # 50 more rows at it make the rates 170 / 350 and 30 / 150.
    label = np.array([1] * 150 + [0] * 150 + [1] * 10 + [0] * 90, dtype=np.int8)
    group = pd.Series(["a"] * 300 + ["b"] * 100)
    rates = {"a": 170 / 350, "b": 30 / 150}
    mean = 0.75 * rates["a"] + 0.25 * rates["b"]

    table = costs(step(strength=2.0), label, group, np.ones(400)).table

    assert table["all", "b"] == pytest.approx(2.0)  # furthest from the mean: its decisions gain two mistakes
    assert table["all", "a"] == pytest.approx(-2.0 * (rates["a"] - mean) / (mean - rates["b"]))


@pytest.mark.parametrize("constraint", CONSTRAINTS)
def test_costs_favour_the_group_with_the_lower_rate(constraint: str) -> None:
    label, group, weight = rows()
    table = costs(step(constraint), label, group, weight).table

    for event in {event for event, _ in table}:
        assert table[event, "b"] > 0 > table[event, "c"]


def test_a_handful_of_rows_does_not_set_the_scale() -> None:
    label, group, _ = rows()
    label, group = np.r_[label, [1, 1]].astype(np.int8), pd.concat([group, pd.Series(["d", "d"])])

    table = costs(step(), label, group, np.ones(502)).table

    assert abs(table["all", "d"]) < 0.2


def test_what_training_never_saw_costs_nothing() -> None:
    label, group, weight = rows()
    found = costs(step("true_positive_rate_parity"), label, group, weight)

    assert found.of(np.array([1, 0], dtype=np.int8), pd.Series(["z", "a"])).tolist() == [0, 0]


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 10)), min_size=1))
def test_strength_zero_gives_labels_and_weights_back(drawn: list[tuple[bool, float]]) -> None:
    label = np.array([y for y, _ in drawn], dtype=np.int8)
    weight = np.array([w + 0.1 for _, w in drawn])
    none = costs(step(strength=0.0), label, pd.Series(["a", "b"] * len(drawn))[: len(drawn)], weight)

    again = relabel(label, weight, none.of(label, pd.Series(["a"] * len(drawn))))

    assert np.array_equal(again[0], label)
    assert np.array_equal(again[1], weight)


def test_a_cost_above_one_mistake_turns_a_label_round() -> None:
    label, weight = relabel(
        np.array([0, 0, 1, 1], dtype=np.int8), np.array([2.0] * 4), np.array([1.5, 0.5, -3, 1])
    )

    assert label.tolist() == [1, 0, 0, 1]
    assert weight.tolist() == [1, 1, 4, 4]


def test_reweighing_gives_the_weights_of_the_paper() -> None:
    # Kamiran and Calders 2012, section 4.2: five men, four of them +; five women, two of them +.
    group = pd.Series(["m"] * 5 + ["f"] * 5)
    label = np.array([1, 1, 1, 1, 0, 1, 1, 0, 0, 0], dtype=np.int8)

    table = reweighing(label, group, np.ones(10))

    assert {k: round(v, 2) for k, v in table.items()} == {
        ("m", 1): 0.75,
        ("m", 0): 2.0,
        ("f", 1): 1.5,
        ("f", 0): 0.67,
    }


def test_reweighed_rows_have_the_same_label_rate_in_every_group() -> None:
    label, group, weight = rows()
    heavy = weight * factors(reweighing(label, group, weight), label, group)

    rates = [np.average(label[group == g], weights=heavy[group == g]) for g in "abc"]

    assert rates == pytest.approx([label.mean()] * 3)


def test_what_training_never_saw_keeps_its_weight() -> None:
    assert factors({("a", 1): 2.0}, np.array([1, 0], dtype=np.int8), pd.Series(["z", "a"])).tolist() == [1, 1]


def test_several_attributes_are_joined_row_by_row() -> None:
    evidence = pd.DataFrame({"side": ["l", "r"], "age": ["old", "missing"], "other": ["-", "-"]})

    assert joined(evidence, ["side", "age"]).tolist() == ["l & old", "r & missing"]
    assert joined(evidence, ["age"]).tolist() == ["old", "missing"]

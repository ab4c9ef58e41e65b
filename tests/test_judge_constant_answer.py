"""A model that decides everybody alike is worth no more than a constant answer, and the gate says so."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from confusion_rows import document, limit, policy
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import binom
from sklearn import metrics as sk

from fairmark.judge.constant_answer import gain, profit_gain
from fairmark.judge.measurements import ConfusionCounts
from fairmark.judge.verdict import judge
from fairmark.params.learn import Profit
from fairmark.params.policy import ConstantAnswer, Policy
from fairmark.params.read import read_params
from fairmark.stats.measures import GOALS

ROOT = Path(__file__).resolve().parents[1]
ACCURACY = ConstantAnswer(measures=["accuracy"], at_least=0, not_required=None)


def _required(*limits: Any, answer: ConstantAnswer = ACCURACY) -> Policy:
    return policy(*limits).model_copy(update={"constant_answer": answer})


def _cells(tp: int, fp: int, fn: int, tn: int) -> ConfusionCounts:
    return ConfusionCounts(tp=tp, fp=fp, fn=fn, tn=tn)


# ------------------------------------------------------------------ by hand


@pytest.mark.parametrize(
    ("cells", "by_hand"),
    [
        ((120, 857, 0, 23), Fraction(143, 1000) - Fraction(880, 1000)),  # nearly everybody is selected
        ((0, 0, 120, 880), Fraction(0)),  # nobody is
        ((120, 880, 0, 0), Fraction(120, 1000) - Fraction(880, 1000)),  # everybody is
        ((90, 30, 30, 850), Fraction(940, 1000) - Fraction(880, 1000)),
        ((600, 50, 100, 250), Fraction(850, 1000) - Fraction(700, 1000)),  # "yes" is the better constant
    ],
)
def test_the_gain_in_accuracy_is_that_over_the_better_constant(
    cells: tuple[int, int, int, int], by_hand: Fraction
) -> None:
    found, _ = gain("accuracy_gain", {}, _cells(*cells))

    assert found.value == pytest.approx(float(by_hand))


def test_the_gains_are_those_of_scikit_learn_beside_its_constant_answers() -> None:
    label = np.repeat([1, 1, 0, 0], [60, 40, 30, 270])
    decision = np.repeat([1, 0, 1, 0], [60, 40, 30, 270])
    best = {
        name: max(score(label, np.zeros_like(label)), score(label, np.ones_like(label)))
        for name, score in (
            ("accuracy", sk.accuracy_score),
            ("balanced_accuracy", sk.balanced_accuracy_score),
            ("f1", lambda y, d: sk.f1_score(y, d, zero_division=0)),
        )
    }
    cells = _cells(60, 30, 40, 270)

    assert gain("accuracy_gain", {}, cells)[0].value == pytest.approx(
        sk.accuracy_score(label, decision) - best["accuracy"]
    )
    assert gain("balanced_accuracy_gain", {}, cells)[0].value == pytest.approx(
        sk.balanced_accuracy_score(label, decision) - best["balanced_accuracy"]
    )
    assert gain("f1_gain", {}, cells)[0].value == pytest.approx(sk.f1_score(label, decision) - best["f1"])


# ------------------------------------------------------------------ property


@given(st.integers(1, 40), st.floats(0.05, 0.95), st.floats(0.001, 0.5), st.sampled_from([0.01, 0.05]))
@settings(max_examples=40, deadline=None)
def test_a_model_no_better_than_no_is_shown_better_with_chance_of_the_tail_at_most(
    rows: int, differ: float, right: float, tail: float
) -> None:
    # Summed over every outcome: how many rows differ, and how many of these are right; no simulation.
    wrong = 0.0
    for other in range(rows + 1):
        weight = binom.pmf(other, rows, differ)
        for hits in range(other + 1):
            cells = _cells(hits, other - hits, 0, rows - other)
            if gain("accuracy_gain", {}, cells)[0].low(tail, 0.0) > max(0.0, differ * (2 * right - 1)):
                wrong += weight * binom.pmf(hits, other, right)

    assert wrong <= tail + 1e-9


@given(st.integers(0, 300), st.integers(0, 300), st.integers(0, 300), st.integers(0, 300))
@settings(max_examples=60, deadline=None)
def test_bounds_lie_on_either_side_of_every_gain(tp: int, fp: int, fn: int, tn: int) -> None:
    cells = _cells(tp, fp, fn, tn)
    for name in (f"{goal}_gain" for goal in GOALS):
        found, why = gain(name, {}, cells)
        if found.value is None:
            assert why
            continue
        assert found.low(0.05, 0.0) - 1e-9 <= found.value <= found.high(0.05, 0.0) + 1e-9


@given(st.integers(0, 3000), st.integers(0, 3000), st.booleans())
@settings(max_examples=30, deadline=None)
def test_whoever_decides_all_alike_passes_under_no_base_rate(positive: int, negative: int, yes: bool) -> None:
    if min(positive, negative) < 5:
        return
    each = (positive, negative, 0, 0) if yes else (0, 0, positive, negative)
    found = document({"Female": each, "Male": each})

    for name in ("accuracy", "balanced_accuracy", "f1"):
        answer = ConstantAnswer(measures=[name], at_least=0, not_required=None)
        verdict = judge(found, _required(limit("selection_rate", at_least=0.001), answer=answer), None)
        assert verdict.limits[f"constant-answer-{name.replace('_', '-')}"] != "pass"


# ------------------------------------------------------------------ the gate


def test_a_policy_that_all_alike_would_meet_fails_by_the_constant_answer() -> None:
    # 12% positive, 97.6% selected: equal selection rates, and accuracy 0.147 where "no" has 0.88.
    alike = document({"Female": (600, 4288, 0, 112), "Male": (600, 4288, 0, 112)})

    assert judge(alike, policy(), None).outcome == "pass"
    assert judge(alike, _required(), None).outcome == "fail"
    assert judge(alike, _required(), None).limits["constant-answer-accuracy"] == "fail"


def test_a_model_that_knows_something_passes() -> None:
    knows = document({"Female": (900, 150, 300, 8650), "Male": (900, 150, 300, 8650)})

    assert judge(knows, _required(), None).outcome == "pass"


def test_the_selection_rate_can_be_gated_overall_and_by_group() -> None:
    knows = document({"Female": (900, 150, 300, 8650), "Male": (900, 150, 300, 8650)})
    for where in (None, "sex"):
        assert judge(knows, policy(limit("selection_rate", where, at_most=0.2)), None).outcome == "pass"
        assert judge(knows, policy(limit("selection_rate", where, at_least=0.05)), None).outcome == "pass"
        assert judge(knows, policy(limit("selection_rate", where, at_most=0.05)), None).outcome == "fail"


def test_a_measure_of_scores_alone_is_not_enough() -> None:
    with pytest.raises(ValueError, match="measures must hold one of decisions"):
        ConstantAnswer(measures=["roc_auc"], at_least=0, not_required=None)


# ------------------------------------------------------------------ a rare label


@pytest.mark.parametrize(
    ("table", "counts", "said"),
    [
        ("Default", (20, 16, 79, 2885), "0.033 of the test rows are positive"),
        ("HMDA", (22, 18, 55, 619), "0.10784 of the test rows are positive"),
        ("one in a hundred", (0, 0, 30, 2970), "0.01 of the test rows are positive"),
        ("mostly yes", (2885, 79, 16, 20), "0.967 of the test rows are positive"),
    ],
)
def test_with_a_rare_label_an_open_gain_says_which_measure_can_be_shown(
    table: str, counts: tuple[int, int, int, int], said: str
) -> None:
    found = judge(document({"all": counts}), _required(limit("roc_auc", at_least=0.1)), None).findings
    text = next(each.text for each in found if each.limit == "constant-answer-accuracy")

    assert said in text, table
    line = "policy.constant_answer: {measures: [balanced_accuracy], at_least: 0, not_required: null}"
    assert line in text
    # What is said to be written is what params.yaml takes.
    ConstantAnswer.model_validate(yaml.safe_load(line.partition(": ")[2]))


def test_of_a_model_that_is_worse_no_other_measure_is_named() -> None:
    found = judge(document({"all": (120, 857, 0, 23)}), _required(limit("roc_auc", at_least=0.1)), None)

    assert found.outcome == "fail"
    assert not any("measures: [balanced_accuracy]" in each.text for each in found.findings)


# ------------------------------------------------------------------ the model that once went out


def _made(rows: int = 8000) -> tuple[Any, Any, Any]:
    """Return label, sex and score of the table by which a model that selects nearly all passed.

    `P(y) = expit(-3.2 + 1.2 [m] + 0.8 x + 0.3 z)`, and the feature is `x + 1.6 [m]`.
    """
    draw = np.random.default_rng(8)
    x, z, man = draw.normal(size=rows), draw.normal(size=rows), draw.integers(0, 2, rows)
    label = (draw.random(rows) < expit(-3.2 + 1.2 * man + 0.8 * x + 0.3 * z)).astype(np.int8)
    return label, np.where(man == 1, "m", "f"), x + 1.6 * man


@pytest.mark.parametrize("selected", [0.79, 0.84, 0.89])
def test_the_model_that_selects_nearly_all_fails_the_default_gate(selected: float) -> None:
    """By hand: decisions by the very score, at a threshold that evens the groups out by selecting most."""
    label, sex, score = _made()
    decision = (score >= np.quantile(score, 1 - selected)).astype(np.int8)
    counts = {
        group: tuple(
            int(((label == y) & (decision == d) & (sex == group)).sum())
            for y, d in ((1, 1), (0, 1), (1, 0), (0, 0))
        )
        for group in ("f", "m")
    }
    gate = read_params(ROOT / "params.yaml").policy
    # The limits that were met: no floor of accuracy, the four-fifths rule as far as this model keeps it.
    rules = _required(limit("selection_rate_ratio", "sex", at_least=0.6), answer=gate.constant_answer)

    found = judge(document(counts), rules, None)  # type: ignore[arg-type]

    assert found.outcome == "fail"
    assert [each.limit for each in found.findings if each.outcome == "fail"] == ["constant-answer-goal"]


def test_the_gain_of_a_profit_is_that_of_accuracy_where_each_right_decision_brings_one() -> None:
    cells = _cells(30, 10, 10, 50)
    plain, _ = gain("accuracy_gain", {}, cells)
    found = profit_gain(Profit(tp=1, tn=1, fp=0, fn=0), cells)

    assert found.value == pytest.approx(plain.value)
    assert (found.low(0.05, 0), found.high(0.05, 0)) == pytest.approx(
        (plain.low(0.05, 0), plain.high(0.05, 0))
    )


def test_the_gain_of_a_profit_by_hand() -> None:
    # 30 hits, 10 false, 10 missed, 50 right noes: 30 x 10 - 10 x 4 - 10 x 1 a hundred rows; "yes" brings
    # 40 x 10 - 60 x 4 and "no" brings - 40 x 1.
    cells = _cells(30, 10, 10, 50)

    found = profit_gain(Profit(tp=10, fp=-4, tn=0, fn=-1), cells)

    assert found.value == pytest.approx(2.5 - 1.6)
    assert found.low(0.05, 0) < 2.5 - 1.6 < found.high(0.05, 0)


def test_a_policy_follows_the_goal_of_the_threshold() -> None:
    rules = _required(answer=ConstantAnswer(measures=["goal"], at_least=0, not_required=None))

    assert [each.measure for each in rules.following("f1").gains] == ["f1_gain"]
    assert {each.name for goal in (None, "f1") for each in rules.following(goal).gains} == {
        "constant-answer-goal"
    }

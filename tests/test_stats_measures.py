"""The registry of measures: each row is what its peers compute, and nobody else keeps a list of measures."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from confusion_rows import document, known, limit, policy
from fairlearn import metrics as fair
from sklearn import metrics as peer

from fairmark.judge.verdict import judge
from fairmark.stats.confusion import confusion_matrix
from fairmark.stats.measures import COMPARED, MEASURES, QUANTITIES, OfBins, OfScores, Quantity, quantity
from fairmark.stats.rates import disparity, values_of, values_over_groups

ROOT = Path(__file__).resolve().parents[1]
DRAW = np.random.default_rng(31)
LABEL = (DRAW.random(400) < 0.4).astype(np.int8)
SCORE = np.clip(0.4 * LABEL + DRAW.random(400) * 0.6, 0.001, 0.999)
DECISION = (SCORE >= 0.5).astype(np.int8)
GROUP = DRAW.integers(0, 3, 400)
WEIGHT = DRAW.gamma(2.0, 1.0, 400)


def _calibration(label: Any, score: Any, sample_weight: Any) -> float:
    place = np.minimum((score * 10).astype(int), 9)
    return float(
        sum(
            sample_weight[at].sum()
            * abs(
                np.average(label[at], weights=sample_weight[at])
                - np.average(score[at], weights=sample_weight[at])
            )
            for at in (place == k for k in range(10))
            if at.any()
        )
        / sample_weight.sum()
    )


DECIDED: dict[str, Any] = {
    "accuracy": peer.accuracy_score,
    "balanced_accuracy": peer.balanced_accuracy_score,
    "precision": peer.precision_score,
    "recall": peer.recall_score,
    "true_positive_rate": fair.true_positive_rate,
    "false_positive_rate": fair.false_positive_rate,
    "false_negative_rate": fair.false_negative_rate,
    "false_discovery_rate": lambda y, d, sample_weight: (
        1 - peer.precision_score(y, d, sample_weight=sample_weight)
    ),
    "f1": peer.f1_score,
    "selection_rate": fair.selection_rate,
    "base_rate": lambda y, d, sample_weight: fair.selection_rate(d, y, sample_weight=sample_weight),
    "jaccard": peer.jaccard_score,
    "rejection_rate": lambda y, d, sample_weight: fair.selection_rate(y, 1 - d, sample_weight=sample_weight),
    "negative_predictive_value": lambda y, d, sample_weight: peer.precision_score(
        1 - y, 1 - d, sample_weight=sample_weight
    ),
}
"""The peer of each measure of decisions, by name."""
SCORED: dict[str, Any] = {
    "roc_auc": peer.roc_auc_score,
    "pr_auc": peer.average_precision_score,
    "log_loss": peer.log_loss,
    "brier": peer.brier_score_loss,
    "calibration_error": _calibration,
}


def test_every_measure_has_a_peer() -> None:
    assert {*DECIDED, *SCORED, "equalized_odds"} == {*MEASURES}


@pytest.mark.parametrize("name", DECIDED)
@pytest.mark.parametrize("weight", [np.ones(400), WEIGHT], ids=["plain", "weighted"])
def test_a_measure_of_decisions_is_its_peers_to_all_printed_digits(name: str, weight: np.ndarray) -> None:
    ours = values_of(confusion_matrix(LABEL, DECISION, np.zeros(400), 1, weight).weight, name)[0]

    assert f"{ours:.10g}" == f"{DECIDED[name](LABEL, DECISION, sample_weight=weight):.10g}"


@pytest.mark.parametrize("name", SCORED)
def test_a_measure_of_scores_is_its_peers_to_all_printed_digits(name: str) -> None:
    formula = MEASURES[name].formula
    assert isinstance(formula, OfScores | OfBins)
    bins = (10,) if isinstance(formula, OfBins) else ()

    ours = formula(LABEL, SCORE, WEIGHT, *bins)

    assert f"{ours:.10g}" == f"{SCORED[name](LABEL, SCORE, sample_weight=WEIGHT):.10g}"


@pytest.mark.parametrize("name", COMPARED)
def test_ratio_and_difference_are_those_of_fairlearns_metric_frame(name: str) -> None:
    frame = fair.MetricFrame(metrics=DECIDED[name], y_true=LABEL, y_pred=DECISION, sensitive_features=GROUP,
                             sample_params={"sample_weight": WEIGHT})  # fmt: skip
    matrix = confusion_matrix(LABEL, DECISION, GROUP, 3, WEIGHT)
    found = disparity(matrix, name, 0.05)
    assert not isinstance(found, str)

    for each, how, theirs in zip(
        found, ("ratio", "difference"), (frame.ratio(), frame.difference()), strict=True
    ):
        assert f"{each.value:.10g}" == f"{theirs:.10g}"
        assert f"{values_over_groups(matrix.weight, f'{name}_{how}'):.10g}" == f"{theirs:.10g}"


def test_equalized_odds_is_fairlearns() -> None:
    matrix = confusion_matrix(LABEL, DECISION, GROUP, 3)

    ours = values_over_groups(matrix.weight, "equalized_odds_difference")

    assert (
        f"{ours:.10g}" == f"{fair.equalized_odds_difference(LABEL, DECISION, sensitive_features=GROUP):.10g}"
    )


@pytest.mark.parametrize("name", [*MEASURES])
def test_the_ends_of_a_measure_are_where_its_row_says_so(name: str) -> None:
    row = MEASURES[name]

    assert all(row.ends)
    assert row.ends[0] != row.ends[1]
    assert row.label
    assert row.meaning
    assert row.better in {"higher", "lower", "neither"}


@pytest.mark.parametrize("name", ["false_negative_rate", "false_discovery_rate"])
@pytest.mark.parametrize(
    ("how", "side"), [("", "at_most"), ("_ratio", "at_least"), ("_difference", "at_most")]
)
def test_the_two_error_rates_can_gate_in_every_way(name: str, how: str, side: str) -> None:
    whole = document({"F": (800, 200, 200, 3000), "M": (1500, 400, 500, 6000)})
    loose, tight = (0.9, 0.01) if side == "at_most" else (0.01, 0.99)
    outcomes = [
        judge(whole, policy(limit(f"{name}{how}", "sex", **{side: value})), None).outcome
        for value in (loose, tight)
    ]

    assert outcomes[0] == "pass"
    assert outcomes[1] != "pass"


def test_the_error_rates_are_what_is_left_of_recall_and_precision() -> None:
    found = document().overall

    for name, other in (("false_negative_rate", "recall"), ("false_discovery_rate", "precision")):
        value, low, high = known(found[other])
        assert known(found[name]) == pytest.approx((1 - value, 1 - high, 1 - low))


def test_what_may_gate_stands_in_the_row_alone() -> None:
    for name, each in QUANTITIES.items():
        assert each.how in each.measure.gates
        assert quantity(name) == each
    assert quantity("jaccard_ratio") == Quantity(MEASURES["jaccard"], "ratio")
    assert "jaccard_ratio" not in QUANTITIES
    assert quantity("height") is None


WRITERS = {"measures.py", "trial.py", "train.py", "summary_metrics.py"}
"""The registry, and who fills in a document with these keys: no lists to choose from."""


def _lists(tree: ast.AST) -> Iterator[tuple[int, list[str]]]:
    """Yield every list, tuple, set or mapping that names three measures or more, and where."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Dict | ast.List | ast.Tuple | ast.Set):
            continue
        parts = node.keys if isinstance(node, ast.Dict) else node.elts
        names = [
            str(part.value) for part in parts if isinstance(part, ast.Constant) and part.value in MEASURES
        ]
        if len(set(names)) >= 3:
            yield node.lineno, names


def test_no_other_module_keeps_a_list_of_measures() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line} {names}"
        for folder in ("src", "flows")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if path.name not in WRITERS
        for line, names in _lists(ast.parse(path.read_text(encoding="utf-8")))
    ]

    assert found == []


def test_the_largest_log_loss_is_that_of_one_certain_mistake() -> None:
    formula = MEASURES["log_loss"].formula
    assert isinstance(formula, OfScores)

    assert formula(np.array([1]), np.array([0.0]), np.ones(1)) == MEASURES["log_loss"].most

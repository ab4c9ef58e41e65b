"""The quick gate is the verdict without its bounds: every outcome and value is that of `judge`."""

import itertools
from typing import Any

import numpy as np
import pytest
from confusion_rows import NOTHING, about, limit, policy
from scorecard_table import parts, scorecard

from fairmark.evaluate.experiments import gated_measurements, quick_verdict
from fairmark.evaluate.measure import measure
from fairmark.evaluate.summary_metrics import Rows
from fairmark.judge.measurements import Measurements
from fairmark.judge.verdict import judge
from fairmark.params.policy import Limit, Policy

PARTS = parts(1500, seed=3)
ROWS = Rows.of(PARTS, "train")
SCORES = scorecard().score(ROWS.table)
OPTIONS: dict[str, Any] = {"confidence": 0.95, "replicates": 100, "seed": 1, "bins": 5}
GATES: list[tuple[Limit, ...]] = [
    *(
        (limit(name, at_least=at),)
        for name, at in itertools.product(["roc_auc", "f1"], [0.3, 0.8, 0.85, 0.99])
    ),
    *(
        (limit(name, "team", at_least=at),)
        for name, at in itertools.product(["recall", "brier"], [0.1, 0.85])
    ),
    *((limit("selection_rate_ratio", "team", at_least=at),) for at in (0.5, 0.8, 0.9, 0.99)),
    *((limit("true_positive_rate_difference", "team", at_most=at),) for at in (0.01, 0.05, 0.1, 0.3)),
    *((limit("equalized_odds_difference", "team", at_most=at),) for at in (0.01, 0.1, 0.3)),
    (limit("balanced_accuracy", at_least=0.7), limit("log_loss", at_most=0.5), limit("recall", at_least=0.2)),
    (limit("selection_rate_ratio", "nobody", at_least=0.8),),
]


def _both(given: Policy, weight: np.ndarray, cut: float) -> tuple[Any, Any]:
    rows = Rows(ROWS.table, ROWS.label, weight, ROWS.groups, ROWS.known)
    decision = np.greater_equal(SCORES, cut).astype(np.int8)
    heavy = None if (weight == 1).all() else weight
    found = measure(ROWS.label, SCORES, decision, heavy, ROWS.groups, ROWS.known, **OPTIONS)
    beside = about(len(SCORES), int(ROWS.label.sum()), threshold=cut, weighted=heavy is not None)
    verdict = judge(Measurements.of(found, beside), given, None)
    assert not verdict.faults
    return verdict, quick_verdict(gated_measurements(rows, SCORES, decision, given, 5, NOTHING), given)


@pytest.mark.parametrize("gates", GATES, ids=lambda gates: f"{gates[0].measure} {gates[0].at_least}")
@pytest.mark.parametrize(("correction", "cut"), [("bonferroni", 0.5), ("intersection-union", 0.97)])
def test_outcomes_are_those_of_the_judge(gates: tuple[Limit, ...], correction: str, cut: float) -> None:
    given = policy(*gates).model_copy(update={"correction": correction})

    for weight in (np.ones(len(SCORES)), np.random.default_rng(1).gamma(3, 1, len(SCORES))):
        verdict, found = _both(given, weight, cut)
        outcomes = {name: each.outcome for name, each in found.limits.items()}
        assert (found.outcome, outcomes) == (verdict.outcome, verdict.limits)
        for name, each in found.limits.items():
            values = [one.value for one in verdict.findings if one.limit == name and one.value is not None]
            assert (
                each.value is None
                if not values
                else each.value
                == pytest.approx(
                    min(values) if gates[0].at_least is not None or "recall" in name else max(values)
                )
            )


def test_what_is_only_reported_is_left_out() -> None:
    gate, other = limit("accuracy", at_least=0.1), limit("recall", at_least=0.99)
    given = policy(gate, other.model_copy(update={"gate": False}))

    verdict, found = _both(given, np.ones(len(SCORES)), 0.5)

    assert list(found.limits) == [gate.name]
    assert found.outcome == verdict.outcome == "pass"


def test_a_policy_that_gates_nothing_shows_nothing() -> None:
    given = policy(limit("accuracy", at_least=0.1).model_copy(update={"gate": False}))

    assert _both(given, np.ones(len(SCORES)), 0.5)[1].to_json() == {
        "outcome": "insufficient evidence",
        "limits": {},
    }

"""What labels can't show is never given as a number; bounds hold the truth whatever the unseen labels are."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, recall_score
from watched import START, counted, decision, outcome, policy, reference, watch

from fairmark.stats.measures import share
from fairmark.watch.evidence import limit_streams
from fairmark.watch.identified import SHOWN, KnownRate, estimated_rates, known_rates, worst_case
from fairmark.watch.windows import Counts, in_sample

SELECTED = watch(labels="selected")
SAMPLED = watch(labels="selected", label_sample={"share": 0.5, "how": "Half of the refused are approved."})


def of_selected(rows: int = 400, sample: float = 0.0) -> tuple[Counts, list[int], list[int]]:
    """Return what is counted where labels come for the selected and the sample; labels, decisions."""
    rng = np.random.default_rng(4)
    scores = rng.random(rows)
    made = [decision(START + k, float(score)) for k, score in enumerate(scores)]
    labels = (rng.random(rows) < scores).astype(int).tolist()
    seen = [
        (each, label)
        for each, label in zip(made, labels, strict=True)
        if each.decision or in_sample(each.id, sample)
    ]
    found = counted([*made, *(outcome(each, label) for each, label in seen)], sample=sample).total
    assert found is not None
    return found, labels, [int(each.decision or 0) for each in made]


def rates(total: Counts, how: object) -> dict[str, KnownRate]:
    return {each.measure: each for each in known_rates(total, how, 0.05) if not each.attribute}  # type: ignore[arg-type]


def test_of_selected_labels_only_precision_is_a_number() -> None:
    found = rates(of_selected()[0], SELECTED)

    assert {name for name, each in found.items() if each.value is not None} == {"precision"}
    assert found["accuracy"].basis == "worst case"
    assert "not identified" in found["true_positive_rate"].why


def test_worst_case_bounds_hold_the_truth_that_nobody_saw() -> None:
    total, labels, decided = of_selected()
    found = rates(total, SELECTED)

    assert found["accuracy"].low <= accuracy_score(labels, decided) <= found["accuracy"].high
    assert (
        found["true_positive_rate"].low <= recall_score(labels, decided) <= found["true_positive_rate"].high
    )


def test_the_convenient_number_would_be_wrong() -> None:
    total, labels, decided = of_selected()
    convenient = total.outcomes[""][""][3] / (total.outcomes[""][""][2] + total.outcomes[""][""][3])

    assert convenient == 1
    assert recall_score(labels, decided) < 0.9


def test_a_declared_sample_identifies_the_rates_with_its_own_bounds() -> None:
    total, labels, decided = of_selected(3000, sample=0.5)
    found = rates(total, SAMPLED)

    assert found["true_positive_rate"].basis == "sample"
    assert (
        found["true_positive_rate"].low <= recall_score(labels, decided) <= found["true_positive_rate"].high
    )
    assert found["true_positive_rate"].high - found["true_positive_rate"].low < 0.25


@given(*[st.integers(0, 4)] * 4, st.integers(0, 3), st.integers(0, 3), st.sampled_from(SHOWN))
def test_worst_case_bounds_are_those_of_every_labelling(
    tn: int, fp: int, fn: int, tp: int, unseen_no: int, unseen_yes: int, measure: str
) -> None:
    low, high, _ = worst_case(
        share(measure), [tn, fp, fn, tp], [tn + fp + fn + tp + unseen_no + unseen_yes, fp + tp + unseen_yes]
    )
    values = []
    for zero, one in product(range(unseen_no + 1), range(unseen_yes + 1)):
        table = np.array([[[tn + unseen_no - zero, fp + unseen_yes - one], [fn + zero, tp + one]]], float)
        values += [float(each) for each in share(measure)(table) if not np.isnan(each)]

    assert (low, high) == pytest.approx((min(values), max(values)) if values else (0, 1))


def test_limits_that_labels_can_t_tell_are_said_to_be_so() -> None:
    total, _, _ = of_selected()
    gated = policy(
        {"name": "found", "measure": "true_positive_rate_difference", "attribute": "sex", "at_most": 0.2},
        {"name": "right", "measure": "accuracy", "at_least": 0.7},
        {"name": "precise", "measure": "precision", "at_least": 0.5},
        {"name": "auc", "measure": "roc_auc", "at_least": 0.7},
    )
    found, unknown = limit_streams([total], reference(), gated, SELECTED)

    assert [each.limit.name for each in found] == ["precise"]
    assert "not identified" in unknown["found"]
    assert "not identified" in unknown["right"]
    assert "no rate" in unknown["auc"]


def test_the_estimate_from_scores_needs_no_label_and_stays_where_the_relation_moves() -> None:
    made = [decision(START + k, score) for k, score in enumerate([0.9, 0.8, 0.4, 0.1])]
    flipped = [outcome(each, 1 - int(each.decision or 0)) for each in made]
    found = counted([*made, *flipped]).pending
    assert found is not None

    assert {each.measure: each.value for each in estimated_rates(found)} == pytest.approx(
        {
            "accuracy": 0.8,
            "precision": 0.85,
            "true_positive_rate": 1.7 / 2.2,
            "false_positive_rate": 0.3 / 1.8,
        }
    )
    assert rates(found, watch())["accuracy"].value == 0


def test_bounds_of_identified_rates_hold_together_at_every_look() -> None:
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(12):
        total = Counts(START, START, groups={"": {"": [0, 0]}}, outcomes={"": {"": [0, 0, 0, 0]}})
        missed = False
        for _ in range(4):
            cells = rng.multinomial(60, [0.5, 0.1, 0.1, 0.3])
            total.outcomes[""][""] = [a + int(b) for a, b in zip(total.outcomes[""][""], cells, strict=True)]
            total.groups[""][""] = [sum(total.outcomes[""][""]), 0]
            found = rates(total, watch())
            truth = {
                "accuracy": 0.8,
                "precision": 0.75,
                "true_positive_rate": 0.75,
                "false_positive_rate": 1 / 6,
            }
            missed |= any(not found[name].low <= value <= found[name].high for name, value in truth.items())
        wrong += missed

    assert wrong <= 2  # more of 12 has a chance of 2% where each errs with 5%

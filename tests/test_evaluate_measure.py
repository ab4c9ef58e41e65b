"""The document holds every group and measure, says why one is missing, and refuses rows that are none."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from confusion_rows import FAIR, document, known, measured_anew, rows

from fairmark.errors import InputError
from fairmark.evaluate.measure import headline, measure, table
from fairmark.judge.measured import Measured
from fairmark.judge.measurements import ConfusionCounts
from fairmark.stats.measures import COUNTED, GAINS, SCORED

HOW: dict[str, Any] = {"confidence": 0.95, "replicates": 100, "seed": 1, "bins": 10}


def test_values_are_counted_by_hand() -> None:
    found = document({"F": (2, 1, 1, 6), "M": (3, 3, 1, 3)})

    assert found.cells == ConfusionCounts(tp=5, fp=4, fn=2, tn=9)
    assert found.overall["accuracy"].value == 14 / 20
    assert found.groups["sex"]["F"].measures["selection_rate"].value == 3 / 10
    ratio = found.disparities["sex"]["selection_rate_ratio"]
    assert ratio.value == pytest.approx(0.5)
    assert (ratio.lowest, ratio.highest) == ("F", "M")
    assert found.disparities["sex"]["equalized_odds_difference"].value == pytest.approx(3 / 6 - 1 / 7)


def test_every_measure_is_there_overall_and_for_every_group_within_its_interval() -> None:
    found = document()
    groups = [each.measures for each in found.groups["sex"].values()]
    assert set(found.overall) == {*COUNTED, *SCORED, *GAINS}
    for entries in (found.overall, *groups):
        assert set(entries) - set(GAINS) == {*COUNTED, *SCORED}
        for entry in entries.values():
            value, low, high = known(entry)
            assert low <= value <= high


def test_a_known_group_without_rows_is_null_and_says_why() -> None:
    label, score, decision, group = rows({"F": (2, 1, 1, 6), "M": (3, 3, 1, 3)})
    found = measure(
        label, score, decision, None, pd.DataFrame({"sex": group}), {"sex": ["F", "M", "missing"]}, **HOW
    )
    empty = found.groups["sex"]["missing"]

    assert (empty.rows, empty.positives) == (0, 0)
    assert {entry.why for entry in empty.measures.values()} >= {"no rows", "no row is selected"}
    assert all(entry.value is None for entry in empty.measures.values())
    assert found.disparities["sex"]["selection_rate_ratio"].low == 0.0


@pytest.mark.parametrize(
    ("cells", "measure_", "why"),
    [
        ((0, 3, 0, 7), "roc_auc", "no row has the positive label"),
        ((3, 0, 7, 0), "roc_auc", "no row has the negative label"),
        ((0, 3, 0, 7), "recall", "no row has the positive label"),
        ((3, 0, 7, 0), "balanced_accuracy", "no row has the negative label"),
        ((0, 0, 3, 7), "precision", "no row is selected"),
    ],
)
def test_a_measure_that_does_not_exist_says_why(
    cells: tuple[int, int, int, int], measure_: str, why: str
) -> None:
    found = document({"F": cells, "M": (3, 3, 1, 3)})

    nothing = Measured(value=None, low=None, high=None, why=why)
    assert found.groups["sex"]["F"].measures[measure_] == nothing


def test_equal_weights_change_no_value_and_no_bound() -> None:
    plain = document()
    label, score, decision, group = rows(FAIR)
    twice = measure(
        label,
        np.minimum(score, 1.0),
        decision,
        np.full(len(label), 2.0),
        pd.DataFrame({"sex": group}),
        {"sex": ["Female", "Male"]},
        confidence=0.95,
        replicates=200,
        seed=1,
        bins=10,
    )

    for name, entry in plain.overall.items():
        assert twice.overall[name].value == pytest.approx(entry.value)
        assert twice.overall[name].low == pytest.approx(entry.low, rel=1e-6)
    assert twice.cells.effective_rows == pytest.approx(len(label))


def test_uneven_weights_widen_the_intervals() -> None:
    plain, uneven = (
        document(),
        document(weight=np.random.default_rng(1).gamma(1.0, 1.0, sum(map(sum, FAIR.values())))),
    )

    for name in ("accuracy", "roc_auc", "brier"):
        bounds = [known(found.overall[name]) for found in (plain, uneven)]
        widths = [high - low for _, low, high in bounds]
        assert widths[1] > 1.2 * widths[0]


def test_the_same_rows_give_the_same_document_and_json_takes_it() -> None:
    assert json.dumps(measured_anew(FAIR).to_json()) == json.dumps(measured_anew(FAIR).to_json())


def test_the_headline_holds_values_alone() -> None:
    found = document()
    top = headline(found, 0.5)

    assert top.threshold == 0.5
    assert top.overall["roc_auc"] == found.overall["roc_auc"].value
    assert top.fairness["sex"]["accuracy_ratio"] == found.disparities["sex"]["accuracy_ratio"].value


def test_the_table_has_a_line_for_each_measure_of_each_group_and_of_all() -> None:
    lines = table(document())

    assert len(lines) == 3 * 15 + len(GAINS)
    assert lines.query("attribute == '' and measure == 'accuracy'")["value"].item() == pytest.approx(
        13500 / 15300
    )


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("score", float("nan"), "score: must be in 0..1, got nan"),
        ("score", 1.5, "score: must be in 0..1, got 1.5"),
        ("label", 2, r"label: must be 0 or 1, got \[2\]"),
        ("decision", 3, r"decision: must be 0 or 1, got \[3\]"),
        ("weight", 0.0, "weight: must be a number > 0"),
        ("weight", float("inf"), "weight: must be a number > 0"),
        ("group", "X", r"evidence.sex: must hold the groups \['F', 'M'\] alone, got \['X'\]"),
    ],
)
def test_other_rows_are_refused(column: str, value: Any, words: str) -> None:
    label, score, decision, group = rows({"F": (2, 1, 1, 6), "M": (3, 3, 1, 3)})
    given: dict[str, Any] = {
        "label": label,
        "score": score,
        "decision": decision,
        "weight": np.ones(20),
        "group": group,
    }
    given[column][4] = value
    groups = pd.DataFrame({"sex": given.pop("group")})

    with pytest.raises(InputError, match=words):
        measure(groups=groups, known={"sex": ["F", "M"]}, **given, **HOW)


def test_columns_of_other_lengths_are_refused() -> None:
    label, score, decision, group = rows({"F": (2, 1, 1, 6), "M": (3, 3, 1, 3)})

    with pytest.raises(InputError, match=r"score: must have the shape of the labels \(20,\), got \(19,\)"):
        measure(label, score[1:], decision, None, pd.DataFrame({"sex": group}), {"sex": ["F", "M"]}, **HOW)

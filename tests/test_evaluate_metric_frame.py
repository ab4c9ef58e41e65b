"""Fairlearn's MetricFrame says of the same rows what the measurements say, to the last digit."""

import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
from confusion_rows import FAIR, UNFAIR, Counts, document, rows
from fairlearn import metrics as fairlearn
from sklearn import metrics as sklearn

from fairmark.errors import InputError, StateError
from fairmark.evaluate.metric_frame import OF_DECISIONS, metric_frame, metric_frame_of
from fairmark.files import canonical_floats
from fairmark.judge.measurements import read_measurements
from fairmark.stats.measures import COMPARED, COUNTED

UNEVEN: Counts = {"a": (30, 10, 5, 55), "b": (7, 1, 13, 79), "c": (3, 2, 1, 4)}


def weights(counts: Counts) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.random.default_rng(5).gamma(2.0, size=len(rows(counts)[0]))


@pytest.mark.parametrize("counts", [FAIR, UNFAIR, UNEVEN])
@pytest.mark.parametrize("weighted", [False, True])
def test_disparities_of_rows_are_those_of_the_measurements(counts: Counts, *, weighted: bool) -> None:
    weight = weights(counts) if weighted else None
    written = document(counts, weight).to_json()["disparities"]["sex"]
    label, _, decision, group = rows(counts)

    frame = metric_frame(label, decision, group, sample_weight=weight)

    for name in COMPARED:
        assert canonical_floats(float(frame.difference()[name])) == written[f"{name}_difference"]["value"]
        assert canonical_floats(float(frame.ratio()[name])) == written[f"{name}_ratio"]["value"]


@pytest.mark.parametrize("counts", [FAIR, UNFAIR, UNEVEN])
def test_disparities_of_measurements_are_their_own(counts: Counts) -> None:
    written = document(counts).to_json()

    frame = metric_frame_of(read_measurements(written), "sex")

    for name in COMPARED:
        disparities = written["disparities"]["sex"]
        assert canonical_floats(float(frame.difference()[name])) == disparities[f"{name}_difference"]["value"]
        assert canonical_floats(float(frame.ratio()[name])) == disparities[f"{name}_ratio"]["value"]


def test_every_measure_of_every_group_is_that_of_the_measurements() -> None:
    written = document(UNEVEN).to_json()

    frame = metric_frame_of(read_measurements(written), "sex", COUNTED)

    entries = {"all": written["overall"]}
    entries |= {name: entry["measures"] for name, entry in written["groups"]["sex"].items()}
    for group, entry in entries.items():
        found = (frame.overall if group == "all" else frame.by_group.loc[group]).to_dict()
        assert canonical_floats(found) == {name: entry[name]["value"] for name in COUNTED}


def test_weighted_measurements_agree_to_the_nine_digits_that_their_rounded_sums_keep() -> None:
    written = document(UNEVEN, weights(UNEVEN)).to_json()

    frame = metric_frame_of(read_measurements(written), "sex", COUNTED)

    for group, entry in written["groups"]["sex"].items():
        theirs = {name: entry["measures"][name]["value"] for name in COUNTED}
        assert frame.by_group.loc[group].to_dict() == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_measures_are_those_of_fairlearn_and_scikit_learn(*, weighted: bool) -> None:
    label, _, decision, group = rows(UNEVEN)
    weight = weights(UNEVEN) if weighted else np.ones(len(label))
    theirs = {
        "selection_rate": fairlearn.selection_rate,
        "true_positive_rate": fairlearn.true_positive_rate,
        "false_positive_rate": fairlearn.false_positive_rate,
        "false_negative_rate": fairlearn.false_negative_rate,
        "accuracy": sklearn.accuracy_score,
        "balanced_accuracy": sklearn.balanced_accuracy_score,
        "precision": sklearn.precision_score,
        "recall": sklearn.recall_score,
        "f1": sklearn.f1_score,
        "jaccard": sklearn.jaccard_score,
    }
    oracle = fairlearn.MetricFrame(
        metrics=theirs,
        y_true=label,
        y_pred=decision,
        sensitive_features=group,
        sample_params={name: {"sample_weight": weight} for name in theirs},
    )

    frame = metric_frame(label, decision, group, sample_weight=weight, measures=list(theirs))

    pd.testing.assert_frame_equal(frame.by_group, oracle.by_group)
    pd.testing.assert_series_equal(frame.difference(), oracle.difference())
    pd.testing.assert_series_equal(frame.ratio(), oracle.ratio())
    odds = frame.difference()[["true_positive_rate", "false_positive_rate"]].max()
    assert odds == pytest.approx(
        fairlearn.equalized_odds_difference(label, decision, sensitive_features=group, sample_weight=weight)
    )


def test_a_group_that_has_no_rate_is_left_to_the_others() -> None:
    # "b" has no positive row, so its true positive rate is not 0 (as Fairlearn's own would be) but none.
    frame = metric_frame([1, 1, 0, 0, 1, 1], [1, 0, 1, 0, 1, 1], list("aabbcc"))

    rates = frame.by_group["true_positive_rate"]
    assert np.isnan(rates["b"])
    assert frame.difference()["true_positive_rate"] == 0.5
    assert frame.ratio()["true_positive_rate"] == 0.5


def test_a_group_without_rows_stays_in_sight() -> None:
    written = document(dict(FAIR) | {"Other": (0, 0, 0, 0)})

    frame = metric_frame_of(written, "sex")

    assert frame.by_group.loc["Other"].isna().all()
    assert frame.difference().notna().all()


def test_groups_of_several_attributes_are_crossed() -> None:
    groups = pd.DataFrame({"sex": ["f", "f", "m", "m"], "age": ["old", "young", "old", "young"]})

    frame = metric_frame([1, 0, 1, 0], [1, 1, 0, 0], groups, measures=["selection_rate"])

    assert frame.by_group["selection_rate"].to_dict() == {
        ("f", "old"): 1,
        ("f", "young"): 1,
        ("m", "old"): 0,
        ("m", "young"): 0,
    }


def test_measures_that_nobody_knows_are_refused() -> None:
    with pytest.raises(InputError, match=r"measures: must be of accuracy, .* got 'kindness'"):
        metric_frame([1, 0], [1, 0], ["a", "b"], measures=["accuracy", "kindness"])
    assert set(COMPARED) <= set(OF_DECISIONS)


def test_an_attribute_that_was_not_measured_is_refused() -> None:
    with pytest.raises(InputError, match="attribute: must be of sex, got 'race'"):
        metric_frame_of(document(FAIR), "race")


@pytest.mark.parametrize(("label", "decision"), [([1, 2], [1, 0]), ([1, 0], [0.5, 0]), ([1, np.nan], [1, 0])])
def test_what_is_neither_0_nor_1_is_refused(label: list[float], decision: list[float]) -> None:
    with pytest.raises(InputError, match=r"y_(true|pred): must hold 0 and 1, got"):
        metric_frame(label, decision, ["a", "b"])


def test_without_fairlearn_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fairlearn.metrics", None)
    monkeypatch.setitem(sys.modules, "fairlearn", None)

    with pytest.raises(StateError, match=r"must have the extra pipeline .*, got no module fairlearn"):
        metric_frame([0, 1], [0, 1], ["a", "b"])

"""A limit compares what its measure and attribute say, in as many comparisons whatever was measured."""

import pytest
from confusion_rows import document, limit, unread

from fairmark.judge.comparisons import Balance, Difference, Ratio, Scored, Share
from fairmark.judge.limits import compared, invalid
from fairmark.params.policy import Limit
from fairmark.stats.measures import APPROXIMATE, GAINS, QUANTITIES

WHOLE = document({"A": (30, 10, 10, 50), "B": (20, 5, 20, 55), "C": (0, 0, 0, 0)})

THREE = WHOLE.evidence


@pytest.mark.parametrize(
    ("given", "groups", "kind"),
    [
        (limit("accuracy", at_least=0.5), [()], Share),
        (limit("f1", at_least=0.5), [()], Share),
        (limit("balanced_accuracy", at_least=0.5), [()], Balance),
        (limit("roc_auc", at_most=0.9), [()], Scored),
        (limit("recall", "sex", at_least=0.5), [("A",), ("B",), ("C",)], Share),
        (limit("brier", "sex", at_most=0.5), [("A",), ("B",), ("C",)], Scored),
        (limit("accuracy_ratio", "sex", at_least=0.5), [("B", "A"), ("C", "A"), ("C", "B")], Ratio),
        (limit("recall", "sex", at_most=0.5), [("A",), ("B",), ("C",)], Share),
        (limit("precision_difference", "sex", at_most=0.5), [("B", "A"), ("A", "C"), ("B", "C")], Difference),
    ],
)
def test_a_limit_makes_its_comparisons(given: Limit, groups: list[tuple[str, ...]], kind: type) -> None:
    found = compared(given, THREE)

    assert [each.groups for each in found] == groups
    assert all(isinstance(each.comparison, kind) for each in found)


def test_equalized_odds_compares_both_rates_of_every_pair() -> None:
    found = compared(limit("equalized_odds_difference", "sex", at_most=0.1), THREE)

    assert [each.rate for each in found] == ["true_positive_rate"] * 3 + ["false_positive_rate"] * 3
    assert {each.bounds for each in found} == {1}


def test_values_are_those_of_the_document() -> None:
    overall = THREE.overall
    for name in ("accuracy", "f1", "balanced_accuracy", "roc_auc", "calibration_error", "recall"):
        found = compared(limit(name, at_least=0.1), THREE)[0].comparison.value
        assert found == pytest.approx(overall[name].value)


def test_a_group_without_rows_has_no_value_and_says_why() -> None:
    found = compared(limit("true_positive_rate_ratio", "sex", at_least=0.8), THREE)

    assert [each.comparison.value is None for each in found] == [False, True, True]
    assert found[1].empty == "no row has the positive label in C"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (unread("kindness", at_least=0.5), "measure must be one of roc_auc"),
        (
            limit("accuracy", "race", at_least=0.5),
            r"attribute must be one that was measured, \['sex'\], got 'race'",
        ),
        (unread("accuracy_ratio", at_least=0.5), "attribute must be named for accuracy_ratio, got null"),
        (unread("accuracy_ratio", "sex", at_most=1.25), "at_least must be set for accuracy_ratio"),
        (unread("accuracy_difference", "sex", at_least=0.1), "at_most must be set for accuracy_difference"),
    ],
)
def test_a_limit_that_says_nothing_is_named(given: Limit, words: str) -> None:
    import re

    found = invalid(given, {"sex": {}})

    assert found is not None
    assert re.search(words, found)


def test_every_known_measure_can_be_judged() -> None:
    for name, asked in QUANTITIES.items():
        side = {"at_most": 0.5} if name.endswith("_difference") else {"at_least": 0.5}
        gate = asked.measure.name not in APPROXIMATE
        given = limit(name, None if name in GAINS else "sex", gate=gate, **side)
        assert invalid(given, THREE.groups) is None
        for each in compared(given, THREE):
            if each.comparison.value is not None:
                low, high = each.comparison.low(0.05, 0.5), each.comparison.high(0.05, 0.5)
                assert low - 1e-9 <= each.comparison.value <= high + 1e-9

"""A finding says what was found, on how many rows, against which limit, and what to do about it."""

import datetime as dt

import pytest
from confusion_rows import document, limit, policy

from fairmark.judge.verdict import judge
from fairmark.params.policy import Limit, Waiver
from fairmark.stats.measures import QUANTITIES, spoken

WHOLE = document()
FEW = document({"F": (3, 1, 2, 24), "M": (60, 30, 20, 390)})
DAY = dt.date(2026, 11, 23)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            limit("accuracy", at_least=0.85),
            "accuracy is 0.88235 on 15,300 test rows; its lower bound 0.87798 clears the limit",
        ),
        (
            limit("false_positive_rate", "sex", at_most=0.05),
            "even its lower bound 0.062331 misses the limit of at most 0.05. Change the model",
        ),
        (
            limit("equalized_odds_difference", "sex", at_most=0.05),
            "equalized odds difference (true positive rate) by sex, Male / Female, is 0 on",
        ),
        (
            limit("true_positive_rate_difference", "sex", at_most=0.05),
            "equal opportunity difference (true positive rate) by sex, Male / Female, is 0 on",
        ),
        (
            limit("selection_rate_ratio", "sex", at_least=0.8),
            "selection rate ratio by sex, Female / Male, is 1",
        ),
        (limit("roc_auc", at_most=0.6), "Too good to be true: look for features that hold the label"),
    ],
)
def test_a_finding_in_words(given: Limit, words: str) -> None:
    assert words in judge(WHOLE, policy(given), None).findings[0].text


def test_no_measure_is_called_by_its_name_in_a_params_file() -> None:
    assert [name for name in QUANTITIES if "_" in spoken(name)] == []
    assert (
        len({spoken(name) for name in QUANTITIES} - {"true positive rate"}) == len(QUANTITIES) - 2
    )  # recall is one of two


def test_what_can_not_be_computed_says_why_and_what_to_do() -> None:
    nobody = document({"F": (0, 0, 9, 90), "M": (0, 0, 9, 90)})
    text = judge(nobody, policy(limit("precision", at_least=0.5)), None).findings[0].text

    assert text == (
        "precision can't be computed: no row is selected. "
        "Measure on test rows of every group concerned, or record a waiver in policy.waivers."
    )


@pytest.mark.parametrize(
    ("ceiling", "words"), [(0.92, "More than can be believed"), (0.945, "So near the ceiling")]
)
def test_an_auc_at_its_ceiling_asks_for_leakage_before_rows(ceiling: float, words: str) -> None:
    found = judge(FEW, policy(limit("roc_auc", at_most=ceiling)), None).findings[0]

    assert found.outcome == "insufficient evidence", found.text
    assert f"{words}: look for features that hold the label" in found.text


def test_a_value_on_the_limit_asks_for_no_rows() -> None:
    on = limit("base_rate", at_least=2400 / 15300)

    assert (
        "No reasonable number of rows decides at 0.15686" in judge(WHOLE, policy(on), None).findings[0].text
    )


def test_few_rows_are_said_of_the_group_that_has_them() -> None:
    text = judge(FEW, policy(), None).findings[0].text

    assert text.endswith("Few test rows: F has 30, below the policy's 100.")


@pytest.mark.parametrize(
    ("days", "words"),
    [
        ((DAY - dt.timedelta(9), DAY - dt.timedelta(1)), "has expired."),
        ((DAY + dt.timedelta(1), DAY + dt.timedelta(9)), "does not stand yet."),
    ],
)
def test_a_waiver_out_of_its_days_is_named(days: tuple[dt.date, dt.date], words: str) -> None:
    given = policy().limits[0].name
    waiver = Waiver(
        limit=given, groups=None, decided_by="A. P.", reason="R.", decided=days[0], expires=days[1]
    )

    assert judge(FEW, policy(waivers=(waiver,)), DAY).findings[0].text.endswith(words)


def test_where_few_of_many_are_selected_that_is_the_cause_and_no_millions_of_rows_are_advised() -> None:
    rare = document({"F": (12, 12, 5888, 45088), "M": (14, 14, 6186, 42548)})  # 52 of 99,762
    text = judge(rare, policy(limit("selection_rate_ratio", "sex", at_least=0.8)), None).findings[0].text

    assert "The selection rate counts 24 of 51,000 (F) and 28 of 48,762 (M): so few" in text
    assert "Change the threshold or the model" in text
    assert "would decide" not in text

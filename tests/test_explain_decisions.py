"""Single decisions show the telling rows, everything that moved them, and the reasons in words."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from schemas import column

from fairmark.explain.decisions import decisions, picked, reasons
from fairmark.explain.dependence import cell_value
from fairmark.explain.documents import Contribution, Decision, Reason, value_text

MARGIN = np.array([0.1, -3.0, 5.0, -0.2, 2.0])
DECISION = np.array([1, 0, 1, 0, 1], dtype=np.int8)


def test_the_four_telling_rows_are_picked() -> None:
    assert picked(MARGIN, DECISION, 4) == [
        (2, "surest yes"),
        (1, "surest no"),
        (0, "yes nearest to the threshold"),
        (3, "no nearest to the threshold"),
    ]


def test_more_rows_go_on_in_turn_and_none_comes_twice() -> None:
    rows = [row for row, _ in picked(MARGIN, DECISION, 9)]

    assert sorted(rows) == [0, 1, 2, 3, 4]


def test_one_row_is_picked_once() -> None:
    assert picked(np.array([1.0]), np.array([1], dtype=np.int8), 4) == [(0, "surest yes")]


def test_everybody_refused_leaves_no_yes_to_show() -> None:
    chosen = picked(MARGIN, np.zeros(5, dtype=np.int8), 2)

    assert chosen == [(1, "surest no"), (2, "no nearest to the threshold")]


FEATURES = [
    column("age"),
    column("job", "categorical"),
    column("own", "boolean"),
]
ROWS = pd.DataFrame(
    {"age": [25.0, 60.5], "job": ["smith", None], "own": pd.array([True, False], dtype="boolean")}
)
CONTRIBUTIONS = np.array([[-1.0, 0.25, -0.5, 0.0], [2.0, -0.5, 0.25, 0.0]])  # [2, 3 features and the base]


def _made() -> list[Decision]:
    score = 1 / (1 + np.exp(-CONTRIBUTIONS.sum(axis=1)))
    return decisions(ROWS, FEATURES, CONTRIBUTIONS, score, (score >= 0.5).astype(np.int8), 2)


def test_a_decision_by_hand() -> None:
    no = _made()[1]

    assert (no.row, no.why, no.decision, no.margin, no.base) == (1, "surest no", 0, -1.25, 0.0)
    assert no.contributions == [
        Contribution(feature="age", value=25.0, shap=-1.0),
        Contribution(feature="own", value=True, shap=-0.5),
        Contribution(feature="job", value="smith", shap=0.25),
    ]


def test_a_no_is_explained_by_what_lowered_it_most() -> None:
    assert _made()[1].reasons == [
        Reason(feature="age", value="25", effect="lowers the score most"),
        Reason(feature="own", value="yes", effect="lowers the score second most"),
    ]


def test_a_yes_is_explained_by_what_raised_it_most() -> None:
    assert [(reason.feature, reason.effect) for reason in _made()[0].reasons] == [
        ("age", "raises the score most"),
        ("own", "raises the score second most"),
    ]


def test_no_more_than_four_reasons_are_given() -> None:
    moves = [Contribution(feature=name, value=None, shap=-1.0) for name in "fedcba"]

    assert [reason.feature for reason in reasons(moves, 0)] == ["a", "b", "c", "d"]


def test_a_decision_that_nothing_moved_has_no_reason() -> None:
    assert reasons([Contribution(feature="a", value=1.0, shap=0.0)], 0) == []


@pytest.mark.parametrize(
    ("value", "kind", "expected", "words"),
    [
        (1234567.0, "numeric", 1234567.0, "1234567"),
        (0.1234567, "numeric", 0.1234567, "0.123457"),
        (np.nan, "numeric", None, "missing"),
        (pd.NA, "boolean", None, "missing"),
        (np.True_, "boolean", True, "yes"),
        (pd.Timestamp("2020-02-29"), "date", "2020-02-29", "2020-02-29"),
        (pd.Timestamp("2020-02-29 12:30"), "date", "2020-02-29T12:30:00", "2020-02-29T12:30:00"),
        (pd.NaT, "date", None, "missing"),
        ("tea & <cake>", "categorical", "tea & <cake>", "tea & <cake>"),
    ],
)
def test_values_are_shown_by_name(value: Any, kind: str, expected: Any, words: str) -> None:
    assert cell_value(value, kind) == expected
    assert value_text(cell_value(value, kind)) == words

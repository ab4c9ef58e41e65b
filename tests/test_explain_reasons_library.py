"""Reasons are told in reviewed words where there are some, and say how much of a decision they leave out."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from schemas import column

from fairmark.errors import ParamsError
from fairmark.explain.decisions import coverage, decisions, in_words, require_texts
from fairmark.explain.documents import ExplainedDecision, LimeOpinion
from fairmark.params.evaluate import ReasonText, ReasonTexts

NO_OPINION = LimeOpinion(
    fidelity=None, effects={}, moves={}, agreement=None, against=[], only_shap=[], only_lime=[]
)
TEXTS = ReasonTexts(
    reviewed_by="The testers",
    reviewed=dt.date(2026, 11, 28),
    features={
        "age": ReasonText(raises="Age is high", lowers="Age is low"),
        "job": ReasonText(raises="The job pays well", lowers="The job pays little"),
    },
)


def _decided(move: float, answer: int) -> ExplainedDecision:
    rows = pd.DataFrame({"age": [30.0], "job": ["cook"]})
    found = decisions(
        rows,
        [column("age"), column("job", "categorical")],
        np.array([[move, -move / 4, 0.1]]),
        np.array([0.5]),
        np.array([answer], dtype=np.int8),
        1,
    )
    return ExplainedDecision(**dict(found[0]), lime=NO_OPINION)


@pytest.mark.parametrize(("move", "answer", "told"), [(2.0, 1, ["Age is high"]), (-2.0, 0, ["Age is low"])])
def test_a_reason_is_told_in_the_words_of_its_direction(move: float, answer: int, told: list[str]) -> None:
    (one,) = in_words([_decided(move, answer)], TEXTS)

    assert [reason.text for reason in one.reasons] == told


def test_without_a_library_nothing_is_added() -> None:
    (one,) = in_words([_decided(2.0, 1)], None)

    assert one.reasons[0].text is None


def test_a_library_that_lacks_a_feature_or_names_another_is_refused_with_all_of_them() -> None:
    with pytest.raises(ParamsError) as caught:
        require_texts(["age", "town"], TEXTS)

    assert str(caught.value).splitlines() == [
        "explain.texts.features: must name every feature of the model, got no town",
        "explain.texts.features: must name features of the model, got 'job'",
    ]


def test_coverage_is_the_share_that_the_first_four_moves_make() -> None:
    # A no moved by 5, 2, 1, 1 and 1 of 10, and raised by 3; the last column is the base value.
    moves = np.array([[-5.0, -2.0, -1.0, -1.0, -1.0, 3.0, 0.2]])

    found = coverage(moves, np.array([0], dtype=np.int8))

    assert found["no"].covered == pytest.approx(0.9)
    assert found["no"].left_out == 0
    assert (found["yes"].rows, found["yes"].covered) == (0, None)


def test_a_fifth_reason_half_as_strong_as_the_first_is_left_out() -> None:
    moves = np.array([[2.0, 2.0, 2.0, 2.0, 1.0, 0.0], [2.0, 1.0, 0.0, 0.0, 0.0, 0.0]])

    found = coverage(moves, np.array([1, 1], dtype=np.int8))["yes"]

    assert found.left_out == 0.5
    assert found.covered == pytest.approx((8 / 9 + 1) / 2)
    assert found.least == pytest.approx(8 / 9)


def test_a_row_that_nothing_moved_towards_its_decision_has_no_reasons_to_leave_out() -> None:
    found = coverage(np.array([[-1.0, 0.3]]), np.array([1], dtype=np.int8))["yes"]

    assert (found.rows, found.covered, found.left_out) == (1, None, None)

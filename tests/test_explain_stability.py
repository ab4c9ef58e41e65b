"""Explanations of refits are compared with the model's own: ranks, reasons and decisions, worked out anew."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from scorecard_table import CHOSEN, POLICY, TRAIN, parts

from fairmark.data.split import Parts
from fairmark.explain.documents import Stability
from fairmark.explain.stability import reasons_of, stability
from fairmark.learn.fit import fit, fit_model
from fairmark.learn.training_data import drawn, ready
from fairmark.model.model import Model
from fairmark.params.evaluate import ExplainedRefits

ASKED = ExplainedRefits(seed=3, refits=2, rows=80, most_rows=None)


@pytest.fixture(scope="module")
def table() -> Parts:
    return parts(600)


@pytest.fixture(scope="module")
def model(table: Parts) -> Model:
    return fit_model(table, CHOSEN, TRAIN, POLICY)


@pytest.fixture(scope="module")
def rows(table: Parts) -> pd.DataFrame:
    return table.part("test")[0]


@pytest.fixture(scope="module")
def found(table: Parts, model: Model, rows: pd.DataFrame) -> Stability:
    return stability(table, model, rows, ASKED, TRAIN, POLICY, 3)


@pytest.fixture(scope="module")
def again(table: Parts) -> list[Model]:
    """Return the refits, made apart from the code that compares them."""
    known = ready(table, TRAIN)
    return [
        fit(drawn(known, 3, number), CHOSEN, TRAIN.model_copy(update={"seed": TRAIN.seed + number}), POLICY)
        for number in (1, 2)
    ]


def test_ranks_correlate_as_scipy_says_of_mean_absolute_shapley_values(
    found: Stability, model: Model, again: list[Model], rows: pd.DataFrame
) -> None:
    own, *others = (np.abs(each.contributions(rows[:80])[:, :-1]).mean(axis=0) for each in (model, *again))

    assert found.correlation == pytest.approx([spearmanr(own, each).statistic for each in others])


def test_the_first_features_have_their_ranks_in_every_refit(found: Stability) -> None:
    assert [each.rank for each in found.features] == [1, 2, 3]
    # The label follows x and the job: no draw of rows hides that.
    assert found.features[0].feature == "x"
    assert found.features[0].again == [1, 1]
    assert all(len(each.again) == found.refits == 2 for each in found.features)


def test_rows_that_refits_decide_otherwise_are_counted(
    found: Stability, model: Model, again: list[Model], rows: pd.DataFrame
) -> None:
    own, *others = (each.decide(rows[:80]) for each in (model, *again))

    assert found.otherwise == pytest.approx(np.mean([(own != each).mean() for each in others]))
    assert found.reasons is not None
    alike = sum(int((own == each).sum()) for each in others)
    assert sum(each.rows for each in found.reasons.values()) == alike


def test_reasons_that_come_again_are_those_of_both(
    found: Stability, model: Model, again: list[Model], rows: pd.DataFrame
) -> None:
    def named(each: Model, row: int) -> set[int]:
        moves = each.contributions(rows[row : row + 1])[0, :-1]
        return {int(k) for k in np.argsort(-moves)[:4] if moves[k] > 0}

    yes = [model.decide(rows[:80]) == 1, *(each.decide(rows[:80]) == 1 for each in again)]
    shares = [
        len(named(model, row) & named(other, row)) / len(named(model, row))
        for other, theirs in zip(again, yes[1:], strict=True)
        for row in np.flatnonzero(yes[0] & theirs)
    ]

    assert found.reasons is not None
    assert found.reasons["yes"].kept == pytest.approx(np.mean(shares))


def test_reasons_are_the_four_that_moved_most_and_none_that_moved_the_other_way() -> None:
    moves = np.array([[5.0, 4.0, 3.0, 2.0, 1.0], [-1.0, 0.5, -2.0, 0.0, 0.1]])

    assert reasons_of(moves).tolist() == [[True] * 4 + [False], [False, True, False, False, True]]


def test_a_model_of_the_same_rows_and_seed_would_give_the_same_reasons(
    table: Parts, model: Model, rows: pd.DataFrame
) -> None:
    """No row drawn twice: the only key of all train rows is one unit, and a scorecard knows no seed."""
    one = table.table.assign(_person="everybody")
    whole = Parts(table=one, evidence=table.evidence, schema=table.schema, belongs=table.belongs)

    found = stability(whole, model, rows, ASKED, TRAIN, POLICY, 3)

    assert found.otherwise == 0
    assert found.reasons is not None
    assert {each.kept for each in found.reasons.values()} == {1.0}
    assert list(found.correlation) == pytest.approx([1.0, 1.0])


def test_params_without_refits_say_so(table: Parts, model: Model, rows: pd.DataFrame) -> None:
    found = stability(table, model, rows, None, TRAIN, POLICY, 3)

    assert (found.refits, found.why) == (0, "params ask for no refits (explain.stability)")

"""A counterfactual turns the decision, changes only what may change, and is the nearest that does."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

from fairmark.data.cells import Kind
from fairmark.errors import UsageError
from fairmark.explain.counterfactuals import counterfactuals
from fairmark.model.estimator import Estimator
from fairmark.params.prepare import Numeric

KINDS = {
    "hours": Kind("numeric"),
    "debts": Kind("numeric"),
    "job": Kind("categorical", ("a", "b", "c")),
    "school": Kind("ordinal", ("none", "some", "much", "all")),
    "owner": Kind("boolean", pair=("yes", "no")),
    "loose": Kind("numeric"),
}
POINTS = {"job": {"a": 0, "b": 15, "c": 5}, "school": {"none": 0, "some": 4, "much": 8, "all": 12}}
ROW = {"hours": 40, "debts": 10.0, "job": "a", "school": "some", "owner": "no", "loose": 1.0}


def _points(rows: pd.DataFrame) -> Any:
    """Return hours - debts + points of job and school + 3 for owners; from 50 on the decision is 1."""
    named = sum(rows[name].map(POINTS[name]).astype(float) for name in POINTS)
    return rows["hours"].astype(float) - rows["debts"].astype(float) + named + 3 * (rows["owner"] == "yes")


def _model() -> Estimator:
    rule = Numeric(kind="numeric", min=0, max=100, missing=0)
    params = SimpleNamespace(columns={"hours": rule, "debts": rule.model_copy(update={"max": 50})})

    def scored(rows: pd.DataFrame) -> pd.DataFrame:
        points = _points(rows)
        return pd.DataFrame({"score": points / 200, "decision": (points >= 50).astype("int64")})

    made = SimpleNamespace(
        model=SimpleNamespace(features=list(KINDS)),
        reader=SimpleNamespace(kinds=KINDS, params=params),
        scored=scored,
    )
    return cast("Estimator", made)


def _found(mutable: dict[str, Any], **changed: Any) -> list[Any]:
    return counterfactuals(_model(), pd.DataFrame([{**ROW, **changed}]), mutable)


def test_the_nearest_number_that_turns_the_decision_by_hand() -> None:
    # 40 - 10 + 0 + 4 = 34 of 50: sixteen hours more, of a range of a hundred.
    [one] = _found({"hours": "either"})

    assert one.changes == {"hours": (40.0, 56.0)}
    assert (one.decision, one.cost) == (1, pytest.approx(0.16))
    assert one.score == pytest.approx(50 / 200)


def test_a_number_moves_only_where_it_may() -> None:
    assert _found({"hours": "decreasing"}) == []
    assert _found({"debts": "increasing"}) == []


def test_the_cheapest_comes_first_and_each_feature_once() -> None:
    found = _found({"hours": "increasing", "job": "either", "debts": "decreasing"}, hours=45)

    # 39 of 50: eleven hours, or job b; without debts it would be 49.
    assert [each.changes for each in found] == [{"hours": (45.0, 56.0)}, {"job": ("a", "b")}]


def test_two_features_are_changed_only_where_one_does_not_do() -> None:
    # 34 of 50: job b makes 49, an owner 37, both 52.
    [both] = _found({"job": "either", "owner": "increasing"})

    assert both.changes == {"job": ("a", "b"), "owner": ("no", "yes")}
    assert both.cost == 2


def test_a_rank_moves_only_where_it_may() -> None:
    assert _found({"school": "increasing"}, hours=48)[0].changes == {"school": ("some", "all")}
    assert _found({"school": "decreasing"}, hours=48) == []
    assert _found({"owner": "decreasing"}, hours=53) == []


def test_a_yes_is_turned_too() -> None:
    [one] = _found({"hours": "either"}, hours=60)

    assert one.changes == {"hours": (60.0, 55.0)}
    assert one.decision == 0


def test_a_number_without_bounds_is_not_changed() -> None:
    assert _found({"loose": "either"}) == []


def test_a_missing_category_may_become_any_and_a_missing_number_none() -> None:
    assert _found({"job": "either"}, job=None, hours=52)[0].changes == {"job": (None, "b")}
    assert _found({"debts": "decreasing"}, debts=np.nan) == []


def test_nothing_mutable_gives_nothing() -> None:
    assert _found({}) == []


def test_what_the_model_does_not_read_is_refused() -> None:
    with pytest.raises(UsageError, match="must be features of the model, got sex"):
        _found({"sex": "either"})


def test_two_rows_are_refused() -> None:
    with pytest.raises(UsageError, match="must be one row, got 2"):
        counterfactuals(_model(), pd.DataFrame([ROW, ROW]), {})

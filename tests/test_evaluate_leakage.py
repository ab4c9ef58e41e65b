"""Leaks that were put in are found, and a table without any shows none."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scorecard_table import ODD, parts, rows, scorecard

from fairmark.data.split import Parts
from fairmark.evaluate.documents import Duplicates, DuplicateShares
from fairmark.evaluate.leakage import concentration, duplicates, look_ahead_features, single_feature_auc
from fairmark.evaluate.summary_metrics import Rows
from fairmark.model.encoder import Encoder
from fairmark.model.model_file import Column

NUMBER = Column(name="x", kind="numeric", categories=None)


def _alone(
    column: Column, seen: list[float], label: list[int], values: list[float], other: list[int]
) -> float:
    matrix, places = np.array(seen)[:, None], np.array(values)[:, None]
    train = matrix, np.array(label, dtype=np.int8), np.ones(len(label))
    found = single_feature_auc([column], train, places, rows(other, ["red"] * len(other)))[column.name]
    assert found is not None
    return found


def test_a_column_that_gives_the_label_away_has_area_1_whichever_way_it_points() -> None:
    assert _alone(NUMBER, [1, 2, 3, 4], [1, 1, 0, 0], [1, 2, 3, 4], [1, 1, 0, 0]) == 1


def test_a_bent_relation_is_seen_too() -> None:
    seen, label = [*range(9)] * 9, [0, 0, 0, 1, 1, 1, 0, 0, 0] * 9

    assert _alone(NUMBER, [float(x) for x in seen], label, [1, 4, 8], [0, 1, 0]) == 1


def test_missing_values_are_a_value() -> None:
    assert _alone(NUMBER, [np.nan, np.nan, 1, 1], [1, 1, 0, 0], [np.nan, 1], [1, 0]) == 1


def test_a_category_that_train_rows_lack_says_nothing() -> None:
    job = Column(name="job", kind="categorical", categories=["a", "b", "c"])

    # The base rate 0.5 stands between "a", always 1, and "b", always 0.
    assert _alone(job, [0, 0, 1, 1], [1, 1, 0, 0], [0, 2, 1], [1, 1, 0]) == 1
    assert _alone(job, [0, 0, 1, 1], [1, 1, 0, 0], [2, 2], [1, 0]) == 0.5


def test_a_constant_column_has_half() -> None:
    assert _alone(NUMBER, [7, 7, 7], [1, 0, 1], [7, 7], [1, 0]) == 0.5


def test_one_label_in_the_measured_rows_gives_none() -> None:
    train = np.ones((2, 1)), np.array([0, 1], dtype=np.int8), np.ones(2)

    assert single_feature_auc([NUMBER], train, np.ones((1, 1)), rows([1], ["red"])) == {"x": None}


def test_the_largest_share_of_the_contributions_is_a_weighted_mean() -> None:
    contributions = np.array([[3.0, -1, 9], [0, 2, 9]])

    found = concentration(contributions, ["x", "y"], np.array([2.0, 1]))

    assert found.to_json() == {"rows": 2, "feature": "x", "share": pytest.approx(6 / 10)}


def test_a_model_that_nothing_moves_leans_on_no_column() -> None:
    assert concentration(np.zeros((3, 3)), ["x", "y"], np.ones(3)).share is None


def test_dates_after_the_rows_own_time_are_counted() -> None:
    made = parts(4, _time=pd.Timestamp("2021-06-01"))
    dates = pd.to_datetime(["2021-06-02", "2021-06-01", "2021-05-31", "NaT"])

    found = look_ahead_features(replace(made, table=made.table.assign(since=dates)))

    assert found.to_json() == {"dates": {"since": {"rows": 3, "share": pytest.approx(1 / 3)}}}


def test_rows_without_a_time_say_so() -> None:
    assert look_ahead_features(parts(4)).to_json() == {"dates": None, "why": "no time column"}


def _duplicates(made: Parts) -> Duplicates:
    model, test = scorecard(), Rows.of(made, "test")
    return duplicates(made, model.encoder.transform(made.table), test, model.score(test.table), 0.5)


def _copied(label: int, team: str) -> Parts:
    """Return parts where the first of two test rows equals a train row, up to its label and team."""
    made = parts(6)
    table = made.table.assign(
        x=[0.0, 1, 2, 3, 0, 5], _label=pd.Series([1, 0, 1, 0, label, 1], dtype="int8"), **{ODD: "cook"}
    )
    evidence = made.evidence.assign(**{"team": ["red"] * 4 + [team, "red"], "withheld:team": "red"})
    belongs = pd.Series(["train", "train", "valid", "valid", "test", "test"])
    return replace(made, table=table, evidence=evidence, belongs=belongs)


def test_a_test_row_that_stands_among_the_train_rows_is_counted() -> None:
    found = _duplicates(_copied(1, "red"))

    assert found.train == DuplicateShares(share=0.5, same_label=0.5)
    assert found.valid == DuplicateShares(share=0, same_label=0)
    assert found.without.rows == 1


def test_a_twin_of_another_label_is_a_twin_but_not_of_the_same_label() -> None:
    assert _duplicates(_copied(0, "red")).train == DuplicateShares(share=0.5, same_label=0)


def test_a_row_of_another_group_is_no_twin() -> None:
    assert _duplicates(_copied(1, "blue")).train.share == 0


def test_missing_values_are_alike() -> None:
    made = _copied(1, "red")

    missing = replace(made, table=made.table.assign(x=[np.nan, 1, 2, 3, np.nan, 5]))

    assert _duplicates(missing).train.share == 0.5


def test_the_count_agrees_with_a_join_of_tables() -> None:
    rng = np.random.default_rng(2)
    made = parts(300, x=rng.integers(0, 5, 300).astype(float))
    keys = ["x", ODD, "team"]
    both = made.table.assign(team=made.evidence["team"], part=made.belongs)
    known = set(both.loc[both["part"] == "train", keys].itertuples(index=False, name=None))
    tested = [*both.loc[both["part"] == "test", keys].itertuples(index=False, name=None)]

    assert _duplicates(made).train.share == pytest.approx(np.mean([row in known for row in tested]))


def test_every_feature_of_a_table_has_its_own_power() -> None:
    made = parts(300)
    encoder = Encoder.fit(made.part("train")[0], made.schema.features, 9)
    train, test = Rows.of(made, "train"), Rows.of(made, "test")
    learnt = encoder.transform(train.table), train.label, train.weight

    found = single_feature_auc(encoder.columns, learnt, encoder.transform(test.table), test)

    assert max(found, key=lambda name: found[name] or 0) == "x"
    assert set(found) == set(encoder.names)

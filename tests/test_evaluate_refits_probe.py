"""A feature that says nothing is told from one that does, and leaving it out costs nothing."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from schemas import column
from scorecard_table import CHECKS, CHOSEN, ODD, POLICY, TRAIN, parts, rows
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from fairmark.data.split import Parts
from fairmark.evaluate.documents import Probe
from fairmark.evaluate.refits import Fits, auc_change, placements, probe
from fairmark.evaluate.summary_metrics import Rows
from fairmark.stats.score_measures import roc_auc

FITS = Fits(TRAIN, POLICY)
BOOSTED = CHOSEN.model_copy(update={"family": "boosted", "settings": {"num_leaves": 4, "learning_rate": 0.2}})


def _probed(made: Parts, chosen: Any = CHOSEN) -> Probe:
    return probe(made, FITS.model(made, chosen), CHECKS, FITS, 0.05)


@pytest.mark.parametrize("chosen", [CHOSEN, BOOSTED])
def test_noise_is_told_from_signal(chosen: Any) -> None:
    found = _probed(parts(1200), chosen)

    assert set(found.indistinct) == {"noise", "own", "since"}
    assert [entry.feature for entry in found.features][:2] == ["x", ODD]
    assert max(map(abs, found.probe.drops)) < 0.02


def test_dropping_what_says_nothing_changes_next_to_nothing() -> None:
    found = _probed(parts(1200)).dropped
    assert found is not None

    change = found.roc_auc_change
    assert change.value == pytest.approx((found.after.roc_auc or 0) - (found.before.roc_auc or 1))
    assert abs(change.value) < 0.01
    assert (change.low or 1) < 0 < (change.high or -1)


def test_where_every_feature_helps_nothing_is_dropped() -> None:
    found = _probed(parts(1200, features="x job"))

    assert (found.indistinct, found.dropped) == ([], None)
    assert found.why == "every feature does more than the probe"


def test_where_no_feature_helps_none_is_dropped() -> None:
    found = _probed(parts(600, features="noise own"))

    assert (found.dropped, found.why) == (None, "no feature does more than the probe")


def test_a_constant_column_does_no_more_than_chance() -> None:
    made = parts(600, noise=1.0)

    assert "noise" in _probed(made).indistinct


def test_a_feature_called_random_is_no_trouble() -> None:
    made = parts(600, features="x noise")
    schema = made.schema.without_features(["noise"]).with_features(column("random"))

    found = _probed(replace(made, schema=schema, table=made.table.rename(columns={"noise": "random"})))

    assert found.indistinct == ["random"]


def test_test_rows_change_nothing() -> None:
    made = parts()
    other = made.table.assign(x=made.table["x"].where(made.belongs != "test", 0.0))

    assert _probed(made) == _probed(replace(made, table=other))


def test_the_drop_is_that_of_scikit_learn() -> None:
    made = parts(2000, features="x job")
    model = FITS.model(made, CHOSEN)
    valid = Rows.of(made, "valid")

    def area(_: Any, matrix: Any, label: Any) -> float:
        return float(roc_auc_score(label, model.margin_of(matrix)))

    matrix = model.encoder.transform(valid.table)
    oracle = permutation_importance(
        LogisticRegression(), matrix, valid.label, scoring=area, n_repeats=20, random_state=0
    )

    mine = {entry.feature: entry.drop for entry in _probed(made).features}
    assert [mine["x"], mine[ODD]] == pytest.approx(oracle.importances_mean, abs=0.02)


# ------------------------------------------------------------------ placements

SCORES = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 4)), min_size=6, max_size=30)


@given(SCORES)
def test_placements_of_either_class_average_to_the_area(drawn: list[tuple[int, int]]) -> None:
    label, score = (np.array([1, 0, *part]) for part in zip(*drawn, strict=True))
    few = rows(label.tolist(), ["red"] * len(label))

    placed = placements(few, score.astype(float))

    oracle = roc_auc_score(label, score)
    assert placed[label == 1].mean() == pytest.approx(oracle)
    assert placed[label == 0].mean() == pytest.approx(oracle)


def test_a_change_from_a_coin_has_the_error_of_the_area_itself() -> None:
    rng = np.random.default_rng(0)
    many = rows((rng.random(300) < 0.4).astype(int).tolist(), ["red"] * 300)
    score = rng.normal(size=300) + many.label

    found = auc_change(many, np.full(300, 0.5), placements(many, score), 0.025)

    oracle = roc_auc(many.label, score, many.weight)
    assert oracle is not None
    assert found.value == pytest.approx(oracle.value - 0.5)
    assert found.low is not None
    assert found.value - found.low == pytest.approx(1.96 * oracle.se, rel=0.02)


def test_one_row_of_a_class_bounds_nothing() -> None:
    few = rows([1, 0, 0], ["red"] * 3)

    found = auc_change(few, np.array([0.5, 0.5, 0.5]), np.array([1, 1, 1.0]), 0.05)

    assert found.to_json() == {"value": 0.5, "low": None, "high": None}


def test_what_is_pure_chance_is_called_useful_as_rarely_as_stated() -> None:
    rng = np.random.default_rng(4)
    few = rows([0, 1] * 100, ["red"] * 200)

    false = 0
    for _ in range(300):
        base = rng.normal(size=200) + few.label
        one, two = (placements(few, base + 0.3 * rng.normal(size=200)) for _ in range(2))
        low = auc_change(few, one, two, 0.1).low
        false += low is not None and low > 0

    assert false / 300 < 0.15

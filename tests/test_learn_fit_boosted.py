"""Boosted trees are the same text every time, explain themselves exactly, and load as nothing but trees."""

from dataclasses import replace

import numpy as np
import pytest
from people_table import FEATURES, TRAIN, frames

from fairmark.errors import InputError
from fairmark.learn import fit_boosted
from fairmark.learn.training_data import Sample
from fairmark.model import boosted_trees
from fairmark.model.encoder import Encoder
from fairmark.release.disclosure import smallest_leaf

TABLE, EVIDENCE, _ = frames(800)
ENCODER = Encoder.fit(TABLE, FEATURES, 9)
ALL = Sample.plain(ENCODER.transform(TABLE), TABLE["_label"].to_numpy(), np.ones(800))
ROWS, WATCHED = ALL.take(np.arange(600)), ALL.take(np.arange(600, 800))
SETTINGS = {"learning_rate": 0.2, "num_leaves": 7, "min_child_samples": 20}


def fitted(rows: Sample = ROWS, watched: Sample = WATCHED) -> boosted_trees.Boosted:
    return fit_boosted.fit(rows, watched, ENCODER.columns, SETTINGS, TRAIN)


MODEL = fitted()


def test_twice_gives_the_same_text() -> None:
    assert fitted().text == MODEL.text


def test_the_text_names_no_number_of_threads_but_one() -> None:
    assert "[num_threads: 1]" in fit_boosted.canonical_text(
        MODEL.text.replace("[num_threads: 1]", "[num_threads: 64]")
    )
    assert "[num_threads: 1]" in MODEL.text


def test_what_is_loaded_scores_the_same() -> None:
    again = boosted_trees.load(MODEL.dumps(), ENCODER.columns)

    assert np.array_equal(again.raw(ALL.matrix), MODEL.raw(ALL.matrix))
    assert (again.rounds, again.dumps()) == (MODEL.rounds, MODEL.dumps())


def test_rounds_stop_where_validation_rows_stop_gaining() -> None:
    noise = replace(WATCHED, label=1 - WATCHED.label)

    assert fitted(watched=noise).rounds < MODEL.rounds <= TRAIN.max_rounds


def test_contributions_add_up_to_the_log_odds() -> None:
    values = MODEL.contributions(ALL.matrix)

    np.testing.assert_allclose(values.sum(axis=1), MODEL.raw(ALL.matrix), atol=1e-9)
    assert MODEL.contributions(ALL.matrix[:0]).shape == (0, len(FEATURES) + 1)


def test_contributions_that_do_not_add_up_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boosted_trees.Boosted, "raw", lambda _, matrix: np.full(len(matrix), 9.0))

    with pytest.raises(ArithmeticError, match="must add up to the log-odds"):
        MODEL.contributions(ALL.matrix)


def test_a_row_without_weight_has_no_say() -> None:
    lost = np.arange(600) % 3 == 0
    heavy = replace(ROWS, weight=np.where(lost, 0.0, 1.0))
    turned = replace(heavy, label=np.where(lost, 1 - ROWS.label, ROWS.label).astype(np.int8))

    assert np.array_equal(fitted(heavy).raw(ALL.matrix), fitted(turned).raw(ALL.matrix))


@pytest.mark.parametrize("smallest", [3, 12])
def test_no_leaf_stands_for_fewer_rows_than_asked_however_sure_the_model_is_of_the_others(
    smallest: int,
) -> None:
    rng = np.random.default_rng(5)
    number = rng.normal(size=(3000, len(FEATURES)))
    # Nearly all labels follow from the first feature, so that the few others have all the curvature.
    label = (number[:, 0] > 0) ^ (rng.random(3000) < 0.004)
    rows = Sample.plain(number, label.astype(np.int8), np.ones(3000))
    columns = [
        column.model_copy(update={"kind": "numeric", "categories": None}) for column in ENCODER.columns
    ]
    base = TRAIN.model_copy(update={"max_rounds": 200, "patience": 200})

    def least(asked: int) -> int:
        made = fit_boosted.fit(
            rows, rows, columns, SETTINGS, base.model_copy(update={"smallest_leaf": asked})
        )
        return smallest_leaf(made.text) or 0

    assert least(smallest) >= smallest
    assert least(1) < smallest  # min_child_samples alone, 20 here, does not hold it


def test_a_mitigated_fit_starts_from_the_label_rate_and_says_so_in_its_trees() -> None:
    nudged = [replace(rows, cost=np.full(len(rows.label), 1e-9)) for rows in (ROWS, WATCHED)]

    np.testing.assert_allclose(fitted(*nudged).raw(ALL.matrix), MODEL.raw(ALL.matrix), atol=0.05)


def test_costs_move_decisions_to_where_they_gain() -> None:
    left = (EVIDENCE["side"] == "left").to_numpy()
    cost = np.where(left, 1.0, -0.5)
    costly = [replace(rows, cost=part) for rows, part in ((ROWS, cost[:600]), (WATCHED, cost[600:]))]

    shares = [(model.raw(ALL.matrix)[left] > 0).mean() for model in (MODEL, fitted(*costly))]

    assert shares[1] > shares[0] + 0.05


def test_a_setting_that_lightgbm_refuses_is_refused() -> None:
    with pytest.raises(InputError, match=r"tune.families.boosted: .* got .*num_leaves"):
        fit_boosted.fit(ROWS, WATCHED, ENCODER.columns, {"num_leaves": 1}, TRAIN)


@pytest.mark.parametrize(
    "text", ["", "tree\n", MODEL.text[:2000], "import os", "tree\nversion=v4\nend of trees\n"]
)
def test_anything_but_trees_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="must be LightGBM's model text"):
        boosted_trees.load(text, ENCODER.columns)


def test_trees_of_other_features_are_refused() -> None:
    with pytest.raises(InputError, match="must read 4 features, got 5"):
        boosted_trees.load(MODEL.text, ENCODER.columns[:4])


def test_rows_too_few_to_split_still_give_a_model() -> None:
    few = [rows.take(np.arange(12)) for rows in (ROWS, WATCHED)]
    costly = [replace(rows, cost=np.linspace(-1, 1, 12)) for rows in few]

    for pair in (few, costly):
        assert len(np.unique(fitted(*pair).raw(ALL.matrix))) == 1

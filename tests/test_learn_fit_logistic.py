"""The scorecard says over again, in numbers that a person can add up, what scikit-learn's pipeline says."""

import itertools
import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from people_table import FEATURES, ODD, TRAIN, frames
from schemas import column

from fairmark.errors import InputError
from fairmark.learn import fit_logistic
from fairmark.learn.training_data import Sample
from fairmark.model import scorecard
from fairmark.model.encoder import Encoder
from fairmark.model.scorecard import Steps

TABLE, _, _ = frames(400)
ENCODER = Encoder.fit(TABLE, FEATURES, 9)
MATRIX = ENCODER.transform(TABLE)
LABEL = TABLE["_label"].to_numpy()
ROWS = Sample.plain(MATRIX, LABEL, np.random.default_rng(1).random(400) + 0.5)
SETTINGS = {"c": 2.0}
CARD = fit_logistic.fit(ROWS, ROWS, ENCODER.columns, SETTINGS, TRAIN)


def test_it_scores_as_the_pipeline_does() -> None:
    pipeline = fit_logistic.fit_pipeline(ROWS, ENCODER.columns, SETTINGS, TRAIN)

    np.testing.assert_allclose(CARD.raw(MATRIX), pipeline.decision_function(MATRIX), atol=1e-9)


def test_every_missing_value_at_once_scores_as_the_pipeline_does() -> None:
    pipeline = fit_logistic.fit_pipeline(ROWS, ENCODER.columns, SETTINGS, TRAIN)
    nothing = np.full((1, len(FEATURES)), np.nan)

    np.testing.assert_allclose(CARD.raw(nothing), pipeline.decision_function(nothing), atol=1e-9)


def test_contributions_are_shapley_values_by_their_definition() -> None:
    row, places = MATRIX[7], range(MATRIX.shape[1])

    def worth(known: tuple[int, ...]) -> float:
        mixed = MATRIX.copy()
        mixed[:, list(known)] = row[list(known)]
        return float(CARD.raw(mixed).mean())

    values = np.zeros(len(places))
    for place, size in itertools.product(places, places):
        share = 1 / (len(places) * math.comb(len(places) - 1, size))
        for known in itertools.combinations(set(places) - {place}, size):
            values[place] += share * (worth((*known, place)) - worth(known))

    np.testing.assert_allclose(CARD.contributions(MATRIX[7:8])[0], [*values, worth(())], atol=1e-9)


def test_a_weight_of_two_is_a_row_twice() -> None:
    matrix, label, columns = MATRIX[:, 1:2], LABEL, ENCODER.columns[1:2]
    twice = Sample.plain(np.vstack([matrix, matrix[:50]]), np.r_[label, label[:50]], np.ones(450))
    heavy = Sample.plain(matrix, label, np.where(np.arange(400) < 50, 2.0, 1.0))

    cards = [fit_logistic.fit(rows, rows, columns, SETTINGS, TRAIN) for rows in (twice, heavy)]

    np.testing.assert_allclose(cards[0].raw(matrix), cards[1].raw(matrix), atol=1e-4)


def test_each_category_has_its_points_and_so_has_a_missing_one() -> None:
    card = CARD.features[1]

    assert isinstance(card, Steps)
    assert (card.name, sorted(card.categories)) == (ODD, ["cook", "driver", "nurse"])
    assert card.points(np.array([2.0, np.nan])).tolist() == [card.each[2], card.missing]


def test_features_of_one_kind_only_are_enough() -> None:
    for places in ([0, 2], [1]):
        columns = [ENCODER.columns[place] for place in places]
        rows = Sample.plain(MATRIX[:, places], LABEL, np.ones(400))
        assert np.isfinite(fit_logistic.fit(rows, rows, columns, SETTINGS, TRAIN).raw(rows.matrix)).all()


def test_a_feature_that_is_missing_everywhere_or_constant_has_no_say() -> None:
    frame = pd.DataFrame({"a": np.full(400, np.nan), "b": 5.0, "c": pd.array([None] * 400, dtype="str")})
    kinds = {"a": "numeric", "b": "numeric", "c": "categorical"}
    features = [column(name, kind, missing=1.0) for name, kind in kinds.items()]
    encoder = Encoder.fit(frame, features, 9)
    rows = Sample.plain(encoder.transform(frame), LABEL, np.ones(400))

    scores = fit_logistic.fit(rows, rows, encoder.columns, SETTINGS, TRAIN).raw(rows.matrix)

    assert scores == pytest.approx(np.full(400, np.log(LABEL.mean() / (1 - LABEL.mean()))), abs=1e-3)


def test_costs_relabel_the_rows_it_learns_from() -> None:
    own = MATRIX[:, 3] == 1

    def learnt(gain: float) -> float:
        rows = Sample(MATRIX, LABEL, np.ones(400), np.where(own, gain, 0.0))
        return float(fit_logistic.fit(rows, rows, ENCODER.columns, SETTINGS, TRAIN).raw(MATRIX)[own].mean())

    assert learnt(0.8) > learnt(0.0) + 0.5


def test_relabelling_that_leaves_one_label_is_refused() -> None:
    rows = Sample(MATRIX, LABEL, np.ones(400), np.full(400, 5.0))

    with pytest.raises(InputError, match="must leave rows of both labels"):
        fit_logistic.fit(rows, rows, ENCODER.columns, SETTINGS, TRAIN)


def test_a_card_is_what_its_text_says() -> None:
    assert scorecard.load(CARD.dumps(), ENCODER.columns) == CARD


def broken(**changes: Any) -> str:
    return json.dumps(json.loads(CARD.dumps()) | changes)


STEPS = json.loads(CARD.dumps())["features"]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("{", "logistic.json: must be JSON"),
        (broken(intercept="0"), "logistic.json: intercept"),
        (broken(intercept=None), "logistic.json: intercept"),
        (broken(more=1), "more: must be a known key"),
        (broken(features=STEPS[:2]), "must have points for the features of encoder.json"),
        (
            broken(features=[STEPS[0], STEPS[1] | {"each": [1.0]}, *STEPS[2:]]),
            "must have points for the features",
        ),
        (broken(features=[STEPS[0] | {"scale": 0.0}, *STEPS[1:]]), "scale"),
    ],
)
def test_anything_but_a_card_of_these_features_is_refused(text: str, match: str) -> None:
    with pytest.raises(InputError, match=match):
        scorecard.load(text, ENCODER.columns)

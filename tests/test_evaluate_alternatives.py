"""Rivals are measured as the chosen model is: gains, refits, resamples, swaps and calibration by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from people_table import SCHEMA, TRAIN, chosen, frames, limit, policy
from scorecard_table import CHECKS
from sklearn.metrics import accuracy_score
from stage_outputs import search, trials

from fairmark.data.split import Parts
from fairmark.evaluate.alternatives import Decided, alternatives, calibration, resampled_weights, swaps
from fairmark.evaluate.experiments import Experiment
from fairmark.evaluate.refits import Fits
from fairmark.evaluate.summary_metrics import Rows
from fairmark.judge.alternatives import Alternatives
from fairmark.learn.fit import fit_model
from fairmark.learn.summaries import Alternative, RivalRow
from fairmark.learn.training_data import drawn, ready
from fairmark.model.model import Model
from fairmark.params.evaluate import Evaluate, RivalModels

POLICY = policy(limit("selection_rate_ratio", "side", at_least=0.8), limit("accuracy", None, at_least=0.5))
ASKED = RivalModels(seed=2, rivals=2, refits=2, resamples=40, bands=4)
PARAMS = Evaluate(
    seed=1,
    confidence=0.9,
    replicates=100,
    calibration_bins=5,
    curve_points=20,
    reference_bins=5,
    checks=CHECKS,
    cluster=None,
    references=None,
    alternatives=ASKED,
)
PLAIN, FAIR = chosen("logistic"), chosen("logistic", 1.0)
OFFERED = [
    Alternative(
        number=7, chosen=FAIR, quality=0.7, limits={"selection-rate-ratio": 0.8}, why="Less accuracy."
    ),
    Alternative(number=8, chosen=chosen("logistic", 0.4), quality=0.7, limits={}, why="Later."),
    Alternative(number=9, chosen=FAIR, quality=0.6, limits={}, why="Last."),
]


def people(rows: int = 1500) -> Parts:
    """Return people in their parts."""
    table, evidence, parts = frames(rows)
    return Parts(table=table, evidence=evidence, schema=SCHEMA, belongs=parts["part"])


@pytest.fixture(scope="module")
def parts() -> Parts:
    return people()


@pytest.fixture(scope="module")
def model(parts: Parts) -> Model:
    return fit_model(parts, PLAIN, TRAIN, POLICY)


def measured(parts: Parts, model: Model, params: Evaluate = PARAMS, smallest: int = 1) -> Alternatives:
    found = search(trials([])).model_copy(update={"alternatives": OFFERED})
    return alternatives(
        Experiment(parts, model, params), "c" * 64, found, None, Fits(TRAIN, POLICY), smallest
    )


@pytest.fixture(scope="module")
def found(parts: Parts, model: Model) -> Alternatives:
    return measured(parts, model)


def test_a_rival_is_the_model_of_its_choices_measured_on_test_rows(parts: Parts, found: Alternatives) -> None:
    test, evidence = parts.part("test")
    own = fit_model(parts, FAIR, TRAIN, POLICY)
    yes = own.decide(test)
    rates = pd.Series(yes).groupby(evidence["side"].to_numpy()).mean()[["left", "right"]]

    assert found.rivals[0].test.quality == pytest.approx(accuracy_score(test["_label"], yes))
    assert found.rivals[0].test.limits["selection-rate-ratio"] == pytest.approx(rates.min() / rates.max())


def test_gain_and_loss_are_differences_to_the_chosen_model(found: Alternatives) -> None:
    rival, before = found.rivals[0], found.test
    assert before is not None
    one, two = (each.limits["selection-rate-ratio"] or 0.0 for each in (before, rival.test))

    assert rival.beside.gained["selection-rate-ratio"] == pytest.approx(two - one)
    assert rival.beside.lost == pytest.approx(before.quality - rival.test.quality)
    # Relabelling for parity draws the sides together, which is what it is for.
    assert two > one


def test_the_mean_is_over_the_models_as_made_and_every_refit(found: Alternatives) -> None:
    rival = found.rivals[0]
    each = [rival.beside.lost, *(one.lost for one in rival.refits)]

    assert len(each) == 3
    assert rival.mean.lost == pytest.approx(np.mean(each))
    assert len({one.lost for one in rival.refits}) == 2


def test_no_more_rivals_are_learnt_than_params_ask_for(found: Alternatives) -> None:
    assert [each.name for each in found.rivals] == ["trial-7", "trial-8"]
    assert found.unmeasured[0].name == "trial-9"
    # The chosen trial of the made-up search has 0.82: this one loses 0.22 on held-out rows, and is judged so.
    assert found.judged[2].lost == pytest.approx(0.22)
    assert found.judged[2].held_out
    assert found.unmeasured[0].why.endswith("params ask for 2 rivals (evaluate.alternatives.rivals).")


def test_mitigators_that_draw_lots_are_told_and_not_measured(parts: Parts, model: Model) -> None:
    lottery = RivalRow(
        method="GridSearch", setting="", randomised=False, reads_group=False, models=1, quality=0.7,
        selection_rate=0.2, limits={}, keeps=True, why="A coarser grid.",
    )  # fmt: skip
    told = search(trials([])).model_copy(update={"alternatives": [], "rivals": [lottery]})

    found = alternatives(Experiment(parts, model, PARAMS), "c" * 64, told, None, Fits(TRAIN, POLICY), 1)

    assert (found.rivals, [each.name for each in found.unmeasured]) == ((), ["GridSearch"])
    assert found.why == "no other trial stands on the search's frontier"


def test_ranges_of_resamples_hold_the_value_of_the_rows_themselves(found: Alternatives) -> None:
    for rival in found.rivals:
        within = rival.resampled.gained["selection-rate-ratio"]
        assert within is not None
        assert within.low < (rival.beside.gained["selection-rate-ratio"] or 0.0) < within.high
        assert rival.resampled.lost.low <= rival.beside.lost <= rival.resampled.lost.high


def test_resampled_weights_are_those_of_whole_units() -> None:
    weight, person = np.array([1.0, 2.0, 3.0, 4.0]), np.array([5, 5, 9, 9])

    found = resampled_weights(weight, person, 300, 1) / weight

    assert (found[:, 0] == found[:, 1]).all()
    assert (found[:, 2] == found[:, 3]).all()
    # Two units, drawn twice each time.
    assert (found[:, 0] + found[:, 2] == 2).all()


def test_drawn_train_rows_are_as_many_persons_and_keep_them_whole(parts: Parts) -> None:
    rows = ready(parts, TRAIN)
    paired = replace(rows, keys=pd.Series([f"p{k // 2}" for k in range(len(rows.keys))]))

    again = drawn(paired, 1, 1)

    times = again.keys.value_counts()
    assert (times % 2 == 0).all()
    assert len(again.train.label) == len(again.train_groups) == pytest.approx(len(rows.keys), abs=1)
    assert not drawn(paired, 1, 2).keys.equals(again.keys)


def six() -> Rows:
    """Return six rows of two sides."""
    frame = pd.DataFrame({"_label": [1, 0, 1, 0, 1, 0]})
    groups = pd.DataFrame({"side": ["left"] * 3 + ["right"] * 3})
    label = frame["_label"].to_numpy(np.int8)
    return Rows(frame, label, np.ones(6), groups, {"side": ["left", "right"]})


SCORE = np.array([0.1, 0.45, 0.9, 0.45, 0.55, 0.95])
"""Of a model whose threshold is 0.5: it says no, no, yes, no, yes, yes."""
OTHER = np.array([0, 1, 1, 1, 0, 1], dtype=np.int8)


def told(found: object) -> dict[str, list[tuple[float, float, int, int]] | None]:
    assert isinstance(found, dict)
    return {
        name: None if each.bands is None else [(b.low, b.high, b.into, b.out) for b in each.bands]
        for name, each in found.items()
    }


def test_swaps_are_counted_by_group_and_band() -> None:
    found = told(swaps(six(), "side", Decided(SCORE, 0.5), OTHER, 2, 1))

    assert found == {
        "left": [(0.0, 0.5, 1, 0), (0.5, 1.0, 0, 0)],
        "right": [(0.0, 0.5, 1, 0), (0.5, 1.0, 0, 1)],
    }


def test_groups_of_too_few_swapped_rows_are_withheld_and_never_one_alone() -> None:
    many = Rows(
        pd.DataFrame(index=range(13)),
        np.zeros(13, np.int8),
        np.ones(13),
        pd.DataFrame({"side": ["left"] * 2 + ["mid"] * 5 + ["right"] * 6}),
        {"side": ["left", "mid", "right"]},
    )
    chosen_model, rival = Decided(np.full(13, 0.2), 0.5), np.ones(13, np.int8)

    found = told(swaps(many, "side", chosen_model, rival, 4, 3))

    # Two of the left side are fewer than three; mid is withheld with them, or 13 less the others would tell.
    assert found["left"] is found["mid"] is None
    assert (found["right"] or [])[0] == (0.0, 0.25, 6, 0)


def test_bands_of_a_group_are_joined_until_no_count_is_too_small() -> None:
    score = np.array([0.1, 0.1, 0.1, 0.4, 0.45, 0.6])
    rows = Rows(
        pd.DataFrame(index=range(6)), np.zeros(6, np.int8), np.ones(6),
        pd.DataFrame({"side": ["left"] * 6}), {"side": ["left"]},
    )  # fmt: skip

    found = told(swaps(rows, "side", Decided(score, 0.9), np.ones(6, np.int8), 5, 3))

    # 3, 0, 2, 1 and 0 rows in five bands.
    assert found["left"] == [(0.0, 0.2, 3, 0), (0.2, 0.4, 0, 0), (0.4, 0.8, 3, 0), (0.8, 1.0, 0, 0)]


def test_calibration_within_groups_is_worked_out_by_hand_and_left_out_of_small_groups() -> None:
    found = calibration(six(), SCORE, 1, 1)["side"]["left"]

    assert found.mean_score == pytest.approx((0.1 + 0.45 + 0.9) / 3)
    assert (found.positive_share, found.error) == pytest.approx((2 / 3, 2 / 3 - 1.45 / 3))
    assert calibration(six(), SCORE, 1, 2) == {"side": {}}


def test_params_without_rivals_learn_nothing(parts: Parts, model: Model) -> None:
    found = measured(parts, model, PARAMS.model_copy(update={"alternatives": None}))

    assert (found.rivals, found.why) == ((), "params ask for none (evaluate.alternatives)")


def test_beyond_the_largest_sample_the_chosen_model_is_learnt_again_too(parts: Parts, model: Model) -> None:
    few = PARAMS.model_copy(update={"checks": CHECKS.model_copy(update={"most_rows": 250})})

    found = measured(parts, model, few)

    assert (found.sampled, found.rows) == (True, 250)

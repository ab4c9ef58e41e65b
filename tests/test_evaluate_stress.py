"""Each scenario changes what it says and nothing else, and what it does is counted against hand-made rows."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from confusion_rows import document
from schemas import attribute, changed
from scorecard_table import CHECKS, ODD, parts, rows, scorecard

from fairmark.evaluate.documents import QuickVerdict, Stress, SwappedEvidence, TurnedShare
from fairmark.evaluate.stress import (
    StressHarness,
    missing_values,
    nudges,
    scenario_effect,
    shifted_numbers,
    stress,
    swapped_evidence,
    turned_share,
    unseen_categories,
    worst_nudges,
)
from fairmark.judge.measurements import Measurements
from fairmark.model.encoder import Encoder
from fairmark.model.model_file import Column
from fairmark.model.scorecard import Line, Scorecard, Steps

X = [-2.0, -0.05, 0.05, 2.0]


def _rig(
    x: Sequence[float] = X,
    job: Sequence[str] = ("new",) * 4,
    label: Sequence[int] = (0, 0, 1, 1),
    **changes: Any,
) -> StressHarness:
    """Return the scorecard on a few rows; train rows of spread 1 from -3 to 3, and no job that is known."""
    model = scorecard()
    few = rows([*label], ["red", "blue"] * (len(x) // 2), None, x=[*x], **{ODD: [*job]})
    seen = np.array([[-3.0, 0], [3, 0], *([[0, 1]] * 16)])
    return replace(StressHarness(model, few, model.encoder.transform(few.table), seen, ["x", ODD]), **changes)


MEASURED = document()


def _document(score: Any) -> Measurements:
    assert len(score) == 4
    return MEASURED


JUDGED = QuickVerdict(outcome="pass", limits={})


def _verdict(score: Any) -> QuickVerdict:
    assert len(score) == 4
    return JUDGED


def _stressed(harness: StressHarness) -> Stress:
    return stress(harness, CHECKS, _document, _verdict, SwappedEvidence(columns=[], same=True))


def test_a_shift_is_in_spreads_and_turns_the_decisions_near_the_threshold() -> None:
    down, all_down, up, _ = shifted_numbers(_rig(), 0.1)

    assert [(one.feature, one.amount) for one in (down, all_down, up)] == [
        ("x", -0.1),
        (None, -0.1),
        ("x", 0.1),
    ]
    assert np.log(up.score / (1 - up.score)) == pytest.approx(2 * (np.array(X) + 0.1))
    assert scenario_effect(_rig(), down, _document, _verdict).changed == 0.25  # 0.05 falls below 0
    assert turned_share(_rig(), [down, up]) == 0.5  # and -0.05 rises above


def test_a_shift_stays_within_what_train_rows_held() -> None:
    rig = _rig(x=[2.95, 5.0, -2.95, np.nan])

    moved = rig.moved(rig.matrix, 0, 0.1)[:, 0]

    assert moved[:3].tolist() == pytest.approx([3, 5, -2.85])
    assert np.isnan(moved[3])


def test_missing_values_are_as_many_as_said_and_in_one_feature() -> None:
    rig = _rig(x=[1.0] * 40, job=["cook"] * 40, label=[0] * 40)

    alone = {one.feature: one.score for one in missing_values(rig, [0.25], 1)}

    assert (alone["x"] != rig.base).sum() == 10
    assert set(alone["x"].round(6)) == set(np.round([1 / (1 + np.exp(-3)), 1 / (1 + np.exp(-1))], 6))
    assert alone[None].shape == (40,)


def test_all_values_missing_is_what_the_model_says_of_nothing() -> None:
    assert [*missing_values(_rig(job=["cook"] * 4), [1], 1)][-1].score.tolist() == [0.5] * 4


def test_an_unseen_category_goes_through_the_encoder() -> None:
    one, together = unseen_categories(_rig(x=[0.0] * 4, job=["cook", "smith"] * 2), 0.5, 1)

    assert (one.feature, together.feature) == (ODD, None)
    assert (one.score == 0.5).sum() == 2
    assert one.score.tolist() == together.score.tolist()


def test_a_nudge_against_the_label_takes_the_worst_of_the_shifts() -> None:
    rig = _rig()

    (worst,) = worst_nudges(rig, [*shifted_numbers(rig, 0.1)])

    assert np.log(worst.score / (1 - worst.score)) == pytest.approx(2 * np.array([-1.9, 0.05, -0.05, 1.9]))


def test_the_share_of_changed_decisions_is_weighted() -> None:
    rig = _rig()
    heavy = replace(rig, rows=replace(rig.rows, weight=np.array([1.0, 1, 6, 2])))

    assert scenario_effect(
        heavy, next(shifted_numbers(heavy, 0.1)), _document, _verdict
    ).changed == pytest.approx(0.6)


def test_changes_of_all_features_carry_a_document_and_the_others_their_verdict() -> None:
    found = _stressed(_rig()).scenarios

    assert {(one.feature is None) == (one.measurements == MEASURED) for one in found} == {True}
    assert {(one.feature is None) != (one.verdict == JUDGED) for one in found} == {True}
    assert {one.kind for one in found} == {"missing", "shift", "unseen", "nudge"}


@pytest.mark.parametrize("keep", ["x", ODD])
def test_features_of_one_kind_alone_are_stressed(keep: str) -> None:
    found = _stressed(_rig(leading=[keep]))

    kinds = {one.kind for one in found.scenarios}
    assert kinds == ({"missing", "shift", "nudge"} if keep == "x" else {"missing", "unseen"})
    assert (found.turned.share is None) == (keep == ODD)


def test_the_spread_is_the_standard_deviation_of_train_rows() -> None:
    rig = _rig(train=np.array([[-3.0, 0], [1, 0], [np.nan, 0]]))

    assert rig.moved(rig.matrix, 0, 0.1)[:, 0] == pytest.approx(
        np.clip(np.array(X) + 0.2, -3, 1.0 + np.array([0, 0, 0, 1]))
    )


def test_a_constant_number_is_not_shifted() -> None:
    assert [*shifted_numbers(_rig(train=np.ones((5, 2))), 0.1)] == []


# ------------------------------------------------------------------ nudges


def test_the_least_step_that_turns_a_decision_is_found() -> None:
    found = nudges(_rig(), [0.01, 0.1, 3], 2)

    assert found.rows == 2
    assert found.farthest == pytest.approx(1 / (1 + np.exp(-0.1)) - 0.5)
    assert found.turned == [
        TurnedShare(size=size, share=share) for size, share in ((0.01, 0), (0.1, 1), (3, 1))
    ]
    x = found.features["x"]
    assert (x.spread, x.turned, x.median) == (1, found.turned, 0.1)


def test_what_can_not_be_turned_has_no_median() -> None:
    assert nudges(_rig(x=[-2.0, -2, -2, -0.05]), [0.1], 4).features["x"].median is None


def test_without_numbers_nothing_is_turned() -> None:
    assert nudges(_rig(leading=[ODD]), [0.1], 4).turned == [TurnedShare(size=0.1, share=0)]


# ------------------------------------------------------------------ swapped evidence


def test_a_model_of_features_does_not_move_when_the_evidence_is_swapped() -> None:
    assert swapped_evidence(parts(), scorecard()) == SwappedEvidence(columns=["team"], same=True)


def test_a_model_that_reads_a_protected_column_is_caught() -> None:
    model = scorecard()
    encoder = Encoder((Column(name="team", kind="categorical", categories=["blue", "red"]),))
    steps = model.scorer.features[1].model_copy(update={"name": "team", "categories": ["blue", "red"]})  # type: ignore[attr-defined]

    cheat = replace(model, encoder=encoder, scorer=Scorecard(intercept=0.0, features=[steps]))

    assert swapped_evidence(parts(), cheat).same is False


def test_a_model_that_reads_an_attribute_made_of_others_is_caught() -> None:
    made = parts()
    attributes = {"band": attribute("age", ["<25", ">=25"], by="edges")}
    evidence = made.table[["_row_id", "_label"]].assign(band=pd.Series("<25", index=range(400), dtype="str"))
    encoder = Encoder((Column(name="band", kind="categorical", categories=["<25", ">=25"]),))
    steps = Steps(type="steps", name="band", categories=["<25", ">=25"], each=[0, 1], missing=0, average=0)

    cheat = replace(scorecard(), encoder=encoder, scorer=Scorecard(intercept=0.0, features=[steps]))

    schema = changed(made.schema, attributes=attributes)
    found = swapped_evidence(replace(made, evidence=evidence, schema=schema), cheat)
    assert found == SwappedEvidence(columns=["band"], same=False)


def test_a_model_that_reads_a_withheld_number_is_caught() -> None:
    made = parts()
    withheld = made.evidence.assign(**{"withheld:income": np.arange(400.0)})
    line = Line(type="line", name="income", impute=0, mean=0, scale=9, coef=1, missing_coef=0, average=0)
    encoder = Encoder((Column(name="income", kind="numeric", categories=None),))

    cheat = replace(scorecard(), encoder=encoder, scorer=Scorecard(intercept=0.0, features=[line]))

    assert swapped_evidence(replace(made, evidence=withheld), cheat) == SwappedEvidence(
        columns=["income", "team"], same=False
    )


def test_an_attribute_named_like_a_feature_leaves_the_feature_alone() -> None:
    made = parts()
    schema = made.schema.model_copy(
        update={"attributes": {"x": attribute("age", ["<25", ">=25"], by="edges")}}
    )
    evidence = made.table[["_row_id", "_label"]].assign(x=pd.Series("<25", index=range(400), dtype="str"))

    found = swapped_evidence(replace(made, evidence=evidence, schema=schema), scorecard())

    assert found == SwappedEvidence(columns=[], same=True)

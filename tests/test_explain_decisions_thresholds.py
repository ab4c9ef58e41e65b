"""A decision is explained against the threshold that made it."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scorecard_table import scorecard

from fairmark.explain.decisions import above_threshold, picked, with_thresholds
from fairmark.explain.documents import AppliedThreshold, Decision, Reason
from fairmark.model.group_thresholds import GroupThresholds, Origin

OWN = GroupThresholds(
    attribute="team",
    constraint="demographic_parity",
    origins=[Origin(column="team", kind="categorical", edges=None, pair=None)],
    groups={"blue": 0.25, "red": 0.75},
)
MODEL = replace(scorecard(), own=OWN)
GROUPS = pd.DataFrame({"team": pd.Series(["blue", "blue", "red", "red", "green"], dtype="str")})
SCORE = np.array([0.3, 0.9, 0.7, 0.1, 0.6])
MARGIN = np.log(SCORE / (1 - SCORE))


def test_the_decision_nearest_to_its_threshold_is_the_one_nearest_to_its_own() -> None:
    decision = (MODEL.cut(GROUPS) <= SCORE).astype(np.int8)

    distance = above_threshold(MODEL, MARGIN, GROUPS)

    assert distance == pytest.approx(MARGIN - np.log(np.array([1 / 3, 1 / 3, 3, 3, 1])))
    assert distance is not None
    found = {why: row for row, why in picked(distance, decision, 4)}
    assert (found["yes nearest to the threshold"], found["no nearest to the threshold"]) == (0, 2)
    assert above_threshold(scorecard(), MARGIN, GROUPS) is None


def test_a_threshold_that_takes_everybody_leaves_the_distance_finite() -> None:
    everybody = replace(MODEL, own=OWN.model_copy(update={"groups": {"blue": 0.0, "red": 1.000001}}))

    assert np.isfinite(above_threshold(everybody, MARGIN, GROUPS)).all()  # type: ignore[arg-type]


def test_the_group_is_a_reason_only_where_another_would_have_turned_the_decision() -> None:
    reason = Reason(feature="x", value="1", effect="raises the score most")
    rows = [(1, 0.3, 1), (2, 0.9, 1), (3, 0.7, 0), (5, 0.6, 1)]
    made = [
        Decision(
            row=row,
            why="a test",
            score=score,
            margin=0.0,
            decision=1 if yes else 0,
            base=0.0,
            contributions=[],
            reasons=[reason] * 4,
        )
        for row, score, yes in rows
    ]

    near, sure, no, common = with_thresholds(MODEL, made, GROUPS)

    assert near.reasons[0] == Reason(
        feature="team", value="blue", effect="with the threshold of red the decision would be no"
    )
    assert len(near.reasons) == 4
    assert sure.reasons == [reason] * 4
    assert no.applied_threshold == AppliedThreshold(
        attribute="team", group="red", threshold=0.75, own=True, otherwise=["blue"]
    )
    assert common.applied_threshold is not None
    assert (common.applied_threshold.own, common.applied_threshold.threshold) == (False, 0.5)
    assert with_thresholds(scorecard(), made, GROUPS) == made

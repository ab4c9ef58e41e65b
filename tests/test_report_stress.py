"""Stress shows each gated measure beside its limit where the limit is passed."""

import pytest
from stage_outputs import FAIR, checks, facts, limit, policy, with_check

from fairmark.evaluate import documents as docs
from fairmark.judge.measurements import ConfusionCounts
from fairmark.report.inputs import Facts
from fairmark.report.labels import Table
from fairmark.report.stress import (
    disturbed,
    nudge_text,
    single_feature_table,
    single_feature_text,
    stress_table,
    stress_text,
)

TEAMS = {"team": {"blue": 400, "red": 600}}
FOUND = checks(TEAMS, ("age", "job"))


def _scenario(**changes: object) -> docs.CheckResults:
    one, whole = FOUND.stress.scenarios
    return with_check("stress", FOUND, scenarios=[one, whole.model_copy(update=changes)])


def _single(outcome: str) -> docs.CheckResults:
    """Return the checks with another verdict on the one feature that is disturbed alone."""
    one, whole = FOUND.stress.scenarios
    assert one.verdict is not None
    verdict = one.verdict.model_copy(update={"outcome": outcome})
    return with_check("stress", FOUND, scenarios=[one.model_copy(update={"verdict": verdict}), whole])


def _table(found: Facts) -> Table:
    return stress_table(found, disturbed(found))


def test_the_undisturbed_rows_come_first() -> None:
    found = facts()
    auc = found.measurements.overall["roc_auc"].value

    assert list(_table(found).rows[0][:4]) == ["none", found.verdict.outcome, "0.000", f"{auc:.3f}"]


def test_a_measure_beyond_its_limit_stands_beside_it() -> None:
    plain = FOUND.stress.scenarios[1].measurements
    assert plain is not None
    low = plain.overall["roc_auc"].model_copy(update={"value": 0.75})
    measured = plain.model_copy(update={"overall": plain.overall | {"roc_auc": low}})

    assert _table(facts(checks=_scenario(measurements=measured))).rows[1][3] == "0.750 (limit 0.8)"
    assert "limit" not in _table(facts()).rows[1][3]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "shift", "amount": -0.1}, "numbers down by 0.1 deviations"),
        ({"kind": "shift", "amount": 0.1}, "numbers up by 0.1 deviations"),
        ({"kind": "missing", "amount": 0.2}, "0.2 of values missing"),
        ({"kind": "unseen", "amount": 0.2}, "0.2 of names never seen"),
        ({"kind": "nudge", "amount": 0.1}, "the worst nudge of 0.1 deviations for each row"),
        ({"kind": "flood", "amount": 3}, "flood 3"),
    ],
)
def test_each_disturbance_is_said_in_words(changes: dict[str, object], words: str) -> None:
    assert _table(facts(checks=_scenario(**changes))).rows[1][0] == words


def test_a_limit_on_every_group_is_told_by_the_group_farthest_off() -> None:
    rules = policy([limit("tpr", "true_positive_rate", "team", 0.99)])
    found = facts(rules=rules)

    groups = found.measurements.groups["team"].values()
    lowest = min(group.measures["recall"].value or 0.0 for group in groups)
    assert _table(found).rows[0][3] == f"{lowest:.3f} (limit 0.99)"


def test_a_measure_that_nobody_took_says_so() -> None:
    assert _table(facts({"team": {"blue": 100}}, FAIR)).rows[0][4] == "not measured"


def test_single_features_are_listed_apart() -> None:
    rows = single_feature_table(facts()).rows

    assert [list(row) for row in rows] == [
        ["numbers down by 0.1 deviations, age", "fail", "0.120", "0.870", "0.710 (limit 0.8)"]
    ]


def test_a_single_feature_that_would_move_the_verdict_is_named() -> None:
    own = facts().verdict.outcome

    assert single_feature_text(facts()) == (
        f"Of 1 disturbances of one feature, 1 would move the verdict from {own}; "
        "it would fail with age disturbed."
    )
    assert single_feature_text(facts(checks=_single(own))) == (
        f"None of 1 disturbances of one feature would move the verdict from {own}."
    )
    none = with_check("stress", FOUND, scenarios=FOUND.stress.scenarios[1:])
    assert single_feature_text(facts(checks=none)) is None


def _drowned() -> Facts:
    """Return facts whose disturbed rows are all decided no: nobody is selected of any team."""
    plain = FOUND.stress.scenarios[1].measurements
    assert plain is not None
    team = {
        name: each.model_copy(update={"cells": _none_selected(each.cells)})
        for name, each in plain.groups["team"].items()
    }
    changed = {"cells": _none_selected(plain.cells), "groups": {"team": team}}
    return facts(checks=_scenario(measurements=plain.model_copy(update=changed)))


def _none_selected(cells: ConfusionCounts) -> ConfusionCounts:
    return ConfusionCounts(tp=0, fp=0, fn=cells.tp + cells.fn, tn=cells.fp + cells.tn)


def test_each_disturbance_is_judged_as_a_release_would_be() -> None:
    assert disturbed(facts())[0].outcome == facts().verdict.outcome
    assert disturbed(_drowned())[0].outcome != facts().verdict.outcome


def test_the_sentence_says_how_often_the_verdict_moves() -> None:
    still, moved = facts(), _drowned()

    assert stress_text(still, disturbed(still)).startswith("None of 1 disturbances of all features at once")
    assert "1 would move the verdict from" in stress_text(moved, disturbed(moved))
    assert stress_text(still, []) == "There was nothing to disturb."


def test_the_sentence_says_how_far_quality_falls() -> None:
    found = facts()

    assert stress_text(found, disturbed(found)).endswith("ROC AUC falls from 0.880 to 0.870.")


def test_a_floor_and_a_ceiling_of_one_measure_share_a_column() -> None:
    ceiling = limit("auc-ceiling", "roc_auc", None, 0.8).model_copy(
        update={"at_least": None, "at_most": 0.85}
    )
    found = facts(rules=policy([limit("auc-floor", "roc_auc", None, 0.8), ceiling]))

    table = _table(found)
    assert [column.label for column in table.columns[3:]] == ["ROC AUC"]
    assert table.rows[0][3].endswith("(limit 0.85)")


def test_nudges_are_told_by_the_size_that_turns_half() -> None:
    nudges = FOUND.stress.nudges.model_copy(update={"turned": FOUND.stress.nudges.turned[:1]})
    weak = with_check("stress", FOUND, nudges=nudges)
    none = with_check("stress", FOUND, turned=docs.ShiftedDecisions(amount=0.1, share=None))

    told = nudge_text(facts())
    assert told is not None
    assert told.startswith("Moving one number by 0.1 standard deviations, up or down, turns 0.070")
    assert told.endswith(
        "half of the 500 decisions nearest to the threshold or more turn with a move of 0.5."
    )
    assert "less than half of the 500" in str(nudge_text(facts(checks=weak)))
    assert nudge_text(facts(checks=none)) is None

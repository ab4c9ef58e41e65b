"""Stress shows each gated measure beside its limit where the limit is passed."""

from copy import deepcopy
from typing import Any

import pytest
from paperwork import FAIR, checks, facts, limit, policy

from fairmark.report.inputs import Facts
from fairmark.report.labels import Table
from fairmark.report.stress import disturbed, nudged, stress, stressed, stressed_each, stressed_one

TEAMS = {"team": {"blue": 400, "red": 600}}
FOUND = checks(TEAMS, ("age", "job"))


def _scenario(**changes: object) -> dict[str, Any]:
    found = deepcopy(FOUND)
    found["stress"]["scenarios"][1] |= changes
    return found


def _table(found: Facts) -> Table:
    return stress(found, disturbed(found))


def test_the_undisturbed_rows_come_first() -> None:
    found = facts()
    auc = found.measurements["overall"]["roc_auc"]["value"]

    assert list(_table(found).rows[0][:4]) == ["none", found.verdict.outcome, "0.000", f"{auc:.3f}"]


def test_a_measure_beyond_its_limit_stands_beside_it() -> None:
    stressed = _scenario()
    stressed["stress"]["scenarios"][1]["measurements"]["overall"]["roc_auc"]["value"] = 0.75

    assert _table(facts(checks=stressed)).rows[1][3] == "0.750 (limit 0.8)"
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

    groups = found.measurements["groups"]["team"].values()
    lowest = min(group["measures"]["recall"]["value"] for group in groups)
    assert _table(found).rows[0][3] == f"{lowest:.3f} (limit 0.99)"


def test_a_measure_that_nobody_took_says_so() -> None:
    assert _table(facts({"team": {"blue": 100}}, FAIR)).rows[0][4] == "not measured"


def test_single_features_are_listed_apart() -> None:
    rows = stressed_each(facts()).rows

    assert [list(row) for row in rows] == [
        ["numbers down by 0.1 deviations, age", "fail", "0.120", "0.870", "0.710 (limit 0.8)"]
    ]


def test_a_single_feature_that_would_move_the_verdict_is_named() -> None:
    found = deepcopy(FOUND)
    own = facts().verdict.outcome

    assert stressed_one(facts()) == (
        f"Of 1 disturbances of one feature, 1 would move the verdict from {own}; "
        "it would fail with age disturbed."
    )
    found["stress"]["scenarios"][0]["verdict"]["outcome"] = own
    assert stressed_one(facts(checks=found)) == (
        f"None of 1 disturbances of one feature would move the verdict from {own}."
    )
    found["stress"]["scenarios"].pop(0)
    assert stressed_one(facts(checks=found)) is None


def _drowned() -> Facts:
    """Return facts whose disturbed rows are all decided no: nobody is selected of any team."""
    found = deepcopy(FOUND)
    measured = found["stress"]["scenarios"][1]["measurements"]
    for entry in (measured, *measured["groups"]["team"].values()):
        cells = entry["cells"]
        entry["cells"] = {"tp": 0, "fp": 0, "fn": cells["tp"] + cells["fn"], "tn": cells["fp"] + cells["tn"]}
    return facts(checks=found)


def test_each_disturbance_is_judged_as_a_release_would_be() -> None:
    assert disturbed(facts())[0].outcome == facts().verdict.outcome
    assert disturbed(_drowned())[0].outcome != facts().verdict.outcome


def test_the_sentence_says_how_often_the_verdict_moves() -> None:
    still, moved = facts(), _drowned()

    assert stressed(still, disturbed(still)).startswith("None of 1 disturbances of all features at once")
    assert "1 would move the verdict from" in stressed(moved, disturbed(moved))
    assert stressed(still, []) == "There was nothing to disturb."


def test_the_sentence_says_how_far_quality_falls() -> None:
    found = facts()

    assert stressed(found, disturbed(found)).endswith("ROC AUC falls from 0.880 to 0.870.")


def test_a_floor_and_a_ceiling_of_one_measure_share_a_column() -> None:
    ceiling = limit("auc-ceiling", "roc_auc", None, 0.8).model_copy(
        update={"at_least": None, "at_most": 0.85}
    )
    found = facts(rules=policy([limit("auc-floor", "roc_auc", None, 0.8), ceiling]))

    table = _table(found)
    assert [column.label for column in table.columns[3:]] == ["ROC AUC"]
    assert table.rows[0][3].endswith("(limit 0.85)")


def test_nudges_are_told_by_the_size_that_turns_half() -> None:
    weak, none = deepcopy(FOUND), deepcopy(FOUND)
    weak["stress"]["nudges"]["turned"].pop()
    none["stress"]["turned"]["share"] = None

    told = nudged(facts())
    assert told is not None
    assert told.startswith("Moving one number by 0.1 standard deviations, up or down, turns 0.070")
    assert told.endswith(
        "half of the 500 decisions nearest to the threshold or more turn with a move of 0.5."
    )
    assert "less than half of the 500" in str(nudged(facts(checks=weak)))
    assert nudged(facts(checks=none)) is None

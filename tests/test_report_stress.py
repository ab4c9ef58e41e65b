"""Stress shows each gated measure beside its limit where the limit is passed."""

from copy import deepcopy
from typing import Any

import pytest
from paperwork import FAIR, checks, facts, limit, policy

from fairmark.report.stress import stress, stressed_each

TEAMS = {"team": {"blue": 400, "red": 600}}
FOUND = checks(TEAMS, ("age", "job"))


def _scenario(**changes: object) -> dict[str, Any]:
    found = deepcopy(FOUND)
    found["stress"]["scenarios"][1] |= changes
    return found


def test_the_undisturbed_rows_come_first() -> None:
    found = facts()
    auc = found.measurements["overall"]["roc_auc"]["value"]

    assert list(stress(found).rows[0][:3]) == ["none", "", f"{auc:.3f}"]


def test_a_measure_beyond_its_limit_stands_beside_it() -> None:
    stressed = _scenario()
    stressed["stress"]["scenarios"][1]["measurements"]["overall"]["roc_auc"]["value"] = 0.75

    assert stress(facts(checks=stressed)).rows[1][2] == "0.750 (limit 0.8)"
    assert "limit" not in stress(facts()).rows[1][2]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "shift", "amount": -0.1}, "numbers down by 0.1 deviations, all features"),
        ({"kind": "shift", "amount": 0.1}, "numbers up by 0.1 deviations, all features"),
        ({"kind": "missing", "amount": 0.2}, "0.2 of values missing, all features"),
        ({"kind": "unseen", "amount": 0.2}, "0.2 of names never seen, all features"),
        ({"kind": "nudge", "amount": 0.1}, "the worst nudge of 0.1 deviations for each row"),
        ({"kind": "flood", "amount": 3}, "flood 3, all features"),
    ],
)
def test_each_disturbance_is_said_in_words(changes: dict[str, object], words: str) -> None:
    assert stress(facts(checks=_scenario(**changes))).rows[1][0] == words


def test_a_limit_on_every_group_is_told_by_the_group_farthest_off() -> None:
    rules = policy([limit("tpr", "true_positive_rate", "team", 0.99)])
    found = facts(rules=rules)

    groups = found.measurements["groups"]["team"].values()
    lowest = min(group["measures"]["recall"]["value"] for group in groups)
    assert stress(found).rows[0][2] == f"{lowest:.3f} (limit 0.99)"


def test_a_measure_that_nobody_took_says_so() -> None:
    assert stress(facts({"team": {"blue": 100}}, FAIR)).rows[0][3] == "not measured"


def test_single_features_are_listed_apart() -> None:
    rows = stressed_each(facts()).rows

    assert [list(row) for row in rows] == [
        ["numbers down by 0.1 deviations, age", "0.120", "0.810", "0.870", "0.830"]
    ]

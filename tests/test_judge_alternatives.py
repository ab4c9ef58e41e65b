"""A rival that the policy's rule holds of leaves insufficient evidence until a waiver answers it by name."""

import datetime as dt
import json
from typing import Any

import pytest
from confusion_rows import limit, plain, policy
from pydantic import ValidationError

from fairmark.judge.alternatives import Beside, Reached, gains, mean_of
from fairmark.judge.policy_diff import changes
from fairmark.judge.verdict import Verdict, judge_document
from fairmark.params.policy import RIVAL, Policy, RivalRule, Waiver

RATIO = limit("selection_rate_ratio", "sex", at_least=0.5)
RULE = RivalRule(limit=RATIO.name, gain=0.05, loss=0.01)
DAY = dt.date(2026, 11, 28)


def ruled(**changed: Any) -> Policy:
    return policy(RATIO).model_copy(update={"alternatives": RULE} | changed)


def rival(name: str, lost: float, gained: float | None) -> dict[str, Any]:
    return {"name": name, "lost": lost, "gained": {RATIO.name: gained}}


def judged(rules: Policy, *rivals: dict[str, Any], day: dt.date | None = None) -> Verdict:
    return judge_document(plain(alternatives=list(rivals)), rules, day)


def texts(verdict: Verdict) -> list[str]:
    return [each.text for each in verdict.findings if each.limit == RIVAL]


def test_no_rival_within_the_rule_is_met() -> None:
    """One is too dear, one gains too little, one is farther from parity."""
    found = judged(ruled(), rival("a", 0.0101, 0.2), rival("b", 0.0, 0.0499), rival("c", -0.1, -0.3))

    assert found.limits[RIVAL] == "pass"
    assert texts(found)[0].startswith("No rival on the frontier is at least 0.05 less disparate by selection")


@pytest.mark.parametrize(("lost", "gained"), [(0.01, 0.05), (-0.2, 0.05), (0.01, 0.9)])
def test_a_rival_at_the_edge_of_the_rule_or_within_stops_the_release(lost: float, gained: float) -> None:
    found = judged(ruled(), rival("trial-4", lost, gained), rival("b", 0.5, 0.5))

    assert (found.limits[RIVAL], found.outcome) == ("insufficient evidence",) * 2
    assert "limit less-discriminatory-alternative, groups [trial-4]" in texts(found)[0]


def test_every_such_rival_needs_an_answer_of_its_own() -> None:
    waiver = Waiver(
        limit=RIVAL, groups=["trial-4"], decided_by="A. Validator", reason="It misses the AUC floor.",
        decided=DAY, expires=DAY,
    )  # fmt: skip
    rules, two = ruled(waivers=[waiver]), (rival("trial-4", 0.0, 0.1), rival("trial-5", 0.0, 0.2))

    assert judged(rules, two[0], day=DAY).state == "pass with waiver"
    assert judged(rules, *two, day=DAY).outcome == "insufficient evidence"
    assert judged(rules, two[0], day=dt.date(2027, 1, 1)).outcome == "insufficient evidence"


def test_what_nobody_measured_or_what_has_no_value_is_never_a_pass() -> None:
    silent = judge_document(plain(), ruled(), None)

    assert (silent.limits[RIVAL], "can't be told" in texts(silent)[0]) == ("insufficient evidence", True)
    assert judged(ruled(), rival("a", 0.0, None)).limits[RIVAL] == "insufficient evidence"
    # One that costs too much is none, whatever its gain.
    assert judged(ruled(), rival("a", 0.5, None)).limits[RIVAL] == "pass"


def test_a_rival_that_nobody_learnt_again_is_asked_about_by_what_the_search_has() -> None:
    found = judged(ruled(), rival("trial-9", 0.0, 0.1) | {"held_out": True})

    assert found.outcome == "insufficient evidence"
    assert "both on the search's held-out rows, because it was not learnt again" in texts(found)[0]


def test_a_policy_without_the_rule_judges_as_if_there_were_no_rivals() -> None:
    with_rivals, without = (
        judged(policy(RATIO), rival("a", 0.0, 0.5)),
        judge_document(plain(), policy(RATIO), None),
    )

    assert with_rivals.to_json() == without.to_json()


def test_a_rule_on_no_limit_on_groups_is_refused() -> None:
    said = json.loads(policy(RATIO, limit("accuracy", at_least=0.5)).model_dump_json())

    for name in ("accuracy", "nothing"):
        with pytest.raises(ValidationError, match="limit must be one of the limits on groups"):
            Policy.model_validate_json(
                json.dumps(said | {"alternatives": {"limit": name, "gain": 1, "loss": 0}})
            )


@pytest.mark.parametrize(
    ("before", "after", "way"),
    [
        ({"gain": 0.05, "loss": 0.01}, None, "loosened"),
        ({"gain": 0.05, "loss": 0.01}, {"gain": 0.06, "loss": 0.01}, "loosened"),
        ({"gain": 0.05, "loss": 0.01}, {"gain": 0.05, "loss": 0.02}, "tightened"),
        # As any key that was not there before.
        (None, {"gain": 0.05, "loss": 0.01}, "neutral"),
    ],
)
def test_a_change_of_the_rule_is_told_by_its_way(before: Any, after: Any, way: str) -> None:
    found = changes({"policy": {"alternatives": before}}, {"policy": {"alternatives": after}})

    assert way in {each.way for each in found}


def test_gains_are_towards_parity_whichever_side_the_limit_is_on() -> None:
    rules = policy(RATIO, limit("true_positive_rate_difference", "sex", at_most=0.2))
    ratio, difference = (each.name for each in rules.limits)

    found = gains(
        rules,
        Reached(quality=0.8, limits={ratio: 0.7, difference: 0.3}),
        Reached(quality=0.75, limits={ratio: 0.9, difference: 0.1}),
    )

    assert found == Beside(lost=0.05, gained={ratio: 0.2, difference: 0.2})
    assert mean_of([found, Beside(lost=0.15, gained={ratio: 0.0, difference: None})]) == Beside(
        lost=0.1, gained={ratio: 0.1, difference: None}
    )

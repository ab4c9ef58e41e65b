"""Who answers, the model or a person, by the policy that the release was signed with."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairmark.journal.entry import DAY_US, Entry
from fairmark.params.serve import Oversight, Refer
from fairmark.serve.cases import override_table
from fairmark.serve.oversight import (
    Flagged,
    Scored,
    chosen_reasons,
    is_open_to_overturning,
    needs_reasons,
    outcome_of_review,
    ruling,
)

NOTHING: dict[str, Any] = {
    "adverse": False,
    "confidence_below": 0.0,
    "unknown_category": False,
    "out_of_range": False,
    "sparse": False,
}
YES, NO = Scored(0.9, 1), Scored(0.2, 0)
NOW = 1_000_000
UNKNOWN = Scored(0.9, 1, (Flagged("unknown_category", "job"),))


def policy(mode: str = "on_the_loop", **refer: Any) -> Oversight:
    return Oversight(
        mode=mode,  # type: ignore[arg-type]
        refer=Refer(**(NOTHING | refer)),
        sparse_rows=20,
        overturn_days=14,
        review_days=5,
        contest_days=30,
        adverse_decision=0,
    )


def test_on_the_loop_every_decision_goes_out_and_can_be_overturned_for_the_stated_days() -> None:
    rule = ruling(NO, policy(adverse=True), NOW)

    assert (rule.by, rule.decision, rule.referred) == ("model", 0, ("adverse",))
    assert rule.overturn_until_us == NOW + 14 * DAY_US
    assert rule.review_due_us == NOW + 5 * DAY_US


def test_in_the_loop_what_is_referred_waits_for_a_person() -> None:
    rule = ruling(NO, policy("in_the_loop", adverse=True), NOW)

    assert (rule.by, rule.decision, rule.proposal) == ("person", None, 0)
    assert rule.overturn_until_us is None


def test_in_the_loop_what_nothing_refers_goes_out_without_a_case() -> None:
    rule = ruling(YES, policy("in_the_loop", adverse=True), NOW)

    assert (rule.by, rule.decision, rule.review_due_us) == ("model", 1, None)


@pytest.mark.parametrize(
    ("scored", "refer", "why"),
    [
        (NO, {"adverse": True}, ("adverse",)),
        (YES, {"adverse": True}, ()),
        (Scored(0.55, 1), {"confidence_below": 0.6}, ("low_confidence",)),
        (Scored(0.6, 1), {"confidence_below": 0.6}, ()),
        (Scored(0.45, 0), {"confidence_below": 0.6}, ("low_confidence",)),
        (Scored(0.9, 1, (Flagged("sparse"),)), {"sparse": True}, ("sparse",)),
        (Scored(0.9, 1, (Flagged("sparse"),)), {}, ()),
        (Scored(0.9, 1, (Flagged("out_of_range", "age"),)), {"out_of_range": True}, ("out_of_range",)),
        (
            Scored(0.9, 1, (Flagged("unknown_category", "job"),)),
            {"unknown_category": True},
            ("unknown_category",),
        ),
    ],
)
def test_a_row_is_referred_by_what_the_policy_names(scored: Scored, refer: Any, why: tuple[str, ...]) -> None:
    assert ruling(scored, policy(**refer), NOW).referred == why


@pytest.mark.parametrize("mode", ["in_the_loop", "on_the_loop", "in_command"])
def test_without_a_score_a_person_answers_in_every_mode(mode: str) -> None:
    rule = ruling(None, policy(mode), NOW)

    assert (rule.by, rule.decision, rule.proposal, rule.referred) == ("person", None, None, ("no_model",))
    assert not needs_reasons(rule, policy(mode))


def test_adverse_and_referred_decisions_carry_reasons_and_no_others() -> None:
    assert needs_reasons(ruling(NO, policy(), NOW), policy())
    assert not needs_reasons(ruling(YES, policy(), NOW), policy())
    assert needs_reasons(ruling(YES, policy(confidence_below=0.95), NOW), policy())


def test_a_decision_can_be_overturned_until_the_stated_time_and_not_after() -> None:
    assert is_open_to_overturning(NOW, NOW)
    assert not is_open_to_overturning(NOW, NOW + 1)
    assert not is_open_to_overturning(None, NOW)


def test_the_same_decision_is_a_confirmation_and_another_an_override() -> None:
    assert [outcome_of_review(0, each) for each in (0, 1)] == ["confirmation", "override"]
    assert outcome_of_review(None, 0) == "override"


def test_reasons_point_the_way_of_the_decision_the_strongest_first() -> None:
    moves = [("a", 0.5), ("b", -0.2), ("c", -0.9), ("d", -0.2), ("e", 0.0)]

    assert chosen_reasons(moves, 0, 2) == [("c", -0.9), ("b", -0.2)]
    assert chosen_reasons(moves, 1, 4) == [("a", 0.5)]


@given(score=st.floats(0, 1), decision=st.integers(0, 1))
def test_confidence_is_the_chance_of_being_right(score: float, decision: int) -> None:
    confidence = Scored(score, decision).confidence

    assert confidence == (score if decision else 1 - score)


def test_overrides_are_counted_by_group_reason_and_reviewer_with_bounds_that_hold_at_once() -> None:
    def said(kind: Any, about: str, by: str) -> Entry:
        return Entry(kind=kind, at_us=1, about=about * 32, caller=by, body=b'{"reason":"pay slip"}')

    reviewed = [
        said("override", "a", "Ada"),
        said("confirmation", "b", "Ada"),
        said("confirmation", "a", "Bob"),
    ]
    rows = override_table(reviewed, {"a" * 32: ["sex: Female"]})

    assert {(row.by, row.value): (row.overridden, row.reviewed) for row in rows} == {
        ("group", "sex: Female"): (1, 2),
        ("reason", "pay slip"): (1, 3),
        ("reviewer", "Ada"): (1, 2),
        ("reviewer", "Bob"): (0, 1),
    }
    # Clopper and Pearson by hand: none of one row, and a tail of 0.05 / 2 / 4, is at most 1 - tail.
    (bob,) = [row for row in rows if row.value == "Bob"]
    assert bob.low == 0
    assert bob.high == pytest.approx(1 - 0.05 / 8)

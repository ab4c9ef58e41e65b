"""A test set has a budget: the trail knows each model that was judged on it, and each spends its part."""

import json
from typing import Any

import pytest
from confusion_rows import document, limit, policy
from hypothesis import given
from hypothesis import strategies as st

from fairmark.governance.test_set_budget import Judged, earlier_verdicts, faults
from fairmark.governance.trail import Entry, EntrySignature, Event, Identity
from fairmark.judge.verdict import Verdict, judge
from fairmark.params.policy import Budget, Policy, Waiver

FOUR_FIFTHS = limit("selection_rate_ratio", "sex", at_least=0.1)


def _entry(
    number: int, model: str | None, rows: str = "r", name: str | None = "t", earlier: int = 0
) -> Entry:
    event = Event(action="ended", model=model, test_rows=rows, test_set=name, earlier=earlier)
    return Entry(number, "", "", Identity(None, None), event, "completed", EntrySignature("", ""), b"")


def _planned(verdicts: int, *waivers: Waiver) -> Policy:
    budget = Budget(test_set="t", verdicts=verdicts)
    return policy(FOUR_FIFTHS).model_copy(update={"budget": budget, "waivers": list(waivers)})


def _budget(verdict: Verdict) -> Any:
    return next(each for each in verdict.findings if each.limit == "test-set-budget")


# ------------------------------------------------------------------ the trail


def test_each_other_model_counts_once_by_rows_or_by_name() -> None:
    kept = [_entry(1, "a"), _entry(2, "a"), _entry(3, "b", rows="more"), _entry(4, "c", "r", "new"),
            _entry(5, "d", "x", "other"), _entry(6, None)]  # fmt: skip

    assert earlier_verdicts(kept, Judged("e", "r", "t")) == 3
    assert earlier_verdicts(kept, Judged("e", "r", None)) == 2


def test_a_model_judged_again_keeps_its_first_place() -> None:
    kept = [_entry(1, "a"), _entry(2, "b"), _entry(3, "c")]

    assert earlier_verdicts(kept, Judged("b", "r", "t")) == 1


def test_the_same_model_on_more_rows_of_the_test_set_is_another_look() -> None:
    kept = [_entry(1, "a", "r1"), _entry(2, "a", "r2"), _entry(3, "a", "r2")]

    assert earlier_verdicts(kept, Judged("a", "r3", "t")) == 2
    assert earlier_verdicts(kept, Judged("a", "r2", "t")) == 1


def test_an_entry_that_counts_wrong_is_found() -> None:
    kept = [_entry(1, "a"), _entry(2, "b", earlier=1), _entry(3, "c", earlier=0)]

    assert list(faults(kept)) == ["entry 3: earlier must be 2 by those before it, got 0"]
    assert list(faults(kept[1:])) == []


# ------------------------------------------------------------------ the verdict


def test_each_verdict_spends_its_part_of_the_level() -> None:
    alone, planned = (judge(document(), _planned(n), None) for n in (1, 4))

    assert (alone.findings[0].bound or 0) > (planned.findings[0].bound or 0)
    assert planned.findings[0].bound == judge(
        document(), _planned(1).model_copy(update={"level": 0.0125}), None
    ).findings[0].bound  # fmt: skip


@given(st.integers(2, 60), st.floats(0.01, 0.99))
def test_all_planned_verdicts_together_spend_the_level_and_no_more(verdicts: int, first: float) -> None:
    budget = Budget(test_set="t", verdicts=verdicts, first=first)

    assert sum(budget.part(k) for k in range(verdicts)) == pytest.approx(1)
    assert budget.part(None) == budget.part(0) == first


def test_a_first_part_of_a_single_verdict_is_refused() -> None:
    with pytest.raises(ValueError, match=r"first must be null where one verdict is planned, got 0"):
        Budget(test_set="t", verdicts=1, first=0.5)


def test_later_verdicts_are_judged_at_their_smaller_part() -> None:
    budget = Budget(test_set="t", verdicts=4, first=0.5)
    rules = policy(FOUR_FIFTHS).model_copy(update={"budget": budget})
    first, second = (judge(document(), rules, None, earlier=k) for k in (0, 1))

    assert (first.findings[0].bound or 0) > (second.findings[0].bound or 0)
    assert "at 0.025 of the level; 3 left, each at 0.00833" in _budget(first).text


@pytest.mark.parametrize(
    ("earlier", "outcome"), [(None, "pass"), (0, "pass"), (3, "pass"), (4, "insufficient evidence")]
)
def test_what_is_spent_stops_a_release(earlier: int | None, outcome: str) -> None:
    found = judge(document(), _planned(4), None, earlier=earlier)

    assert found.outcome == outcome
    assert _budget(found).outcome == outcome
    assert found.earlier == earlier


def test_a_waiver_lets_one_more_go_on_and_is_told() -> None:
    import datetime as dt

    day = dt.date(2026, 11, 28)
    waiver = Waiver(
        limit="test-set-budget",
        groups=None,
        decided_by="A. Person",
        reason="No new rows.",
        decided=day,
        expires=day,
    )
    found = judge(document(), _planned(1, waiver), day, earlier=9)

    assert found.state == "pass with waiver"
    assert "9 other verdicts" in _budget(found).text


def test_a_verdict_is_read_again_with_what_it_counted() -> None:
    found = judge(document(), _planned(4), None, earlier=2)

    assert Verdict.from_json(json.loads(json.dumps(found.to_json())), "verdict").to_json() == found.to_json()

"""A test set has a budget: the trail knows each model that was judged on it, and each spends its part."""

import json
from typing import Any

import pytest
from confusion_rows import document, limit, policy

from fairmark.governance.test_set_budget import Judged, earlier_models, faults
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

    assert earlier_models(kept, Judged("e", "r", "t")) == 3
    assert earlier_models(kept, Judged("e", "r", None)) == 2


def test_a_model_judged_again_keeps_its_first_place() -> None:
    kept = [_entry(1, "a"), _entry(2, "b"), _entry(3, "c")]

    assert earlier_models(kept, Judged("b", "r", "t")) == 1


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
    assert "9 other models" in _budget(found).text


def test_a_verdict_is_read_again_with_what_it_counted() -> None:
    found = judge(document(), _planned(4), None, earlier=2)

    assert Verdict.from_json(json.loads(json.dumps(found.to_json())), "verdict").to_json() == found.to_json()

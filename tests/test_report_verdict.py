"""The verdict is told limit by limit, led by the comparison that decides, with its waivers."""

import datetime as dt

import pytest
from stage_outputs import FAIR, TEAMS, facts, limit, measurements, policy

from fairmark.judge.verdict import Finding, Verdict, decisive, judge
from fairmark.params.policy import Policy, Waiver
from fairmark.report.labels import sentence
from fairmark.report.verdict import SHOWN, folded, gates_fairness, on_record, verdict_view

FOUR = FAIR.limits[1]
WAIVER = Waiver(
    limit="four-fifths",
    groups=None,
    decided_by="Ada",
    reason="No more rows can be had.",
    decided=dt.date(2026, 1, 2),
    expires=dt.date(2027, 1, 2),
)


def _verdict(rules: Policy = FAIR, teams: dict[str, int] | None = None) -> Verdict:
    return facts({"team": teams} if teams else TEAMS, rules).verdict


def _finding(outcome: str, bound: float | None, at: str = "at_least") -> Finding:
    changed = {"outcome": outcome, "bound": bound, "at": at, "limit_value": 0.8}
    return _verdict().findings[0].model_copy(update=changed)


def test_the_worst_outcome_decides_whatever_its_bound() -> None:
    failed = _finding("fail", 0.79)

    assert decisive([_finding("pass", 0.81), failed, _finding("insufficient evidence", 0.1)]) is failed


@pytest.mark.parametrize(("at", "nearest"), [("at_least", 0.81), ("at_most", 0.99)])
def test_of_equal_outcomes_the_least_room_decides(at: str, nearest: float) -> None:
    findings = [_finding("pass", bound, at) for bound in (0.9, 0.81, 0.99)]

    assert decisive(findings).bound == nearest


def test_what_has_no_bound_decides_over_what_has_one() -> None:
    unknown = _finding("insufficient evidence", None)

    assert decisive([_finding("insufficient evidence", 0.1), unknown]) is unknown


def test_the_sentence_counts_the_gates_that_are_met() -> None:
    easy = policy([limit("auc", "roc_auc", None, 0.6), limit("again", "accuracy", None, 0.6)])

    assert sentence(_verdict(easy)) == "All 2 gated limits are met."
    assert sentence(_verdict(policy(easy.limits[:1]))) == "The one gated limit is met."


def test_the_sentence_names_what_is_missed_and_what_is_open() -> None:
    rules = policy([limit("high", "accuracy", None, 0.99), FOUR, limit("auc", "roc_auc", None, 0.6)])

    assert sentence(_verdict(rules)) == (
        "Missed: high. Neither met nor missed for certain: four-fifths. Met: 1 of 3 gated limits."
    )


def test_a_policy_that_gates_nothing_says_so() -> None:
    assert sentence(_verdict(policy([limit("auc", "roc_auc", None, 0.6, gate=False)]))) == (
        "The policy gates nothing, so nothing is shown."
    )


def test_only_a_gate_on_groups_gates_fairness() -> None:
    reported = limit("four-fifths", "selection_rate_ratio", "team", 0.8, gate=False)

    assert gates_fairness(FAIR)
    assert not gates_fairness(policy([limit("auc", "roc_auc", None, 0.6), reported]))


def test_limits_stand_in_the_order_of_the_policy_with_their_reasons() -> None:
    found = verdict_view(_verdict(), FAIR, 3)

    assert [each.name for each in found.limits] == ["auc-floor", "four-fifths"]
    assert found.limits[1].reason == "The reason of four-fifths."
    assert found.limits[1].measure == "Selection rate ratio by team"
    assert found.limits[1].required == "at least 0.800"


def test_a_waiver_is_shown_on_its_limit_and_on_no_other() -> None:
    rules = policy(FAIR.limits, [WAIVER])

    floor, ratio = verdict_view(_verdict(rules), rules, 3).limits
    assert floor.waivers == []
    assert ratio.waivers == [WAIVER]
    assert ratio.outcome == "insufficient evidence"


def test_many_comparisons_are_all_listed() -> None:
    view = verdict_view(_verdict(teams={"a": 300, "b": 300, "c": 300}), FAIR, 3).limits[1]

    assert view.comparisons == 3
    assert view.all is not None
    assert len(view.all.rows) == 3


def test_what_could_not_be_measured_is_shown_without_a_number() -> None:
    view = verdict_view(_verdict(teams={"a": 300, "b": 0}), FAIR, 3).limits[1]

    assert (view.value, view.bound) == ("not measured", "not measured")
    assert "no rows in b" in view.text


def test_waivers_that_cover_all_that_is_open_are_told_with_their_last_day() -> None:
    rules = policy(FAIR.limits, [WAIVER])

    assert on_record(_verdict(rules), rules).startswith(
        "Waivers on record cover what is open: a release made by 2027-01-02 may go out"
    )


def test_beside_pass_with_waiver_stands_first_what_it_stands_on() -> None:
    rules = policy(FAIR.limits, [WAIVER])
    view = verdict_view(_verdict(rules), rules, 3)

    assert view.state == "pass with waiver"
    assert view.sentence.startswith("Waivers on record cover what is open: a release made by 2027-01-02")
    assert "Neither met nor missed for certain" in view.sentence


def test_waivers_that_leave_something_open_or_missed_are_not() -> None:
    other = WAIVER.model_copy(update={"groups": ["nobody"]})
    missed = policy([limit("high", "accuracy", None, 0.99), FOUR])

    assert on_record(_verdict(policy(FAIR.limits, [other])), policy(FAIR.limits, [other])) == ""
    assert on_record(_verdict(missed), policy(missed.limits, [WAIVER])) == ""
    assert on_record(_verdict(FAIR), FAIR) == ""


TRUE_FAIL = policy([limit("high", "accuracy", None, 0.99)])
OVERRIDE = WAIVER.model_copy(update={"limit": "high"})


def test_an_override_on_record_is_told_for_what_is_missed() -> None:
    rules = policy(TRUE_FAIL.limits, overrides=[OVERRIDE])

    assert on_record(_verdict(rules), rules) == (
        "Overrides and waivers on record cover what is missed or open: a release made by 2027-01-02 may go "
        "out, and names them."
    )
    assert verdict_view(_verdict(rules), rules, 3).limits[0].overrides == [OVERRIDE]


def test_a_failure_let_through_is_shown_as_a_failure() -> None:
    rules = policy(TRUE_FAIL.limits, overrides=[OVERRIDE])
    applied = judge(measurements(TEAMS), rules, dt.date(2026, 6, 1))
    view = verdict_view(applied, rules, 3)

    assert (applied.outcome, view.limits[0].outcome, view.limits[0].style) == (
        "pass",
        "fail",
        "fail",
    )
    assert view.limits[0].let_through == ["override: Ada until 2027-01-02: No more rows can be had."]
    assert view.sentence == (
        "Missed: high. Let through by an override although missed: high. Met: 0 of 1 gated limits."
    )


def test_nothing_on_record_lets_through_what_can_not_be_measured() -> None:
    odd = limit("odd", "recall", "nobody", 0.5)
    rules = policy([odd], overrides=[OVERRIDE.model_copy(update={"limit": "odd"})])

    assert on_record(_verdict(rules), rules) == ""


def test_of_many_comparisons_those_that_decide_are_listed_and_the_rest_counted() -> None:
    many = {f"g{k:02}": 40 + 7 * k for k in range(14)}
    verdict = _verdict(teams=many)
    view = verdict_view(verdict, FAIR, 3).limits[1]
    found = [finding for finding in verdict.findings if finding.limit == FOUR.name]

    assert len(found) == 91
    assert view.all is not None
    assert len(view.all.rows) == SHOWN
    assert view.all.rows[0][0] == decisive(found).group
    assert view.folded.startswith(f"{91 - SHOWN} more")


def test_the_sentence_on_folded_comparisons_counts_each_outcome() -> None:
    rest = [_finding("fail", 0.1), *[_finding("pass", 0.9)] * 1200]

    assert (
        folded(rest)
        == "1,201 more, each with more room than these or a better outcome: 1 fail and 1,200 pass."
    )
    assert folded([]) == ""

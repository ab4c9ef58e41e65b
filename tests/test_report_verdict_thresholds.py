"""Wherever a person reads, the pages say in plain words that the decision reads a protected attribute."""

import html
import re
from dataclasses import replace
from typing import Any

import data_summaries
import pytest
from schemas import attribute, changed
from stage_outputs import FAIR, TEAMS, checks, explanations, facts, measurements, with_check

from fairmark.evaluate import documents as docs
from fairmark.explain import documents as explained
from fairmark.judge.measurements import Thresholds
from fairmark.report.checks import checks_view
from fairmark.report.explanations import decisions, is_withheld
from fairmark.report.inputs import Facts
from fairmark.report.model_card import card
from fairmark.report.page import page

OWN: dict[str, Any] = {
    "attribute": "team",
    "constraint": "demographic_parity",
    "groups": {"blue": 0.25, "red": 0.75},
    "origins": [{"column": "team", "kind": "categorical", "edges": None, "pair": None}],
}
APPLIED = explained.AppliedThreshold(
    attribute="team", group="blue", threshold=0.25, own=True, otherwise=["red"]
)
ALLOWED = FAIR.model_copy(update={"protected_at_prediction": ["team"]})
SAYS = ("The decision reads team.", "disparate treatment", "12 CFR 1002.6(b)", "section 106", "2000e-2(l)")


def shown(text: str) -> str:
    return html.unescape(re.sub(r"<[^>]*>", "", text))


def switched(applied: explained.AppliedThreshold = APPLIED, **changes: Any) -> Facts:
    plain = measurements(TEAMS)
    own = plain.model.model_copy(update={"thresholds": Thresholds.from_json(OWN, "thresholds")})
    measured = plain.model_copy(update={"model": own})
    told = explanations(TEAMS, ("age", "job"))
    effect = "with the threshold of red the decision would be no"
    reason = explained.Reason(feature="team", value="blue", effect=effect)
    decision = told.decisions[0]
    decision = decision.model_copy(
        update={"applied_threshold": applied, "reasons": [reason, *decision.reasons]}
    )
    told = told.model_copy(update={"decisions": [decision]})
    moved = docs.SwappedDecisions(attribute="team", moved=0.125)
    swapped = docs.SwappedEvidence(columns=["team"], same=True, decisions=moved)
    found = with_check("stress", checks(TEAMS, ("age", "job")), swapped=swapped)
    return facts(rules=ALLOWED, measurements=measured, explanations=told, checks=found, **changes)


@pytest.mark.parametrize("words", SAYS)
def test_the_card_says_that_the_decision_reads_the_attribute_and_what_that_is(words: str) -> None:
    plain, told = card(facts()), card(switched())

    assert words in told.replace("\\", "")
    assert words not in plain.replace("\\", "")


def test_the_card_does_not_promise_what_no_longer_holds() -> None:
    told = card(switched()).replace("\\", "")

    assert "the same for everybody" not in told
    assert "In the decision: none." not in told
    assert "team: in the decision, by a threshold for each group." in told
    assert "a decision threshold for each group of team: blue 0.250, red 0.750; everybody else 0.438." in told
    assert "the same for everybody" in card(facts())


@pytest.mark.parametrize("words", SAYS)
def test_so_does_the_page(words: str) -> None:
    assert words in shown(page(switched()))
    assert words not in shown(page(facts()))


def test_the_page_shows_every_threshold_and_what_swapping_the_groups_moves() -> None:
    text = shown(page(switched()))

    assert "0.250 (blue), 0.750 (red), 0.438 (everybody else)" in text
    assert "Swapping the groups of team moves 0.125 of all decisions, because groups have thresholds" in text
    assert "By that of red the decision would be" in text
    assert checks_view(facts())["stress"]["decisions"] is None


def test_a_decision_is_told_by_the_threshold_that_made_it() -> None:
    yes = switched().explanations.decisions[0].decision == 1
    turned = "no" if yes else "yes"

    told = decisions(switched())[0].threshold
    other = decisions(switched(APPLIED.model_copy(update={"own": False, "otherwise": []})))[0].threshold

    assert told == (
        f"It was decided by the threshold of team blue, 0.250. By that of red the decision would be {turned}."
    )
    assert other == (
        "It was decided by the threshold of those whose group has none of its own, 0.250. "
        "No other group's would turn the decision."
    )
    assert decisions(facts())[0].threshold is None


def test_a_personal_attribute_is_told_of_nobody() -> None:
    found = switched()
    audit = data_summaries.changed(found.audit, personal=[{"column": "team", "kind": "name", "share": 1.0}])
    schema = changed(found.schema, attributes={"team": attribute("team", [])})
    hidden = replace(found, audit=audit, schema=schema)

    told = decisions(hidden)[0]

    assert told.threshold is not None
    assert "blue" not in told.threshold
    assert "red" not in told.threshold
    assert is_withheld("team", hidden)
    assert told.reasons[0] == explained.Reason(
        feature="team", value="withheld", effect="with another group's threshold it would be otherwise"
    )

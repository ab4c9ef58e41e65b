"""Rivals are the frontier without the chosen trial, the less disparate first, each with why it was left."""

from dataclasses import replace
from typing import Any

import pytest
from confusion_rows import limit, policy
from search_formula import outcome, tune

from fairmark.learn.alternatives import alternatives, room
from fairmark.learn.ranking import Trial
from fairmark.learn.search_results import SearchResults
from fairmark.params.learn import Chosen

FINAL = {"trials": 1, "folds": 3, "near": []}
RATIO = limit("selection_rate_ratio", "side", at_least=0.8)


def trial(number: int, quality: float, slack: float, **changes: Any) -> Trial:
    made: dict[str, Any] = {
        "family": "logistic", "settings": {"c": float(number)}, "balance": "none", "reweighing": False,
        "mitigation": [], "margin": 0.0, "folds": None,
    }  # fmt: skip
    role = changes.pop("role", "searched")
    return Trial(number, role, Chosen(**(made | changes)), outcome(quality, slack))


def offered(*trials: Trial, **search: Any) -> list[tuple[int, str]]:
    found = SearchResults(tune(**search), policy(RATIO), "accuracy", trials)
    return [(each.number, each.why) for each in alternatives(found, policy(RATIO))]


FRONT = (
    trial(0, 0.9, -0.2),
    trial(1, 0.85, 0.01),
    trial(2, 0.8, 0.1),
    trial(3, 0.82, 0.05),
    trial(4, 0.7, 0.0),
)


def test_the_less_disparate_come_first_the_nearest_in_quality_leading() -> None:
    """Trial 1 is chosen, and trial 4 is dominated."""
    assert [number for number, _ in offered(*FRONT)] == [3, 2, 0]


def test_each_is_told_why_it_was_not_taken() -> None:
    why = dict(offered(*FRONT))

    assert why[0] == "It misses selection-rate-ratio by 0.2 on held-out rows, the search's margin taken off."
    assert (
        why[3] == "It keeps every gated limit that was measured, and has 0.03 less accuracy on held-out rows."
    )


def test_the_same_choices_on_more_rows_are_no_rival_of_their_own() -> None:
    again = trial(5, 0.84, 0.02, role="finalist", folds=3, settings={"c": 1.0})

    found = dict(offered(*FRONT, again, finalists=FINAL))

    assert 1 not in found
    assert found[3].startswith("It was measured on validation rows alone")


def test_a_rival_that_came_again_as_a_finalist_stands_there_once() -> None:
    again = trial(5, 0.81, 0.08, role="finalist", folds=3, settings={"c": 3.0})
    best = trial(6, 0.84, 0.02, role="finalist", folds=3, settings={"c": 1.0})

    found = [number for number, _ in offered(*FRONT, again, best, finalists=FINAL)]

    assert 5 in found
    assert 3 not in found


def test_a_blind_search_is_compared_by_what_was_measured() -> None:
    """Nothing steered these trials, so that the best quality was chosen; the second is the fairer one."""
    seen = [trial(0, 0.9, -0.2, blind="choice"), trial(1, 0.85, 0.1, blind="choice")]
    seen = [replace(each, outcome=each.outcome.model_copy(update={"slacks": {}})) for each in seen]
    results = SearchResults(tune(blind="choice", mitigation=[]), policy(RATIO).blind, "accuracy", seen)

    assert [each.number for each in alternatives(results, policy(RATIO))] == [1]
    assert room(seen[1], policy(RATIO)) == pytest.approx(0.1)

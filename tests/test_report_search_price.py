"""The price is told from the trials: quality against the unmitigated one, and what became of every goal."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from stage_outputs import CHOSEN, FAIR, facts, limit, policy, trials

from fairmark.judge.measurements import Disparity
from fairmark.params.learn import Step
from fairmark.params.policy import Policy
from fairmark.report.inputs import Facts
from fairmark.report.search import price_text

STEP = Step(attribute="team", constraint="demographic_parity", strength=1.2)


def _priced(chosen: Mapping[str, float], rules: Policy = FAIR) -> Facts:
    rows = [row.model_copy(update=chosen if row.chosen else {}) for row in trials(rules.limits)]
    return facts(rules=rules, trials=rows, chosen=CHOSEN.model_copy(update={"mitigation": [STEP]}))


def test_quality_is_told_against_the_unmitigated_model() -> None:
    assert price_text(_priced({}))[0] == (
        "Drawing groups together by team leaves accuracy 0.020 lower and ROC AUC unchanged on validation "
        "rows, against the best model that looks at quality alone."
    )


@pytest.mark.parametrize(
    ("after", "way"),
    [(0.86, "0.550 to 0.860 (better)"), (0.5, "0.550 to 0.500 (worse)"), (0.5501, "same")],
)
def test_a_ratio_is_better_when_it_rises(after: float, way: str) -> None:
    said = price_text(_priced({"limit.four-fifths": after}))[1]

    assert said.startswith("By team, the selection rate ratio")
    assert way.replace("same", "stays 0.550") in said


def test_a_difference_is_better_when_it_falls() -> None:
    rules = policy([limit("tpr", "true_positive_rate_difference", "team", at_most=0.1)])

    assert "from 0.550 to 0.400 (better)" in price_text(_priced({"limit.tpr": 0.4}, rules))[1]


def test_what_is_left_in_error_rates_is_told_from_test_rows() -> None:
    found = _priced({})
    between = found.measurements.disparities["team"]["true_positive_rate_difference"]

    said = price_text(found)[-1]
    assert f"the true positive rate difference is {between.value:.3f}" in said
    assert f"), {between.highest} highest" in said


def test_a_disparity_that_could_not_be_measured_is_passed_over() -> None:
    found = _priced({})
    unknown = Disparity(value=None, low=None, high=None, lowest=None, highest=None)
    names = ("true_positive_rate_difference", "false_positive_rate_difference")
    team = found.measurements.disparities["team"] | dict.fromkeys(names, unknown)
    measured = found.measurements.model_copy(update={"disparities": {"team": team}})
    found = replace(found, measurements=measured)

    assert len(price_text(found)) == 2


def test_a_model_that_nothing_was_given_up_for_has_no_price() -> None:
    rows = [row for row in trials(FAIR.limits) if row.role != "unmitigated"]

    assert price_text(facts(trials=rows)) == []

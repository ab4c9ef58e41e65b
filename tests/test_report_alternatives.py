"""The report and the card say what rivals gain and cost, how steadily, and why they were not taken."""

import pytest
from rival_models import alternatives, rival
from stage_outputs import FAIR, facts

from fairmark.judge.alternatives import Beside, SwappedGroup
from fairmark.params.policy import RivalRule
from fairmark.report.alternatives import alternatives_view, in_words
from fairmark.report.inputs import Facts
from fairmark.report.model_card import card
from fairmark.report.page import page

ON_GROUPS = next(each for each in FAIR.limits if each.attribute is not None)


def compared(**changes: object) -> Facts:
    return facts(alternatives=alternatives("a" * 64, ON_GROUPS.name, "team", **changes))


def test_a_rival_is_told_in_a_sentence_with_gain_cost_and_steadiness() -> None:
    found = compared()

    assert in_words(found, found.alternatives.rivals[0]) == (
        f"trial-4 is 0.040 nearer to parity by {ON_GROUPS.name} (nearer in 1 of 2 fits, and in 1.000 of the "
        "resamples); it costs 0.020 of accuracy, 20.0 right decisions a thousand."
    )


def test_a_profit_is_told_in_its_own_unit() -> None:
    found = compared(goal="profit")

    assert in_words(found, found.alternatives.rivals[0]).endswith(
        "it costs 0.020 of profit a row, 20.0 units of profit a thousand."
    )


def test_a_rival_that_gains_nothing_is_told_to_be_as_near_to_parity() -> None:
    alike = rival(ON_GROUPS.name, "team", mean=Beside(lost=0.0, gained={ON_GROUPS.name: 0.0}))
    found = compared(rivals=(alike,), goal="profit")

    assert in_words(found, alike).startswith("trial-4 is 0.000 apart from it, which is as near to parity, by")
    assert page(found)


def test_the_tables_hold_the_values_of_the_file() -> None:
    view = alternatives_view(compared())

    assert view.beside is not None
    assert view.steady is not None
    assert [row[:3] for row in view.beside.rows] == [
        ("chosen", "0.800", "0.800"),
        ("trial-4", "0.780", "0.790"),
    ]
    assert view.steady.rows[0] == (
        "trial-4", "Accuracy lost", "0.0100", "0.0300", "0.0200", "0.0040 to 0.0160"
    )  # fmt: skip
    assert view.swaps[0].rows[1] == ("Male (team)", "0.4 to 0.6", "2", "41")


def test_a_withheld_group_shows_no_count() -> None:
    hidden = {"team": {"Female": SwappedGroup(bands=None)}}

    view = alternatives_view(compared(rivals=(rival(ON_GROUPS.name, "team", swaps=hidden),)))

    assert view.swaps[0].rows == [("Female (team)", "withheld: too few rows", "", "")]


def test_the_page_and_the_card_say_why_each_was_left_and_what_the_gate_found() -> None:
    rules = FAIR.model_copy(update={"alternatives": RivalRule(limit=ON_GROUPS.name, gain=0.01, loss=0.1)})
    found = facts(rules=rules, alternatives=alternatives("a" * 64, ON_GROUPS.name, "team"))

    for text in (page(found), card(found)):
        assert "can't be told: rivals were not measured" in text.replace("&#39;", "'").replace("\\", "")
        assert "GridSearch, not measured on test rows: It is of a coarser grid." in text


@pytest.mark.parametrize("why", ["params ask for none (evaluate.alternatives)"])
def test_without_rivals_the_page_says_why(why: str) -> None:
    found = compared(rivals=(), unmeasured=(), why=why)

    assert alternatives_view(found).text == [f"There is nothing to compare: {why}."]
    assert why in page(found)

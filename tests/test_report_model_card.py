"""The model card has the nine sections, and every number on it comes from what was measured."""

import dataclasses
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from markup import read
from stage_outputs import FAIR, facts, limit, measurements, policy

from fairmark.evaluate.documents import MonotoneFeature
from fairmark.judge.measured import Measured
from fairmark.report.inputs import Facts
from fairmark.report.labels import measured
from fairmark.report.model_card import card, card_page
from fairmark.stats.measures import GAINS, MEASURES
from fairmark.stats.measures import label as title

NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
SECTIONS = [  # Mitchell et al. (2019), figure 1
    "Model details",
    "Intended use",
    "Factors",
    "Metrics",
    "Evaluation data",
    "Training data",
    "Quantitative analyses",
    "Ethical considerations",
    "Caveats and recommendations",
]
OWN_WORDS = " ".join(row.meaning for row in MEASURES.values()) + "SHA-256 a ratio of 1 and a difference of 0"
"""What the card says whatever was measured."""
HOSTILE = '<script>alert(1)</script> | **x** [y](javascript:z) & "q"'


def _leaves(value: Any) -> Iterator[Any]:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    elif hasattr(value, "model_dump"):
        value = value.model_dump()
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _leaves(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _leaves(item)
    else:
        yield value


def _traceable(found: Facts) -> set[str]:
    """Every way in which a number of the facts may be written on the card."""
    shown = set(NUMBER.findall(OWN_WORDS))
    for value in _leaves(found):
        if isinstance(value, str):
            shown |= set(NUMBER.findall(value))
        elif isinstance(value, int | float):
            # What a loss is in a thousand decisions is worked out of it.
            shown |= {
                f"{abs(value) * 1000:.1f}",
                f"{value:.3f}",
                f"{abs(value):.3f}",
                f"{value:,.0f}",
                f"{value:.4g}",
                f"{value:g}",
            }
    return shown


def test_every_number_on_the_card_is_found_in_the_facts() -> None:
    found = facts({"team": {"blue": 400, "red": 29, "green": 0}})

    text = card(found)
    strangers = sorted(set(NUMBER.findall(text)) - _traceable(found))
    assert len(NUMBER.findall(text)) > 100
    assert strangers == []


@pytest.mark.parametrize("measure", ["accuracy", "recall", "roc_auc", "calibration_error", "log_loss"])
def test_a_number_on_the_card_moves_with_its_measurement(measure: str) -> None:
    whole = measurements({"team": {"blue": 400, "red": 600}})
    moved_one = {measure: Measured(value=0.98765, low=0.97654, high=0.99876)}
    changed = whole.model_copy(update={"overall": whole.overall | moved_one})

    plain, moved = card(facts()), card(dataclasses.replace(facts(), measurements=changed))
    assert "0.988 (0.977 to 0.999)" not in plain
    assert "0.988 (0.977 to 0.999)" in moved


def test_every_measure_over_all_rows_is_on_the_card() -> None:
    found = facts()
    entry = Measured(value=0.123, low=0.1, high=0.2)
    overall = {**found.measurements.overall, **dict.fromkeys([*GAINS, "of_tomorrow"], entry)}
    found = dataclasses.replace(
        found, measurements=found.measurements.model_copy(update={"overall": overall})
    )

    text = card(found)

    assert set(GAINS) <= set(overall)
    for name, value in overall.items():
        assert f"| {title(name)} | {measured(value, 3)} |" in text


def test_a_monotone_constraint_is_on_the_card_as_it_was_checked() -> None:
    found = MonotoneFeature(
        feature="age", direction="decreasing", proved=True, rows=500, values=67, violations=0, largest=0.0
    )
    known = facts()
    checks = known.checks.model_copy(update={"monotone": [found]})

    said = card(dataclasses.replace(known, checks=checks))

    assert "- The score never rises as age grows, whatever the row: " in said
    assert "500 test rows were given 67 values each, without a violation." in said
    assert "The score never" not in card(known)


def test_the_nine_sections_stand_in_their_order() -> None:
    assert re.findall(r"^## (.*)$", card(facts()), flags=re.MULTILINE) == SECTIONS


def test_every_group_of_every_attribute_is_on_the_card() -> None:
    text = card(facts({"team": {"blue": 50, "red": 50}, "age band": {"<25": 40, ">=25": 60}}))

    assert "| blue | 50 |" in text
    assert "| &lt;25 | 40 |" in text
    assert "### By age band" in text


def test_what_was_not_measured_says_why() -> None:
    text = card(facts({"team": {"blue": 100, "red": 0}}))

    assert "| red | 0 | not measured: no rows |" in text
    assert "Few test rows: red of team has 0." in text


def test_a_policy_that_does_not_gate_fairness_is_named_so() -> None:
    words = "This policy does not gate fairness."

    assert words in card(facts(rules=policy([limit("auc-floor", "roc_auc", None, 0.8)])))
    assert words not in card(facts())


def test_the_verdict_and_what_the_rows_cannot_decide_are_on_the_card() -> None:
    text = card(facts())

    assert "**Verdict: insufficient evidence.**" in text
    assert "The test rows can't decide: four-fifths." in text


def test_hostile_names_stay_text_in_both_forms() -> None:
    found = facts({HOSTILE: {HOSTILE: 60, "b": 40}}, names=(HOSTILE, "job"), rules=policy(FAIR.limits[:1]))

    page = read(card_page(found, card(found)))
    assert page.all("script") == []
    assert page.all("a") == []
    assert page.faults == []
    assert HOSTILE in [it.text for it in page.all("th") if "row" in it.attributes.get("scope", "")]
    assert "<script" not in card(found)


def test_every_table_has_a_caption_and_as_many_cells_as_columns() -> None:
    found = facts()
    text = card(found)
    page = read(card_page(found, text))

    tables = page.all("table")
    assert len(page.all("caption")) == len(tables) == 5
    for block in re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1


def test_the_card_page_has_its_headings_in_order() -> None:
    found = facts()
    page = read(card_page(found, card(found)))

    levels = [int(it.name[1]) for it in page.elements if re.fullmatch(r"h\d", it.name)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_the_same_facts_give_the_same_card() -> None:
    assert card(facts()) == card(facts())

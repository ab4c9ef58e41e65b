"""Reasons are told in the release's reviewed words, against a baseline, and say where words are missing."""

import asyncio
import datetime as dt
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from served_release import ROW, make_desk, small_scorer

from fairmark.params.evaluate import ReasonText, ReasonTexts
from fairmark.params.read import read_params
from fairmark.params.serve import Serve
from fairmark.serve import cases
from fairmark.serve.decision import Answer
from fairmark.serve.desk import Desk
from fairmark.serve.paths import ReleaseAnswer, release_answer
from fairmark.serve.router import Router
from fairmark.serve.scorer import Scorer, golden_rows

pytest_plugins = ("release_fixtures",)
INCOME = ReasonText(raises="Your income is high", lowers="Your income is low")
POOR: dict[str, Any] = ROW | {"income <€>": -4.0, "home": "rent"}


@pytest.fixture(scope="module")
def signed(released: Path) -> Scorer:
    """Return the small release, which was signed with the texts of another table."""
    return small_scorer(released)


@pytest.fixture(scope="module")
def scorer(signed: Scorer) -> Scorer:
    """Return the same release, as if it were signed with the text of one of its four features."""
    texts = ReasonTexts(
        reviewed_by="The testers", reviewed=dt.date(2026, 11, 28), features={"income <€>": INCOME}
    )
    return replace(signed, texts=texts)


@pytest.fixture
def desk(scorer: Scorer, tmp_path: Path) -> Desk:
    return make_desk(Router(scorer), tmp_path)[0]


def decided(desk: Desk, row: dict[str, Any]) -> Answer:
    asked = desk.router.reader.request(json.dumps({"row": row}).encode())
    return asyncio.run(desk.decide(asked, "a tester"))[0]


def test_the_texts_are_those_that_the_release_was_signed_with(signed: Scorer, released: Path) -> None:
    params = read_params(released / "releases" / "loans-v0.1.0" / "params.yaml")

    assert signed.texts == params.explain.texts
    assert signed.untold == ["income <€>", "home", "member", "since"]


def test_an_adverse_decision_says_its_reasons_in_the_words_of_their_direction(desk: Desk) -> None:
    answer = decided(desk, POOR)
    told = {reason.feature: reason.text for reason in answer.reasons}

    assert answer.proposal == 0
    assert told.pop("income <€>") == "Your income is low"
    assert set(told.values()) == {None}, "the other features have no text, and say so"


@pytest.mark.parametrize(("effect", "text"), [(1.0, INCOME.raises), (-1.0, INCOME.lowers), (0.0, None)])
def test_a_text_goes_by_the_direction_of_the_move(scorer: Scorer, effect: float, text: str | None) -> None:
    assert scorer.text("income <€>", effect) == text
    assert scorer.text("home", effect) is None


def test_reasons_are_told_against_the_score_at_the_base_of_every_row(scorer: Scorer, desk: Desk) -> None:
    bases = {float(each) for each in scorer.contributions(golden_rows(scorer))[:, -1]}
    answer = decided(desk, POOR)

    assert len(bases) == 1
    assert answer.baseline == pytest.approx(1 / (1 + math.exp(-bases.pop())))


def test_an_answer_without_reasons_states_no_baseline(desk: Desk) -> None:
    answer = decided(desk, ROW)

    assert (answer.proposal, answer.reasons, answer.baseline) == (1, (), None)


def test_an_explanation_gives_the_reasons_of_the_answer_and_each_move_its_text(desk: Desk) -> None:
    answer = decided(desk, POOR)
    found = asyncio.run(cases.explain(desk, answer.id))

    assert [each.feature for each in found.reasons] == [each.feature for each in answer.reasons]
    assert [each.text for each in found.reasons] == [each.text for each in answer.reasons]
    assert found.baseline == answer.baseline
    assert {each.feature for each in found.contributions if each.text} == {"income <€>"}


def test_what_was_told_stays_on_record_when_the_texts_change(desk: Desk, scorer: Scorer) -> None:
    answer = decided(desk, POOR)
    desk.crown(replace(scorer, texts=None))

    assert asyncio.run(cases.history(desk, answer.id)).decision == answer


def test_the_release_says_who_reviewed_the_texts_and_which_are_missing(desk: Desk) -> None:
    found: ReleaseAnswer = release_answer(desk)

    assert (found.reasons.reviewed_by, found.reasons.reviewed) == ("The testers", "2026-11-28")
    assert found.reasons.untold == ("home", "member", "since")


def test_a_release_without_a_library_says_so(desk: Desk, scorer: Scorer) -> None:
    desk.crown(replace(scorer, texts=None))
    found = release_answer(desk)

    assert (found.reasons.reviewed_by, len(found.reasons.untold)) == (None, 4)


def test_more_than_four_reasons_are_refused(signed: Scorer) -> None:
    value = signed.params.model_dump(mode="json")

    with pytest.raises(ValidationError, match="less than or equal to 4"):
        Serve.model_validate_json(json.dumps(value | {"reasons": 5}))

"""A stage's way back is the way it came, and what is in it is the last word."""

import datetime as dt

import pytest

from fairmark.governance.promotion_tags import (
    PROMOTE,
    ROLLBACK,
    Promotion,
    Refs,
    backwards,
    before_present,
    breaks,
    now_in,
    stages,
)
from fairmark.signing.git_tags import TagText

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def promotions(*steps: str) -> list[Promotion]:
    """Return a chain: "v1" promotes to production, "<v1" rolls back to it, "v1@staging" goes to staging."""
    made: list[Promotion] = []
    for number, step in enumerate(steps, 1):
        version, _, stage = step.removeprefix("<").partition("@")
        stage = stage or "production"
        tag = f"loans#{stage}#{number}"
        seen = TagText(f"{number:040x}", "c", "", "t", START + dt.timedelta(days=number), signed=True)
        previous = (made[-1].tag, made[-1].seen.hash) if made else None
        action = ROLLBACK if step.startswith("<") else PROMOTE
        made.append(Promotion(tag, stage, number, version, "d", action, previous, None, "r", (), seen))
    return made


@pytest.mark.parametrize(
    ("steps", "back"),
    [
        ([], []),
        (["v1"], []),
        (["v1", "v2"], ["v1"]),
        (["v1", "v2", "v3"], ["v1", "v2"]),
        (["v1", "v2", "v3", "<v2"], ["v1"]),
        (["v1", "v2", "v3", "<v2", "<v1"], []),
        (["v1", "v2", "v3", "<v1"], []),
        (["v1", "v2", "v3", "<v2", "v3"], ["v1", "v2"]),
        (["v1", "v2", "v3", "<v2", "<v3"], ["v1", "v2"]),
        (["v1", "v2", "v1"], ["v2"]),
        (["v1", "v2@staging", "v3@staging", "v4"], ["v1"]),
    ],
)
def test_a_rollback_goes_the_way_that_the_stage_came(steps: list[str], back: list[str]) -> None:
    assert before_present(promotions(*steps), "production") == back


def test_the_last_word_says_what_is_there() -> None:
    made = promotions("v1", "v1@staging", "v2", "<v1")

    assert now_in(made, "production") is made[3]
    assert now_in(made, "canary") is None
    assert {stage: each.number for stage, each in stages(made).items()} == {"production": 4, "staging": 2}


def test_a_whole_chain_has_no_break_and_no_step_back() -> None:
    made = promotions("v1", "v2", "<v1", "v2@staging")

    assert breaks(Refs(tuple(made), ())) == []
    assert backwards(made) == []


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_any_one_taken_out_of_it_is_a_break(gone: int) -> None:
    made = promotions("v1", "v2", "v3", "v4")
    left = tuple(each for at, each in enumerate(made) if at != gone)

    assert any(f"number {gone + 1}: must be there" in fault for fault in breaks(Refs(left, ())))

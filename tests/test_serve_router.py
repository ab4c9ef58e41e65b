"""Which release answers: the same person meets the same one, and no failure loses an answer."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from served_release import ROW, broken, encoded, other, small_scorer

from fairmark.errors import InputError, UsageError
from fairmark.journal.entry import Entry
from fairmark.serve.canary.state import OFF, CanaryState, place, state_of
from fairmark.serve.router import Router
from fairmark.serve.scorer import Scorer

pytest_plugins = ("release_fixtures",)
TRIAL = "sha256:" + "c" * 64


@pytest.fixture(scope="module")
def scorer(released: Path) -> Scorer:
    return small_scorer(released)


def answer(router: Router, people: list[str]) -> Any:
    return router.answer([ROW] * len(people), [encoded(router.lead)] * len(people), people)


def test_the_champion_answers_where_no_canary_runs(scorer: Scorer) -> None:
    (routed,) = answer(Router(scorer, other(scorer)), ["a"])

    assert (routed.arm, routed.failed, routed.shadow) == ("champion", (), None)


def test_a_share_of_the_people_meets_the_challenger_and_always_the_same_people(scorer: Scorer) -> None:
    people = [f"person {number}" for number in range(2000)]
    small, large = (
        Router(scorer, other(scorer), state=CanaryState(phase="share", challenger=TRIAL, share=share))
        for share in (0.05, 0.25)
    )
    first = {who for who in people if small.arm_of(who) == "challenger"}
    second = {who for who in people if large.arm_of(who) == "challenger"}

    assert first < second
    # Five standard deviations of a binomial of 2,000 at 0.25 are 97.
    assert abs(len(second) - 500) < 97
    assert [each.arm == "challenger" for each in answer(large, people[:40])] == [
        who in second for who in people[:40]
    ]


def test_a_shadow_scores_every_row_and_answers_nobody(scorer: Scorer) -> None:
    router = Router(scorer, other(scorer, shift=9), state=CanaryState(phase="shadow", challenger=TRIAL))

    for each in answer(router, ["a", "b"]):
        assert each.arm == "champion"
        assert each.shadow.score > each.scored.score


@pytest.mark.parametrize("state", [OFF, CanaryState(phase="halted", challenger=TRIAL)])
def test_a_canary_that_is_off_or_halted_reaches_nobody(scorer: Scorer, state: CanaryState) -> None:
    router = Router(scorer, other(scorer), state=state)

    assert Counter(each.arm for each in answer(router, ["a", "b", "c"])) == {"champion": 3}


def test_a_state_of_a_release_that_is_not_loaded_changes_nothing(scorer: Scorer) -> None:
    state = CanaryState(phase="share", challenger="sha256:" + "d" * 64, share=1.0)

    assert Router(scorer, other(scorer), state=state).arm_of("a") == "champion"


FAILS: list[tuple[str, str, tuple[str, ...]]] = [
    ("challenger", "champion", ("challenger",)),
    ("challenger champion", "fallback", ("challenger", "champion")),
    ("challenger champion fallback", "none", ("challenger", "champion", "fallback")),
]


@pytest.mark.parametrize(("broken_arms", "arm", "failed"), FAILS)
def test_an_arm_that_fails_loses_no_answer(
    scorer: Scorer, broken_arms: str, arm: str, failed: tuple[str, ...]
) -> None:
    def made(name: str, digit: str) -> Scorer:
        return broken(scorer, digit) if name in broken_arms else other(scorer, digit)

    told: list[str] = []
    router = Router(made("champion", "a"), made("challenger", "c"), made("fallback", "f"))
    router.state = CanaryState(phase="share", challenger=TRIAL, share=1.0)
    router.note = lambda which, _: told.append(which)
    (routed,) = answer(router, ["a"])

    assert (routed.arm, routed.failed) == (arm, failed)
    assert tuple(told) == failed
    assert (routed.scored is None) is (arm == "none")


def test_a_shadow_that_fails_changes_no_answer(scorer: Scorer) -> None:
    router = Router(scorer, broken(scorer, "c"), state=CanaryState(phase="shadow", challenger=TRIAL))
    (routed,) = answer(router, ["a"])

    assert (routed.arm, routed.failed, routed.shadow) == ("champion", (), None)


def test_a_score_that_is_no_probability_is_a_failure(scorer: Scorer) -> None:
    (routed,) = answer(Router(other(scorer, shift=float("nan")), fallback=other(scorer, "f")), ["a"])

    assert (routed.arm, routed.failed) == ("fallback", ("champion",))


def test_without_a_champion_the_fallback_leads_and_says_so(scorer: Scorer) -> None:
    (routed,) = answer(Router(None, fallback=other(scorer, "f")), ["a"])

    assert (routed.arm, routed.failed) == ("fallback", ("champion",))


def test_after_an_alarm_the_fallback_answers_everybody_where_there_is_one(scorer: Scorer) -> None:
    state = CanaryState(phase="fallback", by="flow watch", reason="a limit is missed")
    with_one = answer(Router(scorer, fallback=other(scorer, "f"), state=state), ["a", "b"])
    (without,) = answer(Router(scorer, state=state), ["a"])

    assert [(each.arm, each.failed) for each in with_one] == [("fallback", ())] * 2
    assert without.arm == "champion"


def test_without_any_release_there_is_no_router() -> None:
    with pytest.raises(UsageError, match="must have a release that could be loaded"):
        Router(None)


STATES = st.one_of(
    st.just(OFF),
    st.builds(CanaryState, phase=st.just("shadow"), challenger=st.just(TRIAL), by=st.text(max_size=9)),
    st.builds(CanaryState, phase=st.just("halted"), challenger=st.just(TRIAL), reason=st.text(max_size=9)),
    st.builds(CanaryState, phase=st.just("share"), challenger=st.just(TRIAL), share=st.floats(0.01, 1)),
)


@given(state=STATES)
def test_a_state_is_read_from_the_entry_that_sets_it(state: CanaryState) -> None:
    assert state_of(state.entry(17)) == state


@pytest.mark.parametrize(
    "odd", [{"phase": "share", "challenger": TRIAL}, {"phase": "shadow"}, {"phase": "off", "share": 0.5}]
)
def test_a_state_that_says_two_things_is_refused(odd: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="canary: "):
        CanaryState(**odd)


def test_an_entry_that_sets_no_state_is_refused() -> None:
    with pytest.raises(InputError, match="must set a state"):
        state_of(Entry(kind="canary", at_us=1, body=b'{"phase": "full"}'))


@given(person=st.text(max_size=20))
def test_a_place_is_in_0_up_to_below_1(person: str) -> None:
    assert 0 <= place(person, TRIAL) < 1

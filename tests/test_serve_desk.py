"""The desk: what it answers is in the journal, by the policy of the release; a person has the last word."""

import asyncio
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
from served_release import ROW, SECRET, broken, make_desk, other, small_scorer, with_policy

from fairmark.journal.entry import Entry, IdempotencyKey, now_us, pseudonym
from fairmark.journal.memberships import Membership
from fairmark.serve import cases
from fairmark.serve.body import Refused
from fairmark.serve.canary.state import CanaryState, heartbeat
from fairmark.serve.desk import Desk
from fairmark.serve.router import Router
from fairmark.serve.scorer import Scorer
from fairmark.serve.wire import DecisionRequest

pytest_plugins = ("release_fixtures",)
T = TypeVar("T")
ONE = DecisionRequest([ROW], ["ada"], single=True)
TRIAL = "sha256:" + "c" * 64


@pytest.fixture(scope="module")
def scorer(released: Path) -> Scorer:
    return small_scorer(released)


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def status(work: Coroutine[Any, Any, Any]) -> int:
    with pytest.raises(Refused) as caught:
        run(work)
    return caught.value.status


def test_every_answer_is_in_the_journal_and_tells_whose_it_is_by_pseudonym_alone(
    scorer: Scorer, tmp_path: Path
) -> None:
    desk, journal = make_desk(Router(scorer), tmp_path)
    (answer,) = run(desk.decide(ONE, "shop"))
    entry = journal.kept[0].entry

    assert (entry.id, entry.score, entry.decision) == (answer.id, answer.score, answer.decision)
    assert (entry.caller, entry.release, entry.arm, entry.mode) == (
        "shop",
        scorer.digest,
        "champion",
        "on_the_loop",
    )
    assert entry.subject == pseudonym(SECRET, "ada")
    assert b"ada" not in entry.body
    assert b"own" not in entry.body
    assert msgspec.json.decode(entry.personal or b"")["row"] == ROW


def test_the_score_is_that_of_the_model_to_the_bit(scorer: Scorer, tmp_path: Path) -> None:
    desk, _ = make_desk(Router(scorer), tmp_path)
    (answer,) = run(desk.decide(ONE, "shop"))

    # By hand: 0.1 + (2.5 - 2) / 1 + 1 (own) + (1 - 0.5) / 1 + (18687 - 18500) / 400 log-odds.
    margin = 0.1 + 0.5 + 1 + 0.5 + 187 / 400
    assert answer.score == pytest.approx(1 / (1 + 2.718281828459045**-margin))


def test_a_request_that_comes_again_is_answered_again_and_decided_once(
    scorer: Scorer, tmp_path: Path
) -> None:
    desk, journal = make_desk(Router(scorer), tmp_path)
    key = IdempotencyKey("shop", "k1", "0" * 64)
    first, again = run(desk.decide(ONE, "shop", key)), run(desk.decide(ONE, "shop", key))

    assert first == again
    assert len([each for each in journal.kept if each.entry.kind == "decision"]) == 1
    assert status(desk.decide(ONE, "shop", IdempotencyKey("shop", "k1", "1" * 64))) == 409


def test_when_the_journal_cannot_be_written_nothing_is_answered(scorer: Scorer, tmp_path: Path) -> None:
    desk, journal = make_desk(Router(scorer), tmp_path)
    journal.unavailable = "a full disk"

    assert status(desk.decide(ONE, "shop")) == 503
    journal.unavailable = None
    assert len(run(desk.decide(ONE, "shop"))) == 1


def test_in_the_loop_a_referred_decision_waits_for_a_person_who_ends_it_once(
    scorer: Scorer, tmp_path: Path
) -> None:
    policy = with_policy(scorer, mode="in_the_loop", refer={"confidence_below": 1.0})
    desk, _ = make_desk(Router(policy), tmp_path)
    (answer,) = run(desk.decide(ONE, "shop"))
    assert (answer.decision, answer.decided_by, answer.proposal) == (None, "person", 1)
    assert [case.id for case in run(cases.cases(desk, ["review"], overdue=False, most=9))] == [answer.case]

    done = run(cases.review(desk, answer.case or "", 0, "pay slip", "It was forged.", "Ada"))

    assert (done.kind, done.about, done.decision) == ("override", answer.id, 0)
    assert run(cases.cases(desk, ["review"], overdue=False, most=9)) == []
    assert status(cases.review(desk, answer.case or "", 1, "x", "", "Bob")) == 409


def test_on_the_loop_a_person_overturns_what_went_out_until_the_stated_day(
    scorer: Scorer, tmp_path: Path
) -> None:
    desk, _ = make_desk(Router(with_policy(scorer, refer={"confidence_below": 0.0})), tmp_path)
    (answer,) = run(desk.decide(ONE, "shop"))
    assert answer.case is None

    assert run(cases.review(desk, answer.id, 1, "fine", "", "Ada")).kind == "confirmation"
    late = now_us() + 15 * 86_400_000_000
    desk.clock = lambda: late
    assert status(cases.review(desk, answer.id, 0, "late", "", "Ada")) == 409


def test_a_decision_whose_case_was_confirmed_can_still_be_overturned(scorer: Scorer, tmp_path: Path) -> None:
    desk, _ = make_desk(Router(with_policy(scorer, refer={"confidence_below": 1.0})), tmp_path)
    (answer,) = run(desk.decide(ONE, "shop"))
    run(cases.review(desk, answer.id, 1, "fine", "", "Ada"))

    assert run(cases.cases(desk, ["review"], overdue=False, most=9)) == []
    assert run(cases.review(desk, answer.id, 0, "second look", "", "Bob")).kind == "override"
    assert run(cases.review(desk, answer.id, 0, "third look", "", "Cam")).kind == "confirmation"


def test_in_command_nothing_is_answered_until_a_named_person_has_opened_the_service(
    scorer: Scorer, tmp_path: Path
) -> None:
    desk, journal = make_desk(Router(with_policy(scorer, mode="in_command")), tmp_path)
    assert status(desk.decide(ONE, "shop")) == 409

    run(cases.set_open(desk, opened=True, reason="the board said so", person="Ada"))
    assert len(run(desk.decide(ONE, "shop"))) == 1
    again = Desk(Router(desk.lead), journal, desk.memberships, desk.access, SECRET)
    run(again.refresh())
    assert again.is_open
    run(cases.set_open(desk, opened=False, reason="a doubt", person="Bob"))
    run(again.refresh())
    assert not again.is_open


def test_the_canary_is_what_the_journal_last_said_of_it_after_a_restart_too(
    scorer: Scorer, tmp_path: Path
) -> None:
    desk, journal = make_desk(Router(scorer, other(scorer)), tmp_path)
    for state in (
        CanaryState(phase="shadow", challenger=TRIAL),
        CanaryState(phase="share", challenger=TRIAL, share=1.0, by="flow promote"),
    ):
        run(journal.append([state.entry(now_us())]))
    run(desk.refresh())

    (answer,) = run(desk.decide(ONE, "shop"))
    assert (answer.arm, answer.release.digest) == ("challenger", TRIAL)  # type: ignore[union-attr]
    run(journal.append([CanaryState(phase="halted", challenger=TRIAL).entry(now_us())]))
    run(desk.refresh())
    assert run(desk.decide(ONE, "shop"))[0].arm == "champion"


def test_a_shadow_is_on_record_and_shown_to_nobody(scorer: Scorer, tmp_path: Path) -> None:
    desk, journal = make_desk(Router(scorer, other(scorer, shift=-9)), tmp_path)
    desk.router.state = CanaryState(phase="shadow", challenger=TRIAL)
    (answer,) = run(desk.decide(ONE, "shop"))
    (shadow,) = [each.entry for each in journal.kept if each.entry.kind == "shadow"]

    assert (answer.arm, answer.decision) == ("champion", 1)
    assert (shadow.about, shadow.release, shadow.decision) == (answer.id, TRIAL, 0)


def test_when_every_model_fails_a_person_is_asked_and_a_case_is_made(scorer: Scorer, tmp_path: Path) -> None:
    desk, _ = make_desk(Router(broken(scorer, "a"), fallback=broken(scorer, "f")), tmp_path)
    (answer,) = run(desk.decide(ONE, "shop"))

    assert (answer.decided_by, answer.decision, answer.score, answer.referred) == (
        "person",
        None,
        None,
        ("no_model",),
    )
    assert (answer.arm, answer.failed) == ("none", ("champion", "fallback"))
    assert run(cases.cases(desk, ["review"], overdue=False, most=9))[0].id == answer.case


def test_a_contest_with_a_correction_is_a_case_and_a_decision_anew(scorer: Scorer, tmp_path: Path) -> None:
    desk, _ = make_desk(Router(with_policy(scorer, refer={"confidence_below": 0.0})), tmp_path)
    (answer,) = run(desk.decide(ONE, "shop"))
    made = run(cases.contest(desk, answer.id, "I earn less.", {"income <€>": -4.0}, "shop"))
    history = run(cases.history(desk, answer.id))

    assert made.redecision is not None
    assert made.redecision.decision == 0
    assert [event.kind for event in history.events] == ["contest", "correction"]
    assert history.row == ROW
    (case,) = run(cases.cases(desk, ["contest"], overdue=False, most=9))
    assert (case.id, case.words) == (made.case, "I earn less.")
    done = run(cases.review(desk, made.case, 1, "kept", "", "Ada"))
    assert (done.kind, done.about) == ("override", answer.id)  # of what the mended row says


def test_a_correction_that_the_release_does_not_take_is_told_and_nothing_is_recorded(
    scorer: Scorer, tmp_path: Path
) -> None:
    desk, journal = make_desk(Router(scorer), tmp_path)
    (answer,) = run(desk.decide(ONE, "shop"))
    before = len(journal.kept)

    assert status(cases.contest(desk, answer.id, "", {"income <€>": "much"}, "shop")) == 422
    assert status(cases.contest(desk, "0" * 32, "", None, "shop")) == 404
    assert len(journal.kept) == before


def test_an_explanation_adds_up_to_the_score_that_was_answered(scorer: Scorer, tmp_path: Path) -> None:
    desk, journal = make_desk(Router(scorer), tmp_path)
    (answer,) = run(desk.decide(ONE, "shop"))
    said = run(cases.explain(desk, answer.id))

    effects = sum(each.effect for each in said.contributions)
    assert said.base + effects == pytest.approx(said.margin)
    assert 1 / (1 + 2.718281828459045**-said.margin) == pytest.approx(answer.score)
    run(journal.erase(subjects=[pseudonym(SECRET, "ada")], reason="asked", at_us=now_us()))
    assert status(cases.explain(desk, answer.id)) == 410


def test_an_outcome_is_kept_with_the_decision(scorer: Scorer, tmp_path: Path) -> None:
    desk, journal = make_desk(Router(scorer), tmp_path)
    (answer,) = run(desk.decide(ONE, "shop"))

    assert run(cases.outcomes(desk, [(answer.id, 1)], "shop")) == 1
    assert (journal.kept[-1].entry.kind, journal.kept[-1].entry.decision) == ("outcome", 1)
    assert status(cases.outcomes(desk, [("f" * 32, 1)], "shop")) == 404


def test_protected_attributes_stand_apart_and_no_entry_names_them(scorer: Scorer, tmp_path: Path) -> None:
    desk, journal = make_desk(Router(scorer), tmp_path)
    (answer,) = run(desk.decide(ONE, "shop"))
    member = Membership(answer.id, "sex", {"Female": 0.75, "Male": 0.25})

    assert run(cases.memberships(desk, [member])) == 1
    assert run(desk.memberships.of_decisions([answer.id])) == [member]
    run(cases.review(desk, answer.id, 0, "pay slip", "", "Ada"))
    groups = [each for each in run(cases.overrides(desk)) if each.by == "group"]
    assert [(each.value, each.overridden, each.reviewed) for each in groups] == [("sex: Female", 1, 1)]
    assert all(b"Female" not in each.entry.body + (each.entry.personal or b"") for each in journal.kept)


@pytest.mark.parametrize(("attribute", "group"), [("sex", "female"), ("colour", "Female")])
def test_a_group_that_the_release_does_not_know_is_refused(
    scorer: Scorer, tmp_path: Path, attribute: str, group: str
) -> None:
    desk, _ = make_desk(Router(scorer), tmp_path)
    (answer,) = run(desk.decide(ONE, "shop"))

    assert status(cases.memberships(desk, [Membership(answer.id, attribute, {group: 1.0})])) == 422


def test_another_champion_answers_from_the_next_request_on(scorer: Scorer, tmp_path: Path) -> None:
    desk, _ = make_desk(Router(scorer), tmp_path)
    before = run(desk.decide(ONE, "shop"))[0].release
    desk.crown(other(scorer, "e"))

    after = run(desk.decide(ONE, "shop"))[0].release
    assert (before, after) != (None, before)
    assert after is not None
    assert after.version == "v0.2.0"


def test_rows_that_leave_the_loop_are_decided_as_those_that_stay(scorer: Scorer, tmp_path: Path) -> None:
    desk, _ = make_desk(Router(scorer), tmp_path)
    rows = [ROW | {"income <€>": float(number)} for number in range(-50, 50)]
    many = run(desk.decide(DecisionRequest(rows, [None] * 100, single=False), "shop"))
    each = [run(desk.decide(DecisionRequest([row], [None], single=True), "shop"))[0] for row in rows[:5]]

    assert [answer.score for answer in many[:5]] == [answer.score for answer in each]
    assert len({answer.id for answer in many}) == 100


MINUTE_US = 60_000_000
START_US = 1_800_000_000_000_000
SHARE = CanaryState(phase="share", challenger=TRIAL, share=1.0, by="flow promote")


def arms(
    scorer: Scorer, place: Path, entries: list[Entry], minutes: list[float], **desk: Any
) -> tuple[list[str], Desk]:
    """Return whose answer it is so many minutes after the start; each entry is written at its own time."""
    made, journal = make_desk(Router(scorer, other(scorer)), place)
    for name, value in desk.items():
        setattr(made, name, value)
    found: list[str] = []
    for minute in minutes:
        now = START_US + int(minute * MINUTE_US)
        made.clock = partial(int, now)
        due = [each for each in entries if each.at_us <= now]
        entries = entries[len(due) :]
        if due:
            run(journal.append(due))
        run(made.refresh())
        found.append(run(made.decide(ONE, "shop"))[0].arm)
    return found, made


def beats(*minutes: int) -> list[Entry]:
    return [heartbeat(TRIAL, "flow promote", START_US + minute * MINUTE_US) for minute in minutes]


@pytest.mark.parametrize("phase", ["share", "shadow"])
def test_a_canary_that_nobody_looks_at_is_halted_and_says_so(
    scorer: Scorer, tmp_path: Path, phase: str
) -> None:
    state = SHARE if phase == "share" else CanaryState(phase="shadow", challenger=TRIAL)
    _, desk = arms(scorer, tmp_path, [state.entry(START_US), *beats(50)], [0, 50, 109, 111])
    text = desk.metrics.text().decode()

    assert (desk.router.state.phase, desk.router.state.by) == ("halted", "service")
    assert "nobody has looked at the canary for 60 minutes" in desk.router.state.reason
    assert "fairmark_canary_unattended 1.0" in text
    assert "fairmark_canary_share 0.0" in text


def test_looks_keep_a_canary_going_and_a_late_one_does_not_revive_it(scorer: Scorer, tmp_path: Path) -> None:
    entries = [SHARE.entry(START_US), *beats(50, 100, 170, 180), SHARE.entry(START_US + 200 * MINUTE_US)]
    found, _ = arms(scorer, tmp_path, entries, [0, 59, 150, 165, 175, 190, 201])

    assert found == ["challenger"] * 3 + ["champion"] * 3 + ["challenger"]


def test_after_a_restart_the_gap_is_known_from_the_journal(scorer: Scorer, tmp_path: Path) -> None:
    found, _ = arms(scorer, tmp_path, [SHARE.entry(START_US), *beats(50, 120, 130)], [131])

    assert found == ["champion"]


def test_a_clock_that_is_set_back_puts_the_halt_off_by_one_silence_at_most(
    scorer: Scorer, tmp_path: Path
) -> None:
    found, _ = arms(scorer, tmp_path, [SHARE.entry(START_US)], [0, 30, -5000, -4950, -4939])

    assert found == ["challenger"] * 4 + ["champion"]


@pytest.mark.parametrize("body", [b'{"phase": "full"}', b'{"phase": "share", "share": 7}'])
def test_an_entry_that_nobody_can_read_lets_the_champion_answer(
    scorer: Scorer, tmp_path: Path, body: bytes
) -> None:
    odd = Entry(kind="canary", at_us=START_US + MINUTE_US, release=TRIAL, arm="challenger", body=body)
    found, _ = arms(scorer, tmp_path, [SHARE.entry(START_US), odd], [0, 2])

    assert found == ["challenger", "champion"]


PROMOTED = CanaryState(phase="promoted", challenger=TRIAL, by="flow promote").entry(START_US)


def test_a_release_that_was_kept_answers_on_after_a_restart_and_weeks(scorer: Scorer, tmp_path: Path) -> None:
    watched = CanaryState(phase="fallback", by="flow watch").entry(START_US + MINUTE_US)
    resumed = CanaryState(phase="off", by="A. Person").entry(START_US + 2 * MINUTE_US)
    found, _ = arms(scorer, tmp_path, [PROMOTED, watched, resumed], [0, 3, 50_000])

    assert found == ["challenger"] * 3


def test_a_release_that_was_kept_is_taken_back_by_a_halt(scorer: Scorer, tmp_path: Path) -> None:
    halted = CanaryState(phase="halted", challenger=TRIAL).entry(START_US + MINUTE_US)
    found, _ = arms(scorer, tmp_path, [PROMOTED, halted], [0, 2])

    assert found == ["challenger", "champion"]


def test_where_a_stage_is_followed_its_tags_name_the_champion(scorer: Scorer, tmp_path: Path) -> None:
    found, _ = arms(scorer, tmp_path, [PROMOTED], [0], follows_stage=True)

    assert found == ["champion"]

"""What was in a stage on any day is told by the chain of signed tags, and every break of it is seen."""

import datetime as dt
import shutil
import subprocess
from pathlib import Path

import pytest
from fixed_keys import ADA, BOB, CAM, MAKER, approver, key
from promotion_repo import (
    NAME,
    PEOPLE,
    START,
    approval,
    asked,
    git,
    promote,
    repository,
)

from fairmark.errors import UsageError
from fairmark.governance.approvers import read_approvers
from fairmark.governance.history import History, check, history, on_day
from fairmark.governance.projections import note
from fairmark.governance.promotion_tags import ROLLBACK, refs
from fairmark.governance.promotions import allowed
from fairmark.verify.verify import Fact

TODAY = dt.date(2026, 11, 23)


@pytest.fixture(scope="module")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """v0.1.0 to staging and production, v0.2.0 to production, and back."""
    root = repository(tmp_path_factory.mktemp("pattern") / "repo", ["v0.1.0", "v0.2.0"])
    promote(root, "staging", "v0.1.0", 1)
    promote(root, "production", "v0.1.0", 2)
    promote(root, "production", "v0.2.0", 10, by=MAKER)
    promote(root, "production", "v0.1.0", 12, action=ROLLBACK)
    return root


@pytest.fixture
def repo(pattern: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pattern, tmp_path / "repo"))


def past(root: Path, *people: str) -> History:
    known = read_approvers("\n".join(people or PEOPLE))
    return history(root, NAME, known, allowed(known, []))


def facts(root: Path, *people: str) -> dict[str, Fact]:
    known = read_approvers("\n".join(people or PEOPLE))
    lines = allowed(known, [])
    return {fact.name: fact for fact in check(root, history(root, NAME, known, lines), lines)}


def wrong(found: dict[str, Fact]) -> set[str]:
    return {name for name, fact in found.items() if fact.held is False}


def rewrite(root: Path, tag: str) -> None:
    """Set a tag anew by the same key, with other words."""
    from fairmark.signing.git_tags import read_tag

    seen = read_tag(root, tag)
    git(root, "tag", "-d", tag)
    from promotion_repo import sign_at

    sign_at(root, tag, seen.commit, seen.message.replace("Reason: ", "Reason: Not "), ADA, seen.when)


# ------------------------------------------------------------------ what it tells


def test_it_tells_what_was_where_from_when_to_when_by_hand(repo: Path) -> None:
    told = [
        (each.promotion.stage, each.promotion.version, each.since.day, each.until and each.until.day)
        for each in past(repo).entries
    ]

    assert told == [
        ("staging", "v0.1.0", 2, None),
        ("production", "v0.1.0", 3, 11),
        ("production", "v0.2.0", 11, 13),
        ("production", "v0.1.0", 13, None),
    ]


def test_it_tells_by_whose_word(repo: Path) -> None:
    third = past(repo).entries[2].to_json()

    assert (third["signer"], third["action"], third["reason"]) == ("maker@example.org", "promote", "Day 10.")
    assert third["approvals"] == [
        {"who": "bob@example.org", "reason": "It is good.", "expires": "2027-01-01"}
    ]
    assert third["since"] == "2026-01-11T12:00:00Z"
    assert third["until"] == "2026-01-13T12:00:00Z"


@pytest.mark.parametrize(
    ("day", "versions"),
    [
        (dt.date(2026, 1, 2), []),
        (dt.date(2026, 1, 3), ["v0.1.0"]),
        (dt.date(2026, 1, 10), ["v0.1.0"]),
        (dt.date(2026, 1, 11), ["v0.1.0", "v0.2.0"]),
        (dt.date(2026, 1, 12), ["v0.2.0"]),
        (dt.date(2026, 1, 13), ["v0.2.0", "v0.1.0"]),
        (TODAY, ["v0.1.0"]),
    ],
)
def test_any_day_has_its_answer(repo: Path, day: dt.date, versions: list[str]) -> None:
    told = [each for each in past(repo).entries if each.promotion.stage == "production"]

    assert [each.promotion.version for each in on_day(told, day, TODAY)] == versions


def test_a_day_that_has_not_come_has_none(repo: Path) -> None:
    with pytest.raises(UsageError, match="--on: must be today or before, got 2026-11-24"):
        on_day(past(repo).entries, TODAY + dt.timedelta(days=1), TODAY)


def test_a_clone_with_nothing_but_the_tags_tells_the_same(repo: Path, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", "--bare", tmp_path / "bare"], check=True)
    git(tmp_path / "bare", "fetch", "-q", str(repo), "refs/tags/*:refs/tags/*")

    assert past(tmp_path / "bare").entries == past(repo).entries
    assert wrong(facts(tmp_path / "bare")) == set()


# ------------------------------------------------------------------ what it checks


def test_an_untouched_history_holds(repo: Path) -> None:
    found = facts(repo)

    assert wrong(found) == set()
    assert {name: fact.held for name, fact in found.items() if fact.asked} == dict.fromkeys(
        ["others", "signatures", "chain", "clock", "approvals", "releases"], True
    )
    assert found["signatures"].text == "4 tags, signed by ada@example.org, maker@example.org"


def test_an_empty_history_holds(tmp_path: Path) -> None:
    assert wrong(facts(repository(tmp_path / "repo", ["v0.1.0"]))) == set()


@pytest.mark.parametrize("tag", ["loans#staging#1", "loans#production#2", "loans#production#3"])
def test_a_tag_taken_out_is_missed(repo: Path, tag: str) -> None:
    git(repo, "tag", "-d", tag)

    found = facts(repo)
    text = found["chain"].text
    assert wrong(found) == {"chain"}
    assert f"number {tag[-1]}: must be there, got no tag of it (deleted, or not fetched)" in text


@pytest.mark.parametrize("tag", ["loans#staging#1", "loans#production#2", "loans#production#3"])
def test_a_tag_rewritten_is_seen_in_the_one_after_it(repo: Path, tag: str) -> None:
    rewrite(repo, tag)

    found = facts(repo)
    assert wrong(found) == {"chain"}
    assert f"must follow {tag} as it was" in found["chain"].text


def test_a_tag_put_elsewhere_is_seen(repo: Path) -> None:
    last = refs(repo, NAME).promotions[-1]
    git(repo, "tag", "-d", "loans#production#4")
    git(repo, "tag", "-d", "loans#production#3")
    promote(repo, "production", "v0.1.0", 12, action=ROLLBACK)
    promote(repo, "production", "v0.2.0", 13, previous=last)

    assert "loans#production#4: must follow number 3, got one after loans#production#4" in (
        facts(repo)["chain"].text
    )


def test_a_fork_is_seen(repo: Path) -> None:
    before = refs(repo, NAME).promotions[2]
    forked = promote(repo, "other", "v0.2.0", 13, previous=before)
    git(repo, "tag", "-d", forked.tag)
    from promotion_repo import sign_at

    sign_at(repo, "loans#other#4", forked.seen.commit, forked.seen.message, ADA, forked.seen.when)

    assert "must be one tag's, got loans#other#4 and loans#production#4 (a fork" in facts(repo)["chain"].text


def test_the_last_one_deleted_shows_in_the_trail_alone(repo: Path) -> None:
    note(repo, refs(repo, NAME).promotions)
    assert facts(repo)["trail"].held is True
    git(repo, "tag", "-d", "loans#production#4")

    found = facts(repo)
    assert wrong(found) == {"trail"}
    assert "tells of loans#production#4, which must be there, got none" in found["trail"].text


def test_the_last_one_rewritten_shows_in_the_trail_alone(repo: Path) -> None:
    note(repo, refs(repo, NAME).promotions)
    rewrite(repo, "loans#production#4")

    found = facts(repo)
    assert wrong(found) == {"trail"}
    assert "tells of another loans#production#4" in found["trail"].text


def test_what_no_chain_can_show(repo: Path) -> None:
    # The newest tag gone together with the trail that told of it: what is left is whole.
    note(repo, refs(repo, NAME).promotions)
    git(repo, "tag", "-d", "loans#production#4")
    git(repo, "update-ref", "-d", "refs/fairmark/trail")

    assert wrong(facts(repo)) == set()


def test_a_promotion_that_the_trail_does_not_tell_of_is_told_and_noted(repo: Path) -> None:
    note(repo, refs(repo, NAME).promotions[:3])
    found = facts(repo)["trail"]
    assert found.held is None
    assert "does not tell of loans#production#4" in found.text

    assert note(repo, refs(repo, NAME).promotions) == 1
    assert facts(repo)["trail"].held is True


@pytest.mark.parametrize(
    ("people", "fault"),
    [
        (PEOPLE[:1] + PEOPLE[2:], "must be signed by a key that is allowed to"),
        (
            [*PEOPLE[:1], approver("ada", ADA, more=',valid-before="20260103Z"'), *PEOPLE[2:]],
            "must be signed by a key that is allowed to",
        ),
        (
            [*PEOPLE[:1], approver("ada", ADA, "fairmark-approval"), *PEOPLE[2:]],
            "must be signed by a key that is allowed to",
        ),
    ],
)
def test_a_signer_who_may_not_sign_is_seen(repo: Path, people: list[str], fault: str) -> None:
    found = facts(repo, *people)

    assert wrong(found) == {"signatures"}
    assert fault in found["signatures"].text


def test_a_key_that_ended_later_still_vouches_for_what_it_signed(repo: Path) -> None:
    people = [*PEOPLE[:1], approver("ada@example.org", ADA, more=',valid-before="20260201Z"'), *PEOPLE[2:]]

    assert wrong(facts(repo, *people)) == set()


def test_a_promotion_by_an_unknown_key_is_seen(repo: Path) -> None:
    promote(repo, "production", "v0.2.0", 14, by=key("eve"))

    assert wrong(facts(repo)) == {"signatures"}


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ([], "must carry the approvals of 1 people, got 0"),
        (["of another release"], "approval: must be of loans-v0.2.0 with SHA-256"),
        (["expired"], "got one that expired 2026-01-05"),
    ],
)
def test_a_promotion_without_approvals_that_count_is_seen(repo: Path, given: list[str], fault: str) -> None:
    made = {
        "of another release": approval(BOB, asked("v0.1.0")),
        "expired": approval(BOB, asked("v0.2.0"), expires=dt.date(2026, 1, 5)),
    }
    promote(repo, "production", "v0.2.0", 14, approvals=[made[kind] for kind in given])

    found = facts(repo)
    assert wrong(found) == {"approvals"}
    assert fault in found["approvals"].text


def test_a_waived_release_needs_two_and_says_so(repo: Path) -> None:
    waived = asked("v0.2.0", ("race",))
    promote(repo, "production", "v0.2.0", 14, approvals=[approval(BOB, waived)])
    assert "must carry the approvals of 2 people, got 1" in facts(repo)["approvals"].text

    git(repo, "tag", "-d", "loans#production#5")
    both = [approval(by, waived) for by in (BOB, CAM)]
    promote(repo, "production", "v0.2.0", 14, approvals=both)
    assert wrong(facts(repo)) == set()


def test_one_of_two_who_says_that_nothing_was_waived_is_seen(repo: Path) -> None:
    mixed = [approval(BOB, asked("v0.2.0", ("race",))), approval(CAM, asked("v0.2.0"))]
    promote(repo, "production", "v0.2.0", 14, approvals=mixed)

    assert "must have approved what was waived (race), got nothing" in facts(repo)["approvals"].text


def test_a_promotion_of_another_statement_than_the_releases_is_seen(repo: Path) -> None:
    promote(repo, "production", "v0.2.0", 14, **{"Statement-SHA256": "0" * 64})

    found = facts(repo)
    assert "releases" in wrong(found)
    assert "must name the commit and the statement of loans@v0.2.0" in found["releases"].text


def test_a_release_tag_that_is_gone_can_not_be_told(repo: Path) -> None:
    git(repo, "tag", "-d", "loans@v0.2.0")

    found = facts(repo)
    assert found["releases"].held is None
    assert wrong(found) == set()


def test_a_release_tag_set_anew_by_a_stranger_is_seen(repo: Path) -> None:
    from promotion_repo import digest, sign_at

    commit = git(repo, "rev-parse", "loans@v0.2.0^{commit}").strip()
    git(repo, "tag", "-d", "loans@v0.2.0")
    text = f"x\n\nStatement-SHA256: {digest('v0.2.0')}\n"
    sign_at(repo, "loans@v0.2.0", commit, text, key("eve"), START)

    assert wrong(facts(repo)) == {"releases"}


def test_a_clock_that_ran_back_is_told_and_the_chain_decides(repo: Path) -> None:
    promote(repo, "production", "v0.2.0", 11)
    found = facts(repo)

    assert found["clock"].held is None
    assert "before loans#production#4, which it follows" in found["clock"].text
    assert [each.until and each.until.day for each in past(repo).entries] == [None, 11, 13, 13, None]


def test_a_tag_set_by_gto_alone_is_seen(repo: Path) -> None:
    git(repo, "tag", "-a", "-m", "by gto", "loans#production#5", "loans@v0.2.0^{commit}")

    assert wrong(facts(repo)) == {"others"}

"""An approval counts for the very thing it names, for a while, by another than the maker, once a person."""

import copy
import datetime as dt
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fixed_keys import ADA, BOB, CAM, MAKER, approver, key
from promotion_repo import LAST, PEOPLE, START, approval, asked, digest

from fairmark.errors import FairmarkError, RefusedError, UsageError, VerificationError
from fairmark.governance.approvals import count, keep, read_approvals, signed, weigh
from fairmark.governance.approvers import Approver, read_approvers
from fairmark.governance.request import POLICY
from fairmark.signing.dsse import Envelope, Signature, seal

KNOWN = read_approvers("\n".join(PEOPLE))
LATER = START + dt.timedelta(days=30)


def those(*lines: str) -> list[Approver]:
    return read_approvers("\n".join(lines))


def forged(changes: dict[str, Any], by: Any = BOB) -> Envelope:
    """Return an approval of Bob's whose statement was changed, signed anew."""
    statement = copy.deepcopy(approval(BOB).statement)
    for place, value in changes.items():
        part = statement
        *path, last = place.split(".")
        for name in path:
            part = part[name]
        part[last] = value
    return seal(statement, by)


def test_an_approval_is_an_in_toto_statement_that_says_who_what_why_and_until_when() -> None:
    statement = approval(BOB).statement

    assert statement == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "loans-v0.1.0", "digest": {"sha256": digest("v0.1.0")}}],
        "predicateType": "urn:fairmark:approval:1",
        "predicate": {
            "decision": "approve",
            "approver": "bob@example.org",
            "reason": "It is good.",
            "decided": "2026-01-01T12:00:00Z",
            "expires": "2027-01-01",
            "waived": [],
        },
    }


def test_it_counts_until_its_last_day_is_over() -> None:
    end = dt.datetime(2027, 1, 1, 23, 59, 59, tzinfo=dt.UTC)

    assert weigh(approval(BOB), asked(), KNOWN, end).who == "bob@example.org"
    with pytest.raises(RefusedError, match=r"must stand on 2027-01-02, got one that expired 2027-01-01"):
        weigh(approval(BOB), asked(), KNOWN, end + dt.timedelta(seconds=1))


@pytest.mark.parametrize(
    ("by", "known", "fault"),
    [
        (key("eve"), KNOWN, "must be named in approvers, got no line of it"),
        (MAKER, KNOWN, "must have the namespace fairmark-approval in approvers"),
        (
            BOB,
            those(approver("bob", BOB, more=',valid-before="20251231Z"')),
            "must be valid when it approved (2026-01-01), got a key that is not",
        ),
        (
            BOB,
            those(approver("bob", BOB, more=',valid-after="20260102Z"')),
            "must be valid when it approved (2026-01-01), got a key that is not",
        ),
        (MAKER, those(approver("maker", MAKER)), "must be another's than the maker's, got the key that made"),
        (
            BOB,
            those(approver("maker", MAKER, "git"), approver("maker", BOB)),
            "must be another person's than the maker, who is maker too",
        ),
    ],
)
def test_who_may_not_approve_is_told_why(by: Any, known: list[Approver], fault: str) -> None:
    with pytest.raises(RefusedError) as found:
        signed(asked(), known, by, "It is good.", LAST, START)

    assert fault in str(found.value)


def test_an_expiry_that_is_past_is_refused_when_it_is_signed() -> None:
    with pytest.raises(RefusedError, match=r"got one that expired 2025-12-31"):
        signed(asked(), KNOWN, BOB, "It is good.", dt.date(2025, 12, 31), START)


def test_who_signed_the_releases_tag_is_its_maker_too() -> None:
    with pytest.raises(RefusedError, match="must be another person's than the maker, who is bob"):
        weigh(approval(BOB), asked(authors=frozenset({"bob@example.org"})), KNOWN, LATER)


def test_a_reason_is_needed() -> None:
    with pytest.raises(UsageError, match="reason: must say why, got nothing"):
        signed(asked(), KNOWN, BOB, " \n ", LAST, START)


def test_a_key_that_was_taken_away_meanwhile_counts_no_more() -> None:
    ended = those(approver("bob@example.org", BOB, more=',valid-before="20260110Z"'))

    with pytest.raises(RefusedError, match=r"must be valid now that it is to count \(2026-01-31\)"):
        weigh(approval(BOB), asked(), ended, LATER)


@pytest.mark.parametrize(
    "other", [asked("v0.2.0"), asked(digest=digest("v0.2.0")), asked(name="loans-v0.2.0")]
)
def test_an_old_approval_on_a_new_release_is_refused(other: Any) -> None:
    with pytest.raises(VerificationError, match=r"approval: must be of loans-v0\.\d\.0 with SHA-256"):
        weigh(approval(BOB), other, KNOWN, LATER)


def test_an_approval_of_a_policy_is_none_of_a_release() -> None:
    with pytest.raises(VerificationError, match="must be of type urn:fairmark:policy-approval:1"):
        weigh(approval(BOB), asked(kind=POLICY), KNOWN, LATER)


def test_an_approval_that_saw_other_waivers_is_refused() -> None:
    with pytest.raises(RefusedError, match=r"what was waived \(race\), got nothing"):
        weigh(approval(BOB), asked(waived=("race",)), KNOWN, LATER)


def test_one_that_was_decided_later_than_now_is_refused() -> None:
    with pytest.raises(RefusedError, match="must have approved by 2025-12-02"):
        weigh(approval(BOB), asked(), KNOWN, START - dt.timedelta(days=30))


def test_clocks_may_be_minutes_apart() -> None:
    assert weigh(approval(BOB), asked(), KNOWN, START - dt.timedelta(minutes=5)).who == "bob@example.org"


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"predicate.approver": "cam@example.org"}, "must name bob@example.org, who signed it"),
        ({"predicate.decision": "reject"}, "decision must be approve, got 'reject'"),
        ({"predicate.more": 1}, "predicate.more: must be a known key"),
        ({"predicate.decided": "yesterday"}, "must have the shape of one"),
        ({"predicate.expires": 7}, "must have the shape of one"),
        ({"predicate.waived": None}, "must have the shape of one"),
        ({"predicate": []}, "must have the shape of one"),
        ({"subject": []}, "must be of loans-v0.1.0"),
        ({"subject": 7}, "must have the shape of one"),
        ({"_type": "x"}, "must be of type"),
        ({"predicateType": "x"}, "must be of type"),
    ],
)
def test_a_statement_of_another_shape_is_refused(changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(VerificationError, match=fault):
        weigh(forged(changes), asked(), KNOWN, LATER)


def test_a_signature_that_is_not_the_approvers_is_refused() -> None:
    mine, theirs = approval(BOB), approval(CAM)
    mine = replace(mine, signatures=(Signature(BOB.public.keyid, theirs.signatures[0].sig),))

    with pytest.raises(VerificationError, match="signature: must be that of key"):
        weigh(mine, asked(), KNOWN, LATER)


def test_a_statement_moved_under_another_signature_is_refused() -> None:
    mine, theirs = approval(BOB), approval(BOB, asked("v0.2.0"))
    mine = replace(mine, payload=theirs.payload)

    with pytest.raises(VerificationError, match="signature: must be that of key"):
        weigh(mine, asked("v0.2.0"), KNOWN, LATER)


@pytest.mark.parametrize("odd", [None, 7, {}, {"payload": "e30=", "payloadType": "x", "signatures": []}])
def test_what_is_no_envelope_is_refused(odd: Any) -> None:
    with pytest.raises(VerificationError):
        Envelope.from_json(odd)


def test_two_signatures_on_one_approval_are_refused() -> None:
    both = replace(approval(BOB), signatures=(*approval(BOB).signatures, *approval(CAM).signatures))

    with pytest.raises(VerificationError, match="must have one signature, got 2"):
        weigh(both, asked(), KNOWN, LATER)


def test_one_persons_two_keys_count_once() -> None:
    other = key("bob's other")
    known = those(approver("bob", BOB), approver("bob", other), approver("cam", CAM))
    envelopes = {
        str(number): signed(asked(), known, by, "It is good.", LAST, START)
        for number, by in enumerate((BOB, other, CAM))
    }

    assert [each.who for each in count(envelopes, asked(), known, LATER).approvals] == ["bob", "cam"]


def test_what_does_not_count_says_where_it_stands_and_why() -> None:
    found = count({"here": approval(BOB), "there": approval(CAM, asked("v0.2.0"))}, asked(), KNOWN, LATER)

    assert [each.who for each in found.approvals] == ["bob@example.org"]
    assert len(found.refused) == 1
    assert found.refused[0].startswith("there: approval: must be of loans-v0.1.0")


def test_an_approval_kept_is_found_again_and_the_newer_one_of_a_key_replaces_it(tmp_path: Path) -> None:
    keep(tmp_path, asked(), approval(BOB, expires=dt.date(2026, 2, 1)))
    path = keep(tmp_path, asked(), approval(BOB))
    found, faults = read_approvals(tmp_path, asked())

    assert path == tmp_path / "approvals" / "loans-v0.1.0" / f"{BOB.public.keyid[:16]}.json"
    assert list(found.values()) == [approval(BOB)]
    assert faults == []


def test_a_file_that_is_no_approval_is_told_and_counts_for_nothing(tmp_path: Path) -> None:
    path = keep(tmp_path, asked(), approval(BOB))
    path.write_text(json.dumps(json.loads(path.read_text()), indent=1))
    found, faults = read_approvals(tmp_path, asked())

    assert found == {}
    assert "must be canonical JSON" in faults[0]


def test_an_approval_of_ada_by_adas_name_alone_is_none() -> None:
    with pytest.raises(FairmarkError):
        weigh(forged({"predicate.approver": "ada@example.org"}), asked(), KNOWN, LATER)
    assert weigh(approval(ADA), asked(), KNOWN, LATER).who == "ada@example.org"


@pytest.mark.parametrize("author", ["BOB@Example.org", "bob@example.org"])
def test_a_maker_is_known_however_his_address_is_written(author: str) -> None:
    with pytest.raises(
        RefusedError, match=r"must be another person's than the maker, who is bob@example\.org"
    ):
        weigh(approval(BOB), asked(authors=frozenset({author})), read_approvers("\n".join(PEOPLE)), START)

"""Approvals: what a person signed to let something go on, and whether it counts.

An approval is an in-toto Statement in a signed envelope. Its subject is what is approved, by name and
SHA-256, so it can't be moved to anything else; its predicate says who decided what, why, and until when. It
counts only for a person who may approve at that time, and who did not make the thing.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from fairmark.errors import FairmarkError, InputError, RefusedError, UsageError, VerificationError
from fairmark.governance.approvers import APPROVAL, FILE, Approver, person
from fairmark.governance.request import ApprovalRequest
from fairmark.record import CamelRecord, utc_text, utc_time
from fairmark.release.statement import FileDigest, Subject
from fairmark.repo.machine import SKEW
from fairmark.signing.dsse import STATEMENT_TYPE, Envelope, seal
from fairmark.signing.keys import SigningKey

FOLDER = "approvals"
APPROVE = "approve"
_TEXT = 2000


class Decision(CamelRecord):
    """Who decided what, why, when (UTC, to the second), until which day, and which limits are waived."""

    decision: str
    approver: str
    reason: str
    decided: str
    expires: str
    waived: tuple[str, ...]


class ApprovalStatement(CamelRecord):
    """An in-toto Statement v1 about one subject, whose predicate is a decision."""

    kind: str = Field(alias="_type")
    subject: tuple[Subject, ...]
    predicate_type: str
    predicate: Decision


@dataclass(frozen=True)
class Approval:
    """A person's word that counts: who, why, when, and until which day."""

    who: str
    keyid: str
    reason: str
    decided: dt.datetime
    expires: dt.date
    waived: tuple[str, ...]
    envelope: Envelope


@dataclass(frozen=True)
class Counted:
    """The approvals that count, one for each person, and why each other one does not."""

    approvals: tuple[Approval, ...]
    refused: tuple[str, ...]


def signed(
    request: ApprovalRequest,
    approvers: Sequence[Approver],
    key: SigningKey,
    reason: str,
    expires: dt.date,
    now: dt.datetime,
) -> Envelope:
    """Return the envelope in which the holder of `key` approves what is asked, after the same rules.

    Raises
    ------
    RefusedError
        When it would not count.
    UsageError
        When no reason is given.
    """
    # A command line may hold bytes that are no UTF-8, which no JSON can carry.
    reason = " ".join(reason.encode("utf-8", "replace").decode().split())[:_TEXT]
    if not reason:
        raise UsageError("reason: must say why, got nothing")
    statement = ApprovalStatement(
        kind=STATEMENT_TYPE,
        subject=_subject(request),
        predicate_type=request.kind,
        predicate=Decision(
            decision=APPROVE,
            approver=_approver(key.public.keyid, approvers).principal,
            reason=reason,
            decided=utc_text(now),
            expires=expires.isoformat(),
            waived=request.waived,
        ),
    )
    envelope = seal(statement.to_json(), key)
    weigh(envelope, request, approvers, now)
    return envelope


def weigh(
    envelope: Envelope, request: ApprovalRequest, approvers: Sequence[Approver], when: dt.datetime
) -> Approval:
    """Return the approval in an envelope, when it counts for what is asked at `when`.

    Raises
    ------
    VerificationError
        When it is no approval, is not signed by whom it names, or is of another thing.
    RefusedError
        When the rules don't let it count.
    """
    found = _read(envelope, request, approvers)
    entries = [each for each in approvers if each.key.keyid == found.keyid and each.may(APPROVAL)]
    short = f"{found.who}'s key {found.keyid[:16]}…"
    if not entries:
        raise RefusedError(f"{short}: must have the namespace {APPROVAL} in {FILE}, got a key without it")
    # At both moments: a key whose time ended after the approval must not let anything through today, and a
    # key that began after it can't have been the approver's then.
    for moment, what in ((found.decided, "when it approved"), (when, "now that it is to count")):
        if not any(each.valid(moment) for each in entries):
            raise RefusedError(f"{short}: must be valid {what} ({moment:%Y-%m-%d}), got a key that is not")
    if found.keyid in request.makers:
        raise RefusedError(
            f"{short}: must be another's than the maker's, got the key that made {request.name}"
        )
    if person(found.who) in request.people(approvers):
        raise RefusedError(f"{short}: must be another person's than the maker, who is {found.who} too")
    # A clock that is a little ahead is no lie; an approval of the future would outlive its key's end.
    if found.decided > when + SKEW:
        raise RefusedError(f"{short}: must have approved by {when:%Y-%m-%d}, got {utc_text(found.decided)}")
    if when.date() > found.expires:
        wanted = f"approval by {short}: must stand on {when:%Y-%m-%d}"
        raise RefusedError(f"{wanted}, got one that expired {found.expires}")
    # Signed along with the digest, because of a promotion without its folder only this tells what was waived,
    # and with it how many people it took.
    if found.waived != request.waived:
        raise RefusedError(
            f"{short}: must have approved what was waived ({', '.join(request.waived) or 'nothing'}), "
            f"got {', '.join(found.waived) or 'nothing'}"
        )
    return found


def count(
    envelopes: Mapping[str, object],
    request: ApprovalRequest,
    approvers: Sequence[Approver],
    when: dt.datetime,
) -> Counted:
    """Return the approvals among `envelopes` (by where they stand) that count, one for each person.

    Each is an `Envelope`, or the JSON value of one, which may be none.
    """
    found: dict[str, Approval] = {}
    refused = []
    for where, envelope in envelopes.items():
        try:
            read = envelope if isinstance(envelope, Envelope) else Envelope.from_json(envelope)
            each = weigh(read, request, approvers, when)
        except FairmarkError as error:
            refused += [f"{where}: {fault}" for fault in error.faults]
            continue
        who = person(each.who)
        # Of one person's approvals the one that lasts longest.
        found[who] = max(each, found.get(who, each), key=lambda one: one.expires)
    return Counted(tuple(found.values()), tuple(refused))


def read_approvals(root: Path, request: ApprovalRequest) -> tuple[dict[str, Envelope], list[str]]:
    """Return the envelopes that stand in the folder of what is asked, and what could not be read there."""
    envelopes, faults = {}, []
    for path in sorted((root / FOLDER / request.folder).glob("*.json")):
        where = str(path.relative_to(root))
        try:
            envelopes[where] = Envelope.read(path)
        except FairmarkError as error:
            faults += [f"{where}: {fault}" for fault in error.faults]
    return envelopes, faults


def keep(root: Path, request: ApprovalRequest, envelope: Envelope) -> Path:
    """Write an approval where `kept` finds it, in the place of an older one by the same key."""
    path = root / FOLDER / request.folder / f"{envelope.keyids[0][:16]}.json"
    envelope.write(path)
    return path


def _approver(keyid: str, approvers: Sequence[Approver]) -> Approver:
    for each in approvers:
        if each.key.keyid == keyid:
            return each
    raise RefusedError(f"key {keyid[:16]}…: must be named in {FILE}, got no line of it")


def _read(envelope: Envelope, request: ApprovalRequest, approvers: Sequence[Approver]) -> Approval:
    """Return the approval that an envelope holds, signed by whom it names and of what is asked."""
    statement = envelope.statement
    if len(envelope.signatures) != 1:
        raise VerificationError(f"approval: must have one signature, got {len(envelope.signatures)}")
    entry = _approver(envelope.keyids[0], approvers)
    envelope.signers([entry.key])
    found = _approval(_parsed(statement), request, envelope)
    if found.who != entry.principal:
        raise VerificationError(f"approval: must name {entry.principal}, who signed it, got {found.who!a}")
    return found


def waived_in(envelopes: Sequence[object]) -> tuple[str, ...]:
    """Return what the first envelope that is an approval says was waived; nothing where none is."""
    for value in envelopes:
        try:
            waived = _parsed(Envelope.from_json(value).statement).predicate.waived
        except FairmarkError:
            continue
        if waived:
            return waived
    return ()


def _parsed(statement: object) -> ApprovalStatement:
    try:
        return ApprovalStatement.from_json(statement, "statement")
    except InputError as error:
        raise VerificationError(
            f"approval: must have the shape of one, got {'; '.join(error.faults)}"
        ) from error


def _subject(request: ApprovalRequest) -> tuple[Subject, ...]:
    return (Subject(name=request.name, digest=FileDigest(sha256=request.digest)),)


def _approval(statement: ApprovalStatement, request: ApprovalRequest, envelope: Envelope) -> Approval:
    """Return the approval that a statement is, when it is of what is asked."""
    decision = statement.predicate
    if statement.kind != STATEMENT_TYPE or statement.predicate_type != request.kind:
        raise VerificationError(
            f"approval: must be of type {request.kind}, got {statement.predicate_type[:80]!a}"
        )
    if statement.subject != _subject(request):
        of = ", ".join(f"{each.name[:80]!a} {each.digest.sha256[:16]}…" for each in statement.subject[:3])
        raise VerificationError(
            f"approval: must be of {request.name} with SHA-256 {request.digest[:16]}…, got one of {of}"
        )
    if decision.decision != APPROVE:
        raise VerificationError(f"approval: decision must be approve, got {decision.decision[:40]!a}")
    try:
        decided = utc_time(decision.decided)
        expires = dt.date.fromisoformat(decision.expires)
    except ValueError as error:
        raise VerificationError(f"approval: must have the shape of one, got {error}") from error
    return Approval(
        who=decision.approver,
        keyid=envelope.keyids[0],
        reason=decision.reason,
        decided=decided,
        expires=expires,
        waived=decision.waived,
        envelope=envelope,
    )

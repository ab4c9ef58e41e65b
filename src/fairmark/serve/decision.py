"""What is kept of a decision, and what is answered of it: the journal's entry, and back.

An answer is always made from the entry that is on disk, so that a repeated request, a later look and the
first answer say the same. `Detail` is the entry's body, which stays when a person is erased; the inputs stand
apart in `Inputs`, and go.
"""

import datetime as dt
from collections.abc import Sequence
from functools import lru_cache

import msgspec

from fairmark.errors import InputError
from fairmark.journal.entry import EPOCH, Arm, Entry, json_bytes, new_id
from fairmark.record import utc_text
from fairmark.serve.oversight import By, Flagged, Ruling, Scored, Why
from fairmark.serve.router import Routed
from fairmark.serve.wire import Raw


class ReasonCode(msgspec.Struct, frozen=True, gc=False):
    """One feature that moved the score towards the decision.

    Parameters
    ----------
    effect
        Its Shapley value in log-odds, against the baseline.
    text
        What the person is told, as the release's reasons library has it for this feature and direction; None
        where it has none.
    """

    feature: str
    effect: float
    text: str | None = None


class Detail(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The body of a decision's entry.

    Parameters
    ----------
    name, version
        Of the release; None where no model answered.
    by, proposal, referred, overturn_until_us
        As `oversight.Ruling` has them.
    confidence
        Probability that the proposal is right, by the calibrated score, 0..1.
    case
        Id of the case for a person.
    case_due_us
        Until when it is due.
    reasons
        The strongest first.
    baseline
        What they are told against; None without reasons.
    flags
        What is unusual about the row.
    failed
        Arms that should have answered and could not.
    contest
        Id of the contest that this decision was made anew for.
    """

    name: str | None = None
    version: str | None = None
    by: By = "model"
    proposal: int | None = None
    referred: tuple[Why, ...] = ()
    overturn_until_us: int | None = None
    confidence: float | None = None
    case: str | None = None
    case_due_us: int | None = None
    reasons: tuple[ReasonCode, ...] = ()
    baseline: float | None = None
    flags: tuple[Flagged, ...] = ()
    failed: tuple[Arm, ...] = ()
    contest: str | None = None


class Inputs(msgspec.Struct, frozen=True, gc=False):
    """What is personal in a decision's entry: the row that was scored."""

    row: Raw


class Circumstances(msgspec.Struct, frozen=True):
    """When, under which mode of oversight and for which caller a decision is made.

    Parameters
    ----------
    took_us
        Microseconds from the request until it was scored.
    contest, about
        Id of the contest that it is made anew for, and of the decision that is contested: the entry is a
        `correction` then, and no `decision`.
    """

    at_us: int
    mode: str
    caller: str
    took_us: int | None = None
    contest: str | None = None
    about: str | None = None


class Released(msgspec.Struct, frozen=True, gc=False):
    """Which release decided: its name and version, and the digest of its statement."""

    name: str
    version: str
    digest: str


class Answer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One decision, as it is answered.

    Parameters
    ----------
    id
        32 hex digits.
    decision
        0 or 1; null where a person decides.
    score, confidence
        The calibrated probability of the positive label, and that of the proposal being right; null where
        no model answered.
    decided_by
        `model` or `person`.
    proposal
        What the model says, whoever decides.
    referred
        Why a person looks at it; empty where nobody has to.
    case, due
        The case for a person, and until when it is due.
    overturn_until
        Until when a person can overturn a decision that went out.
    reasons
        Features that moved the score towards the proposal; of adverse and referred decisions.
    baseline
        The score at the mean log-odds of the rows that the model learnt from, which the reasons are told
        against; null without reasons.
    flags
        What is unusual about the row.
    failed
        Arms that should have answered and could not: then another one did, and `arm` says which.
    """

    id: str
    decision: int | None
    score: float | None
    confidence: float | None
    decided_by: By
    proposal: int | None
    referred: tuple[Why, ...]
    case: str | None
    due: str | None
    overturn_until: str | None
    reasons: tuple[ReasonCode, ...]
    baseline: float | None
    flags: tuple[Flagged, ...]
    release: Released | None
    arm: Arm
    failed: tuple[Arm, ...]
    mode: str | None
    at: str


class Answers(msgspec.Struct, frozen=True):
    """Decisions of a request with many rows, in their order."""

    decisions: Sequence[Answer]


_details = msgspec.json.Decoder(Detail)
_inputs = msgspec.json.Decoder(Inputs)


def detail_of(entry: Entry) -> Detail:
    """Return the body of a decision's entry; law: the one that `entries_of` made it of.

    Raises
    ------
    InputError
        When it is no decision's.
    """
    try:
        return _details.decode(entry.body)
    except msgspec.MsgspecError as error:
        raise InputError(f"entry {entry.id}: must have the body of a decision, got {error}") from error


def inputs_of(entry: Entry) -> Raw | None:
    """Return the row that a decision was made of; None where it was erased."""
    if entry.personal is None:
        return None
    try:
        return _inputs.decode(entry.personal).row
    except msgspec.MsgspecError as error:
        raise InputError(f"entry {entry.id}: must hold the row of a decision, got {error}") from error


def entries_of(
    routed: Routed,
    rule: Ruling,
    reasons: Sequence[tuple[str, float]],
    row: Raw,
    when: Circumstances,
    subject: str | None,
    entry_id: str | None = None,
) -> tuple[Detail, list[Entry]]:
    """Return what the journal is to hold of one answer: the decision's body, its entry, and that of its case.

    Parameters
    ----------
    row
        What the release read, as it came.
    subject
        Pseudonym of the person.
    entry_id
        Of the decision; a new one where none is given.
    """
    scorer, scored = routed.scorer, routed.scored
    this = entry_id or new_id()
    case = new_id() if rule.review_due_us is not None and when.contest is None else None
    detail = Detail(
        name=scorer.name if scorer else None,
        version=scorer.version if scorer else None,
        by=rule.by,
        proposal=rule.proposal,
        referred=rule.referred,
        overturn_until_us=rule.overturn_until_us,
        confidence=scored.confidence if scored else None,
        case=case,
        case_due_us=rule.review_due_us if case else None,
        reasons=tuple(ReasonCode(*told, scorer.text(*told)) for told in reasons) if scorer else (),
        baseline=scorer.baseline if scorer and reasons else None,
        flags=scored.flags if scored else (),
        failed=routed.failed,
        contest=when.contest,
    )
    release = scorer.digest if scorer else None
    decided = Entry(
        kind="decision" if when.contest is None else "correction",
        at_us=when.at_us,
        id=this,
        about=when.about,
        release=release,
        arm=routed.arm,
        mode=when.mode,
        caller=when.caller,
        subject=subject,
        decision=rule.decision,
        score=scored.score if scored else None,
        took_us=when.took_us,
        body=json_bytes(detail),
        personal=json_bytes(Inputs(row)),
    )
    entries = [decided]
    if case is not None:
        entries.append(
            Entry(
                kind="review",
                at_us=when.at_us,
                id=case,
                about=this,
                due_us=rule.review_due_us,
                release=release,
                arm=routed.arm,
                mode=when.mode,
                caller=when.caller,
                subject=subject,
                body=json_bytes({"why": rule.referred}),
            )
        )
    return detail, entries


def shadow_entry(said: Scored, digest: str, about: str, at_us: int, mode: str) -> Entry:
    """Return what the journal is to hold of a decision that was shown to nobody."""
    body = json_bytes({"flags": said.flags})
    return Entry(
        kind="shadow",
        at_us=at_us,
        about=about,
        release=digest,
        arm="shadow",
        mode=mode,
        decision=said.decision,
        score=said.score,
        body=body,
    )


def answer_of(entry: Entry, detail: Detail | None = None) -> Answer:
    """Return what is answered of a decision, from its entry.

    Parameters
    ----------
    detail
        The entry's body, where it was read already.
    """
    detail = detail_of(entry) if detail is None else detail
    release = None
    if entry.release is not None and detail.name is not None and detail.version is not None:
        release = Released(detail.name, detail.version, entry.release)
    return Answer(
        id=entry.id,
        decision=entry.decision,
        score=entry.score,
        confidence=detail.confidence,
        decided_by=detail.by,
        proposal=detail.proposal,
        referred=detail.referred,
        case=detail.case,
        due=day_time(detail.case_due_us),
        overturn_until=day_time(detail.overturn_until_us),
        reasons=detail.reasons,
        baseline=detail.baseline,
        flags=detail.flags,
        release=release,
        arm=entry.arm,
        failed=detail.failed,
        mode=entry.mode,
        at=day_time(entry.at_us) or "",
    )


def day_time(at_us: int | None) -> str | None:
    """Return a moment in UTC as in RFC 3339, to the second; None for none."""
    return None if at_us is None else _second(at_us // 1_000_000)


@lru_cache(maxsize=256)
def _second(at_s: int) -> str:
    # The answers of one second say the same few times.
    return utc_text(EPOCH + dt.timedelta(seconds=at_s))

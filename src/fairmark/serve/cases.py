"""After a decision: its outcome, its explanation, a person's objection, and a person's decision on a case.

Each is an entry of the journal before it is answered. A case is an entry with a due time; a person ends it,
once, with a decision and a reason. Overrides are decisions too: they are counted by group, reason and
reviewer, with bounds that hold over all of a table at once.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from fairmark.data.schema import MISSING
from fairmark.errors import UnavailableError
from fairmark.journal.entry import DAY_US, Entry, Stored, json_bytes
from fairmark.journal.memberships import Membership
from fairmark.serve.body import Fault, Refused
from fairmark.serve.decision import (
    Answer,
    Circumstances,
    ReasonCode,
    answer_of,
    day_time,
    detail_of,
    entries_of,
    inputs_of,
)
from fairmark.serve.desk import RETRY_AFTER_S, Desk, unavailable
from fairmark.serve.oversight import chosen_reasons, is_open_to_overturning, outcome_of_review, ruling
from fairmark.serve.wire import Raw
from fairmark.stats.intervals import clopper_pearson

DECIDED = frozenset({"decision", "correction"})
CASES = ("review", "contest")
CONFIDENCE = 0.95
MOST_LISTED = 1000


class Contribution(msgspec.Struct, frozen=True):
    """One feature: what the row has there, its exact Shapley value in log-odds, and its reviewed text."""

    feature: str
    value: str | float | int | bool | None
    effect: float
    text: str | None


class Explanation(msgspec.Struct, frozen=True):
    """Everything that moved one decision: `base` and all effects sum to `margin`, the calibrated log-odds.

    Parameters
    ----------
    base
        The mean log-odds of the rows that the model learnt from.
    baseline
        The score there.
    reasons
        The principal reasons for the proposal, at most four, the strongest first.
    """

    id: str
    score: float
    margin: float
    base: float
    baseline: float
    reasons: tuple[ReasonCode, ...]
    contributions: tuple[Contribution, ...]


class Case(msgspec.Struct, frozen=True):
    """A case for a person.

    Parameters
    ----------
    kind
        `review` (referred by the service) or `contest` (objected to by the person).
    about
        Id of the decision.
    overdue
        Whether its due time is past.
    decision
        The decision as it was answered; None where its entry can't be found any more.
    words
        What the person says, of a contest; None where it was erased.
    """

    id: str
    kind: str
    about: str
    due: str
    overdue: bool
    decision: Answer | None = None
    words: str | None = None


class Contested(msgspec.Struct, frozen=True):
    """A contest that was recorded: its id, until when it is due, and the decision anew on a mended input."""

    case: str
    due: str
    redecision: Answer | None


class Reviewed(msgspec.Struct, frozen=True):
    """A person's decision that was recorded: `confirmation` or `override`, of which decision."""

    id: str
    kind: str
    about: str
    decision: int


class Event(msgspec.Struct, frozen=True):
    """What happened to a decision later."""

    id: str
    kind: str
    at: str
    by: str | None
    decision: int | None


class History(msgspec.Struct, frozen=True):
    """A decision, what it was made of (null once it was erased), and what happened to it."""

    decision: Answer
    row: Raw | None
    events: tuple[Event, ...]


class Overrides(msgspec.Struct, frozen=True):
    """How often people decided otherwise than the model, of the cases that one group, reason or person had.

    Parameters
    ----------
    by, value
        `group`, `reason` or `reviewer`, and which.
    reviewed, overridden
        Cases that a person decided, and those of them that were decided otherwise.
    low, high
        Bounds of the share overridden (Clopper and Pearson), at 95% over all rows of this table at once.
    """

    by: str
    value: str
    reviewed: int
    overridden: int
    low: float
    high: float


async def decision_entry(desk: Desk, entry_id: str, kinds: frozenset[str] = DECIDED) -> Stored:
    """Return an entry of these kinds.

    Raises
    ------
    Refused
        404 when there is none, 503 when the journal can't be read.
    """
    try:
        stored = await desk.journal.entry(entry_id)
    except UnavailableError:
        raise unavailable() from None
    if stored is None or stored.entry.kind not in kinds:
        raise Refused(404, "not found", Fault("must be the id of a decision or a case", entry_id[:40]))
    return stored


async def history(desk: Desk, entry_id: str) -> History:
    """Return a decision and all that happened to it."""
    stored = await decision_entry(desk, entry_id)
    try:
        later = await desk.journal.about(entry_id)
    except UnavailableError:
        raise unavailable() from None
    events = tuple(
        Event(
            each.entry.id,
            each.entry.kind,
            day_time(each.entry.at_us) or "",
            each.entry.caller,
            each.entry.decision,
        )
        for each in later
        if each.entry.kind != "shadow"
    )
    return History(answer_of(stored.entry), inputs_of(stored.entry), events)


async def explain(desk: Desk, entry_id: str) -> Explanation:
    """Return exact contributions to a decision, by the release that made it.

    Raises
    ------
    Refused
        404 when there is no such decision, 409 when its release is not loaded here or no model answered, 410
        when its inputs were erased.
    """
    entry = (await decision_entry(desk, entry_id)).entry
    row = inputs_of(entry)
    if row is None:
        raise Refused(410, "erased", Fault("must have its inputs", "an entry that was erased"))
    scorer = next((one for one in desk.router.releases.values() if one.digest == entry.release), None)
    if scorer is None or entry.score is None:
        must = "must be a decision of a release that is loaded here"
        raise Refused(409, "another release", Fault(must, entry.release or "no model's"))
    try:
        values = scorer.contributions([scorer.model.read(row)])[0].tolist()
    except Exception as error:  # noqa: BLE001 - as where reasons can't be told, the decision stands
        desk.note(entry.arm, error)
        fault = Fault("must be explained by the release that decided", "one that fails now")
        raise Refused(503, "no explanation now", fault, retry_after_s=RETRY_AFTER_S) from None
    moves = list(zip(scorer.features, values[:-1], strict=True))
    proposal = detail_of(entry).proposal or 0
    return Explanation(
        id=entry_id,
        score=entry.score,
        margin=sum(values),
        base=values[-1],
        baseline=scorer.baseline,
        reasons=tuple(
            ReasonCode(*told, scorer.text(*told))
            for told in chosen_reasons(moves, proposal, scorer.params.reasons)
        ),
        contributions=tuple(
            Contribution(name, row.get(name), value, scorer.text(name, value)) for name, value in moves
        ),
    )


async def outcomes(desk: Desk, labels: Sequence[tuple[str, int]], caller: str) -> int:
    """Record the labels that became known, id and 0 or 1 each, and return how many."""
    now, entries = desk.clock(), []
    for entry_id, label in labels:
        of = (await decision_entry(desk, entry_id)).entry
        entries.append(
            Entry(
                kind="outcome",
                at_us=now,
                about=entry_id,
                release=of.release,
                arm=of.arm,
                caller=caller,
                subject=of.subject,
                decision=label,
            )
        )
    return len(await desk.append(entries))


async def contest(desk: Desk, entry_id: str, words: str, correction: Raw | None, caller: str) -> Contested:
    """Record a person's objection; with a correction, decide anew on the row that was mended.

    While the service is not opened, no model answers: whoever closes the case decides.

    Raises
    ------
    Refused
        As `found`; 410 when there is nothing left to correct, 422 when the mended row is not one that the
        release takes.
    """
    entry, now = (await decision_entry(desk, entry_id)).entry, desk.clock()
    policy = desk.lead.params.oversight
    case = Entry(
        kind="contest",
        at_us=now,
        about=entry_id,
        due_us=now + policy.contest_days * DAY_US,
        release=entry.release,
        arm=entry.arm,
        mode=policy.mode,
        caller=caller,
        subject=entry.subject,
        body=json_bytes({"corrected": sorted(correction or {})}),
        personal=json_bytes({"words": words, "correction": correction}),
    )
    entries = [case]
    if correction is not None and desk.is_open:
        entries += _anew(desk, entry, case, correction)
    kept = await desk.append(entries)
    anew = next((answer_of(each) for each in kept if each.kind == "correction"), None)
    return Contested(case.id, day_time(case.due_us) or "", anew)


def _anew(desk: Desk, entry: Entry, case: Entry, correction: Raw) -> list[Entry]:
    before = inputs_of(entry)
    if before is None:
        raise Refused(410, "erased", Fault("must have its inputs", "an entry that was erased"))
    # What another release read and none of ours does is left out.
    row = desk.router.reader.only_read(before) | correction
    encoded = desk.router.reader.encoded([row])
    routed = desk.router.answer([row], encoded, [entry.subject or entry.id])[0]
    policy = desk.lead.params.oversight
    rule = ruling(routed.scored, policy, case.at_us)
    why = desk.reasons([routed], [rule])[0]
    when = Circumstances(case.at_us, policy.mode, case.caller or "", contest=case.id, about=entry.id)
    return entries_of(routed, rule, why, row, when, entry.subject)[1]


async def cases(desk: Desk, kinds: Sequence[str], *, overdue: bool, most: int) -> list[Case]:
    """Return open cases, the first due first."""
    now = desk.clock()
    try:
        stored = await desk.journal.find(
            kinds, still_open=True, due_before_us=now if overdue else None, most=most
        )
        decided = [await desk.journal.entry(each.entry.about or "") for each in stored]
    except UnavailableError:
        raise unavailable() from None
    return [
        Case(
            id=each.entry.id,
            kind=each.entry.kind,
            about=each.entry.about or "",
            due=day_time(each.entry.due_us) or "",
            overdue=(each.entry.due_us or 0) < now,
            decision=answer_of(of.entry) if of is not None and of.entry.kind in DECIDED else None,
            words=_words(each.entry),
        )
        for each, of in zip(stored, decided, strict=True)
    ]


def _words(entry: Entry) -> str | None:
    if entry.kind != "contest" or entry.personal is None:
        return None
    said: dict[str, Any] = msgspec.json.decode(entry.personal)
    words = said.get("words")
    return words if isinstance(words, str) else None


async def review(
    desk: Desk, entry_id: str, decision: int, reason: str, words: str, reviewer: str
) -> Reviewed:
    """Record a person's decision on a case, or on a decision that went out and can still be overturned.

    Parameters
    ----------
    reason
        A short code that is counted; what else is to be said stands in `words`.

    Raises
    ------
    Refused
        As `found`; 409 when the case is closed, or the time for overturning is over.
    """
    entry, now = (await decision_entry(desk, entry_id, DECIDED | {*CASES})).entry, desk.clock()
    case: str | None = entry_id if entry.kind in CASES else detail_of(entry).case
    if entry.kind in CASES:
        entry = (await decision_entry(desk, entry.about or "")).entry
    later = await _later(desk, entry)
    if case != entry_id and any(each.closes == case for each in later):
        case = None  # a decision whose case is closed can be overturned as one that had none
    until = detail_of(entry).overturn_until_us
    if case is None and not is_open_to_overturning(until, now):
        must = f"must be overturned until {day_time(until)}"
        raise Refused(409, "too late", Fault(must, day_time(now) or ""))
    standing = _standing(entry, later)
    kind = outcome_of_review(standing, decision)
    made = Entry(
        kind=kind,
        at_us=now,
        about=entry.id,
        closes=case,
        release=entry.release,
        arm=entry.arm,
        mode=desk.lead.params.oversight.mode,
        caller=reviewer,
        subject=entry.subject,
        decision=decision,
        body=json_bytes({"reason": reason, "standing": standing}),
        personal=json_bytes({"words": words}) if words else None,
    )
    await desk.append([made])
    return Reviewed(made.id, kind, entry.id, decision)


async def _later(desk: Desk, entry: Entry) -> list[Entry]:
    try:
        return [each.entry for each in await desk.journal.about(entry.id)]
    except UnavailableError:
        raise unavailable() from None


def _standing(entry: Entry, later: Sequence[Entry]) -> int | None:
    """Return the decision that stands now: a person's last word, else the decision anew, else the first."""
    people = [each.decision for each in later if each.kind in {"confirmation", "override"}]
    anew = [detail_of(each).proposal for each in later if each.kind == "correction"]
    return next((each for each in reversed(anew + people)), detail_of(entry).proposal)


async def set_open(desk: Desk, *, opened: bool, reason: str, person: str) -> None:
    """Record that a named person has opened or closed the service for the release that is served."""
    entry = Entry(
        kind="opened" if opened else "closed",
        at_us=desk.clock(),
        release=desk.lead.digest,
        mode=desk.lead.params.oversight.mode,
        caller=person,
        body=json_bytes({"reason": reason}),
    )
    await desk.append([entry])
    desk.set_open(desk.lead.digest, opened=opened)


async def memberships(desk: Desk, items: Sequence[Membership]) -> int:
    """Keep protected attributes, or probabilities of them, apart from the decisions that they are about.

    Raises
    ------
    Refused
        422 for an attribute or a group that the release's schema does not have, 404 for an unknown decision,
        410 for one that was erased.
    """
    known = desk.lead.schema.groups
    faults = [
        Fault(
            f"must be of {', '.join([*known.get(item.attribute, known), MISSING])}", got[:80], row, "groups"
        )
        for row, item in enumerate(items, 1)
        for got in ([*item.groups] if item.attribute in known else [item.attribute])
        if got not in (*known.get(item.attribute, ()), MISSING)
    ]
    if faults:
        raise Refused(422, "no memberships", *faults)
    for decision in {item.decision for item in items}:
        if (await decision_entry(desk, decision)).erased:
            # No later erasure would find what is told of it now.
            raise Refused(410, "erased", Fault("must be a decision that was not erased", decision))
    try:
        await desk.memberships.add_memberships(items)
    except UnavailableError:
        raise unavailable() from None
    return len(items)


async def overrides(desk: Desk) -> list[Overrides]:
    """Return how often people decided otherwise than the model, by group, reason and reviewer."""
    reviewed: list[Entry] = []
    after = 0
    try:
        while page := await desk.journal.after(after, 5000, ("confirmation", "override")):
            reviewed += [each.entry for each in page]
            after = page[-1].number
        groups = await desk.memberships.of_decisions({entry.about or "" for entry in reviewed})
    except UnavailableError:
        raise unavailable() from None
    of: dict[str, list[tuple[str, float]]] = {}
    for each in groups:
        of.setdefault(each.decision, []).extend(
            (f"{each.attribute}: {group}", share) for group, share in each.groups.items() if share >= CERTAIN
        )
    return override_table(reviewed, {decision: [name for name, _ in each] for decision, each in of.items()})


CERTAIN = 0.5
"""From which probability on a person counts for a group: more than any other of the same attribute."""


def override_table(reviewed: Sequence[Entry], groups: dict[str, list[str]]) -> list[Overrides]:
    """Return counts of people's decisions with bounds that hold over the whole table at once (Bonferroni).

    Parameters
    ----------
    reviewed
        Entries of the kinds confirmation and override.
    groups
        Of each decision's id, the groups of the person.
    """
    total: Counter[tuple[str, str]] = Counter()
    turned: Counter[tuple[str, str]] = Counter()
    for entry in reviewed:
        reason = str(msgspec.json.decode(entry.body).get("reason", ""))
        keys = [("reason", reason), ("reviewer", entry.caller or "")]
        keys += [("group", group) for group in groups.get(entry.about or "", [])]
        total.update(keys)
        if entry.kind == "override":
            turned.update(keys)
    tail = (1 - CONFIDENCE) / 2 / max(1, len(total))
    rows = []
    for (by, value), count in sorted(total.items()):
        low, high = clopper_pearson(turned[by, value], count, tail)
        rows.append(Overrides(by, value, count, turned[by, value], float(low), float(high)))
    return rows

"""The history of the stages: which release each held when, by whose word, and whether that holds.

It is read from signed tags alone. A chain shows each tag that was rewritten, reordered, or taken out of its
middle. That its newest tags were taken away shows only in what is kept beside the tags: the audit trail,
MLflow's aliases, a remote.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fairmark.errors import FairmarkError, StateError, UsageError, VerificationError
from fairmark.files import lines_of
from fairmark.governance import projections, promotion_tags
from fairmark.governance.approvals import count, waived_in
from fairmark.governance.approvers import Approver
from fairmark.governance.findings import FindingsRegister
from fairmark.governance.promotion_tags import Promotion, Refs, refs
from fairmark.governance.request import ReleaseOrigin, from_tags, release_origin
from fairmark.governance.trail import REF, entries
from fairmark.record import utc_text
from fairmark.repo.commit import tagged
from fairmark.repo.git import need
from fairmark.signing.git_tags import evaluation_of, read_tag, stated_by, tag_signer, tagged_statement
from fairmark.verify.verify import Fact

LONGEST = 400
"""Characters of a line that a stranger may have written."""


@dataclass(frozen=True)
class HistoryEntry:
    """One promotion, and what checking it by itself gave.

    Parameters
    ----------
    since, until
        When its stage began and ceased to hold it, UTC; None while it still does. By the chain's order: a
        tag whose clock was behind counts from the moment of the one before it.
    signer
        Whose key signed the tag, or None.
    approved
        Who approved it, why and until which day, for the approvals that counted when it was made.
    unsigned, unapproved
        What does not hold of its signature, and of its approvals.
    """

    promotion: Promotion
    since: dt.datetime
    until: dt.datetime | None
    signer: str | None
    approved: tuple[tuple[str, str, str], ...]
    unsigned: tuple[str, ...]
    unapproved: tuple[str, ...]

    @property
    def faults(self) -> tuple[str, ...]:
        """All that does not hold."""
        return self.unsigned + self.unapproved

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        of = self.promotion
        return {
            "tag": of.tag,
            "object": of.seen.hash,
            "number": of.number,
            "stage": of.stage,
            "action": of.action,
            "release": release_of(of),
            "statement_sha256": of.digest,
            "commit": of.seen.commit,
            "since": utc_text(self.since),
            "until": self.until and utc_text(self.until),
            "signer": self.signer,
            "tagger": of.seen.tagger,
            "reason": of.reason,
            "approvals": [
                dict(zip(("who", "reason", "expires"), each, strict=True)) for each in self.approved
            ],
            "faults": list(self.faults),
        }


@dataclass(frozen=True)
class EvaluationTag:
    """The signed tag of an evaluation of scores made elsewhere: it holds no stage, and is kept all the same.

    Parameters
    ----------
    of
        Whose scores were judged.
    said
        What the tag says first: title, version and verdict.
    signer
        Whose key signed it, or None.
    """

    tag: str
    when: dt.datetime
    commit: str
    of: str
    said: str
    digest: str | None
    signer: str | None
    faults: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """Return plain JSON values."""
        return {
            "tag": self.tag,
            "commit": self.commit,
            "when": utc_text(self.when),
            "evaluation_of": self.of,
            "said": self.said,
            "statement_sha256": self.digest,
            "signer": self.signer,
            "faults": list(self.faults),
        }


def evaluations(root: Path, name: str, lines: Sequence[str]) -> list[EvaluationTag]:
    """Return the evaluations of a name, by version.

    Parameters
    ----------
    lines
        Allowed signers by which the tags are checked (`promotions.allowed` gives them).
    """
    found = []
    for tag in need(root, "list its tags", "tag", "--list", "--sort=version:refname", f"{name}@v*").split():
        try:
            seen = read_tag(root, tag)
        except VerificationError:
            continue  # of what is no tag of ours the releases' own check tells
        if (of := evaluation_of(seen.message)) is None:
            continue
        signer, faults = _tag_signer(root, tag, lines)
        said = next(iter(lines_of(seen.message)), "")
        digest = stated_by(seen.message)
        found.append(EvaluationTag(tag, seen.when, seen.commit, of, said, digest, signer, faults))
    return found


@dataclass(frozen=True)
class History:
    """Every promotion of a name in its order, and the tags that tell of none."""

    name: str
    entries: tuple[HistoryEntry, ...]
    found: Refs

    @property
    def stages(self) -> dict[str, HistoryEntry]:
        """What is in each stage now."""
        return {each.promotion.stage: each for each in self.entries}


def history(root: Path, name: str, approvers: Sequence[Approver], lines: Sequence[str]) -> History:
    """Return the history of a name's stages.

    Parameters
    ----------
    lines
        Allowed signers by which the tags are checked (`promotions.allowed` gives them).
    """
    found = refs(root, name)
    moments = _moments(found.promotions)

    @cache
    def made_by(version: str, commit: str) -> ReleaseOrigin:
        return release_origin(root, f"{name}@{version}", commit, approvers)

    entries = []
    for at, each in enumerate(found.promotions):
        # By the chain's order and not by the clocks: `moments` never falls, so no entry ends before it began.
        later = (k for k in range(at + 1, len(moments)) if found.promotions[k].stage == each.stage)
        ended = next(later, None)
        signer, unsigned = _signer(root, each, lines)
        basis = promotion_tags.rests_on(found.promotions, at)
        approved, unapproved = _approved(basis, made_by, approvers)
        until = None if ended is None else moments[ended]
        entries.append(HistoryEntry(each, moments[at], until, signer, approved, unsigned, unapproved))
    return History(name, tuple(entries), found)


def on_day(entries: Sequence[HistoryEntry], day: dt.date, today: dt.date) -> list[HistoryEntry]:
    """Return what was in a stage at any moment of a day (UTC), in its order.

    Raises
    ------
    UsageError
        For a day that has not come.
    """
    if day > today:
        raise UsageError(f"--on: must be today or before, got {day}")
    start = dt.datetime.combine(day, dt.time(), dt.UTC)
    end = start + dt.timedelta(days=1)
    return [each for each in entries if each.since < end and (each.until is None or each.until > start)]


def release_of(of: Promotion) -> str:
    """Return the name of the release that a promotion is of."""
    return f"{of.tag.partition('#')[0]}-{of.version}"


def _moments(promotions: Sequence[Promotion]) -> list[dt.datetime]:
    moments: list[dt.datetime] = []
    for each in promotions:
        # Never before the one before it: where a clock was set back, the order of the chain is believed.
        moments.append(max([each.seen.when, *moments[-1:]]))
    return moments


def _signer(root: Path, of: Promotion, lines: Sequence[str]) -> tuple[str | None, tuple[str, ...]]:
    return _tag_signer(root, of.tag, lines)


def _tag_signer(root: Path, tag: str, lines: Sequence[str]) -> tuple[str | None, tuple[str, ...]]:
    try:
        return tag_signer(root, tag, lines), ()
    except VerificationError as error:
        return None, tuple(error.faults)


def _approved(
    of: Promotion, made_by: Callable[[str, str], ReleaseOrigin], approvers: Sequence[Approver]
) -> tuple[tuple[tuple[str, str, str], ...], tuple[str, ...]]:
    try:
        request = from_tags(of, made_by(of.version, of.seen.commit), waived_in(of.approvals))
    except FairmarkError as error:
        return (), tuple(f"{of.tag}: {fault}" for fault in error.faults)
    envelopes = {f"{of.tag}: approval {number}": each for number, each in enumerate(of.approvals, 1)}
    # As of the promotion: what counted then is its history, though it has expired since.
    counted = count(envelopes, request, approvers, of.seen.when)
    counting = tuple((each.who, each.reason, each.expires.isoformat()) for each in counted.approvals)
    faults = counted.refused
    if len(counting) < request.needed:
        faults += (f"{of.tag}: must carry the approvals of {request.needed} people, got {len(counting)}",)
    return counting, faults


def shown(text: str) -> str:
    """Return what a stranger may have written as a terminal can show it: one line, of some length."""
    line = "".join(char if char.isprintable() else " " for char in " ".join(text.split()))
    return line if len(line) <= LONGEST else line[:LONGEST] + "…"


def check(
    root: Path,
    past: History,
    lines: Sequence[str],
    judged: Sequence[EvaluationTag] = (),
    register: FindingsRegister | None = None,
) -> list[Fact]:
    """Return each claim of the history, checked; of evaluations and of findings where there are any."""
    told = register is not None and (register.findings or register.faults)
    return [
        *([_fact("findings", lambda: _registered(register))] if register and told else []),
        *([_fact("evaluations", lambda: _evaluated(judged))] if judged else []),
        _fact("others", lambda: _others(past)),
        _fact("signatures", lambda: _signatures(past.entries)),
        _fact("chain", lambda: _chain(past)),
        _fact("clock", lambda: _clock(past)),
        _fact("approvals", lambda: _approvals(past.entries)),
        _fact("releases", lambda: _releases(root, past, lines)),
        _fact("trail", lambda: _trail(root, past)),
        _fact("registry", lambda: _aliases(root, past)),
    ]


def _evaluated(judged: Sequence[EvaluationTag]) -> str:
    if wrong := [fault for each in judged for fault in each.faults]:
        raise VerificationError(*wrong)
    who = ", ".join(dict.fromkeys(str(each.signer) for each in judged))
    return f"{len(judged)} evaluations of scores made elsewhere, signed by {who}"


def _registered(register: FindingsRegister) -> str:
    if register.faults:
        raise VerificationError(*register.faults)
    return f"{len(register.findings)} findings, each as it was signed; {len(register.open)} open"


def _others(past: History) -> str:
    if past.found.faults:
        raise VerificationError(*past.found.faults)
    return "no other tag tells of a stage"


def _signatures(promotions: Sequence[HistoryEntry]) -> str:
    wrong = [fault for each in promotions for fault in each.unsigned]
    if wrong:
        raise VerificationError(*wrong)
    who = dict.fromkeys(str(each.signer) for each in promotions)
    return f"{len(promotions)} tags, signed by {', '.join(who) or 'nobody'}"


def _chain(past: History) -> str:
    faults = [fault for fault in promotion_tags.breaks(past.found) if fault not in past.found.faults]
    if faults:
        raise VerificationError(*faults)
    return f"{len(past.entries)} promotions, each naming the one before it"


def _clock(past: History) -> str:
    if dated := promotion_tags.ahead(past.found.promotions, dt.datetime.now(tz=dt.UTC)):
        raise VerificationError(*dated)
    faults = promotion_tags.backwards(past.found.promotions)
    # Told and not called wrong: the clocks of two promoters may differ.
    if faults:
        raise StateError("; ".join(faults))
    return "each is later than the one before it"


def _approvals(promotions: Sequence[HistoryEntry]) -> str:
    faults = [fault for each in promotions for fault in each.unapproved]
    if faults:
        raise VerificationError(*faults)
    return f"each promotion carries its approvals, {sum(len(each.approved) for each in promotions)} in all"


def _releases(root: Path, past: History, lines: Sequence[str]) -> str:
    wrong: list[str] = []
    absent: list[str] = []
    for each in {one.promotion.version: one.promotion for one in past.entries}.values():
        tag = f"{past.name}@{each.version}"
        if tagged(root, tag) is None:
            absent.append(f"{root}: must hold the tag {tag}, got a clone without it (fetch the tags)")
            continue
        try:
            tag_signer(root, tag, lines)
        except VerificationError as error:
            wrong += error.faults
    for one in past.entries:
        of = one.promotion
        tag = f"{past.name}@{of.version}"
        commit, stated = tagged(root, tag), tagged_statement(root, tag)
        if commit is not None and (commit, stated) != (of.seen.commit, of.digest):
            wrong.append(
                f"{of.tag}: must name the commit and the statement of {tag}, {commit[:12]} and "
                f"{(stated or 'none')[:12]}, got {of.seen.commit[:12]} and {of.digest[:12]}"
            )
    if wrong:
        raise VerificationError(*wrong, *absent)
    if absent:
        raise StateError(*absent)
    return "each names the commit and the statement of its release's tag"


def _trail(root: Path, past: History) -> "str | Fact":
    kept = entries(root)
    if not kept:
        return Fact("trail", None, f"not asked: there is no audit trail here (fetch {REF})", asked=False)
    noted = {
        entry.event.promotion: str(entry.event.object_hash)
        for entry in kept
        if entry.event.promotion is not None and entry.event.promotion.startswith(f"{past.name}#")
    }
    there = {each.promotion.tag: each.promotion.seen.hash for each in past.entries}
    return _compared(noted, there, cut=kept[0].number > 1)


def _compared(noted: dict[str, str], there: dict[str, str], *, cut: bool) -> str:
    faults = [
        f"the audit trail tells of {tag}, which must be there, got none (deleted, or not fetched)"
        if tag not in there
        else f"the audit trail tells of another {tag}: it was rewritten since"
        for tag, object_ in noted.items()
        if there.get(tag) != object_
    ]
    if faults:
        raise VerificationError(*faults)
    untold = [tag for tag in there if tag not in noted]
    if untold and not cut:
        raise StateError(
            f"the audit trail does not tell of {', '.join(untold)} (a run was killed, or the trail is older "
            "than the tags: fetch it; `fairmark history --align` notes them)"
        )
    return f"the audit trail tells of {len(noted)} promotions, each as its tag stands"


def _aliases(root: Path, past: History) -> "str | Fact":
    if not projections.there(root):
        return Fact("registry", None, "not asked: there is no MLflow registry here", asked=False)
    return _same_aliases(projections.aliased(root, past.name), past)


def _same_aliases(found: projections.Aliased, past: History) -> str:
    wanted = {stage: each.promotion for stage, each in past.stages.items()}
    faults, absent = [], []
    for stage in sorted({*wanted, *found.stages}):
        of, present = wanted.get(stage), found.stages.get(stage)
        if of is None:
            known = ", ".join(sorted(wanted)) or "none"
            faults.append(f"alias {stage}: must be a stage that the tags know ({known}), got it beside them")
        elif present is None and of.digest not in found.versions:
            absent.append(f"{stage}: {release_of(of)} is not registered here, so it has no alias")
        elif present != of.digest:
            names = f"statement {present[:12]}" if present else "nothing"
            faults.append(f"alias {stage}: must name {release_of(of)}, as {of.tag} does, got {names}")
    if faults:
        raise VerificationError(*faults, "the tags are right: `fairmark history --align` makes it follow")
    if absent:
        raise StateError(*absent)
    return f"MLflow's aliases name what the tags do: {', '.join(sorted(wanted)) or 'nothing'}"


def _fact(name: str, asked: Callable[[], str | Fact]) -> Fact:
    try:
        found = asked()
        return found if isinstance(found, Fact) else Fact(name, True, found)
    except StateError as error:
        return Fact(name, None, shown("; ".join(error.faults)))
    except FairmarkError as error:
        return Fact(name, False, shown("; ".join(error.faults)))

"""Check a history: signatures, the chain, approvals, releases, and what else keeps a record of it.

A chain shows each tag that was rewritten, reordered, or taken out of its middle. That its newest tags were
taken away shows only in what is kept beside the tags: the audit trail, MLflow's aliases, a remote.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from pathlib import Path

from fairmark.errors import FairmarkError, StateError, VerificationError
from fairmark.governance import projections, promotion_chain
from fairmark.governance.history import History, HistoryEntry, release_of, shown
from fairmark.governance.trail import REF, entries
from fairmark.repo.commit import tagged
from fairmark.signing.git_tags import tag_signer
from fairmark.signing.release_tag import tagged_statement
from fairmark.verify.verify import Fact


def check(root: Path, past: History, lines: Sequence[str]) -> list[Fact]:
    """Return each claim of the history, checked."""
    return [
        _fact("others", lambda: _others(past)),
        _fact("signatures", lambda: _signatures(past.entries)),
        _fact("chain", lambda: _chain(past)),
        _fact("clock", lambda: _clock(past)),
        _fact("approvals", lambda: _approvals(past.entries)),
        _fact("releases", lambda: _releases(root, past, lines)),
        _fact("trail", lambda: _trail(root, past)),
        _fact("registry", lambda: _aliases(root, past)),
    ]


def _others(past: History) -> str:
    if past.found.faults:
        raise VerificationError(*past.found.faults)
    return "no other tag tells of a stage"


def _signatures(told: Sequence[HistoryEntry]) -> str:
    wrong = [fault for each in told for fault in each.unsigned]
    if wrong:
        raise VerificationError(*wrong)
    who = dict.fromkeys(str(each.signer) for each in told)
    return f"{len(told)} tags, signed by {', '.join(who) or 'nobody'}"


def _chain(past: History) -> str:
    faults = [fault for fault in promotion_chain.breaks(past.found) if fault not in past.found.faults]
    if faults:
        raise VerificationError(*faults)
    return f"{len(past.entries)} promotions, each naming the one before it"


def _clock(past: History) -> str:
    if dated := promotion_chain.ahead(past.found.promotions, dt.datetime.now(tz=dt.UTC)):
        raise VerificationError(*dated)
    faults = promotion_chain.backwards(past.found.promotions)
    if faults:
        raise StateError("; ".join(faults))
    return "each is later than the one before it"


def _approvals(told: Sequence[HistoryEntry]) -> str:
    faults = [fault for each in told for fault in each.unapproved]
    if faults:
        raise VerificationError(*faults)
    return f"each promotion carries its approvals, {sum(len(each.approved) for each in told)} in all"


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
        if tagged(root, tag) not in (None, of.seen.commit) or (
            tagged(root, tag) and tagged_statement(root, tag) != of.digest
        ):
            wrong.append(f"{of.tag}: must name the commit and the statement of {tag}, got others")
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
            faults.append(f"alias {stage}: must be a stage that the tags know, got one that none names")
        elif present is None and of.digest not in found.versions:
            absent.append(f"{stage}: {release_of(of)} is not registered here, so it has no alias")
        elif present != of.digest:
            faults.append(f"alias {stage}: must name {release_of(of)}, as {of.tag} does, got another or none")
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

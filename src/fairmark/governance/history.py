"""The history of the stages: which release each held when, and by whose word, read from signed tags alone.

Whether it is true is checked elsewhere (`history_check`).
"""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from fairmark.errors import FairmarkError, UsageError, VerificationError
from fairmark.governance.approvals import count, waived_in
from fairmark.governance.approvers import Approver
from fairmark.governance.promotion_tags import Promotion, Refs, refs
from fairmark.governance.request import ReleaseOrigin, from_tags, release_origin
from fairmark.signing.git_tags import tag_signer

STAMP = "%Y-%m-%dT%H:%M:%SZ"
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

    def to_json(self) -> dict[str, Any]:
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
            "since": self.since.strftime(STAMP),
            "until": self.until and self.until.strftime(STAMP),
            "signer": self.signer,
            "tagger": of.seen.tagger,
            "reason": of.reason,
            "approvals": [
                dict(zip(("who", "reason", "expires"), each, strict=True)) for each in self.approved
            ],
            "faults": list(self.faults),
        }


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
        later = (k for k in range(at + 1, len(moments)) if found.promotions[k].stage == each.stage)
        ended = next(later, None)
        signer, unsigned = _signer(root, each, lines)
        approved, unapproved = _approved(each, made_by, approvers)
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
        moments.append(max([each.seen.when, *moments[-1:]]))
    return moments


def _signer(root: Path, of: Promotion, lines: Sequence[str]) -> tuple[str | None, tuple[str, ...]]:
    try:
        return tag_signer(root, of.tag, lines), ()
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

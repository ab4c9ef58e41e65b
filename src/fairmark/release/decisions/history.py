"""What was in which stage when, by whose word: told from the tags alone."""

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from fairmark.errors import FairmarkError, UsageError, VerificationError
from fairmark.release.decisions.approvals import count
from fairmark.release.decisions.approvers import Approver
from fairmark.release.decisions.asked import Made, from_tags, made
from fairmark.release.decisions.promoted import Promotion, Refs, refs
from fairmark.release.signatures.tags import tag_signer

STAMP = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True)
class Told:
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
    told: tuple[Told, ...]
    found: Refs

    @property
    def stages(self) -> dict[str, Told]:
        """What is in each stage now."""
        return {each.promotion.stage: each for each in self.told}


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
    def made_by(version: str, commit: str) -> Made:
        return made(root, f"{name}@{version}", commit, approvers)

    told = []
    for at, each in enumerate(found.promotions):
        later = (k for k in range(at + 1, len(moments)) if found.promotions[k].stage == each.stage)
        ended = next(later, None)
        signer, unsigned = _signer(root, each, lines)
        approved, unapproved = _approved(each, made_by, approvers)
        until = None if ended is None else moments[ended]
        told.append(Told(each, moments[at], until, signer, approved, unsigned, unapproved))
    return History(name, tuple(told), found)


def on(told: Sequence[Told], day: dt.date, today: dt.date) -> list[Told]:
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
    return [each for each in told if each.since < end and (each.until is None or each.until > start)]


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
    of: Promotion, made_by: Callable[[str, str], Made], approvers: Sequence[Approver]
) -> tuple[tuple[tuple[str, str, str], ...], tuple[str, ...]]:
    try:
        asked = from_tags(of, made_by(of.version, of.seen.commit), of.approvals)
    except FairmarkError as error:
        return (), tuple(f"{of.tag}: {fault}" for fault in error.faults)
    envelopes = {f"{of.tag}: approval {number}": each for number, each in enumerate(of.approvals, 1)}
    counted = count(envelopes, asked, approvers, of.seen.when)
    said = tuple((each.who, each.reason, each.expires.isoformat()) for each in counted.approvals)
    faults = counted.refused
    if len(said) < asked.needed:
        faults += (f"{of.tag}: must carry the approvals of {asked.needed} people, got {len(said)}",)
    return said, faults

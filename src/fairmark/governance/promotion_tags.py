"""Promotions and rollbacks as signed, annotated tags `NAME#STAGE#N` in the grammar of GTO, and their chain.

N counts over all stages of a name, as GTO counts; the message names the tag before it by the hash of its
object, and carries the approvals that it rests on, so that a clone with nothing but the tags can tell.
A break of the chain tells a tag that was deleted, rewritten or forked; that the newest tags were taken away
shows in the audit trail alone (`history.check`).
"""

import base64
import binascii
import datetime as dt
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from fairmark.errors import InputError, UsageError, VerificationError
from fairmark.files import canonical_json, lines_of
from fairmark.record import SHA256
from fairmark.repo.git import need
from fairmark.repo.machine import SKEW
from fairmark.repo.untrusted import strict_json
from fairmark.signing.git_tags import TagText, parse_tag

PROMOTE, ROLLBACK = "promote", "rollback"
NOTHING = "none"

_STAGE = re.compile(r"[a-z](?:[a-z0-9-]{0,38}[a-z0-9])?")
_TAKEN = re.compile(r"candidate|latest|v\d+")
_RELEASE = r"{name}-(v(?:0|[1-9]\d{{0,8}})(?:\.(?:0|[1-9]\d{{0,8}})){{2}})"
_ONCE = ("Release", "Statement-SHA256", "Action", "Previous", "Trail", "Reason")
_PREVIOUS = re.compile(r"(\S{1,200}) ([0-9a-f]{40}|[0-9a-f]{64})")
_TEXT = 2000


@dataclass(frozen=True)
class Promotion:
    """A promotion as its tag says it; who signed the tag, and whether all holds, is asked elsewhere.

    Parameters
    ----------
    seen
        The tag: its object, commit, time and tagger.
    previous
        Name and object of the tag before it; None for the first.
    trail
        SHA-256 of the newest entry of the audit trail when it was made, or None.
    approvals
        The envelopes that it rests on, as JSON: whether each is one, `approvals.count` says.
    """

    tag: str
    stage: str
    number: int
    version: str
    digest: str
    action: str
    previous: tuple[str, str] | None
    trail: str | None
    reason: str
    approvals: tuple[Mapping[str, object], ...]
    seen: TagText


@dataclass(frozen=True)
class Refs:
    """Every tag of a name that tells of stages: promotions in the order of their number, and what is none."""

    promotions: tuple[Promotion, ...]
    faults: tuple[str, ...]


def check_stage(stage: str) -> str:
    """Return `stage` when git, GTO and MLflow can all carry it.

    Raises
    ------
    UsageError
        When it is odd, or MLflow or fairmark mean something else by it.
    """
    if not _STAGE.fullmatch(stage) or _TAKEN.fullmatch(stage):
        raise UsageError(
            "stage: must be small letters, digits and hyphens, from a letter on, and none of candidate, "
            f"latest or v and a number, got {stage[:80]!a}"
        )
    return stage


def one_line(text: str) -> str:
    """Return `text` as the one line that a message may carry: printable, and of some length.

    Raises
    ------
    UsageError
        When nothing is left.
    """
    line = "".join(char if char.isprintable() else " " for char in " ".join(text.split()))[:_TEXT].strip()
    if not line:
        raise UsageError("reason: must say why, got nothing")
    return line


def message(
    release: str,
    stage: str,
    digest: str,
    action: str,
    previous: Promotion | None,
    trail: str | None,
    reason: str,
    approvals: Sequence[Mapping[str, object]],
) -> str:
    """Return the message of a promotion's tag; `parsed` reads it back."""
    before = f"{previous.tag} {previous.seen.hash}" if previous else NOTHING
    title = f"{release} {'back to' if action == ROLLBACK else 'to'} {stage}"
    lines = [
        f"Release: {release}",
        f"Statement-SHA256: {digest}",
        f"Action: {action}",
        f"Previous: {before}",
        f"Trail: {trail or NOTHING}",
        f"Reason: {one_line(reason)}",
        *(f"Approval: {base64.b64encode(canonical_json(each)).decode()}" for each in approvals),
    ]
    return "\n".join([title, "", *lines]) + "\n"


def parsed(name: str, tag: str, seen: TagText) -> Promotion:
    """Return the promotion that the tag of this name tells of.

    Raises
    ------
    VerificationError
        When the tag's name or message is anything else.
    """
    match = re.fullmatch(rf"{re.escape(name)}#({_STAGE.pattern})#([1-9]\d{{0,8}})", tag)
    if match is None:
        raise VerificationError(f"tag {tag}: must read {name}#STAGE#N, got {tag[:80]!a}")
    lines = [line.partition(": ")[::2] for line in lines_of(seen.message.split("\n\n", 1)[-1])]
    # Of two lines of one key one reader would take the first and another the last.
    counts = Counter(key for key, _ in lines)
    if wrong_counts := [f"{key} {counts[key]} times" for key in _ONCE if counts[key] != 1]:
        raise VerificationError(
            f"tag {tag}: must say {', '.join(_ONCE)} once each, got {', '.join(wrong_counts)}"
        )
    release, digest, action, before, trail, reason = map(dict(lines).__getitem__, _ONCE)
    version = re.fullmatch(_RELEASE.format(name=re.escape(name)), release)
    previous = _PREVIOUS.fullmatch(before)
    wrong = {
        "Release": (release, version is None),
        "Statement-SHA256": (digest, not SHA256.fullmatch(digest)),
        "Action": (action, action not in (PROMOTE, ROLLBACK)),
        "Previous": (before, previous is None and before != NOTHING),
        "Trail": (trail, not SHA256.fullmatch(trail) and trail != NOTHING),
    }
    if version is None or any(bad for _, bad in wrong.values()):
        found = ", ".join(f"{key}: {text[:80]!a}" for key, (text, bad) in wrong.items() if bad)
        raise VerificationError(f"tag {tag}: must tell of a promotion of {name}, got {found}")
    return Promotion(
        tag=tag,
        stage=match[1],
        number=int(match[2]),
        version=version[1],
        digest=digest,
        action=action,
        previous=(previous[1], previous[2]) if previous else None,
        trail=None if trail == NOTHING else trail,
        reason=reason,
        approvals=tuple(_envelope(tag, text) for key, text in lines if key == "Approval"),
        seen=seen,
    )


def refs(root: Path, name: str) -> Refs:
    """Return every promotion of `name` in the repository, and a fault for each tag that is none.

    Such a tag is one that GTO would read too (`NAME#STAGE`, `NAME#STAGE!#N`, `NAME@vX.Y.Z!`), one that is
    not annotated, and one with an odd name or another message.
    """
    form = "%(objecttype) %(objectname) %(refname:lstrip=2)"
    lines = lines_of(need(root, "list its tags", "for-each-ref", f"--format={form}", "refs/tags/"))
    release = re.compile(re.escape(name) + r"@v\d+\.\d+\.\d+")
    found: list[Promotion] = []
    faults: list[str] = []
    for line in lines:
        kind, hash_, tag = line.split(" ", 2)
        if not tag.startswith((f"{name}#", f"{name}@")) or release.fullmatch(tag):
            continue
        try:
            if kind != "tag":
                raise VerificationError(f"tag {tag}: must be annotated and signed, got a plain one")
            found.append(parsed(name, tag, parse_tag(root, hash_, tag)))
        except VerificationError as error:
            faults += error.faults
    return Refs(tuple(sorted(found, key=lambda each: (each.number, each.tag))), tuple(faults))


def _envelope(tag: str, text: str) -> Mapping[str, object]:
    try:
        value = strict_json(base64.b64decode(text, validate=True).decode(), "approval")
    except (binascii.Error, ValueError, InputError) as error:
        raise VerificationError(f"tag {tag}: must carry approvals in base64, got {error}") from error
    if not isinstance(value, dict):
        raise VerificationError(
            f"tag {tag}: must carry approvals that are envelopes, got {type(value).__name__}"
        )
    return value


def breaks(found: Refs) -> list[str]:
    """Return each break of the chain: a tag that is missing, rewritten, forked or out of order."""
    faults = list(found.faults)
    by_number: dict[int, list[Promotion]] = {}
    for each in found.promotions:
        by_number.setdefault(each.number, []).append(each)
    for number, same in sorted(by_number.items()):
        if len(same) > 1:
            forks = " and ".join(each.tag for each in same)
            faults.append(f"number {number}: must be one tag's, got {forks} (a fork: two went on from one)")
        for each in same:
            faults += _link(each, by_number.get(number - 1, []))
    numbers = set(range(1, max(by_number, default=0) + 1))
    faults += [
        f"number {number}: must be there, got no tag of it (deleted, or not fetched)"
        for number in sorted(numbers - set(by_number))
    ]
    return faults


def backwards(promotions: Sequence[Promotion]) -> list[str]:
    """Return each promotion whose own clock is before that of the one it follows."""
    return [
        f"{after.tag} says {after.seen.when:%Y-%m-%d %H:%M:%S}, before {before.tag}, which it follows"
        for before, after in pairwise(promotions)
        if after.seen.when < before.seen.when
    ]


def ahead(promotions: Sequence[Promotion], now: dt.datetime) -> list[str]:
    """Return each promotion that is dated after `now`: none could follow it until then."""
    return [
        f"{each.tag}: must be of a day that has come, got {each.seen.when:%Y-%m-%d %H:%M:%S} at "
        f"{now:%Y-%m-%d %H:%M:%S} (set this clock; or, if that one was wrong, take back this tag and those "
        f"after it, here and on every remote, and promote again: git tag -d '{each.tag}')"
        for each in promotions
        if each.seen.when > now + SKEW
    ]


def now_in(promotions: Sequence[Promotion], stage: str) -> Promotion | None:
    """Return the last promotion to a stage: it says what is there."""
    return next((each for each in reversed(promotions) if each.stage == stage), None)


def stages(promotions: Sequence[Promotion]) -> dict[str, Promotion]:
    """Return what is in each stage, by the stage's name."""
    # They stand in the order of their number, so that the last of each stage is what stays.
    return dict(sorted({each.stage: each for each in promotions}.items()))


def before_present(promotions: Sequence[Promotion], stage: str) -> list[str]:
    """Return the versions that a stage would go back to, the nearest last, without the present one.

    A rollback takes away what it went back over: after v1, v2, v3 and a rollback to v2 the next one goes to
    v1, not to the v3 that was left.
    """
    kept: list[str] = []
    for each in promotions:
        if each.stage != stage:
            continue
        if each.action == ROLLBACK and each.version in kept:
            kept = kept[: kept.index(each.version)]
        kept = [version for version in kept if version != each.version] + [each.version]
    return kept[:-1]


def rests_on(promotions: Sequence[Promotion], at: int) -> Promotion:
    """Return the promotion whose approvals, as of its own moment, the one at a place needs: often itself.

    A rollback to what the stage held right before rests on the promotion that brought that there: an
    approval that expired since, or the end of an approver's key, must not keep a harmful release in place.
    Only what that tag carries counts, which the chain has fixed since: an ended key could sign for yesterday.
    A rollback further back is a choice anew.
    """
    each = promotions[at]
    if each.action == ROLLBACK and before_present(promotions[:at], each.stage)[-1:] == [each.version]:
        held = (each.stage, each.version, each.digest)
        for place in reversed(range(at)):
            one = promotions[place]
            if (one.stage, one.version, one.digest) == held:
                return rests_on(promotions, place)
    return each


def _link(each: Promotion, before: Sequence[Promotion]) -> list[str]:
    if each.number == 1:
        return (
            []
            if each.previous is None
            else [f"{each.tag}: must follow none, got one after {each.previous[0]}"]
        )
    if each.previous is None:
        return [f"{each.tag}: must name the tag before it, got none"]
    name, hash_ = each.previous
    same = next((one for one in before if one.tag == name), None)
    if same is None:
        return [
            f"{each.tag}: must follow number {each.number - 1}, got one after {name} (deleted or reordered)"
        ]
    if same.seen.hash != hash_:
        wanted = f"{each.tag}: must follow {name} as it was, {hash_[:12]}"
        return [f"{wanted}, got {same.seen.hash[:12]} (rewritten since)"]
    return []

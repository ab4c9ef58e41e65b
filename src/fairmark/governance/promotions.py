"""Promote a release to a stage, and roll a stage back: a signed tag for each, after the rules.

Whether a verdict still stands: a waiver or an override that it rests on may have expired since.

Promotions take turns: one at a time, each later than the one before it.

What follows the tags of promotions: the audit trail tells of each, and MLflow names what they name.
"""

import datetime as dt
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fairmark.errors import FairmarkError, RefusedError, StateError, UsageError, VerificationError
from fairmark.governance import promotion_tags
from fairmark.governance.approvals import Approval, Counted, count, kept
from fairmark.governance.approvers import APPROVAL, FILE, TAGS, Approver, people, person, read_approvers
from fairmark.governance.promotion_tags import (
    PROMOTE,
    ROLLBACK,
    Promotion,
    check_stage,
    message,
    one_line,
    refs,
)
from fairmark.governance.request import Asked, candidate, from_tags, made
from fairmark.release.folder import ReleaseFolder
from fairmark.repo.commit import tagged
from fairmark.repo.git import need, own_folder
from fairmark.repo.locks import locked
from fairmark.repo.machine import refuse_behind
from fairmark.signing.git_tags import sign_tag, tag_signer
from fairmark.signing.release_tag import tagged_statement

if TYPE_CHECKING:
    from fairmark.signing.keys import PublicKey, SigningKey


def refuse_lapsed(folder: Path, now: dt.datetime) -> None:
    """Do nothing when the release in `folder`, which was verified, would pass now as well.

    Raises
    ------
    RefusedError
        Naming each comparison that rests on a waiver or an override which does not stand any more.
    StateError
        When the clock is before the release's commit.
    """
    from fairmark.judge.verdict import judge

    release, today = ReleaseFolder(folder), now.date()
    refuse_behind(release.statement.commit.annotations.committed, now)
    if not any(each.gate and each.waived_by for each in release.verdict.findings):
        return
    again = judge(release.measurements, release.params.policy, today)
    open_ = [f"{each.limit}: {each.text}" for each in again.findings if each.gate and not each.met]
    if open_:
        raise RefusedError(
            f"{folder.name}: verdict must still pass on {today}, got {again.outcome} (release again, with "
            "a policy that says who decides now)",
            *dict.fromkeys(open_),
        )


# ------------------------------------------------------------------ turn


_PATIENCE_S = 2.0


def wait_past(before: Sequence[Promotion]) -> None:
    """Wait until the clock is past the last promotion: GTO orders by time, in seconds.

    Raises
    ------
    StateError
        When it stays before it: this clock is wrong, or the last promoter's was.
    """
    if not before:
        return
    last = before[-1].seen.when
    until = time.monotonic() + _PATIENCE_S
    while dt.datetime.now(tz=dt.UTC).replace(microsecond=0) <= last:
        if time.monotonic() > until:
            raise StateError(
                f"clock: must be past {before[-1].tag}, set at {last:%Y-%m-%d %H:%M:%S} UTC, got "
                f"{dt.datetime.now(tz=dt.UTC):%Y-%m-%d %H:%M:%S} (set this clock, or wait)"
            )
        time.sleep(0.05)


@contextmanager
def alone(root: Path) -> Iterator[None]:
    """Let one promotion be made at a time in this repository; the lock dies with its process.

    Raises
    ------
    StateError
        When another one runs.
    """
    busy = f"{root}: must have one promotion at a time, got another that runs"
    with locked(own_folder(root) / "fairmark-promote.lock", busy):
        yield


# ------------------------------------------------------------------ follow


def follow(
    root: Path, name: str, promotions: Sequence[Promotion], key: "SigningKey | None" = None
) -> list[str]:
    """Let the audit trail and the registry follow the tags, and return what is to be said of it.

    Parameters
    ----------
    key
        What signs the entries of the trail; by default the user's own, where there is one.
    """
    said = []
    try:
        note(root, promotions, key)
    except FairmarkError as error:
        said.append(f"the audit trail does not tell of it yet: {error}")
    return said + aligned(root, name, promotions)


def note(root: Path, promotions: Sequence[Promotion], key: "SigningKey | None" = None) -> int:
    """Add to the audit trail each promotion that it does not tell of, and return how many.

    Raises
    ------
    StateError
        When it can't be written.
    """
    from fairmark.governance.flow_runs import COMPLETED
    from fairmark.governance.trail import append, entries

    noted = {entry.event.object_hash for entry in entries(root)}
    late = [each for each in promotions if each.seen.hash not in noted]
    for each in late:
        event = {
            "action": each.action,
            "promotion": each.tag,
            "object": each.seen.hash,
            "release": f"{each.tag.partition('#')[0]}-{each.version}",
            "stage": each.stage,
        }
        append(root, event, COMPLETED, key=key)
    return len(late)


def aligned(root: Path, name: str, promotions: Sequence[Promotion]) -> list[str]:
    """Set MLflow's aliases to what the tags say, and return what is to be said of it."""
    from fairmark.governance import aliases

    if not aliases.there(root):
        return []
    try:
        wanted = {stage: each.digest for stage, each in promotion_tags.stages(promotions).items()}
        return [f"MLflow: {line}" for line in aliases.align(root, name, wanted)]
    except StateError as error:
        return [f"MLflow does not follow yet (`fairmark history --align` makes it): {error}"]


# ------------------------------------------------------------------ promotions


OWN = "own-key"
"""The name under which a key counts that no line of `approvers` names."""


@dataclass(frozen=True)
class Done:
    """A promotion that was made: its tag, whose approvals it carries, and what is to be said beside it."""

    tag: str
    stage: str
    version: str
    approvals: tuple[Approval, ...]
    said: tuple[str, ...]


@dataclass(frozen=True)
class _Step:
    """What a promotion is to say."""

    name: str
    stage: str
    version: str
    digest: str
    commit: str
    action: str
    reason: str


def promote(
    root: Path,
    folder: Path,
    stage: str,
    reason: str,
    key: "SigningKey",
    trusted: "Sequence[PublicKey]" = (),
) -> Done:
    """Promote the release in `folder` to a stage, and return what was done.

    Parameters
    ----------
    key
        What signs the promotion.
    trusted
        Keys that may have made releases and promotions, beside `key` and those of `approvers`.

    Raises
    ------
    RefusedError
        When approvals are lacking, a waiver has expired, or the key may not sign tags.
    VerificationError
        When the release is not what it says, or the chain of promotions is broken.
    StateError
        When it is there already, has no tag of its own, or the repository can't take the promotion.
    """
    check_stage(stage), one_line(reason)
    approvers = read_approvers(root / FILE)
    keys = [key.public, *trusted]
    found = candidate(folder, root, approvers, keys)
    refuse_lapsed(folder, dt.datetime.now(tz=dt.UTC))
    step = _Step(
        found.name, stage, found.version, found.asked.digest, found.commit, PROMOTE, one_line(reason)
    )
    with alone(root):
        before = _sound(root, step.name, approvers, keys)
        present = promotion_tags.now_in(before, stage)
        if present is not None and present.version == step.version:
            raise StateError(f"{stage}: must hold another release, got {step.version} there already")
        return _set(root, step, found.asked, before, approvers, key, keys)


def rollback(
    root: Path,
    name: str,
    stage: str,
    reason: str,
    key: "SigningKey",
    to: str | None = None,
    trusted: "Sequence[PublicKey]" = (),
) -> Done:
    """Take a stage back to a version that it had, by default to the one before the present one.

    Raises
    ------
    UsageError
        When the stage never held such a version.
    RefusedError
        When its approvals do not stand any more, or the key may not sign tags.
    VerificationError
        When the chain of promotions is broken.
    StateError
        When the repository can't take it.
    """
    check_stage(stage), one_line(reason)
    approvers = read_approvers(root / FILE)
    keys = [key.public, *trusted]
    with alone(root):
        before = _sound(root, name, approvers, keys)
        of = _target(before, stage, to)
        step = _Step(name, stage, of.version, of.digest, of.seen.commit, ROLLBACK, one_line(reason))
        asked = _asked(root, name, of, approvers, keys)
        return _set(root, step, asked, before, approvers, key, keys)


def allowed(approvers: Sequence[Approver], keys: "Sequence[PublicKey]") -> list[str]:
    """Return the lines of allowed signers by which tags are checked: `approvers`, and keys given beside it.

    A key that the file names counts as the file says, whoever gives it.
    """
    known = {each.key.keyid for each in approvers}
    lines = [each.line() for each in approvers if each.may(TAGS)]
    return lines + [key.allowed(OWN) for key in keys if key.keyid not in known]


def promoters(approvers: Sequence[Approver], keys: "Sequence[PublicKey]") -> list[str]:
    """Return the lines of allowed signers by which promotions are checked.

    They are those of `approvers` alone as soon as it ever let anybody sign tags, be his key ended or not.
    """
    return allowed(approvers, [] if any(each.may(TAGS) for each in approvers) else keys)


def _target(before: Sequence[Promotion], stage: str, to: str | None) -> Promotion:
    had = [each for each in before if each.stage == stage]
    if not had:
        raise UsageError(f"stage: must have held a release, got {stage}, which never did")
    if to is None:
        earlier = promotion_tags.before_present(before, stage)
        if not earlier:
            raise UsageError(f"{stage}: must have held a release before {had[-1].version}, got none")
        to = earlier[-1]
    elif to == had[-1].version:
        raise StateError(f"{stage}: must hold another release, got {to} there already")
    found = next((each for each in reversed(had) if each.version == to), None)
    if found is None:
        known = ", ".join(dict.fromkeys(each.version for each in had))
        raise UsageError(f"--to: must be a version that {stage} has held ({known}), got {to[:80]!a}")
    return found


def _asked(
    root: Path, name: str, of: Promotion, approvers: Sequence[Approver], keys: "Sequence[PublicKey]"
) -> Asked:
    folder = root / "releases" / f"{name}-{of.version}"
    if folder.is_dir():
        found = candidate(folder, root, approvers, keys)
        if found.asked.digest != of.digest:
            raise VerificationError(f"{folder.name}: must be the release that {of.tag} names, got another")
        return found.asked
    return from_tags(of, made(root, f"{name}@{of.version}", of.seen.commit, approvers), of.approvals)


def _sound(
    root: Path, name: str, approvers: Sequence[Approver], keys: "Sequence[PublicKey]"
) -> list[Promotion]:
    """Return the promotions there are, one signed chain, when the first of `keys` may add to it."""
    now, key = dt.datetime.now(tz=dt.UTC), keys[0]
    if any(each.may(TAGS) for each in approvers) and not any(
        each.key == key and each.may(TAGS) and each.valid(now) for each in approvers
    ):
        who = ", ".join(people(approvers, TAGS, now)) or "nobody, for every such key has ended"
        raise RefusedError(
            f"key {key.keyid[:16]}…: must be in {FILE} with the namespace {TAGS}, and valid today, to "
            f"promote (as of {who}), got one that is not"
        )
    found = refs(root, name)
    faults = promotion_tags.breaks(found) + promotion_tags.ahead(found.promotions, now)
    lines = promoters(approvers, keys)
    for each in found.promotions:
        try:
            tag_signer(root, each.tag, lines)
        except VerificationError as error:
            faults += error.faults
    if faults:
        raise VerificationError(f"{name}: its promotions must be one signed chain, got", *faults)
    return list(found.promotions)


def _set(
    root: Path,
    step: _Step,
    asked: Asked,
    before: list[Promotion],
    approvers: Sequence[Approver],
    key: "SigningKey",
    keys: "Sequence[PublicKey]",
) -> Done:
    _refuse_untagged(root, step, allowed(approvers, keys))
    stored, faults = kept(root, asked)
    carried: dict[str, object] = {
        f"{each.tag}: approval {number}": envelope
        for each in before
        if each.digest == asked.digest
        for number, envelope in enumerate(each.approvals, 1)
    }
    now = dt.datetime.now(tz=dt.UTC)
    counted = count({**stored, **carried}, asked, approvers, now)
    refuse_unapproved(asked, counted, faults, approvers, now)
    wait_past(before)
    tag = f"{step.name}#{step.stage}#{len(before) + 1}"
    text = message(
        release=asked.name,
        stage=step.stage,
        digest=step.digest,
        action=step.action,
        previous=before[-1] if before else None,
        trail=_trail_head(root),
        reason=step.reason,
        approvals=[each.envelope.to_json() for each in counted.approvals],
    )
    sign_tag(root, tag, step.commit, text, key)
    said = follow(root, step.name, refs(root, step.name).promotions, key)
    return Done(tag, step.stage, step.version, counted.approvals, tuple(said))


def refuse_unapproved(
    asked: Asked, counted: Counted, faults: Sequence[str], approvers: Sequence[Approver], now: dt.datetime
) -> None:
    """Do nothing when enough people have approved.

    Raises
    ------
    RefusedError
        Saying how many are lacking, who may still approve, and why what is there does not count.
    """
    given = [each.who for each in counted.approvals]
    if len(given) >= asked.needed:
        return
    barred = asked.people(approvers) | set(map(person, given))
    able = [who for who in people(approvers, APPROVAL, now) if person(who) not in barred]
    why = f" (because of what was waived: {', '.join(asked.waived)})" if asked.waived else ""
    raise RefusedError(
        f"{asked.name}: must be approved by {asked.needed} people who did not make it{why}, got {len(given)}"
        + (f" ({', '.join(given)})" if given else ""),
        f"who may still approve: {', '.join(able) or f'nobody that {FILE} names'}",
        *counted.refused,
        *faults,
    )


def _refuse_untagged(root: Path, step: _Step, lines: Sequence[str]) -> None:
    tag = f"{step.name}@{step.version}"
    if tagged(root, tag) is None:
        raise StateError(f"{root}: must hold the release tag {tag}, got a repository without it (fetch tags)")
    if tagged(root, tag) != step.commit or tagged_statement(root, tag) != step.digest:
        raise VerificationError(f"tag {tag}: must name this release's commit and statement, got others")
    tag_signer(root, tag, lines)
    words = need(root, "list its tags", "tag", "--points-at", step.commit, "--list", f"{step.name}@v*")
    if len(words.split()) > 1:
        raise StateError(
            f"commit {step.commit[:12]}: must carry one release, got {' and '.join(words.split())}: GTO "
            "could not tell which is promoted (commit something, if only `--allow-empty`, and release again)"
        )


def _trail_head(root: Path) -> str | None:
    from fairmark.governance.trail import head

    return head(root)

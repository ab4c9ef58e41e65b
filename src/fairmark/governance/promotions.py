"""Promote a release to a stage, and roll a stage back: a signed tag for each, after the rules.

A promotion is made under a lock of the repository, after every one before it, and needs the approvals that
the release's own policy asks for. What follows the tags (`projections`) comes after them and never stops one.
"""

import datetime as dt
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fairmark.errors import RefusedError, StateError, UsageError, VerificationError
from fairmark.governance import promotion_tags
from fairmark.governance.approvals import Approval, Counted, count, read_approvals, waived_in
from fairmark.governance.approvers import APPROVAL, FILE, OWN, TAGS, Approver, people, person, read_approvers
from fairmark.governance.assessment import PRODUCTION, refuse_open
from fairmark.governance.assessment_approval import refuse_unsigned
from fairmark.governance.findings import refuse_high
from fairmark.governance.projections import follow
from fairmark.governance.promotion_tags import (
    PROMOTE,
    ROLLBACK,
    Promotion,
    check_stage,
    message,
    one_line,
    refs,
)
from fairmark.governance.request import (
    ApprovalRequest,
    candidate,
    from_tags,
    refuse_expired_waivers,
    refuse_overlays,
    release_origin,
)
from fairmark.repo.commit import committed_at, tagged
from fairmark.repo.git import need, own_folder
from fairmark.repo.locks import locked
from fairmark.repo.machine import refuse_behind
from fairmark.signing.git_tags import sign_tag, tag_signer, tagged_statement

if TYPE_CHECKING:
    from fairmark.signing.keys import PublicKey, SigningKey


"""The name under which a key counts that no line of `approvers` names."""
PATIENCE_S = 2.0
"""How long a promotion waits for the clock to pass the one before it."""


@dataclass(frozen=True)
class PromotionResult:
    """A promotion that was made: its tag, whose approvals it carries, and what is to be said beside it."""

    tag: str
    stage: str
    version: str
    approvals: tuple[Approval, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _PromotionPlan:
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
) -> PromotionResult:
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
        When approvals are lacking, a waiver has expired, the key may not sign tags, or the release is not
        ready for production (`refuse_unready`).
    VerificationError
        When the release is not what it says, or the chain of promotions is broken.
    StateError
        When it is there already, has no tag of its own, the clock is before the newest commit, or the
        repository can't take the promotion.
    """
    check_stage(stage), one_line(reason)
    approvers = read_approvers(root / FILE)
    keys = [key.public, *trusted]
    found = candidate(folder, root, approvers, keys)
    if found.evaluation:
        raise RefusedError(
            f"{found.request.name}: must hold a model to be promoted, got the evaluation of scores made "
            "elsewhere: there is nothing in it that could decide"
        )
    now = dt.datetime.now(tz=dt.UTC)
    # Approvals, answers and findings are committed after the release: a clock set back to its commit would
    # let those count that have expired since.
    refuse_behind(committed_at(root, "HEAD"), now)
    refuse_expired_waivers(folder, now)
    refuse_overlays(folder, stage, now)
    if stage == PRODUCTION:
        refuse_unready(root, folder, approvers, keys, now)
    plan = _PromotionPlan(
        found.name, stage, found.version, found.request.digest, found.commit, PROMOTE, one_line(reason)
    )
    # The release is verified before the lock, for that takes seconds. The chain is read within it: the number
    # and the tag that the new one names must still be the last when it is set.
    with promotion_lock(root):
        before = checked_chain(root, plan.name, approvers, keys)
        present = promotion_tags.now_in(before, stage)
        if present is not None and present.version == plan.version:
            raise StateError(f"{stage}: must hold another release, got {plan.version} there already")
        return _tag_promotion(root, plan, found.request, before, approvers, key, keys)


def refuse_unready(
    root: Path,
    folder: Path,
    approvers: Sequence[Approver],
    keys: "Sequence[PublicKey]",
    now: dt.datetime,
) -> None:
    """Do nothing where people's words let the release in `folder`, which was verified, go to production.

    The verb and the flow ask it alike; the flow before a canary begins, and again when it signs.

    Raises
    ------
    RefusedError
        When a required question of the self-assessment is open or stale, no approver has signed it, or a
        finding of high severity is open.
    VerificationError
        When a record of the findings register is not as it was signed.
    InputError
        When the self-assessment is none.
    """
    refuse_high(root, approvers, keys)
    refuse_open(root, folder, now.date())
    refuse_unsigned(root, approvers, now)


def rollback(
    root: Path,
    name: str,
    stage: str,
    reason: str,
    key: "SigningKey",
    to: str | None = None,
    trusted: "Sequence[PublicKey]" = (),
) -> PromotionResult:
    """Take a stage back to a version that it had, by default to the one before the present one.

    Back to the one right before, the approvals that its own promotion carries have to count as of then;
    further back, there have to be some that count now (`promotion_tags.rests_on`).

    Raises
    ------
    UsageError
        When the stage never held such a version.
    RefusedError
        When its approvals do not count, or the key may not sign tags.
    VerificationError
        When the chain of promotions is broken.
    StateError
        When the repository can't take it.
    """
    check_stage(stage), one_line(reason)
    approvers = read_approvers(root / FILE)
    keys = [key.public, *trusted]
    with promotion_lock(root):
        before = checked_chain(root, name, approvers, keys)
        of = _target(before, stage, to)
        plan = _PromotionPlan(name, stage, of.version, of.digest, of.seen.commit, ROLLBACK, one_line(reason))
        request = _request_of(root, name, of, approvers, keys)
        right_before = promotion_tags.before_present(before, stage)[-1:] == [of.version]
        basis = promotion_tags.rests_on(before, before.index(of)) if right_before else None
        return _tag_promotion(root, plan, request, before, approvers, key, keys, basis)


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
    # The last time that the stage held it: its approvals are the newest.
    found = next((each for each in reversed(had) if each.version == to), None)
    if found is None:
        known = ", ".join(dict.fromkeys(each.version for each in had))
        raise UsageError(f"--to: must be a version that {stage} has held ({known}), got {to[:80]!a}")
    return found


def _request_of(
    root: Path, name: str, of: Promotion, approvers: Sequence[Approver], keys: "Sequence[PublicKey]"
) -> ApprovalRequest:
    folder = root / "releases" / f"{name}-{of.version}"
    if folder.is_dir():
        found = candidate(folder, root, approvers, keys)
        if found.request.digest != of.digest:
            raise VerificationError(
                f"{folder.name}: must be the release that {of.tag} names, with statement {of.digest[:12]}, "
                f"got {found.request.digest[:12]}"
            )
        return found.request
    return from_tags(
        of, release_origin(root, f"{name}@{of.version}", of.seen.commit, approvers), waived_in(of.approvals)
    )


def checked_chain(
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
            f"promote (as of {who}), got {_standing(approvers, key, now)}"
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


def _standing(approvers: Sequence[Approver], key: "PublicKey", now: dt.datetime) -> str:
    """Return in words what `approvers` says of a key."""
    lines = [
        f"{each.principal}'s key for {', '.join(each.namespaces)}"
        + ("" if each.valid(now) else ", not valid today")
        for each in approvers
        if each.key == key
    ]
    return "; ".join(lines) or "no line of it"


def _tag_promotion(
    root: Path,
    plan: _PromotionPlan,
    request: ApprovalRequest,
    before: list[Promotion],
    approvers: Sequence[Approver],
    key: "SigningKey",
    keys: "Sequence[PublicKey]",
    basis: Promotion | None = None,
) -> PromotionResult:
    _refuse_untagged(root, plan, allowed(approvers, keys))
    now = dt.datetime.now(tz=dt.UTC)
    if basis is None:
        counted, faults = approved(root, request, before, approvers, now)
    else:
        carried = {f"{basis.tag}: approval {number}": each for number, each in enumerate(basis.approvals, 1)}
        counted, faults = count(carried, request, approvers, basis.seen.when), []
    refuse_unapproved(request, counted, faults, approvers, now)
    wait_until_after(before)
    # `checked_chain` has refused a gap, so the count is the last number.
    tag = f"{plan.name}#{plan.stage}#{len(before) + 1}"
    text = message(
        release=request.name,
        stage=plan.stage,
        digest=plan.digest,
        action=plan.action,
        previous=before[-1] if before else None,
        trail=_trail_head(root),
        reason=plan.reason,
        approvals=[each.envelope.to_json() for each in counted.approvals],
    )
    sign_tag(root, tag, plan.commit, text, key)
    # Only now, and no fault of it is one of the promotion: the tag is the promotion, and what follows it can
    # be made again from it (`fairmark history --align`).
    notes = follow(root, plan.name, refs(root, plan.name).promotions, key).lines()
    return PromotionResult(tag, plan.stage, plan.version, counted.approvals, tuple(notes))


def approved(
    root: Path,
    request: ApprovalRequest,
    before: Sequence[Promotion],
    approvers: Sequence[Approver],
    now: dt.datetime,
) -> tuple[Counted, list[str]]:
    """Return the approvals of a release that count now, and what is wrong with files that hold some.

    Approvals that an earlier promotion of the same release carries count again while they last: who has only
    the tags, without the folder `approvals`, may promote what was approved.
    """
    stored, faults = read_approvals(root, request)
    carried: dict[str, object] = {
        f"{each.tag}: approval {number}": envelope
        for each in before
        if each.digest == request.digest
        for number, envelope in enumerate(each.approvals, 1)
    }
    return count({**stored, **carried}, request, approvers, now), faults


def refuse_unapproved(
    request: ApprovalRequest,
    counted: Counted,
    faults: Sequence[str],
    approvers: Sequence[Approver],
    now: dt.datetime,
) -> None:
    """Do nothing when enough people have approved.

    Raises
    ------
    RefusedError
        Saying how many are lacking, who may still approve, and why what is there does not count.
    """
    given = [each.who for each in counted.approvals]
    if len(given) >= request.needed:
        return
    barred = request.people(approvers) | set(map(person, given))
    able = [who for who in people(approvers, APPROVAL, now) if person(who) not in barred]
    why = f" (because of what was waived: {', '.join(request.waived)})" if request.waived else ""
    found = f"{len(given)} ({', '.join(given)})" if given else "0"
    raise RefusedError(
        f"{request.name}: must be approved by {request.needed} people who did not make it{why}, got {found}",
        f"who may still approve: {', '.join(able) or f'nobody that {FILE} names'}",
        *counted.refused,
        *faults,
    )


def _refuse_untagged(root: Path, plan: _PromotionPlan, lines: Sequence[str]) -> None:
    tag = f"{plan.name}@{plan.version}"
    if tagged(root, tag) is None:
        raise StateError(f"{root}: must hold the release tag {tag}, got a repository without it (fetch tags)")
    commit, stated = str(tagged(root, tag)), tagged_statement(root, tag) or "none"
    if (commit, stated) != (plan.commit, plan.digest):
        raise VerificationError(
            f"tag {tag}: must name this release's commit and statement, {plan.commit[:12]} and "
            f"{plan.digest[:12]}, got {commit[:12]} and {stated[:12]}"
        )
    tag_signer(root, tag, lines)
    words = need(root, "list its tags", "tag", "--points-at", plan.commit, "--list", f"{plan.name}@v*")
    if len(words.split()) > 1:
        raise StateError(
            f"commit {plan.commit[:12]}: must carry one release, got {' and '.join(words.split())}: GTO "
            "could not tell which is promoted (commit something, if only `--allow-empty`, and release again)"
        )


def wait_until_after(before: Sequence[Promotion]) -> None:
    """Wait until the clock is past the last promotion: GTO orders by time, in seconds.

    Raises
    ------
    StateError
        When it stays before it: this clock is wrong, or the last promoter's was.
    """
    if not before:
        return
    last = before[-1].seen.when
    until = time.monotonic() + PATIENCE_S
    while dt.datetime.now(tz=dt.UTC).replace(microsecond=0) <= last:
        if time.monotonic() > until:
            raise StateError(
                f"clock: must be past {before[-1].tag}, set at {last:%Y-%m-%d %H:%M:%S} UTC, got "
                f"{dt.datetime.now(tz=dt.UTC):%Y-%m-%d %H:%M:%S} (set this clock, or wait)"
            )
        time.sleep(0.05)


@contextmanager
def promotion_lock(root: Path) -> Iterator[None]:
    """Let one promotion be made at a time in this repository; the lock dies with its process.

    Raises
    ------
    StateError
        When another one runs.
    """
    busy = f"{root}: must have one promotion at a time, got another that runs"
    with locked(own_folder(root) / "fairmark-promote.lock", busy):
        yield


def _trail_head(root: Path) -> str | None:
    from fairmark.governance.trail import head

    return head(root)

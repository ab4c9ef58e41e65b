"""What is put before approvers: a release that was verified, with what its verdict stands on."""

import datetime as dt
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fairmark.errors import FairmarkError, RefusedError, StateError, UsageError, VerificationError
from fairmark.governance.approvers import TAGS, Approver, person
from fairmark.governance.promotion_tags import Promotion
from fairmark.params.parse import typed
from fairmark.params.release import Approvals
from fairmark.release.folder import ReleaseFolder
from fairmark.release.layout import EVALUATION, STATEMENT
from fairmark.release.statement import release_digest
from fairmark.repo.commit import committed_file
from fairmark.repo.git import git_bytes
from fairmark.repo.machine import refuse_behind
from fairmark.repo.untrusted import strict_yaml
from fairmark.signing.git_tags import claimed_key
from fairmark.signing.keys import PublicKey

if TYPE_CHECKING:
    from fairmark.judge.verdict import Finding

RELEASE = "urn:fairmark:approval:1"
POLICY = "urn:fairmark:policy-approval:1"
"""Predicate types of an approval: of a release, and of a policy that was loosened."""


@dataclass(frozen=True)
class ApprovalRequest:
    """What an approval must be of, and who can't give it.

    Parameters
    ----------
    kind
        Predicate type.
    name, digest
        Of the one subject.
    folder
        Where its approvals are kept, below the folder `approvals`.
    makers
        Key ids of those who made it.
    authors
        Principals or mail addresses of those who made it, as far as they are known beside their keys.
    waived
        Limits of the verdict that stand on a waiver or an override; of a policy, those that it waives.
    needed
        How many people must approve.
    """

    kind: str
    name: str
    digest: str
    folder: str
    makers: frozenset[str]
    authors: frozenset[str]
    waived: tuple[str, ...]
    needed: int

    def people(self, approvers: Sequence[Approver]) -> set[str]:
        """Return those who made it, each as `person` writes him."""
        holders = (each.principal for each in approvers if each.key.keyid in self.makers)
        return {person(who) for who in (*self.authors, *holders)}


@dataclass(frozen=True)
class Candidate:
    """A release that was verified: what is asked of approvers, its commit, and what its verdict says."""

    request: ApprovalRequest
    name: str
    version: str
    commit: str
    outcome: str
    let_through: tuple[str, ...]
    """One line for each comparison that stands on a waiver or an override."""
    evaluation: bool = False
    """Whether it judges scores made elsewhere, so that there is no model in it."""


def find_release(root: Path, text: str) -> Path:
    """Return the release folder that a person means by a path, `NAME-vX.Y.Z` or `NAME@vX.Y.Z`.

    A name is that of a release of this repository: a folder called like it elsewhere is asked for by a path
    with a slash, such as `./NAME-vX.Y.Z`.

    Raises
    ------
    UsageError
        When there is none, or a name stands for two folders.
    """
    kept, beside = root / "releases" / text.replace("@", "-"), Path(text)
    if "/" in text:
        places = [beside]
    elif "@" in text:
        places = [kept]
    else:
        places = [kept, beside]
    there = [place for place in places if place.is_dir()]
    if len(there) > 1 and not kept.samefile(beside):
        raise UsageError(f"{text}: must name one folder, got {kept} and ./{text} (give the path)")
    if there:
        return there[0]
    raise UsageError(f"{text}: must be a release folder, or a release below {root / 'releases'}, got none")


def candidate(
    folder: Path, root: Path, approvers: Sequence[Approver], keys: Sequence[PublicKey] = ()
) -> Candidate:
    """Return the release in `folder`, verified against the clone `root`.

    Parameters
    ----------
    keys
        Keys that may have made it, beside those that `approvers` lets sign tags.

    Raises
    ------
    VerificationError
        With each claim of it that is wrong.
    StateError
        With each claim that can't be told.
    """
    release = ReleaseFolder(folder)
    # As claimed, which is enough to bar somebody; whether the signature holds is asked below.
    makers = frozenset(release.envelope(STATEMENT).keyids)
    known = [*keys, *(each.key for each in approvers if each.may(TAGS))]
    _refuse_unverified(folder, root, next((key for key in known if key.keyid in makers), None))
    name, version = release.statement.external.name, release.statement.external.version
    rules = release.params.release.approvals
    through = release.verdict.let_through
    waived = tuple(sorted({limit for limit, _ in through}))
    request = ApprovalRequest(
        kind=RELEASE,
        name=f"{name}-{version}",
        digest=release_digest(folder),
        folder=f"{name}-{version}",
        makers=makers | _tagged_with(root, f"{name}@{version}"),
        authors=_tagged_by(root, f"{name}@{version}", approvers),
        waived=waived,
        needed=rules.waived if waived else rules.plain,
    )
    lines = tuple(dict.fromkeys(_through(*each) for each in through))
    evaluation = release.kind is EVALUATION
    return Candidate(request, name, version, release.commit, release.verdict.state, lines, evaluation)


def _through(limit: str, finding: "Finding") -> str:
    group = f" ({finding.group})" if finding.group else ""
    return f"{limit}{group}: {finding.outcome}, let through by {finding.waived_by}"


def _refuse_unverified(folder: Path, root: Path, key: PublicKey | None) -> None:
    from fairmark.verify.verify import verify

    facts = [fact for fact in verify(folder, root, key) if fact.asked]
    # What is wrong comes first: a claim that can't be told must not hide one that does not hold.
    for held, kind in ((False, VerificationError), (None, StateError)):
        if found := [fact.line() for fact in facts if fact.held is held]:
            raise kind(f"{folder.name}: must be verified, got", *found)


def refuse_expired_waivers(folder: Path, now: dt.datetime) -> None:
    """Do nothing when the release in `folder`, which was verified, would pass now as well.

    Raises
    ------
    RefusedError
        Naming each comparison that rests on a waiver or an override which does not stand any more.
    StateError
        When the clock is before the release's commit.
    """
    from fairmark.judge.verdict import in_overlay, judge

    release, today = ReleaseFolder(folder), now.date()
    # With a clock set back, a waiver that has expired would stand again.
    refuse_behind(release.statement.commit.annotations.committed, now)
    # Without a waiver nothing depends on the day, so that the verified verdict still holds.
    if not release.verdict.let_through:
        return
    again = judge(release.measurements, release.params.policy, today, earlier=release.verdict.earlier)
    open_ = [
        f"{in_overlay(name, each.limit)}: {each.text}"
        for name, verdict in again.deciding
        for each in verdict.findings
        if each.gate and not each.met
    ]
    if open_:
        raise RefusedError(
            f"{folder.name}: verdict must still pass on {today}, got {again.outcome} (release again, with "
            "a policy that says who decides now)",
            *dict.fromkeys(open_),
        )


def refuse_overlays(folder: Path, stage: str, now: dt.datetime) -> None:
    """Do nothing when the release in `folder`, which was verified, passes now under each overlay of a stage.

    Raises
    ------
    RefusedError
        Naming each overlay of the policy that asks for a pass there, and what stands in its way.
    """
    from fairmark.judge.verdict import judge

    release = ReleaseFolder(folder)
    asked = {each.name for each in release.params.policy.overlays if stage in each.stages}
    if not asked:
        return
    again = judge(release.measurements, release.params.policy, now.date(), earlier=release.verdict.earlier)
    missed = [each for each in again.overlays if each.name in asked and each.verdict.outcome != "pass"]
    if missed:
        raise RefusedError(
            f"{folder.name}: must pass under {', '.join(each.name for each in missed)} to go to {stage}, got",
            *(
                f"{each.line}; {one.limit}: {one.text}"
                for each in missed
                for one in each.verdict.findings
                if one.gate and not one.met
            ),
        )


@dataclass(frozen=True)
class ReleaseOrigin:
    """What the repository alone says of a release: whose it is, and how many must approve it."""

    makers: frozenset[str]
    authors: frozenset[str]
    rules: Approvals


def release_origin(root: Path, tag: str, commit: str, approvers: Sequence[Approver]) -> ReleaseOrigin:
    """Return who made the release of a tag, and what params.yaml at its commit asks for.

    Raises
    ------
    VerificationError
        When the commit's params.yaml does not say how many people must approve.
    """
    return ReleaseOrigin(_tagged_with(root, tag), _tagged_by(root, tag, approvers), _rules(root, commit))


def from_tags(of: Promotion, by: ReleaseOrigin, waived: tuple[str, ...]) -> ApprovalRequest:
    """Return what a promotion asked of approvers, where no release folder is at hand.

    What was waived is what the approvals say, for each of them signs it; `approvals.weigh` holds them
    together.
    """
    name = f"{of.tag.partition('#')[0]}-{of.version}"
    return ApprovalRequest(
        kind=RELEASE,
        name=name,
        digest=of.digest,
        folder=name,
        makers=by.makers,
        authors=by.authors,
        waived=waived,
        needed=by.rules.waived if waived else by.rules.plain,
    )


def _rules(root: Path, commit: str) -> Approvals:
    content = committed_file(root, commit, "params.yaml")
    if content is None:  # a bare repository knows no path relative to a folder
        content = git_bytes(root, "cat-file", "blob", f"{commit}:params.yaml")
    try:
        section = strict_yaml((content or b"").decode("utf-8"), f"params.yaml of {commit[:12]}")["release"]
        return typed(Approvals, section["approvals"], "params.yaml: release.approvals")
    except (FairmarkError, LookupError, TypeError, ValueError) as error:
        raise VerificationError(
            f"params.yaml of {commit[:12]}: must say how many people approve a release, got {error}"
        ) from error


def _tagged_with(root: Path, tag: str) -> frozenset[str]:
    """Return the key that the release's tag says that it was signed with."""
    key = claimed_key(root, "tag", f"refs/tags/{tag}")
    return frozenset({key} if key else ())


def _tagged_by(root: Path, tag: str, approvers: Sequence[Approver]) -> frozenset[str]:
    """Return who signed the release's tag, as far as `approvers` knows, and the tagger by his mail address.

    A maker whose release key no line names may have another key there: his own approval would count by it.
    """
    from fairmark.signing.git_tags import read_tag, tag_signer

    found = set()
    with suppress(FairmarkError):
        found.add(read_tag(root, tag).tagger.rpartition("<")[2].removesuffix(">"))
        found.add(tag_signer(root, tag, [each.line() for each in approvers if each.may(TAGS)]))
    return frozenset(found - {""})

"""Whether the policy was loosened since it last held, and approved by those who may.

Compared are the sections `policy`, `release` and `privacy` of params.yaml and the file `approvers`, as they
stand in the working folder, with those of a base: what somebody names, or the newest release whose tag is
signed by a known key (`release_tags`).
"""

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairmark.data.summaries import PrepareSummary
from fairmark.errors import FairmarkError, InputError, RefusedError, UndeterminedError
from fairmark.files import canonical_json
from fairmark.governance.approvals import Counted, count, read_approvals
from fairmark.governance.approvers import (
    APPROVAL,
    FILE,
    Approver,
    approver_changes,
    named,
    people,
    person,
    read_approvers,
)
from fairmark.governance.policy_base import (
    BASE,
    ReleaseTags,
    authors,
    changes_since,
    commit_of,
    is_shallow,
    named_base,
    policy_at,
    release_tags,
)
from fairmark.governance.request import POLICY, ApprovalRequest
from fairmark.judge.policy_diff import LOOSENED, NEUTRAL, SECTIONS, SERVED, Change
from fairmark.params.parse import typed
from fairmark.params.read import Params, read_params
from fairmark.params.release import Approvals
from fairmark.repo.git import need
from fairmark.repo.untrusted import foreign_json, foreign_text, foreign_yaml

if TYPE_CHECKING:
    from fairmark.signing.keys import PublicKey


SUMMARY = "artifacts/prepare/summary.json"
NO_RELEASE = "no release yet and no base named: nothing to compare the policy with"
ALONE = (
    "nobody may approve it, and there are two ways on: take back what is loosened; or name a second person "
    f"in {FILE} (for fairmark-approval alone, as long as nobody there may approve: git beside it takes an "
    "approval), release once with the policy as it was, and let that person approve the change after that"
)
HOW = "each of them: `fairmark approve --policy --reason TEXT --expires YYYY-MM-DD`, and commit the file"


@dataclass(frozen=True)
class PolicyComparison:
    """The policy of the working folder beside that of a base.

    Parameters
    ----------
    base
        The revision, as it was named; None where there is nothing to compare with.
    why
        Why it is that base, in words.
    undetermined
        Why it can't be told which release is the newest: a line each.
    approvers
        Those of the base: nobody can name himself and approve.
    request
        What is to be approved, by how many; 0 when nothing is loosened.
    """

    base: str | None
    why: str
    undetermined: tuple[str, ...]
    changes: tuple[Change, ...]
    approvers: tuple[Approver, ...]
    request: ApprovalRequest
    counted: Counted
    faults: tuple[str, ...]

    @property
    def loosened(self) -> bool:
        """Whether something is loosened that not enough people approved."""
        return len(self.counted.approvals) < self.request.needed

    @property
    def stands(self) -> bool:
        """Whether it can be told that nothing is loosened, or that enough people approved it."""
        return not self.loosened and not self.undetermined

    def lines(self) -> list[str]:
        """Return what was found, for a person."""
        if self.base is None:
            return [self.why, *self.undetermined]
        moved = [each.line() for each in self.changes] or ["nothing of the policy changed"]
        return [f"compared with {self.base}, {self.why}", *moved, *self.approved(), *self.undetermined]

    def approved(self) -> list[str]:
        """Return how far what is loosened is approved, and why each approval that does not count does not."""
        if not self.request.needed:
            return []
        given = [f"{each.who} until {each.expires}: {each.reason}" for each in self.counted.approvals]
        barred = self.request.people(self.approvers) | {person(each.who) for each in self.counted.approvals}
        able = [who for who in people(self.approvers, APPROVAL, _now()) if person(who) not in barred]
        return [
            f"{self.base}: {self.request.needed} of its approvers must approve that, got {len(given)}",
            *(f"approved by {line}" for line in given),
            *([f"who may still approve: {', '.join(able) or 'nobody'}"] if self.loosened else []),
            *self.counted.refused,
            *self.faults,
            *([HOW if able else ALONE] if self.loosened else []),
        ]


def compare(
    root: Path,
    base: str | None = None,
    maker: "PublicKey | None" = None,
    *,
    remotes: bool = False,
) -> PolicyComparison:
    """Return how the policy of the working folder moved since `base`.

    Parameters
    ----------
    base
        A revision; by default the newest release that HEAD holds by a signed tag.
    maker
        The key of who makes a release of it, whose approval can't count.
    remotes
        Whether the remotes may be asked for tags that are not here.

    Raises
    ------
    UsageError
        When the base is no commit of this repository.
    StateError
        When the base's own files can't be read.
    """
    from fairmark.signing.key_store import own_public

    params = read_params(root / "params.yaml")
    # As written, not as typed: what is compared and approved gains no default by a newer fairmark.
    after, text = foreign_yaml(root / "params.yaml"), _text(root / FILE)
    head = read_approvers(text)
    tags = release_tags(root, params.project.name, maker or own_public(), remotes=remotes)
    # Whoever names a base says himself which release is the newest; a shallow clone lacks history all the
    # same.
    undetermined = tags.undetermined if base is None or is_shallow(root) else ()
    why = f"whose tag is signed by {tags.signer}" if base is None else "which was named"
    base, of = base or tags.newest, _repository(root, params, tags)
    if base is None:
        why = "which release is the newest can't be told" if undetermined else NO_RELEASE
        return PolicyComparison(
            None, why, undetermined, (), (), _request(params, after, text, 0, of), Counted((), ()), ()
        )
    commit = commit_of(root, base)
    before, known = policy_at(root, commit)
    moved = [_of_no_column(each, params, root) for each in changes_since(before, after, base)]
    found = (*moved, *approver_changes(known, head))
    # Maker and checker: who wrote what changed since the base can't approve it, by any of their keys.
    who, keys = authors(root, commit)
    makers = keys | ({maker.keyid} if maker else set())
    who |= {each for each in (named([*known, *head], key) for key in makers) if each}
    # By those of the base: nobody can name himself and approve that.
    able = set(map(person, people(known, APPROVAL, _now()))) - set(map(person, who))
    needed = _needed(found, before, params, len(able))
    request = _request(params, after, text, needed, of, frozenset(makers), frozenset(who))
    envelopes, faults = read_approvals(root, request) if needed else ({}, [])
    counted = count(envelopes, request, known, _now())
    return PolicyComparison(base, why, undetermined, found, tuple(known), request, counted, tuple(faults))


def _of_no_column(change: Change, params: Params, root: Path) -> Change:
    """Return a change as neutral when it takes a column out of the personal ones that the data does not have.

    Which columns it has is what `prepare` wrote of it; where that is not here, the change stays as it is.
    """
    name, _, what = change.text.rpartition(" is ")
    if (change.where, what) != ("privacy.personal", "taken out") or not (root / SUMMARY).is_file():
        return change
    prepare = params.prepare
    roles = (prepare.target.column, prepare.row_id, prepare.person, prepare.time, prepare.weight)
    try:
        summary = PrepareSummary.from_json(foreign_json(root / SUMMARY), SUMMARY)
    except InputError:
        return change
    columns = {*summary.columns, *summary.unread, *summary.dropped, *prepare.drop, *prepare.columns, *roles}
    return (
        change
        if name in columns
        else replace(change, way=NEUTRAL, text=f"{change.text}, no column of this data")
    )


def refuse_unless_approved(root: Path, key: "PublicKey | None" = None) -> PolicyComparison:
    """Return how the policy moved since the newest release, when nothing is loosened or that is approved.

    Called by whoever makes a release: his own approval does not count. What $FAIRMARK_BASE names is the
    base only where the newest release can't be told.

    Parameters
    ----------
    key
        The key of whoever asks; by default the user's own.

    Raises
    ------
    RefusedError
        Naming what is loosened, how many must approve it, and who may.
    UndeterminedError
        When it can't be told which release is the newest, with what would tell it.
    """
    from fairmark.signing.key_store import own_public

    own = own_public() if key is None else key
    found = compare(root, None, own, remotes=True)
    # A base that is named can't hide what is known to be loosened: it only helps where nothing can be told.
    if found.undetermined and not found.loosened and (base := named_base()):
        found = compare(root, base, own)
    if found.loosened:
        loosened = [each.line() for each in found.changes if each.way == LOOSENED]
        raise RefusedError(
            f"policy: must not be looser than at {found.base} without approvals, got",
            *loosened,
            *found.approved(),
        )
    if found.undetermined:
        raise UndeterminedError(
            f"policy: must not be looser than at the newest release, got none that can be told (or ${BASE})",
            *found.undetermined,
        )
    return found


@dataclass(frozen=True)
class Repository:
    """What an approval of a policy is bound to: the same text in another repository is another policy.

    Parameters
    ----------
    project
        The name of its releases.
    first
        The first commit of HEAD's main line.
    key
        The id of the key that signed its lowest release; empty before there is one.
    """

    project: str
    first: str
    key: str


def policy_digest(sections: Mapping[str, object], approvers: str, of: Repository) -> str:
    """Return the SHA-256 by which a policy is approved.

    It is that of the canonical JSON of the sections, of the text of `approvers`, and of the repository. How
    it is served and watched is among them where it is said: a policy that says nothing of it has the digest
    that it always had.
    """
    # Bound to the repository, because a project that is copied brings the approvals of its policy along.
    said = {name: sections.get(name) for name in SECTIONS if name in sections or name not in SERVED}
    value = said | {FILE: approvers, "repository": vars(of)}
    return hashlib.sha256(canonical_json(value)).hexdigest()


def _repository(root: Path, params: Params, tags: ReleaseTags) -> Repository:
    words = ("rev-list", "--first-parent", "--max-parents=0", "HEAD")
    return Repository(params.project.name, need(root, "tell its history", *words).strip(), tags.key or "")


def _request(
    params: Params,
    sections: Mapping[str, object],
    approvers: str,
    needed: int,
    of: Repository,
    makers: frozenset[str] = frozenset(),
    authors: frozenset[str] = frozenset(),
) -> ApprovalRequest:
    digest = policy_digest(sections, approvers, of)
    waived = {each.limit for each in params.policy.every_waiver}
    return ApprovalRequest(
        kind=POLICY,
        name=f"policy of {of.project}",
        digest=digest,
        folder=f"policy/{digest[:16]}",
        makers=makers,
        authors=authors,
        waived=tuple(sorted(waived)),
        needed=needed,
    )


def _needed(found: Sequence[Change], before: Mapping[str, Any], params: Params, able: int) -> int:
    """Return how many must approve, by the counts of the base where it has any."""
    loosened = [each for each in found if each.way == LOOSENED]
    if not loosened:
        return 0
    try:
        rules = typed(Approvals, before["release"]["approvals"], "base: release.approvals")
    except (FairmarkError, LookupError, TypeError):
        rules = params.release.approvals
    needed = rules.waived if any(each.heavy for each in loosened) else rules.plain
    if all(each.where == FILE for each in loosened):
        # Where fewer may approve than must, all who may: else nobody could ever be added.
        return min(needed, max(1, able))
    return needed


def _text(path: Path) -> str:
    return foreign_text(path) if path.exists() or path.is_symlink() else ""


def _now() -> dt.datetime:
    return dt.datetime.now(tz=dt.UTC)

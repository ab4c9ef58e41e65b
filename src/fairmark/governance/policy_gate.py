"""Whether the policy was loosened since it last held, and approved by those who may.

Compared are the sections `policy`, `release` and `privacy` of params.yaml and the file `approvers`, as they
stand in the working folder, with those of a base: what somebody names, or the newest release whose tag is
signed by a known key (`release_tags`).

What a policy is compared with: a revision, what it said, and who wrote what came after it.
"""

import datetime as dt
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairmark.data.summaries import PrepareSummary
from fairmark.errors import FairmarkError, InputError, RefusedError, StateError, UndeterminedError, UsageError
from fairmark.files import canonical_json, lines_of
from fairmark.governance.approvals import Counted, count, kept
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
from fairmark.governance.release_tags import ReleaseTags, is_shallow, release_tags
from fairmark.governance.request import POLICY, Asked
from fairmark.judge.policy_diff import LOOSENED, NEUTRAL, SECTIONS, Change, changes
from fairmark.params.parse import typed
from fairmark.params.read import Params, read_params
from fairmark.params.release import Approvals
from fairmark.repo.commit import committed_file
from fairmark.repo.git import git, need
from fairmark.repo.untrusted import foreign_json, foreign_text, foreign_yaml, strict_yaml
from fairmark.signing.git_tags import claimed_key

if TYPE_CHECKING:
    from fairmark.signing.keys import PublicKey


BASE = "FAIRMARK_BASE"


def named_base() -> str | None:
    """Return the base that $FAIRMARK_BASE names; a forge gives zeros for the one before a branch's first."""
    base = os.environ.get(BASE)
    return base if base and set(base) != {"0"} else None


def commit_of(root: Path, base: str) -> str:
    """Return the commit of a base.

    Raises
    ------
    UsageError
        When it is no commit of this repository.
    """
    answer = git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{base}^{{commit}}")
    if answer.returncode != 0:
        raise UsageError(f"base: must be a commit that is here, got {base[:80]!a} (fetch it)")
    return answer.stdout.strip()


def policy_at(root: Path, commit: str) -> tuple[dict[str, Any], list[Approver]]:
    """Return the params and the approvers of a commit; empty where it has none yet.

    Raises
    ------
    StateError
        When they can't be read.
    """
    where = f"{commit[:12]}"
    try:
        texts = [_committed(root, commit, name).decode() for name in ("params.yaml", FILE)]
        sections = strict_yaml(texts[0], f"params.yaml of {where}") or {}
        return sections, read_approvers(texts[1])
    except (InputError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise StateError(f"{where}: must hold a policy that can be read, got {error}") from error


def changes_since(before: dict[str, Any], after: dict[str, Any], base: str) -> list[Change]:
    """Return how the sections moved since the base.

    Raises
    ------
    StateError
        When those of the base don't have the shape of a policy.
    """
    try:
        return changes(before, after)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise StateError(f"{base}: must hold a policy that can be compared, got {error}") from error


def authors(root: Path, base: str) -> tuple[set[str], set[str]]:
    """Return who wrote what changed since `base`: their mail addresses, and the keys they signed with."""
    paths = ("--", "params.yaml", FILE)
    log = ("log", "--full-history", "--format=%H %ae %ce", f"{base}..HEAD", *paths)
    lines = [line.split(" ") for line in lines_of(need(root, "tell its history", *log))]
    who = {word for _, *words in lines for word in words if word}
    # Not `git diff`: it would start the filters that the repository's config names.
    if any(_content(root / name) != committed_file(root, "HEAD", name) for name in paths[1:]):
        who.add(git(root, "config", "user.email").stdout.strip())
    keys = {claimed_key(root, "commit", commit) for commit, *_ in lines}
    return who, {key for key in keys if key}


def _committed(root: Path, commit: str, name: str) -> bytes:
    """Return the bytes of a file in a commit, empty where it has none."""
    listed = need(root, f"list {commit[:12]}", "ls-tree", commit, "--", name)
    content = committed_file(root, commit, name)
    if listed and content is None:
        raise StateError(f"{commit[:12]}: must hold {name}, got a clone without its bytes (fetch them)")
    return content or b""


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


# ------------------------------------------------------------------ loosening


SUMMARY = "artifacts/prepare/summary.json"
NO_RELEASE = "no release yet and no base named: nothing to compare the policy with"
ALONE = (
    "nobody may approve it, and there are two ways on: take back what is loosened; or name a second person "
    f"in {FILE} (for fairmark-approval alone, as long as nobody there may approve: git beside it takes an "
    "approval), release once with the policy as it was, and let that person approve the change after that"
)
HOW = "each of them: `fairmark approve --policy --reason TEXT --expires YYYY-MM-DD`, and commit the file"


@dataclass(frozen=True)
class Compared:
    """The policy of the working folder beside that of a base.

    Parameters
    ----------
    base
        The revision, as it was named; None where there is nothing to compare with.
    why
        Why it is that base, in words.
    untold
        Why it can't be told which release is the newest: a line each.
    approvers
        Those of the base: nobody can name himself and approve.
    asked
        What is to be approved, by how many; 0 when nothing is loosened.
    """

    base: str | None
    why: str
    untold: tuple[str, ...]
    changes: tuple[Change, ...]
    approvers: tuple[Approver, ...]
    asked: Asked
    counted: Counted
    faults: tuple[str, ...]

    @property
    def loosened(self) -> bool:
        """Whether something is loosened that not enough people approved."""
        return len(self.counted.approvals) < self.asked.needed

    @property
    def stands(self) -> bool:
        """Whether it can be told that nothing is loosened, or that enough people approved it."""
        return not self.loosened and not self.untold

    def lines(self) -> list[str]:
        """Return what was found, for a person."""
        if self.base is None:
            return [self.why, *self.untold]
        told = [each.line() for each in self.changes] or ["nothing of the policy changed"]
        return [f"compared with {self.base}, {self.why}", *told, *self.approved(), *self.untold]

    def approved(self) -> list[str]:
        """Return how far what is loosened is approved, and why each approval that does not count does not."""
        if not self.asked.needed:
            return []
        given = [f"{each.who} until {each.expires}: {each.reason}" for each in self.counted.approvals]
        barred = self.asked.people(self.approvers) | {person(each.who) for each in self.counted.approvals}
        able = [who for who in people(self.approvers, APPROVAL, _now()) if person(who) not in barred]
        return [
            f"{self.base}: {self.asked.needed} of its approvers must approve that, got {len(given)}",
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
) -> Compared:
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
    after, text = foreign_yaml(root / "params.yaml"), _text(root / FILE)
    head = read_approvers(text)
    tags = release_tags(root, params.project.name, maker or own_public(), remotes=remotes)
    untold = tags.untold if base is None or is_shallow(root) else ()
    why = f"whose tag is signed by {tags.signer}" if base is None else "which was named"
    base, of = base or tags.newest, _repository(root, params, tags)
    if base is None:
        why = "which release is the newest can't be told" if untold else NO_RELEASE
        return Compared(None, why, untold, (), (), _asked(params, after, text, 0, of), Counted((), ()), ())
    commit = commit_of(root, base)
    before, known = policy_at(root, commit)
    moved = [_of_no_column(each, params, root) for each in changes_since(before, after, base)]
    found = (*moved, *approver_changes(known, head))
    who, keys = authors(root, commit)
    makers = keys | ({maker.keyid} if maker else set())
    who |= {each for each in (named([*known, *head], key) for key in makers) if each}
    able = set(map(person, people(known, APPROVAL, _now()))) - set(map(person, who))
    needed = _needed(found, before, params, len(able))
    asked = _asked(params, after, text, needed, of, frozenset(makers), frozenset(who))
    envelopes, faults = kept(root, asked) if needed else ({}, [])
    counted = count(envelopes, asked, known, _now())
    return Compared(base, why, untold, found, tuple(known), asked, counted, tuple(faults))


def _of_no_column(change: Change, params: Params, root: Path) -> Change:
    """Return a change as neutral when it takes a column out of the personal ones that the data does not have.

    Which columns it has is what `prepare` wrote of it; where that is not here, the change stays as it is.
    """
    name, _, what = change.text.rpartition(" is ")
    if (change.where, what) != ("privacy.personal", "taken out") or not (root / SUMMARY).is_file():
        return change
    said = params.prepare
    roles = (said.target.column, said.row_id, said.person, said.time, said.weight)
    try:
        summary = PrepareSummary.from_json(foreign_json(root / SUMMARY), SUMMARY)
    except InputError:
        return change
    columns = {*summary.columns, *summary.unread, *summary.dropped, *said.drop, *said.columns, *roles}
    return (
        change
        if name in columns
        else replace(change, way=NEUTRAL, text=f"{change.text}, no column of this data")
    )


def refuse_unless_approved(root: Path) -> Compared:
    """Return how the policy moved since the newest release, when nothing is loosened or that is approved.

    Asked by whoever makes a release: his own approval does not count. What $FAIRMARK_BASE names is the base
    only where the newest release can't be told.

    Raises
    ------
    RefusedError
        Naming what is loosened, how many must approve it, and who may.
    UndeterminedError
        When it can't be told which release is the newest, with what would tell it.
    """
    from fairmark.signing.key_store import own_public

    found = compare(root, None, own_public(), remotes=True)
    if found.untold and not found.loosened and (base := named_base()):
        found = compare(root, base, own_public())
    if found.loosened:
        loosened = [each.line() for each in found.changes if each.way == LOOSENED]
        raise RefusedError(
            f"policy: must not be looser than at {found.base} without approvals, got",
            *loosened,
            *found.approved(),
        )
    if found.untold:
        raise UndeterminedError(
            f"policy: must not be looser than at the newest release, got none that can be told (or ${BASE})",
            *found.untold,
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


def policy_digest(sections: Any, approvers: str, of: Repository) -> str:
    """Return the SHA-256 by which a policy is approved.

    It is that of the canonical JSON of the three sections, of the text of `approvers`, and of the repository.
    """
    value = {name: sections.get(name) for name in SECTIONS} | {FILE: approvers, "repository": vars(of)}
    return hashlib.sha256(canonical_json(value)).hexdigest()


def _repository(root: Path, params: Params, tags: ReleaseTags) -> Repository:
    words = ("rev-list", "--first-parent", "--max-parents=0", "HEAD")
    return Repository(params.project.name, need(root, "tell its history", *words).strip(), tags.key or "")


def _asked(
    params: Params,
    sections: Any,
    approvers: str,
    needed: int,
    of: Repository,
    makers: frozenset[str] = frozenset(),
    authors: frozenset[str] = frozenset(),
) -> Asked:
    digest = policy_digest(sections, approvers, of)
    waived = {each.limit for each in (*params.policy.waivers, *params.policy.overrides)}
    return Asked(
        kind=POLICY,
        name=f"policy of {of.project}",
        digest=digest,
        folder=f"policy/{digest[:16]}",
        makers=makers,
        authors=authors,
        waived=tuple(sorted(waived)),
        needed=needed,
    )


def _needed(found: Sequence[Change], before: Any, params: Params, able: int) -> int:
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

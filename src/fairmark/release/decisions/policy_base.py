"""What a policy is compared with: a revision, what it said, and who wrote what came after it."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fairmark.errors import FairmarkError, InputError, StateError, UsageError
from fairmark.release.decisions.approvers import FILE, TAGS, Approver, read_approvers
from fairmark.release.decisions.direction import Change, changes
from fairmark.release.foreign import strict_yaml
from fairmark.release.git import git, need
from fairmark.release.signatures.signed_by import claimed_key
from fairmark.release.signatures.tags import tag_signer
from fairmark.release.trace import committed_file

BASE = "FAIRMARK_BASE"


def base_of(root: Path, base: str | None, name: str) -> tuple[str | None, str | None]:
    """Return the base as it is named, and its commit; None for both where there is none.

    Raises
    ------
    UsageError
        When it is no commit of this repository.
    """
    base = base or os.environ.get(BASE) or _newest_tag(root, name)
    if base is None or set(base) == {"0"}:  # what a forge gives for the commit before a branch's first
        return None, None
    answer = git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{base}^{{commit}}")
    if answer.returncode != 0:
        raise UsageError(f"base: must be a commit that is here, got {base[:80]!a} (fetch it)")
    return base, answer.stdout.strip()


def vouched(root: Path, base: str | None, approvers: Sequence[Approver]) -> list[str]:
    """Return what is to be said of a base, for anybody can set a tag, and a shallow clone holds few.

    Parameters
    ----------
    approvers
        Those of the base; the user's own key counts beside them.
    """
    from fairmark.release.signatures.own import own_public

    if base is None:
        shallow = git(root, "rev-parse", "--is-shallow-repository").stdout.strip() == "true"
        wanted = "this clone is shallow: a release before it can't be seen (git fetch --unshallow --tags)"
        return [wanted] if shallow else []
    if git(root, "rev-parse", "--verify", "--quiet", f"refs/tags/{base}").returncode != 0:
        return []
    own = own_public()
    lines = [each.line() for each in approvers if each.may(TAGS)] + ([own.allowed("you")] if own else [])
    try:
        return [f"{base} is signed by {tag_signer(root, base, lines)}"]
    except FairmarkError:
        return [f"{base} is signed by nobody that its approvers name: look whether it is a release"]


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
    lines = [line.split(" ") for line in need(root, "tell its history", *log).splitlines()]
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


def _newest_tag(root: Path, name: str) -> str | None:
    """Return the highest release tag of `name` that HEAD holds."""
    words = ("tag", "--list", f"{name}@v*", "--merged", "HEAD")
    found = [
        (tuple(map(int, match.groups())), match.string)
        for tag in need(root, "list its tags", *words).split()
        if (match := re.fullmatch(re.escape(name) + r"@v(\d+)\.(\d+)\.(\d+)", tag))
    ]
    return max(found)[1] if found else None

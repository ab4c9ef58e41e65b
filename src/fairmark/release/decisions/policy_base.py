"""What a policy is compared with: a revision, what it said, and who wrote what came after it."""

import os
import re
from pathlib import Path
from typing import Any

from fairmark.errors import InputError, StateError, UsageError
from fairmark.release.decisions.approvers import FILE, Approver, read_approvers
from fairmark.release.decisions.direction import Change, changes
from fairmark.release.foreign import strict_yaml
from fairmark.release.git import git, need
from fairmark.release.signatures.signed_by import claimed_key
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


def policy_at(root: Path, commit: str) -> tuple[dict[str, Any], list[Approver]]:
    """Return the params and the approvers of a commit; empty where it has none yet.

    Raises
    ------
    StateError
        When they can't be read.
    """
    where = f"{commit[:12]}"
    try:
        texts = [(committed_file(root, commit, name) or b"").decode() for name in ("params.yaml", FILE)]
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

"""The base that a policy is compared with: a revision, its policy, and who wrote what came after it."""

import os
from pathlib import Path
from typing import Any

from fairmark.errors import InputError, StateError, UsageError
from fairmark.files import lines_of
from fairmark.governance.approvers import FILE, Approver, read_approvers
from fairmark.judge.policy_diff import Change, changes
from fairmark.repo.commit import committed_file
from fairmark.repo.git import git, need
from fairmark.repo.untrusted import strict_yaml
from fairmark.signing.git_tags import claimed_key

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

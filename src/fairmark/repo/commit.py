"""Which commit a release comes from, and the tag that names it."""

import datetime as dt
import re
from dataclasses import dataclass
from pathlib import Path

from fairmark.errors import StateError, UsageError
from fairmark.record import utc_text
from fairmark.repo.git import git, git_bytes, need

_VERSION = re.compile(r"v(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})")


@dataclass(frozen=True)
class Trace:
    """Where a working folder stands.

    Parameters
    ----------
    commit
        Full hash of HEAD.
    committed
        Its commit time, ISO 8601 in UTC.
    dirty
        Paths that are changed, untracked, or hidden from `git status` by a flag of the index.
    tags
        Tags that point at HEAD, sorted.
    """

    commit: str
    committed: str
    dirty: tuple[str, ...]
    tags: tuple[str, ...]


def trace(root: Path) -> Trace:
    """Return where the working folder `root` stands.

    Raises
    ------
    StateError
        When git is missing, or `root` is in no git repository or in one without a commit.
    """
    need(root, "be inside a git repository", "rev-parse", "--is-inside-work-tree")
    commit = need(root, "have a commit", "rev-parse", "--verify", "HEAD^{commit}").strip()
    tags = need(root, "list its tags", "tag", "--points-at", commit).split()
    return Trace(commit, committed_at(root, commit), _dirty(root), tuple(sorted(tags)))


def committed_at(root: Path, commit: str) -> str:
    """Return the time of a commit, ISO 8601 in UTC.

    Raises
    ------
    StateError
        When git can't tell it.
    """
    seconds = int(need(root, "tell the commit's time", "show", "-s", "--format=%ct", commit))
    return utc_text(dt.datetime.fromtimestamp(seconds, tz=dt.UTC))


def refuse_dirty(seen: Trace) -> None:
    """Do nothing for a clean tree.

    Raises
    ------
    StateError
        Naming the changed files.
    """
    if seen.dirty:
        more = f" and {len(seen.dirty) - 10} more" if len(seen.dirty) > 10 else ""
        some = ", ".join(name if name.isprintable() else ascii(name) for name in seen.dirty[:10])
        raise StateError(
            "git: the working tree must be clean, so that the commit says what was released; "
            f"got changes in {some}{more} (commit them or move them away)"
        )


def tagged(root: Path, tag: str) -> str | None:
    """Return the commit that `tag` names, or None when there is no such tag."""
    answer = git(root, "rev-parse", "--verify", "--quiet", f"refs/tags/{tag}^{{commit}}")
    return answer.stdout.strip() or None


def committed_file(root: Path, commit: str, name: str) -> bytes | None:
    """Return the bytes of file `name` (relative to `root`) in `commit`, or None when it isn't there."""
    return git_bytes(root, "cat-file", "blob", f"{commit}:./{name}")


def known(root: Path, commit: str) -> bool:
    """Return whether `commit` is in the repository at `root`.

    Raises
    ------
    StateError
        When `root` is in no git repository.
    """
    need(root, "be inside a git repository", "rev-parse", "--git-dir")
    return git(root, "cat-file", "-e", f"{commit}^{{commit}}").returncode == 0


def next_version(root: Path, name: str) -> str:
    """Return "v0.1.0" for a first release of `name`, else the highest tag's version, one minor higher."""
    tags = need(root, "list its tags", "tag", "--list", f"{name}@v*").split()
    texts = [tag.removeprefix(f"{name}@") for tag in tags]
    versions = [tuple(map(int, text[1:].split("."))) for text in texts if _VERSION.fullmatch(text)]
    if not versions:
        return "v0.1.0"
    major, minor, _ = max(versions)
    return f"v{major}.{minor + 1}.0"


def check_version(text: str) -> str:
    """Return `text` when it reads vX.Y.Z.

    Raises
    ------
    UsageError
        When it does not.
    """
    if not _VERSION.fullmatch(text):
        raise UsageError(f"version: must read vX.Y.Z, such as v0.1.0, got {text!r}")
    return text


def _dirty(root: Path) -> tuple[str, ...]:
    # Without writing git's index: a look changes nothing.
    status = ("--no-optional-locks", "status", "--porcelain", "-z", "--untracked-files=all", "--no-renames")
    changed = {entry[3:] for entry in need(root, "tell its status", *status).split("\0") if entry}
    # assume-unchanged (a small letter) and skip-worktree (S) hide a change from `git status`.
    flags = [entry for entry in need(root, "list its files", "ls-files", "-v", "-z").split("\0") if entry]
    hidden = {entry[2:] for entry in flags if entry[0].islower() or entry[0] == "S"}
    return tuple(sorted(changed | hidden))

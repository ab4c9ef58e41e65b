"""Is the release the one that a clone of the repository names: by commit, and by tag."""

import hashlib
from pathlib import Path

from fairmark.errors import StateError, VerificationError
from fairmark.files import sha256
from fairmark.release.contents import PINNED, STATEMENT
from fairmark.release.opened import Opened
from fairmark.release.trace import committed_file, known, tagged, tagged_statement


def commit(opened: Opened, clone: Path) -> str:
    """Check that the commit holds the very params, locks and DVC files of the release."""
    if not known(clone, opened.commit):
        raise StateError(f"{clone}: must hold commit {opened.commit[:12]}, got a clone without it (fetch it)")
    wrong = [
        name
        for name in PINNED
        if _sum(committed_file(clone, opened.commit, name)) != sha256(opened.folder / name)
    ]
    if wrong:
        raise VerificationError(f"commit {opened.commit[:12]}: must hold the release's {wrong}, got others")
    return f"{opened.commit[:12]} holds the release's {', '.join(PINNED)}"


def tag(opened: Opened, clone: Path) -> str:
    """Check that the release's tag names its commit and the SHA-256 of its statement."""
    name = f"{opened.external['name']}@{opened.external['version']}"
    found = tagged(clone, name)
    if found is None:
        raise StateError(f"{clone}: must hold the tag {name}, got a clone without it (fetch the tags)")
    if found != opened.commit:
        raise VerificationError(f"tag {name}: must name commit {opened.commit[:12]}, got {found[:12]}")
    digest = sha256(opened.folder / STATEMENT)
    if tagged_statement(clone, name) != digest:
        raise VerificationError(f"tag {name}: must carry the SHA-256 of this statement, got another")
    return f"{name} names this commit and this statement"


def _sum(content: bytes | None) -> str | None:
    return None if content is None else hashlib.sha256(content).hexdigest()

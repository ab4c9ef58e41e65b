"""Is the release the one that a clone of the repository names: by commit, and by tag."""

from pathlib import Path

from fairmark.errors import StateError, VerificationError
from fairmark.release.folder import ReleaseFolder
from fairmark.release.statement import release_digest, stated_files
from fairmark.repo.commit import committed_at, known
from fairmark.signing.git_tags import parse_tag, read_tag, stated_by, tag_signer
from fairmark.signing.keys import PublicKey


def commit(release: ReleaseFolder, clone: Path) -> str:
    """Check that the commit holds every file that the statement names, no other, and none in forged bytes."""
    if not known(clone, release.commit):
        raise StateError(
            f"{clone}: must hold commit {release.commit[:12]}, got a clone without it (fetch it)"
        )
    held = stated_files(clone, release.commit)
    stated = {
        name: entry.digest.sha256
        for name, entry in release.statement.inputs.items()
        if name in held or entry.annotations is None
    }
    if wrong := sorted(name for name in {*held, *stated} if held.get(name) != stated.get(name)):
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise VerificationError(
            f"commit {release.commit[:12]}: must hold what the statement names, got others: "
            f"{', '.join(wrong[:5])}{more}"
        )
    stated_at = release.statement.commit.annotations.committed
    if stated_at != committed_at(clone, release.commit):
        raise VerificationError(
            f"commit {release.commit[:12]}: must be of {committed_at(clone, release.commit)}, "
            f"got a statement that says {stated_at[:40]!a}"
        )
    return f"{release.commit[:12]} holds the {len(stated)} files that it names, and no other"


def tag(release: ReleaseFolder, clone: Path, made: str | None = None) -> str:
    """Check that the release's tag names its commit and the release digest.

    Parameters
    ----------
    made
        The hash of the tag's object where nothing names it yet.
    """
    name = release.statement.tag
    found = read_tag(clone, name) if made is None else parse_tag(clone, made, name)
    if found.commit != release.commit:
        raise VerificationError(
            f"tag {name}: must name commit {release.commit[:12]}, got {found.commit[:12]}"
        )
    digest, carried = release_digest(release.folder), stated_by(found.message)
    if carried != digest:
        raise VerificationError(
            f"tag {name}: must carry this statement's SHA-256, {digest[:12]}…, got {str(carried)[:12]}…"
        )
    return f"{name} names this commit and this statement"


def tag_seal(release: ReleaseFolder, clone: Path, key: PublicKey | None, made: str | None = None) -> str:
    """Check that the release's tag is signed by `key`.

    Raises
    ------
    StateError
        When there is no key to check with, or no tag.
    """
    name = release.statement.tag
    if key is None:
        raise StateError(f"tag {name}: must be checked with a public key, got none (--key)")
    tag_signer(clone, name, [key.allowed("signer")], made)
    return f"{name} is signed by key {key.keyid[:16]}…"

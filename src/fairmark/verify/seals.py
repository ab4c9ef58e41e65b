"""Is the release the one that a clone of the repository names: by commit, and by tag."""

from pathlib import Path

from fairmark.errors import StateError, VerificationError
from fairmark.release.folder import Opened
from fairmark.release.statement import release_digest, stated_files
from fairmark.repo.commit import committed_at, known
from fairmark.signing.git_tags import parse_tag, read_tag, tag_signer
from fairmark.signing.keys import PublicKey
from fairmark.signing.release_tag import stated_by


def commit(opened: Opened, clone: Path) -> str:
    """Check that the commit holds every file that the statement names, no other, and none in forged bytes."""
    if not known(clone, opened.commit):
        raise StateError(f"{clone}: must hold commit {opened.commit[:12]}, got a clone without it (fetch it)")
    held = stated_files(clone, opened.commit)
    stated = {
        name: entry["digest"]["sha256"]
        for name, entry in opened.inputs.items()
        if name != "commit" and (name in held or "annotations" not in entry)
    }
    if wrong := sorted(name for name in {*held, *stated} if held.get(name) != stated.get(name)):
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        raise VerificationError(
            f"commit {opened.commit[:12]}: must hold what the statement names, got others: "
            f"{', '.join(wrong[:5])}{more}"
        )
    stated_at = opened.inputs["commit"]["annotations"]["committed"]
    if stated_at != committed_at(clone, opened.commit):
        raise VerificationError(
            f"commit {opened.commit[:12]}: must be of {committed_at(clone, opened.commit)}, "
            f"got a statement that says {str(stated_at)[:40]!a}"
        )
    return f"{opened.commit[:12]} holds the {len(stated)} files that it names, and no other"


def tag(opened: Opened, clone: Path, made: str | None = None) -> str:
    """Check that the release's tag names its commit and the release digest.

    Parameters
    ----------
    made
        The hash of the tag's object where nothing names it yet.
    """
    name = tag_of(opened)
    found = read_tag(clone, name) if made is None else parse_tag(clone, made, name)
    if found.commit != opened.commit:
        raise VerificationError(f"tag {name}: must name commit {opened.commit[:12]}, got {found.commit[:12]}")
    if stated_by(found.message) != release_digest(opened.folder):
        raise VerificationError(f"tag {name}: must carry the SHA-256 of this statement, got another")
    return f"{name} names this commit and this statement"


def tag_seal(opened: Opened, clone: Path, key: PublicKey | None, made: str | None = None) -> str:
    """Check that the release's tag is signed by `key`.

    Raises
    ------
    StateError
        When there is no key to check with, or no tag.
    """
    name = tag_of(opened)
    if key is None:
        raise StateError(f"tag {name}: must be checked with a public key, got none (--key)")
    tag_signer(clone, name, [key.allowed("signer")], made)
    return f"{name} is signed by key {key.keyid[:16]}…"


def tag_of(opened: Opened) -> str:
    """Return the name of the release's tag."""
    return f"{opened.external['name']}@{opened.external['version']}"

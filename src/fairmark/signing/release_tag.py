"""The tag that names a release: `NAME@vX.Y.Z` in the grammar of GTO, signed, with the statement's SHA-256."""

from pathlib import Path

from fairmark.errors import StateError, VerificationError
from fairmark.files import lines_of
from fairmark.repo.commit import check_version, tagged
from fairmark.repo.machine import made_on
from fairmark.signing.git_tags import read_tag, set_tag, write_tag
from fairmark.signing.keys import SigningKey

_SEAL = "Statement-SHA256: "


def tagged_statement(root: Path, tag: str) -> str | None:
    """Return the SHA-256 of the statement that the annotated tag `tag` names, or None.

    It counts where a signature covers it, and where it is said once: not behind the signature, not twice.
    """
    try:
        return stated_by(read_tag(root, tag).message)
    except (StateError, VerificationError):
        return None


def stated_by(message: str) -> str | None:
    """Return the SHA-256 of the statement that a tag's message names once, or None."""
    named = [line.removeprefix(_SEAL) for line in lines_of(message) if line.startswith(_SEAL)]
    return named[0].strip() if len(named) == 1 else None


def tag_release(
    root: Path,
    name: str,
    version: str,
    message: str,
    statement_sha256: str,
    commit: str = "HEAD",
    *,
    key: SigningKey,
) -> str:
    """Set the tag `NAME@vX.Y.Z` (the grammar of GTO) on `commit`, signed by `key`, and return it.

    The tag carries the release digest, and so the SHA-256 of every file of the release, and says on what
    machine the release was made, which its statement must not hold.

    Raises
    ------
    StateError
        When the tag exists already, or git can't set it.
    """
    made = write_release_tag(root, name, version, message, statement_sha256, commit, key=key)
    tag = f"{name}@{version}"
    set_tag(root, tag, made)
    return tag


def write_release_tag(
    root: Path, name: str, version: str, message: str, statement_sha256: str, commit: str, *, key: SigningKey
) -> str:
    """Write the object of a release's tag, which nothing names yet, and return its hash.

    Raises
    ------
    StateError
        When the tag exists already, or git can't write it.
    """
    tag = f"{name}@{check_version(version)}"
    if tagged(root, tag) is not None:
        raise StateError(f"git tag {tag}: must be new, got one that exists (choose another version)")
    note = f"{message}\n\n{_SEAL}{statement_sha256}\nMade-On: {made_on()}\n"
    return write_tag(root, tag, commit, note, key)

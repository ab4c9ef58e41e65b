"""Whose key a release flow signs with, and what it says of it."""

from pathlib import Path

from fairmark.errors import VerificationError
from fairmark.release.statement import release_digest
from fairmark.signing.git_tags import tag_signer
from fairmark.signing.key_store import own_key, own_public, public_place
from fairmark.signing.release_tag import tagged_statement
from flows.console import say


def need_key() -> None:
    """Make the key that releases are signed with, unless there is one, and say so.

    Raises
    ------
    StateError
        When there is a key that can't be used: better now than after the stages.
    """
    key = own_key(make=True)
    if key.made:
        say(f"you had no key to sign releases with: made {key.path}; keep it safe, and give it to nobody")
        say(f"its public half is {public_place()}: give that to whoever checks your releases")


def otherwise(root: Path, tag_name: str, folder: Path) -> str | None:
    """Return in what a tag is not that of the release in `folder` by this user's key, or None when it is."""
    if tagged_statement(root, tag_name) != release_digest(folder):
        return "states another environment or verdict than this one's"
    try:
        tag_signer(root, tag_name, [own_key(make=False).public.allowed("you")])
    except VerificationError:
        return "is signed by another key than yours, or by none"
    return None


def signed() -> str:
    """Return in words whose key signed, and where its public half is."""
    public, place = own_public(), public_place()
    shown = f", public half {place}" if place else ""
    return f"by key {public.keyid[:16]}…{shown}" if public else "by another key than yours"

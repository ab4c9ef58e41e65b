"""The user's own key: where it is kept, made once, and what of it is given to others."""

import os
from dataclasses import replace
from pathlib import Path

from fairmark.errors import StateError, UsageError
from fairmark.files import write_text
from fairmark.signing import key_file
from fairmark.signing.hsm import held_key
from fairmark.signing.keys import PublicKey, SigningKey, read_public

KEY = "key.pem"
PUBLIC = "key.pub.pem"
SIGNERS = "allowed_signers"


def config_folder() -> Path:
    """Return the folder of the user's own settings: $FAIRMARK_CONFIG, else the one that XDG names."""
    named = os.environ.get("FAIRMARK_CONFIG")
    if named:
        return Path(named)
    above = os.environ.get("XDG_CONFIG_HOME")
    return (Path(above) if above else Path.home() / ".config") / "fairmark"


def _guarded_folder() -> Path:
    """Return the config folder, in which nobody but its owner can put another key.

    Raises
    ------
    StateError
        When others can write to it.
    """
    folder = config_folder()
    if folder.is_dir() and (mode := folder.stat().st_mode & 0o777) & 0o022:
        raise StateError(f"{folder}: must be writable by its owner alone (chmod 700), got mode {mode:04o}")
    return folder


def own_key(*, make: bool) -> SigningKey:
    """Return the key that $FAIRMARK_KEY names, else the one in the user's config folder.

    Parameters
    ----------
    make
        Whether to make the latter when there is none.

    Raises
    ------
    StateError
        When there is none and `make` is false, and when the file is not fit to sign with.
    UsageError
        When $FAIRMARK_KEY names what can't be a key.
    """
    named = os.environ.get("FAIRMARK_KEY")
    if named and _is_uri(named):
        return held_key(named)
    path = Path(named) if named else _guarded_folder() / KEY
    made = make and not named and key_file.made(path)
    if not path.exists():
        hint = "$FAIRMARK_KEY names it" if named else "`make run` makes one"
        raise StateError(f"{path}: must be a private key, got no such file ({hint})")
    key = key_in(path)
    if not named:
        _write_public(path.parent, key.public)
    return replace(key, made=made)


def key_in(path: Path) -> SigningKey:
    """Return the key in a PEM file.

    Raises
    ------
    StateError
        When the file is not fit to sign with.
    """
    private = key_file.read_private(path)
    return SigningKey(PublicKey.of(private.public_key()), lambda data: key_file.signed(private, data), path)


def passing_key() -> SigningKey:
    """Return a new key that is in no file: what it signs says nothing once it is forgotten."""
    private = key_file.new()
    return SigningKey(PublicKey.of(private.public_key()), lambda data: key_file.signed(private, data))


def public_place() -> Path | None:
    """Return the file that holds the public half of the user's own key, or None when it is in no file."""
    if os.environ.get("FAIRMARK_KEY"):
        shown = os.environ.get("FAIRMARK_KEY_PUBLIC")
        return Path(shown) if shown else None
    return config_folder() / PUBLIC


def own_public() -> PublicKey | None:
    """Return the public half of the user's own key, or None when there is no key; makes none."""
    named = os.environ.get("FAIRMARK_KEY")
    shown = os.environ.get("FAIRMARK_KEY_PUBLIC")
    if named and shown:
        return read_public(Path(shown))
    if not named and (_guarded_folder() / PUBLIC).is_file():
        return read_public(config_folder() / PUBLIC)
    try:
        return own_key(make=False).public
    except StateError:
        return None


def _is_uri(text: str) -> bool:
    scheme, colon, _ = text.partition(":")
    if not colon or Path(text).exists():
        return False
    if scheme.isalnum() and len(scheme) > 1:
        return True
    raise UsageError("$FAIRMARK_KEY: must be a PEM file or the URI of a key, got neither")


def _write_public(folder: Path, public: PublicKey) -> None:
    """Write what is given to others beside the private key: the public half, and git's list of signers."""
    for name, text in ((PUBLIC, public.pem), (SIGNERS, public.allowed("fairmark") + "\n")):
        place = folder / name
        if not place.is_file() or place.read_text(encoding="utf-8") != text:
            write_text(place, text)

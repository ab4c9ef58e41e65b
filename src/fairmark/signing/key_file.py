"""The PEM file of a private key: made whole or not at all, and read only when nobody else can."""

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

from fairmark.errors import StateError
from fairmark.repo.locks import locked

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey


def read_private(path: Path) -> "EllipticCurvePrivateKey":
    """Return the private key in a PEM file; $FAIRMARK_KEY_PASSWORD opens an encrypted one.

    Raises
    ------
    StateError
        When the file can't be read, can be read by others, or is anything but an ECDSA P-256 key.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    text = _guarded(path)
    password = os.environ.get("FAIRMARK_KEY_PASSWORD", "").encode() or None
    try:
        key = load_pem_private_key(text, password if b"ENCRYPTED" in text else None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        # The library's words are not shown: they say nothing that a person can act on.
        wanted = "the password in $FAIRMARK_KEY_PASSWORD" if b"ENCRYPTED" in text else "a private key in PEM"
        raise StateError(f"{path}: must open with {wanted}, got a file that does not") from error
    if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
        found = getattr(getattr(key, "curve", None), "name", type(key).__name__.removesuffix("PrivateKey"))
        raise StateError(f"{path}: must be an ECDSA key on the curve P-256, got {found}")
    return key


def _guarded(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            mode, text = os.fstat(stream.fileno()).st_mode & 0o777, stream.read(65536)
    except OSError as error:
        raise StateError(f"{path}: must be a readable key, got {error.strerror or error}") from error
    # Said first: nobody should be told to hide the half that is given away.
    if text.startswith(b"-----BEGIN PUBLIC KEY"):
        raise StateError(f"{path}: must be a private key, got a public one")
    if mode & 0o077:
        raise StateError(f"{path}: must be readable by its owner alone (chmod 600), got mode {mode:04o}")
    return text


def new() -> "EllipticCurvePrivateKey":
    """Return a new private key, which is in no file."""
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def made(path: Path) -> bool:
    """Make the key file unless it is there, and return whether this call made it.

    A run that is killed leaves no half key, and two runs at once end with one key.

    Raises
    ------
    StateError
        When its folder can't be written.
    """
    from cryptography.hazmat.primitives import serialization

    if path.exists():
        return False
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # One run at a time; what a killed one left is removed here.
        with locked(path.parent, f"{path.parent}: must be free", wait_s=math.inf) as handle:
            draft = path.with_name(f".{path.name}.draft")
            draft.unlink(missing_ok=True)
            if path.exists():
                return False
            pem = new().private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            write_new(draft, pem)
            draft.rename(path)
            os.fsync(handle)
    except OSError as error:
        raise StateError(
            f"{error.filename or path}: must be writable to hold the key that releases are signed with "
            f"(or name a key in $FAIRMARK_KEY), got {error.strerror or error}"
        ) from error
    return True


def write_new(path: Path, content: bytes) -> None:
    """Write a file that must not be there yet, for its owner's eyes alone, and see it on disk."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(handle)


def signed(private: "EllipticCurvePrivateKey", data: bytes) -> bytes:
    """Return the DER signature of `data` by ECDSA over SHA-256, with the nonce of RFC 6979."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.hashes import SHA256

    try:
        return private.sign(data, ECDSA(SHA256(), deterministic_signing=True))
    except UnsupportedAlgorithm:
        # OpenSSL before 3.2 knows no RFC 6979: the signature is as good, but not the same one twice.
        return private.sign(data, ECDSA(SHA256()))

"""Keys that are the same in every run, made of a name; nobody's real key."""

import hashlib
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from fairmark.signing import key_store
from fairmark.signing.keys import ORDER, PublicKey, SigningKey


@cache
def key(name: str) -> SigningKey:
    """Return the key of `name`: its secret is the SHA-256 of the name."""
    private = _private(name)
    return SigningKey(
        PublicKey.of(private.public_key()), lambda data: key_store.ecdsa_signature(private, data)
    )


def _private(name: str) -> ec.EllipticCurvePrivateKey:
    secret = int.from_bytes(hashlib.sha256(name.encode()).digest(), "big") % (ORDER - 1) + 1
    return ec.derive_private_key(secret, ec.SECP256R1())


def pem(name: str, folder: Path) -> Path:
    """Return a PEM file with the private key of `name`."""
    path = folder / f"{name}.pem"
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    path.write_bytes(_private(name).private_bytes(encoding, form, serialization.NoEncryption()))
    path.chmod(0o600)
    return path


MAKER, ADA, BOB, CAM = (key(name) for name in ("the maker", "ada", "bob", "cam"))


def approver(who: str, by: SigningKey, namespaces: str = "git,fairmark-approval", more: str = "") -> str:
    """Return a line of `approvers`."""
    return f'{who} namespaces="{namespaces}"{more} {by.public.ssh}'

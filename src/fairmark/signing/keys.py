"""The key that a person signs with, and its public half, which everybody else checks with.

One ECDSA key on the curve P-256 (FIPS 186-5; SEC 2 calls it secp256r1) serves every seal: the DSSE
envelopes, the signature of the model folder, and git tags signed through SSH. A signature is DER
(SEC 1, C.5), over SHA-256, with the nonce of RFC 6979, so that signing twice gives the same bytes, and with
the lower of its two values of s, so that no second signature can be made of it without the key.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from fairmark.errors import UsageError, VerificationError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey


# A key is some 200 bytes: this bounds what a wrong path, such as a device's, makes us read.
_LONGEST = 65_536
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Order n of the base point of P-256 (FIPS 186-5 refers to SP 800-186, 3.2.1.3)."""

SSH = "ecdsa-sha2-nistp256"


@dataclass(frozen=True)
class PublicKey:
    """An ECDSA P-256 public key.

    Parameters
    ----------
    pem
        Its SubjectPublicKeyInfo (RFC 5480) in PEM, as `of` writes it: two are equal when their keys are.
    """

    pem: str

    @classmethod
    def of(cls, key: "EllipticCurvePublicKey") -> "PublicKey":
        """Return the public key that the library holds as `key`."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        return cls(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())

    @cached_property
    def keyid(self) -> str:
        """SHA-256 of its SubjectPublicKeyInfo in DER, 64 hex digits."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        # Of the DER and not of the PEM, whose lines may be broken in more than one way.
        der = self._key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return hashlib.sha256(der).hexdigest()

    @cached_property
    def ssh(self) -> str:
        """The key as OpenSSH writes it (RFC 5656, 3.1), without a comment."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        return self._key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()

    def allowed(self, principal: str, namespaces: str = "git") -> str:
        """Return the line of an allowed signers file (ssh-keygen(1)) that lets `principal` sign with it."""
        return f'{principal} namespaces="{namespaces}" {self.ssh}'

    def verify(self, signature: bytes, data: bytes) -> None:
        """Do nothing when `signature` is this key's, over `data`, in the one form that `lowered` writes.

        Raises
        ------
        VerificationError
            When it is another's, of other data, or written in another form.
        """
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
        from cryptography.hazmat.primitives.hashes import SHA256

        # Whoever sees (r, s) can write (r, n - s), which verifies as well, without the key. A file with the
        # other one would be another file of the same meaning, and its SHA-256 in a tag or a chain another.
        try:
            self._key.verify(signature, data, ECDSA(SHA256()))
            if lowered(signature) != signature:
                raise VerificationError("signature: must have the lower of its two s, got the higher")
        except (InvalidSignature, ValueError) as error:
            raise VerificationError(
                f"signature: must be that of key {self.keyid[:16]}… over these bytes, got one that is not"
            ) from error

    @cached_property
    def _key(self) -> "EllipticCurvePublicKey":
        return _loaded(self.pem, "public key")


@dataclass(frozen=True)
class SigningKey:
    """A private key that can be asked to sign, and never to show itself.

    Parameters
    ----------
    public
        The half that others check with.
    signer
        Returns a DER signature of the bytes given.
    path
        Its PEM file; None for a key that is held in hardware or by a service.
    made
        Whether this call made it.
    """

    public: PublicKey
    signer: Callable[[bytes], bytes] = field(repr=False, compare=False)
    path: Path | None = None
    made: bool = False

    def sign(self, data: bytes) -> bytes:
        """Return a signature of `data`, in DER with the lower s; the same one each time for a PEM key."""
        return lowered(self.signer(data))


def lowered(signature: bytes) -> bytes:
    """Return a DER signature with the lower of its two values of s, for (r, s) and (r, n - s) both verify.

    Raises
    ------
    ValueError
        When it is not a DER signature.
    """
    from cryptography.hazmat.primitives.asymmetric.utils import (
        decode_dss_signature,
        encode_dss_signature,
    )

    r, s = decode_dss_signature(signature)
    return encode_dss_signature(r, min(s, ORDER - s))


def read_public(path: Path) -> PublicKey:
    """Return the public key in a file: PEM, or the line that OpenSSH writes.

    Raises
    ------
    UsageError
        When there is no such file, or it holds anything but an ECDSA P-256 public key.
    """
    try:
        with path.open("rb") as stream:  # the user's own word: a link or a pipe will do
            text = stream.read(_LONGEST).decode("utf-8")
    except OSError as error:
        raise UsageError(f"{path}: must be a readable public key, got {error.strerror or error}") from error
    except UnicodeError as error:
        raise UsageError(f"{path}: must be an ECDSA P-256 public key, got bytes that are no text") from error
    return public_key(text, str(path))


def public_key(text: str, where: str) -> PublicKey:
    """Return the public key that `text` holds; `where` names the text in a fault.

    Raises
    ------
    UsageError
        When it is anything but an ECDSA P-256 public key.
    """
    return PublicKey.of(_loaded(text, where))


def _loaded(text: str, where: str) -> "EllipticCurvePublicKey":
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey

    wanted = f"{where}: must be an ECDSA P-256 public key"
    # Asked first: the library would only say that it is no public key, and the user might mail it on.
    if "PRIVATE KEY" in text:
        raise UsageError(f"{wanted}, got a private one (give nobody that; its public half is key.pub.pem)")
    load = serialization.load_ssh_public_key if text.startswith(SSH) else serialization.load_pem_public_key
    try:
        key = load(text.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UsageError(f"{wanted} in PEM, or a line of SSH, got {text[:40]!a}") from error
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        found = getattr(getattr(key, "curve", None), "name", type(key).__name__.removesuffix("PublicKey"))
        raise UsageError(f"{wanted}, got {found}")
    return key

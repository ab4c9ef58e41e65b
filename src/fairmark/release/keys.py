"""The key that a person signs with, and its public half, which everybody else checks with.

One ECDSA key on the curve P-256 (FIPS 186-5; SEC 2 calls it secp256r1) serves every seal: the DSSE
envelopes, the signature of the model folder, and git tags signed through SSH. A signature is DER
(SEC 1, C.5), over SHA-256, with the nonce of RFC 6979, so that signing twice gives the same bytes, and with
the lower of its two values of s, so that no second signature can be made of it without the key.
"""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from fairmark.errors import StateError, UsageError, VerificationError
from fairmark.files import write_text
from fairmark.release import keyfile

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

KEY = "key.pem"
PUBLIC = "key.pub.pem"
SIGNERS = "allowed_signers"

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

        try:
            self._key.verify(signature, data, ECDSA(SHA256()))
            if lowered(signature) != signature:
                raise VerificationError("signature: must have its one form, got another of the same values")
        except (InvalidSignature, ValueError) as error:
            raise VerificationError(
                f"signature: must be that of key {self.keyid[:16]}… over these bytes, got another"
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


def config_folder() -> Path:
    """Return the folder of the user's own settings: $FAIRMARK_CONFIG, else the one that XDG names."""
    named = os.environ.get("FAIRMARK_CONFIG")
    if named:
        return Path(named)
    above = os.environ.get("XDG_CONFIG_HOME")
    return (Path(above) if above else Path.home() / ".config") / "fairmark"


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
        from fairmark.release.held import held_key

        return held_key(named)
    path = Path(named) if named else config_folder() / KEY
    made = make and not named and keyfile.made(path)
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
    private = keyfile.read_private(path)
    return SigningKey(PublicKey.of(private.public_key()), lambda data: keyfile.signed(private, data), path)


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
    if not named and (config_folder() / PUBLIC).is_file():
        return read_public(config_folder() / PUBLIC)
    try:
        return own_key(make=False).public
    except StateError:
        return None


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
    except (OSError, UnicodeError) as error:
        raise UsageError(f"{path}: must be an ECDSA P-256 public key, got {error}") from error
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
    if "PRIVATE KEY" in text:
        raise UsageError(f"{wanted}, got a private one (give nobody that; its public half is key.pub.pem)")
    load = serialization.load_ssh_public_key if text.startswith(SSH) else serialization.load_pem_public_key
    try:
        key = load(text.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UsageError(f"{wanted} in PEM, or a line of SSH, got neither") from error
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise UsageError(f"{wanted}, got another kind")
    return key


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

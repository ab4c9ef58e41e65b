"""The key that a user signs with: a PEM file of the user's own, made once, or one in hardware or a service.

The file is made whole or not at all, and read only when nobody else can. A key that never leaves its hardware
or its service is reached by securesystemslib's URI for it: `hsm:2?label=NAME` is a key on a PKCS#11 token
($PYKCS11LIB names the token's library), `awskms:`, `gcpkms:` and `azurekms:` are keys of those clouds.
$FAIRMARK_KEY_PASSWORD opens an encrypted file, and is the PIN of a token; $FAIRMARK_KEY_PUBLIC names the PEM
of the public half, which a token also tells by itself. The extra `hsm` brings what reaches a token; the
libraries behind the clouds are extras of securesystemslib that fairmark does not install.
"""

import math
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import parse_qsl, urlsplit

from fairmark.errors import FairmarkError, StateError, UsageError
from fairmark.extras import require
from fairmark.files import write_text
from fairmark.repo.locks import locked
from fairmark.signing.keys import PublicKey, SigningKey, public_key, read_public

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from securesystemslib.signer._key import SSlibKey


T = TypeVar("T")

SCHEMES = ("hsm", "awskms", "gcpkms", "azurekms")


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
        return hsm_key(named)
    path = Path(named) if named else _guarded_folder() / KEY
    made = make and not named and make_key_file(path)
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
    private = read_private(path)
    return SigningKey(PublicKey.of(private.public_key()), lambda data: ecdsa_signature(private, data), path)


def passing_key() -> SigningKey:
    """Return a new key that is in no file: what it signs says nothing once it is forgotten."""
    private = new_private()
    return SigningKey(PublicKey.of(private.public_key()), lambda data: ecdsa_signature(private, data))


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
    # No more of it is shown: a URI may carry a PIN.
    raise UsageError(
        f"$FAIRMARK_KEY: must be a PEM file or the URI of a key, got a text that begins {scheme[:20]!a}"
    )


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


def _write_public(folder: Path, public: PublicKey) -> None:
    """Write what is given to others beside the private key: the public half, and git's list of signers."""
    for name, text in ((PUBLIC, public.pem), (SIGNERS, public.allowed("fairmark") + "\n")):
        place = folder / name
        if not place.is_file() or place.read_text(encoding="utf-8") != text:
            write_text(place, text)


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
            # Of the file that was opened, not of its name, which somebody could give to another file in
            # between.
            mode, text = os.fstat(stream.fileno()).st_mode & 0o777, stream.read(65536)
    except OSError as error:
        raise StateError(f"{path}: must be a readable key, got {error.strerror or error}") from error
    # Said first: nobody should be told to hide the half that is given away.
    if text.startswith(b"-----BEGIN PUBLIC KEY"):
        raise StateError(f"{path}: must be a private key, got a public one")
    if mode & 0o077:
        raise StateError(f"{path}: must be readable by its owner alone (chmod 600), got mode {mode:04o}")
    return text


def new_private() -> "EllipticCurvePrivateKey":
    """Return a new private key, which is in no file."""
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def make_key_file(path: Path) -> bool:
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
            # Written beside its place and moved there when it is whole and on the disk: a key that was lost
            # half-written would take all that it has signed with it.
            draft = path.with_name(f".{path.name}.draft")
            draft.unlink(missing_ok=True)
            if path.exists():
                return False
            pem = new_private().private_bytes(
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


def ecdsa_signature(private: "EllipticCurvePrivateKey", data: bytes) -> bytes:
    """Return the DER signature of `data` by ECDSA over SHA-256, with the nonce of RFC 6979."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.hashes import SHA256

    try:
        return private.sign(data, ECDSA(SHA256(), deterministic_signing=True))
    except UnsupportedAlgorithm:
        # OpenSSL before 3.2 knows no RFC 6979: the signature is as good, but not the same one twice.
        return private.sign(data, ECDSA(SHA256()))


def hsm_key(uri: str) -> SigningKey:
    """Return the key at `uri`; it is asked for a signature only when one is wanted.

    Raises
    ------
    UsageError
        When the URI is of no known kind, or nothing says what its public half is.
    StateError
        When the token or the extra that reaches it is missing, or its key is of another kind.
    """
    scheme = urlsplit(uri).scheme
    if scheme not in SCHEMES:
        raise UsageError(f"$FAIRMARK_KEY: must be a PEM file or a URI of {', '.join(SCHEMES)}, got {scheme}:")
    if scheme == "hsm":
        require("hsm")
    public = _public(uri, scheme)
    return SigningKey(public, lambda data: _ask(uri, lambda: _signed(uri, public, data)))


def _public(uri: str, scheme: str) -> PublicKey:
    shown = os.environ.get("FAIRMARK_KEY_PUBLIC")
    if shown:
        return read_public(Path(shown))
    if scheme != "hsm":
        raise UsageError("$FAIRMARK_KEY_PUBLIC: must name the PEM of the key's public half, got nothing")
    key = _ask(uri, lambda: _imported(uri))
    return public_key(str(key.keyval["public"]), uri)


def _imported(uri: str) -> "SSlibKey":
    from securesystemslib.signer._hsm_signer import HSMSigner

    parts = urlsplit(uri)
    number = int(parts.path) if parts.path else None
    return HSMSigner.import_(number, dict(parse_qsl(parts.query)).get("label"), _pin)[1]


def _signed(uri: str, public: PublicKey, data: bytes) -> bytes:
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from securesystemslib.signer._key import SSlibKey
    from securesystemslib.signer._signer import Signer

    key = SSlibKey.from_crypto(load_pem_public_key(public.pem.encode()), scheme="ecdsa-sha2-nistp256")
    signer = Signer.from_priv_key_uri(uri, key, _pin)
    return bytes.fromhex(signer.sign(data).signature)


def _pin(_: str) -> str:
    pin = os.environ.get("FAIRMARK_KEY_PASSWORD")
    if not pin:
        raise StateError("$FAIRMARK_KEY_PASSWORD: must hold the PIN of the key, got nothing")
    return pin


def _ask(uri: str, ask: Callable[[], T]) -> T:
    try:
        return ask()
    except (FairmarkError, ModuleNotFoundError):
        raise
    except Exception as error:  # each vendor's library has errors of its own
        fault = " ".join(str(error).split()) or type(error).__name__
        raise StateError(f"{uri}: must be a key that can be asked, got {fault[:200]}") from error

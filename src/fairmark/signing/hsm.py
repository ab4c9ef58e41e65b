"""A private key that never leaves its hardware or its service, reached by securesystemslib's URI for it.

`hsm:2?label=NAME` is a key on a PKCS#11 token ($PYKCS11LIB names the token's library), `awskms:`, `gcpkms:`
and `azurekms:` are keys of those clouds. $FAIRMARK_KEY_PASSWORD is the PIN; $FAIRMARK_KEY_PUBLIC names the
PEM of the public half, which a token also tells by itself. The extra `hsm` brings what reaches a token; the
libraries behind the clouds are extras of securesystemslib that fairmark does not install.
"""

import os
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from fairmark.errors import FairmarkError, StateError, UsageError
from fairmark.extras import require
from fairmark.signing.keys import PublicKey, SigningKey, public_key, read_public

SCHEMES = ("hsm", "awskms", "gcpkms", "azurekms")


def held_key(uri: str) -> SigningKey:
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
    return SigningKey(public, lambda data: _asked(uri, lambda: _signed(uri, public, data)))


def _public(uri: str, scheme: str) -> PublicKey:
    shown = os.environ.get("FAIRMARK_KEY_PUBLIC")
    if shown:
        return read_public(Path(shown))
    if scheme != "hsm":
        raise UsageError("$FAIRMARK_KEY_PUBLIC: must name the PEM of the key's public half, got nothing")
    key = _asked(uri, lambda: _imported(uri))
    return public_key(str(key.keyval["public"]), uri)


def _imported(uri: str) -> Any:
    from securesystemslib.signer._hsm_signer import HSMSigner

    parts = urlsplit(uri)
    number = int(parts.path) if parts.path else None
    return HSMSigner.import_(number, dict(parse_qsl(parts.query)).get("label"), _pin)[1]


def _signed(uri: str, public: PublicKey, data: bytes) -> bytes:
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from securesystemslib.signer._key import SSlibKey
    from securesystemslib.signer._signer import Signer

    key: Any = load_pem_public_key(public.pem.encode())
    signer = Signer.from_priv_key_uri(uri, SSlibKey.from_crypto(key, scheme="ecdsa-sha2-nistp256"), _pin)
    return bytes.fromhex(signer.sign(data).signature)


def _pin(_: str) -> str:
    pin = os.environ.get("FAIRMARK_KEY_PASSWORD")
    if not pin:
        raise StateError("$FAIRMARK_KEY_PASSWORD: must hold the PIN of the key, got nothing")
    return pin


def _asked(uri: str, ask: Any) -> Any:
    try:
        return ask()
    except (FairmarkError, ModuleNotFoundError):
        raise
    except Exception as error:  # each vendor's library has errors of its own
        fault = " ".join(str(error).split()) or type(error).__name__
        raise StateError(f"{uri}: must be a key that can be asked, got {fault[:200]}") from error

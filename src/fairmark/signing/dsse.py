"""A signed statement: in-toto's JSON in a DSSE envelope, each of them written in one form only.

DSSE 1.0.2 (secure-systems-lab/dsse, protocol.md and envelope.md). The format lets one envelope be written in
many ways; here a file that is not the one way is refused, so that no byte of it can be changed unseen.
"""

import base64
import binascii
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fairmark.errors import InputError, VerificationError
from fairmark.files import write_text
from fairmark.repo.untrusted import foreign_text, strict_json
from fairmark.signing.keys import PublicKey, SigningKey

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
MOST_SIGNATURES = 16

_KEYID = re.compile(r"[0-9a-f]{64}")


def canonical(value: Any) -> bytes:
    """Return JSON with sorted keys, no spaces, in UTF-8: one value, one text."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8")


def pae(payload: bytes) -> bytes:
    """Return the bytes that are signed: DSSE's pre-authentication encoding of a payload of in-toto's type."""
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def seal(statement: dict[str, Any], key: SigningKey) -> dict[str, Any]:
    """Return the envelope of `statement`, signed by `key`.

    `opened` gives the statement back, and `signers` the key.
    """
    payload = canonical(statement)
    return {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"keyid": key.public.keyid, "sig": base64.b64encode(key.sign(pae(payload))).decode()}],
    }


def opened(envelope: Any) -> tuple[bytes, dict[str, Any]]:
    """Return the payload of an envelope and the statement that it says, without asking who signed it.

    Raises
    ------
    VerificationError
        When the envelope or its payload is written in any but the one form that `seal` writes.
    """
    _check_form(envelope)
    payload = _plain(envelope["payload"], "payload")
    try:
        statement = strict_json(payload.decode("utf-8"), "payload")
        same = canonical(statement) == payload
    except (InputError, ValueError) as error:
        raise VerificationError(f"envelope: payload must be strict JSON, got {error}") from error
    if not isinstance(statement, dict) or not same:
        raise VerificationError("envelope: payload must be a mapping in canonical JSON, got another form")
    return payload, statement


def signers(envelope: Any, keys: Sequence[PublicKey]) -> list[str]:
    """Return the key ids among `keys` that signed the envelope, sorted; a key not among them is no signer.

    Raises
    ------
    VerificationError
        When the envelope is not one, and when a signature that claims one of `keys` is not of that key.
    """
    _check_form(envelope)
    by_id = {key.keyid: key for key in keys}
    data = pae(_plain(envelope["payload"], "payload"))
    found = []
    for entry in envelope["signatures"]:
        if entry["keyid"] in by_id:
            by_id[entry["keyid"]].verify(_plain(entry["sig"], "sig"), data)
            found.append(entry["keyid"])
    return sorted(found)


def write_envelope(path: Path, envelope: dict[str, Any]) -> None:
    """Write an envelope in the one form that `read_envelope` takes: canonical JSON and a line feed."""
    write_text(path, canonical(envelope).decode() + "\n")


def read_envelope(path: Path) -> dict[str, Any]:
    """Return the envelope in a file that a stranger may have written.

    Raises
    ------
    InputError
        When it is missing or is not strict JSON.
    VerificationError
        When it is no envelope, or not written as `write_envelope` writes.
    """
    text = foreign_text(path)
    envelope = strict_json(text, path.name)
    try:
        _check_form(envelope)
    except VerificationError as error:
        raise VerificationError(f"{path.name}: {error}") from error
    if canonical(envelope).decode() + "\n" != text:
        raise VerificationError(f"{path.name}: must be canonical JSON and a line feed, got another form")
    found: dict[str, Any] = envelope
    return found


def _check_form(envelope: Any) -> None:
    """Do nothing for an envelope of in-toto's with signatures in order, each by another key."""
    if not isinstance(envelope, dict) or set(envelope) != {"payload", "payloadType", "signatures"}:
        raise VerificationError("envelope: must have payload, payloadType and signatures only, got others")
    if envelope["payloadType"] != PAYLOAD_TYPE:
        raise VerificationError(f"envelope: payloadType must be {PAYLOAD_TYPE}, got another")
    entries = envelope["signatures"]
    if not isinstance(entries, list) or not 1 <= len(entries) <= MOST_SIGNATURES:
        raise VerificationError(f"envelope: must have 1 to {MOST_SIGNATURES} signatures, got others")
    before = ""
    for entry in entries:
        if not isinstance(entry, dict) or set(entry) != {"keyid", "sig"}:
            raise VerificationError("envelope: a signature must have keyid and sig only, got others")
        keyid = entry["keyid"]
        if not isinstance(keyid, str) or not _KEYID.fullmatch(keyid) or keyid <= before:
            raise VerificationError("envelope: keyid must be a SHA-256, each once and in order, got others")
        before = keyid
        _plain(entry["sig"], "sig")
    _plain(envelope["payload"], "payload")


def _plain(text: Any, what: str) -> bytes:
    """Return the bytes of base64 (RFC 4648, 4) in its one form: padded, and no bit left over."""
    try:
        content = base64.b64decode(text.encode("ascii"), validate=True)
    except (AttributeError, UnicodeError, binascii.Error) as error:
        raise VerificationError(f"envelope: {what} must be base64, got something else") from error
    if base64.b64encode(content).decode() != text:
        raise VerificationError(f"envelope: {what} must be base64 in its one form, got another")
    return content

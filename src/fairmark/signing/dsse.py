"""A signed statement: in-toto's JSON in a DSSE envelope, each of them written in one form only.

DSSE 1.0.2 (secure-systems-lab/dsse, protocol.md and envelope.md). The format lets one envelope be written in
many ways; here a file that is not the one way is refused, so that no byte of it can be changed unseen.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self, TypedDict

from fairmark.errors import InputError, StateError, VerificationError
from fairmark.files import canonical_json, first_departure, write_text
from fairmark.record import SHA256
from fairmark.repo.untrusted import foreign_text, strict_json
from fairmark.signing.keys import PublicKey, SigningKey

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
MOST_SIGNATURES = 16


class SignatureJson(TypedDict):
    """One signature of an envelope, as it is written."""

    keyid: str
    sig: str


class EnvelopeJson(TypedDict):
    """An envelope as it is written; bytes are base64."""

    payload: str
    payloadType: str
    signatures: list[SignatureJson]


@dataclass(frozen=True)
class Signature:
    """One signature of an envelope: which key it claims (SHA-256, 64 hex digits), and its bytes."""

    keyid: str
    sig: bytes


@dataclass(frozen=True)
class Envelope:
    """A DSSE envelope in the one form that is read and written here.

    Parameters
    ----------
    payload
        The bytes of an in-toto Statement in canonical JSON.
    signatures
        In order of their key ids, each by another key.
    """

    payload: bytes
    signatures: tuple[Signature, ...]

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Return the envelope that a parsed JSON `value` is; `to_json` gives the value back.

        Raises
        ------
        VerificationError
            When it is none, or is not written in the one form.
        """
        if not isinstance(value, dict) or set(value) != {"payload", "payloadType", "signatures"}:
            raise VerificationError(
                f"envelope: must have payload, payloadType and signatures only, got {_keys(value)}"
            )
        if value["payloadType"] != PAYLOAD_TYPE:
            raise VerificationError(
                f"envelope: payloadType must be {PAYLOAD_TYPE}, got {str(value['payloadType'])[:80]!a}"
            )
        entries = value["signatures"]
        if not isinstance(entries, list) or not 1 <= len(entries) <= MOST_SIGNATURES:
            found = len(entries) if isinstance(entries, list) else type(entries).__name__
            raise VerificationError(f"envelope: must have 1 to {MOST_SIGNATURES} signatures, got {found}")
        signatures: list[Signature] = []
        for entry in entries:
            if not isinstance(entry, dict) or set(entry) != {"keyid", "sig"}:
                raise VerificationError(
                    f"envelope: a signature must have keyid and sig only, got {_keys(entry)}"
                )
            keyid, before = entry["keyid"], signatures[-1].keyid if signatures else ""
            # In order and each once: the same signatures could else be written as many files.
            if not isinstance(keyid, str) or not SHA256.fullmatch(keyid) or keyid <= before:
                raise VerificationError(
                    f"envelope: keyid must be a SHA-256, each once and in order, got {str(keyid)[:80]!a}"
                )
            signatures.append(Signature(keyid, _from_base64(entry["sig"], "sig")))
        return cls(_from_base64(value["payload"], "payload"), tuple(signatures))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the envelope in a file that a stranger may have written.

        Raises
        ------
        InputError
            When it is missing or is not strict JSON.
        VerificationError
            When it is no envelope, or not written as `write` writes.
        """
        text = foreign_text(path)
        try:
            envelope = cls.from_json(strict_json(text, path.name))
        except VerificationError as error:
            raise VerificationError(f"{path.name}: {error}") from error
        if (wanted := envelope.text()) != text:
            found = first_departure(text.encode(), wanted.encode())
            raise VerificationError(f"{path.name}: must be canonical JSON and a line feed, got {found}")
        return envelope

    @property
    def keyids(self) -> list[str]:
        """The keys that claim to have signed, sorted."""
        return [each.keyid for each in self.signatures]

    @cached_property
    def statement(self) -> dict[str, Any]:
        """What the payload says, whoever signed it.

        Raises
        ------
        VerificationError
            When it is no mapping in canonical JSON.
        """
        try:
            statement = strict_json(self.payload.decode("utf-8"), "payload")
            # What is signed is the text. Were it not the one text of its value, two readers could disagree on
            # what it says.
            same = canonical_json(statement) == self.payload
        except (InputError, ValueError) as error:
            raise VerificationError(f"envelope: payload must be strict JSON, got {error}") from error
        if not isinstance(statement, dict) or not same:
            written = canonical_json(statement)
            kind = type(statement).__name__ if same else first_departure(self.payload, written)
            raise VerificationError(f"envelope: payload must be a mapping in canonical JSON, got {kind}")
        return statement

    def signers(self, keys: Sequence[PublicKey]) -> list[str]:
        """Return the key ids among `keys` that signed, sorted; a key not among them is no signer.

        Raises
        ------
        VerificationError
            When a signature that claims one of `keys` is not of that key.
        """
        # A key that is not known says nothing, good or bad: others may sign beside us. But a signature that
        # claims a known key and is not of it was tampered with, however many others hold.
        by_id, data = {key.keyid: key for key in keys}, pae(self.payload)
        claimed = [each for each in self.signatures if each.keyid in by_id]
        for each in claimed:
            by_id[each.keyid].verify(each.sig, data)
        return [each.keyid for each in claimed]

    def signed_by(self, name: str, key: PublicKey | None, *, yours: bool) -> str:
        """Return in words whose signature the file `name` carries: that of `key`, and of no other.

        Parameters
        ----------
        key
            None when nobody said whose it must be.
        yours
            Whether the key is the user's own, taken because none was given: what somebody else signed is not
            wrong then, but not told.

        Raises
        ------
        StateError
            Without the key that it names nothing is known: that is no forgery, and must not read as one.
        VerificationError
            When it is signed by another key, by one more, or not by the key that it names.
        """
        claimed = self.keyids
        by = ", ".join(f"{keyid[:16]}…" for keyid in claimed)
        if key is None or (yours and key.keyid not in claimed):
            raise StateError(f"{name}: signed as by key {by}: give its public key (--key) to check it")
        # All of those that it claims, not one of them: a second signature that nobody can check proves
        # nothing, and a reader might take it for a second witness.
        if self.signers([key]) != claimed:
            raise VerificationError(f"{name}: must be signed by key {key.keyid[:16]}… alone, got key {by}")
        return f"{name} is signed by {'your own key' if yours else 'key'} {by}"

    def to_json(self) -> EnvelopeJson:
        """Return the envelope as plain JSON values."""
        return {
            "payload": base64.b64encode(self.payload).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [
                {"keyid": each.keyid, "sig": base64.b64encode(each.sig).decode()} for each in self.signatures
            ],
        }

    def text(self) -> str:
        """Return the whole text of an envelope's file: canonical JSON and a line feed."""
        return canonical_json(self.to_json()).decode() + "\n"

    def write(self, path: Path) -> None:
        """Write the envelope as `read` takes it."""
        write_text(path, self.text())


def pae(payload: bytes) -> bytes:
    """Return the bytes that are signed: DSSE's pre-authentication encoding of a payload of in-toto's type."""
    # Each part after its length in bytes: no other pair of type and payload has the same bytes.
    kind = PAYLOAD_TYPE.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def seal(statement: Mapping[str, object], key: SigningKey) -> Envelope:
    """Return the envelope of `statement`, signed by `key`."""
    payload = canonical_json(dict(statement))
    return Envelope(payload, (Signature(key.public.keyid, key.sign(pae(payload))),))


def _from_base64(text: object, what: str) -> bytes:
    """Return the bytes of base64 (RFC 4648, 4) in its one form: padded, and no bit left over."""
    if not isinstance(text, str):
        raise VerificationError(f"envelope: {what} must be base64, got {type(text).__name__}")
    try:
        # `validate` refuses foreign signs, yet lets the bits after the last whole byte be anything.
        content = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeError, binascii.Error) as error:
        raise VerificationError(f"envelope: {what} must be base64, got {text[:40]!a} ({error})") from error
    if base64.b64encode(content).decode() != text:
        raise VerificationError(
            f"envelope: {what} must be base64 in its one form, got {text[-8:]!a} at its end"
        )
    return content


def _keys(value: object) -> str:
    """Return what stands where a mapping of known keys must, for a fault."""
    if not isinstance(value, dict):
        return type(value).__name__
    return ", ".join(sorted(f"{str(key)[:40]!a}" for key in value)[:5]) or "none"

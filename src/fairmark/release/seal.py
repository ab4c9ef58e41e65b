"""Put the four seals on a release folder, and ask of each whose it is and whether it says what is there."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fairmark.errors import StateError, VerificationError
from fairmark.files import read_json
from fairmark.release.attestations import bill_statement, verdict_statement
from fairmark.release.folder import Opened
from fairmark.release.layout import BILL, BILL_SEAL, STATEMENT, VERDICT, VERDICT_SEAL
from fairmark.signing.dsse import seal, signers, write_envelope
from fairmark.signing.keys import PublicKey, SigningKey
from fairmark.signing.model_signature import MODEL_SEAL, accepted, hint, model_statement, write_model_seal


def seal_release(folder: Path, statement: Mapping[str, Any], key: SigningKey) -> None:
    """Write the four seals into a folder that is whole but for them.

    Raises
    ------
    StateError
        When the key can't be asked, or model_signing doesn't accept the model's signature.
    """
    digests = _digests(statement)
    write_envelope(folder / STATEMENT, seal(dict(statement), key))
    for name, stated in (
        (VERDICT_SEAL, verdict_statement(read_json(folder / VERDICT), digests)),
        (BILL_SEAL, bill_statement(read_json(folder / BILL), digests)),
    ):
        write_envelope(folder / name, seal(stated, key))
    write_model_seal(folder / MODEL_SEAL, folder / "model", key)
    accepted(folder, key.public)


def signed(opened: Opened, name: str, key: PublicKey | None, *, yours: bool) -> str:
    """Check that the seal `name` is of `key`, and of no other.

    Parameters
    ----------
    key
        None when nobody said whose it must be.
    yours
        Whether the key is the user's own, taken because none was given: a release of somebody else is not
        wrong then, but not told.
    """
    envelope = opened.envelope(name)
    claimed = [entry["keyid"] for entry in envelope["signatures"]]
    by = ", ".join(f"{keyid[:16]}…" for keyid in claimed)
    if key is None or (yours and key.keyid not in claimed):
        raise StateError(f"{name}: signed as by key {by}: give its public key (--key) to check it")
    if signers(envelope, [key]) != claimed:
        raise VerificationError(f"{name}: must be signed by key {key.keyid[:16]}… alone, got key {by}")
    if name == MODEL_SEAL and opened.hint != hint(key):
        raise VerificationError(f"{name}: must give the hint of its key, got another")
    return f"{name} is signed by {'your own key' if yours else 'key'} {by}"


def verdict(opened: Opened) -> str:
    """Check that the verdict's seal says what verdict.json says, of these files."""
    wanted = verdict_statement(opened.verdict, _digests(opened.statement))
    found = opened.stated(VERDICT_SEAL)
    if found != wanted:
        raise VerificationError(f"{VERDICT_SEAL}: must state {VERDICT} of these files, got something else")
    return f"{found['predicate']['result']}, as {VERDICT} says"


def bill(opened: Opened) -> str:
    """Check that the bill's seal holds sbom.cdx.json, and is of these files."""
    wanted = bill_statement(opened.bill, _digests(opened.statement))
    if opened.stated(BILL_SEAL) != wanted:
        raise VerificationError(f"{BILL_SEAL}: must state {BILL} of these files, got something else")
    return f"{BILL} as it stands"


def model(opened: Opened) -> str:
    """Check that the model's signature names every file of the model."""
    wanted = model_statement(opened.folder / "model")
    if opened.stated(MODEL_SEAL) != wanted:
        raise VerificationError(f"{MODEL_SEAL}: must name the files of this model, got others")
    return f"{MODEL_SEAL} names the {len(wanted['predicate']['resources'])} files of the model"


def _digests(statement: Mapping[str, Any]) -> dict[str, str]:
    return {entry["name"]: entry["digest"]["sha256"] for entry in statement["subject"]}

"""Put the four seals on a release folder, and ask of each whose it is and whether it says what is there."""

from pathlib import Path

from fairmark.errors import StateError, VerificationError
from fairmark.files import read_json
from fairmark.record import first_difference
from fairmark.release.attestations import bill_statement, verdict_statement
from fairmark.release.folder import ReleaseFolder
from fairmark.release.layout import BILL, BILL_SEAL, STATEMENT, VERDICT, VERDICT_SEAL
from fairmark.release.statement import Statement
from fairmark.repo.dvc_files import names
from fairmark.signing.dsse import seal
from fairmark.signing.keys import PublicKey, SigningKey
from fairmark.signing.model_signature import MODEL_SEAL, accepted, hint, model_statement, write_model_seal


def seal_release(folder: Path, statement: Statement, key: SigningKey) -> None:
    """Write the four seals into a folder that is whole but for them.

    Raises
    ------
    StateError
        When the key can't be asked, or model_signing doesn't accept the model's signature.
    """
    from fairmark.judge.verdict import Verdict

    seal(statement.to_json(), key).write(folder / STATEMENT)
    for name, stated in (
        (VERDICT_SEAL, verdict_statement(Verdict.read(folder / VERDICT), statement.digests)),
        (BILL_SEAL, bill_statement(read_json(folder / BILL), statement.digests)),
    ):
        seal(stated, key).write(folder / name)
    write_model_seal(folder / MODEL_SEAL, folder / "model", key)
    accepted(folder, key.public)


def signed(release: ReleaseFolder, name: str, key: PublicKey | None, *, yours: bool) -> str:
    """Check that the seal `name` is of `key`, and of no other.

    Parameters
    ----------
    key
        None when nobody said whose it must be.
    yours
        Whether the key is the user's own, taken because none was given: a release of somebody else is not
        wrong then, but not told.
    """
    envelope = release.envelope(name)
    claimed = envelope.keyids
    by = ", ".join(f"{keyid[:16]}…" for keyid in claimed)
    if key is None or (yours and key.keyid not in claimed):
        raise StateError(f"{name}: signed as by key {by}: give its public key (--key) to check it")
    if envelope.signers([key]) != claimed:
        raise VerificationError(f"{name}: must be signed by key {key.keyid[:16]}… alone, got key {by}")
    if name == MODEL_SEAL and release.hint != hint(key):
        raise VerificationError(
            f"{name}: must give the hint of its key, {hint(key)[:16]}…, got {release.hint[:16]!a}"
        )
    return f"{name} is signed by {'your own key' if yours else 'key'} {by}"


def verdict(release: ReleaseFolder) -> str:
    """Check that the verdict's seal says what verdict.json says, of these files."""
    wanted = verdict_statement(release.verdict, release.digests)
    found = release.stated(VERDICT_SEAL)
    if found != wanted:
        raise VerificationError(
            f"{VERDICT_SEAL}: must state {VERDICT} of these files, got {first_difference(wanted, found)}"
        )
    return f"{wanted['predicate']['result']}, as {VERDICT} says"


def bill(release: ReleaseFolder) -> str:
    """Check that the bill's seal holds sbom.cdx.json, and is of these files."""
    wanted = bill_statement(release.json(BILL), release.digests)
    if (found := release.stated(BILL_SEAL)) != wanted:
        raise VerificationError(
            f"{BILL_SEAL}: must state {BILL} of these files, got {first_difference(wanted, found)}"
        )
    return f"{BILL} as it stands"


def model(release: ReleaseFolder) -> str:
    """Check that the model's signature names every file of the model."""
    wanted = model_statement(release.folder / "model")
    if (found := release.stated(MODEL_SEAL)) != wanted:
        raise VerificationError(
            f"{MODEL_SEAL}: must name the files of this model, got {first_difference(wanted, found)}"
        )
    return f"{MODEL_SEAL} names the {len(names(release.folder / 'model'))} files of the model"

"""The signature of the model folder that OpenSSF's `model_signing` checks: a Sigstore bundle with a bare key.

It is written here and not by the library, which signs with a PEM file only by a random nonce, in an order
that varies, and takes a third of a second to import; that its own command accepts it is asked of each
release when it is made (`accepted`) and in the tests. Form: model-signing 1.1, in-toto predicate v1.0.
"""

import hashlib
from pathlib import Path, PurePosixPath

from fairmark.errors import InputError, StateError, VerificationError
from fairmark.files import canonical_json, first_departure, sha256, write_text
from fairmark.repo.dvc_files import names
from fairmark.repo.untrusted import foreign_text, strict_json
from fairmark.signing.dsse import STATEMENT_TYPE, Envelope, seal
from fairmark.signing.keys import PublicKey, SigningKey

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
PREDICATE_TYPE = "https://model_signing/signature/v1.0"
MODEL_SEAL = "model.sig"
"""The name of the signature's file in a release folder."""


def model_statement(model: Path) -> dict[str, object]:
    """Return the statement that names every file of the folder `model` by SHA-256; none is ignored."""
    files = sorted(map(PurePosixPath, names(model)))  # part by part, as model_signing sorts
    digests = {str(name): sha256(model / name) for name in files}
    whole = hashlib.sha256(b"".join(bytes.fromhex(digest) for digest in digests.values())).hexdigest()
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": "model", "digest": {"sha256": whole}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "serialization": {"method": "files", "hash_type": "sha256", "allow_symlinks": False},
            "resources": [
                {"name": name, "algorithm": "sha256", "digest": digest} for name, digest in digests.items()
            ],
        },
    }


def write_model_seal(path: Path, model: Path, key: SigningKey) -> None:
    """Write the signature of the folder `model` by `key`: canonical JSON and a line feed."""
    envelope = seal(model_statement(model), key)
    write_text(path, _text(envelope, hint(key.public)))


def read_model_seal(path: Path) -> tuple[Envelope, str]:
    """Return the DSSE envelope of a signature, and the hint which key made it.

    Raises
    ------
    InputError
        When it is missing or is not strict JSON.
    VerificationError
        When it is not written as `write_model_seal` writes.
    """
    text = foreign_text(path)
    try:
        bundle = strict_json(text, path.name)
        envelope = Envelope.from_json(bundle["dsseEnvelope"])
        named = str(bundle["verificationMaterial"]["publicKey"]["hint"])
    except (KeyError, TypeError) as error:
        raise VerificationError(
            f"{path.name}: must be a bundle with a bare key, got none ({error})"
        ) from error
    except VerificationError as error:
        raise VerificationError(f"{path.name}: {error}") from error
    if (wanted := _text(envelope, named)) != text:
        found = first_departure(text.encode(), wanted.encode())
        raise VerificationError(f"{path.name}: must be canonical JSON and a line feed, got {found}")
    return envelope, named


def hint(public: PublicKey) -> str:
    """Return how model_signing names a key: SHA-256 of its PEM, 64 hex digits."""
    return hashlib.sha256(public.pem.encode()).hexdigest()


def accepted(folder: Path, public: PublicKey) -> None:
    """Do nothing when model_signing itself accepts the signature in a release folder.

    Raises
    ------
    StateError
        With the library's words, when it does not.
    """
    import tempfile

    from model_signing import verifying

    with tempfile.NamedTemporaryFile("w", suffix=".pem", encoding="utf-8") as file:
        file.write(public.pem)
        file.flush()
        try:
            config = verifying.Config()  # type: ignore[no-untyped-call]
            config.use_elliptic_key_verifier(public_key=file.name)
            config.verify(folder / "model", folder / MODEL_SEAL)
        except (ValueError, InputError) as error:
            raise StateError(f"{MODEL_SEAL}: must be accepted by model_signing, got {error}") from error


def _text(envelope: Envelope, named: str) -> str:
    """Return the whole text of a signature's file, with the hint `named`."""
    bundle = {
        "mediaType": MEDIA_TYPE,
        "verificationMaterial": {"publicKey": {"hint": named}, "tlogEntries": []},
        "dsseEnvelope": envelope.to_json(),
    }
    return canonical_json(bundle).decode() + "\n"

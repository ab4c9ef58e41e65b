"""The model's signature is one that model_signing itself checks, and says what it would say."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fixed_keys import ADA, BOB
from google.protobuf import json_format
from model_signing import hashing
from model_signing._signing import signing as library

from fairmark.errors import InputError, StateError, VerificationError
from fairmark.signing.model_signature import (
    accepted,
    hint,
    model_statement,
    read_model_seal,
    write_model_seal,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a signed model whose names sort otherwise as text than part by part."""
    for name in ("a.json", "a/b.json", "a-b/c.json", "B.txt", "model.bin"):
        (tmp_path / "model" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "model" / name).write_text(name)
    write_model_seal(tmp_path / "model.sig", tmp_path / "model", ADA)
    (tmp_path / "key.pub.pem").write_text(ADA.public.pem)
    return tmp_path


def command(folder: Path, key: str = "key.pub.pem") -> "subprocess.CompletedProcess[str]":
    program = str(Path(sys.executable).with_name("model_signing"))
    words = [program, "verify", "key", "model", "--signature", "model.sig", "--public_key", key]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)


def test_the_command_of_model_signing_accepts_it(folder: Path) -> None:
    answer = command(folder)

    assert (answer.returncode, answer.stdout) == (0, "Verification succeeded\n")
    accepted(folder, ADA.public)


@pytest.mark.slow
def test_the_command_refuses_another_key_and_a_changed_model(folder: Path) -> None:
    (folder / "other.pem").write_text(BOB.public.pem)
    assert "Key mismatch" in command(folder, "other.pem").stderr
    (folder / "model" / "B.txt").write_text("x")
    assert "Hash mismatch for 'B.txt'" in command(folder).stderr


def test_it_states_what_the_library_states_of_every_file(folder: Path) -> None:
    config = hashing.Config().set_ignored_paths(paths=[], ignore_git_paths=False)  # type: ignore[no-untyped-call]
    payload = library.Payload(config.hash(folder / "model"))

    assert model_statement(folder / "model") == json_format.MessageToDict(payload.statement.pb)


def test_it_is_the_same_bytes_twice(folder: Path) -> None:
    before = (folder / "model.sig").read_bytes()
    write_model_seal(folder / "model.sig", folder / "model", ADA)

    assert (folder / "model.sig").read_bytes() == before


def test_it_is_read_back(folder: Path) -> None:
    envelope, named = read_model_seal(folder / "model.sig")

    assert envelope.keyids == [ADA.public.keyid]
    assert envelope.statement == model_statement(folder / "model")
    assert named == hint(ADA.public) != hint(BOB.public)


@pytest.mark.parametrize("break_it", ["unlink", "other key", "changed"])
def test_what_the_library_does_not_accept_goes_nowhere(folder: Path, break_it: str) -> None:
    key = BOB.public if break_it == "other key" else ADA.public
    if break_it == "unlink":
        (folder / "model" / "B.txt").unlink()
    if break_it == "changed":
        (folder / "model" / "model.bin").write_text("x")

    with pytest.raises(StateError, match=r"model\.sig: must be accepted by model_signing, got"):
        accepted(folder, key)


def test_every_byte_counts(folder: Path) -> None:
    path = folder / "model.sig"
    before = path.read_bytes()
    _, named = read_model_seal(path)
    for place in range(0, len(before), 7):
        path.write_bytes(before[:place] + bytes([before[place] ^ 1]) + before[place + 1 :])
        assert not holds(path, named), place


def holds(path: Path, named: str) -> bool:
    """Return whether the signature is ADA's, and of what it said before."""
    try:
        envelope, found = read_model_seal(path)
        statement, signers = envelope.statement, envelope.signers([ADA.public])
        return bool(statement) and signers == [ADA.public.keyid] and found == named
    except (InputError, VerificationError):
        return False


@pytest.mark.parametrize(
    "change",
    [
        lambda value: value.update(mediaType="application/vnd.dev.sigstore.bundle.v0.2+json"),
        lambda value: value.pop("verificationMaterial"),
        lambda value: value["verificationMaterial"].update(certificate={}),
        lambda value: value["verificationMaterial"].update(tlogEntries=[{}]),
        lambda value: value["verificationMaterial"].update(publicKey=7),
        lambda value: value.update(dsseEnvelope=None),
        lambda value: value.update(more=1),
    ],
)
def test_another_form_is_refused(folder: Path, change: Callable[[Any], Any]) -> None:
    value = json.loads((folder / "model.sig").read_text())
    change(value)
    text = json.dumps(value, sort_keys=True, separators=(",", ":")) + "\n"
    (folder / "model.sig").write_text(text)

    with pytest.raises(VerificationError, match=r"must (be|have)"):
        read_model_seal(folder / "model.sig")

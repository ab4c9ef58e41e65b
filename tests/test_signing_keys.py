"""A key is made once, whole, for its owner's eyes; what is not fit to sign with is refused in one line."""

import hashlib
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from fixed_keys import ADA, BOB
from hypothesis import given
from hypothesis import strategies as st

from fairmark.errors import StateError, UsageError, VerificationError
from fairmark.signing import key_store
from fairmark.signing.key_store import config_folder, own_key, own_public, public_place
from fairmark.signing.keys import ORDER, PublicKey, lowered, public_key, read_public


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a config folder that is not there yet."""
    monkeypatch.setenv("FAIRMARK_CONFIG", str(tmp_path / "config"))
    return tmp_path / "config"


def pem(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey, password: str = "") -> bytes:
    way: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password:
        way = serialization.BestAvailableEncryption(password.encode())
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, way)


def written(path: Path, content: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_the_config_folder_is_the_one_named_else_xdgs(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert config_folder() == config
    monkeypatch.delenv("FAIRMARK_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert config_folder() == tmp_path / "fairmark"
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert config_folder() == tmp_path / ".config" / "fairmark"


def test_a_first_key_is_made_and_a_second_call_finds_it(config: Path) -> None:
    first, second = own_key(make=True), own_key(make=True)

    assert (first.made, second.made) == (True, False)
    assert first.public == second.public == own_public()
    assert sorted(path.name for path in config.iterdir()) == ["allowed_signers", "key.pem", "key.pub.pem"]


def test_only_its_owner_can_read_it(config: Path) -> None:
    before = os.umask(0)
    try:
        own_key(make=True)
    finally:
        os.umask(before)

    assert stat.S_IMODE((config / "key.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE(config.stat().st_mode) == 0o700


def test_openssl_reads_both_halves_as_one_p256_key(config: Path) -> None:
    own_key(make=True)

    def said(*words: str) -> str:
        return subprocess.run(["openssl", *words], capture_output=True, text=True, check=True).stdout

    assert "ASN1 OID: prime256v1" in said("pkey", "-in", str(config / "key.pem"), "-noout", "-text")
    half = said("pkey", "-in", str(config / "key.pem"), "-pubout")
    assert half == (config / "key.pub.pem").read_text()


def test_the_key_id_is_the_sha256_of_the_der_and_ssh_is_the_same_key(config: Path) -> None:
    public = own_key(make=True).public
    der = subprocess.run(
        ["openssl", "pkey", "-pubin", "-in", config / "key.pub.pem", "-outform", "DER"],
        capture_output=True,
        check=True,
    ).stdout

    assert public.keyid == hashlib.sha256(der).hexdigest()
    assert public_key(public.ssh + " a comment", "x") == public_key(public.pem, "x") == public


def test_without_make_nothing_is_made(config: Path) -> None:
    with pytest.raises(StateError, match=r"key\.pem: must be a private key, got no such file \(`make run`"):
        own_key(make=False)
    assert own_public() is None
    assert not config.exists()


def test_a_public_half_that_is_not_the_keys_is_written_again(config: Path) -> None:
    public = own_key(make=True).public
    (config / "key.pub.pem").write_text(ADA.public.pem)
    own_key(make=False)

    assert read_public(config / "key.pub.pem") == public


def test_the_key_that_the_environment_names_is_taken_and_none_made(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    monkeypatch.setenv("FAIRMARK_KEY", str(written(tmp_path / "a.pem", pem(private))))

    assert own_key(make=True).public == PublicKey.of(private.public_key()) == own_public()
    assert public_place() is None
    assert not config.exists()
    monkeypatch.setenv("FAIRMARK_KEY", str(tmp_path / "absent.pem"))
    with pytest.raises(StateError, match=r"absent\.pem: must be a private key, got no such file"):
        own_key(make=True)


def test_an_encrypted_key_opens_with_its_password_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    monkeypatch.setenv("FAIRMARK_KEY", str(written(tmp_path / "a.pem", pem(private, "open sesame"))))
    for password in ("", "open barley"):
        monkeypatch.setenv("FAIRMARK_KEY_PASSWORD", password)
        with pytest.raises(StateError, match="must open with the password in") as fault:
            own_key(make=False)
        assert "barley" not in str(fault.value)

    monkeypatch.setenv("FAIRMARK_KEY_PASSWORD", "open sesame")
    assert own_key(make=False).public == PublicKey.of(private.public_key())


@pytest.mark.parametrize(
    ("content", "mode", "said"),
    [
        (pem(ec.generate_private_key(ec.SECP256R1())), 0o640, "readable by its owner alone .*got mode 0640"),
        (pem(ec.generate_private_key(ec.SECP256R1())), 0o604, "readable by its owner alone .*got mode 0604"),
        (pem(ec.generate_private_key(ec.SECP384R1())), 0o600, "on the curve P-256, got secp384r1"),
        (pem(ec.generate_private_key(ec.SECP256K1())), 0o600, "on the curve P-256, got secp256k1"),
        (pem(ed25519.Ed25519PrivateKey.generate()), 0o600, "on the curve P-256, got Ed25519"),
        (b"", 0o600, "must open with a private key in PEM"),
        (b"\x00" * 70_000, 0o600, "must open with a private key in PEM"),
        (BOB.public.pem.encode(), 0o600, "must be a private key, got a public one"),
        (BOB.public.pem.encode(), 0o644, "must be a private key, got a public one"),
    ],
)
def test_a_key_file_that_is_not_fit_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, mode: int, said: str
) -> None:
    monkeypatch.setenv("FAIRMARK_KEY", str(written(tmp_path / "a.pem", content, mode)))

    with pytest.raises(StateError, match=said) as fault:
        own_key(make=True)
    assert "\n" not in str(fault.value)


@pytest.mark.parametrize("uri", ["a b:c", "no-such:key", "file:/etc/passwd", "gnupg:AB", "x:y"])
def test_another_kind_of_uri_is_refused(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIRMARK_KEY", uri)

    with pytest.raises(UsageError, match=r"^\$FAIRMARK_KEY: must be a PEM file or"):
        own_key(make=True)


def test_a_folder_that_cannot_be_written_is_told(config: Path) -> None:
    config.write_text("a file")

    with pytest.raises(StateError, match="must be writable to hold the key that releases are signed with"):
        own_key(make=True)


SCRIPT = """
import sys, time
from fairmark.signing import key_store
write = key_store.write_new
def stalled(path, content):
    write(path, content[:100])
    print("half", flush=True)
    time.sleep(600)
if sys.argv[1] == "stall":
    key_store.write_new = stalled
print(key_store.own_key(make=True).public.keyid)
"""


def started(way: str) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", SCRIPT, way], stdout=subprocess.PIPE, encoding="utf-8")


def test_a_killed_run_leaves_no_half_key(config: Path) -> None:
    with started("stall") as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "half\n"
        running.send_signal(signal.SIGKILL)

    assert not (config / "key.pem").exists()
    assert own_key(make=True).made
    assert sorted(path.name for path in config.iterdir()) == ["allowed_signers", "key.pem", "key.pub.pem"]


def test_runs_at_once_end_with_one_key() -> None:
    running = [started("go") for _ in range(4)]
    found = {each.communicate(timeout=240)[0] for each in running}

    assert {own_key(make=False).public.keyid + "\n"} == found


def test_a_second_maker_waits_for_the_first_and_takes_its_key() -> None:
    with started("stall") as first:
        assert first.stdout is not None
        first.stdout.readline()
        with started("go") as second:
            time.sleep(0.5)
            assert second.poll() is None
            first.kill()
            assert second.stdout is not None
            assert second.stdout.read() == own_key(make=False).public.keyid + "\n"


@given(st.binary(max_size=200))
def test_what_is_signed_verifies_and_is_the_same_twice(data: bytes) -> None:
    signature = ADA.sign(data)

    assert signature == ADA.sign(data)
    ADA.public.verify(signature, data)
    with pytest.raises(VerificationError, match="must be that of key"):
        ADA.public.verify(signature, data + b"x")
    with pytest.raises(VerificationError, match="must be that of key"):
        BOB.public.verify(signature, data)


def test_openssl_accepts_a_signature(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(ADA.public.pem)
    (tmp_path / "sig").write_bytes(ADA.sign(b"data"))
    (tmp_path / "data").write_bytes(b"data")

    words = ["openssl", "dgst", "-sha256", "-verify", "key", "-signature", "sig", "data"]
    assert subprocess.run(words, cwd=tmp_path, capture_output=True, check=True).stdout == b"Verified OK\n"


@given(st.binary(max_size=50))
def test_the_other_signature_of_the_same_values_is_refused(data: bytes) -> None:
    r, s = decode_dss_signature(ADA.sign(data))
    other = encode_dss_signature(r, ORDER - s)

    public = serialization.load_pem_public_key(ADA.public.pem.encode())
    assert isinstance(public, ec.EllipticCurvePublicKey)

    public.verify(other, data, ec.ECDSA(SHA256()))  # it is valid, and yet not ours
    with pytest.raises(VerificationError, match="must have the lower of its two s"):
        ADA.public.verify(other, data)


def test_rfc_6979_gives_its_published_signature() -> None:
    """RFC 6979, A.2.5: the curve P-256, SHA-256, the message `sample`; s there is the higher of the two."""
    secret = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721
    private = ec.derive_private_key(secret, ec.SECP256R1())
    r, s = decode_dss_signature(key_store.ecdsa_signature(private, b"sample"))

    assert r == 0xEFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716
    assert s == 0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8


def test_an_openssl_without_rfc_6979_signs_as_well_but_otherwise_each_time() -> None:
    private = ec.generate_private_key(ec.SECP256R1())

    class Old:
        def sign(self, data: bytes, algorithm: ec.ECDSA) -> bytes:
            if algorithm.deterministic_signing:
                raise UnsupportedAlgorithm("no RFC 6979 here")
            return private.sign(data, algorithm)

    old: Any = Old()
    first, second = (lowered(key_store.ecdsa_signature(old, b"data")) for _ in range(2))

    assert first != second
    PublicKey.of(private.public_key()).verify(first, b"data")
    PublicKey.of(private.public_key()).verify(second, b"data")


def test_a_public_key_is_read_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text(f"  {ADA.public.ssh} ada@example.org\n".lstrip())
    (tmp_path / "key").symlink_to("kept")

    assert read_public(tmp_path / "key") == ADA.public
    with pytest.raises(
        UsageError, match=r"absent: must be a readable public key, got No such file or directory$"
    ):
        read_public(tmp_path / "absent")
    (tmp_path / "binary").write_bytes(b"\xff\x00")
    with pytest.raises(UsageError, match="must be an ECDSA P-256 public key, got"):
        read_public(tmp_path / "binary")


def test_a_private_key_given_as_a_public_one_is_refused_with_a_warning(config: Path) -> None:
    own_key(make=True)

    with pytest.raises(UsageError, match=r"got a private one .*give nobody that"):
        read_public(config / "key.pem")


def test_a_key_shows_nothing_of_its_secret(config: Path) -> None:
    key = own_key(make=True)
    secret = (config / "key.pem").read_text().splitlines()[1][:20]

    assert secret not in repr(key)
    assert secret not in str(vars(key))


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_a_config_folder_that_others_can_write_to_is_refused(config: Path, mode: int) -> None:
    own_key(make=True)
    config.chmod(mode)

    for ask in (lambda: own_key(make=False), own_public):
        with pytest.raises(StateError, match=r"must be writable by its owner alone \(chmod 700\), got mode"):
            ask()

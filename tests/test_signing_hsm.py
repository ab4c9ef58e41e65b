"""A key in a PKCS#11 token signs every seal as one in a file does; what stands in the way is said.

The token is SoftHSM's. It needs Debian's softhsm2 and opensc: where they are missing, the tests with a token
are skipped.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fixed_keys import ADA
from release_folder import git

from fairmark.errors import StateError, UsageError
from fairmark.signing.dsse import seal
from fairmark.signing.git_tags import sign_tag, tag_signer
from fairmark.signing.key_store import own_key, own_public, public_place
from fairmark.signing.keys import SigningKey, read_public
from fairmark.signing.model_signature import accepted, write_model_seal

MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so")
URI = "hsm:2?label=fairmark"


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a token with one P-256 key, which the environment names."""
    module = next((path for path in MODULES if Path(path).exists()), None)
    if module is None or not shutil.which("softhsm2-util") or not shutil.which("pkcs11-tool"):
        pytest.skip("needs softhsm2 and opensc")
    (tmp_path / "tokens").mkdir()
    (tmp_path / "softhsm2.conf").write_text(f"directories.tokendir = {tmp_path}/tokens\n")
    # The library reads its configuration once in a process: a second token needs a second process.
    monkeypatch.setenv("SOFTHSM2_CONF", str(tmp_path / "softhsm2.conf"))
    new = ["softhsm2-util", "--init-token", "--free", "--label", "fairmark", "--pin", "1234"]
    subprocess.run([*new, "--so-pin", "5678"], check=True, capture_output=True)
    make = ["pkcs11-tool", "--module", module, "--login", "--pin", "1234", "--keypairgen"]
    make += ["--key-type", "EC:prime256v1", "--id", "02", "--label", "release"]
    subprocess.run(make, check=True, capture_output=True)
    for name, text in (("PYKCS11LIB", module), ("FAIRMARK_KEY", URI), ("FAIRMARK_KEY_PASSWORD", "1234")):
        monkeypatch.setenv(name, text)
    return tmp_path


def test_a_token_signs_envelopes_the_model_and_tags(token: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = own_key(make=True)
    assert (key.path, key.made, public_place()) == (None, False, None)
    for _ in range(8):  # a token's nonce is random, and half of what it gives has the higher s
        envelope = seal({"a": 1}, key)
        assert envelope.signers([key.public]) == [key.public.keyid]
    assert envelope.statement == {"a": 1}

    (token / "model").mkdir()
    (token / "model" / "a.json").write_text("{}")
    write_model_seal(token / "model.sig", token / "model", key)
    accepted(token, key.public)

    git(token, "init", "-q", "repo")
    root = token / "repo"
    git(root, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "x")
    sign_tag(root, "loans@v0.1.0", "HEAD", "x", key)
    assert tag_signer(root, "loans@v0.1.0", [key.public.allowed("token")]) == "token"

    (token / "key.pub.pem").write_text(key.public.pem)
    monkeypatch.setenv("FAIRMARK_KEY_PUBLIC", str(token / "key.pub.pem"))
    assert own_public() == own_key(make=False).public == key.public

    monkeypatch.setenv("FAIRMARK_KEY_PASSWORD", "9999")
    with pytest.raises(StateError, match="must be a key that can be asked, got"):
        key.sign(b"data")
    monkeypatch.delenv("FAIRMARK_KEY_PASSWORD")
    with pytest.raises(StateError, match="must hold the PIN of the key, got nothing"):
        key.sign(b"data")


@pytest.mark.parametrize("scheme", ["awskms", "gcpkms", "azurekms"])
def test_a_clouds_key_needs_its_public_half_in_a_file(
    scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIRMARK_KEY", f"{scheme}:a/key")
    with pytest.raises(UsageError, match=r"\$FAIRMARK_KEY_PUBLIC: must name the PEM"):
        own_key(make=True)

    (tmp_path / "key.pub.pem").write_text(ADA.public.pem)
    monkeypatch.setenv("FAIRMARK_KEY_PUBLIC", str(tmp_path / "key.pub.pem"))
    key = own_key(make=True)
    assert key.public == ADA.public == own_public() == read_public(tmp_path / "key.pub.pem")


def test_a_key_that_cannot_be_reached_is_told_without_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key.pub.pem").write_text(ADA.public.pem)
    monkeypatch.setenv("FAIRMARK_KEY_PUBLIC", str(tmp_path / "key.pub.pem"))
    monkeypatch.setenv("FAIRMARK_KEY_PASSWORD", "1234")
    monkeypatch.setenv("FAIRMARK_KEY", URI)
    monkeypatch.delenv("PYKCS11LIB", raising=False)

    key: SigningKey = own_key(make=True)
    with pytest.raises(StateError, match=f"^{URI[:6]}.*: must be a key that can be asked, got"):
        key.sign(b"data")


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIRMARK_KEY", URI)
    monkeypatch.setitem(sys.modules, "pkcs11", None)

    with pytest.raises(
        StateError, match=r"must have the extra hsm \(pip install 'fairmark\[hsm\]'\), got no module"
    ):
        own_key(make=True)

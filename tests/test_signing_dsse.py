"""A sealed statement comes back as it was, checks in other people's programs, and has one form only."""

import base64
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from fixed_keys import ADA, BOB, CAM
from hypothesis import given
from hypothesis import strategies as st
from securesystemslib.dsse import Envelope as TheirEnvelope
from securesystemslib.signer._key import SSlibKey

from fairmark.errors import FairmarkError, InputError, VerificationError
from fairmark.files import canonical_json
from fairmark.signing.dsse import Envelope, pae, seal
from fairmark.signing.key_store import ecdsa_signature
from fairmark.signing.keys import ORDER, SigningKey, lowered

texts = st.text(st.characters(codec="utf-8"), max_size=20)
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
statements = st.dictionaries(texts, values, max_size=5)
STATEMENT = {"_type": "x", "subject": [{"name": "a/ü.json", "digest": {"sha256": "0" * 64}}], "n": 0.1}


def sslib_key(key: SigningKey) -> SSlibKey:
    public = key.public
    return SSlibKey(public.keyid, "ecdsa", "ecdsa-sha2-nistp256", {"public": public.pem})


@given(statements)
def test_what_was_sealed_is_opened_whatever_it_says(statement: dict[str, Any]) -> None:
    envelope = seal(statement, ADA)

    assert envelope.statement == statement
    assert envelope.payload == canonical_json(statement)
    assert envelope.signers([BOB.public, ADA.public]) == [ADA.public.keyid]


@given(statements)
def test_sealing_twice_gives_the_same_envelope_in_any_order_of_keys(statement: dict[str, Any]) -> None:
    turned = dict(reversed(statement.items()))

    assert seal(statement, ADA) == seal(turned, ADA)


def test_a_file_comes_back_as_it_was_written(tmp_path: Path) -> None:
    envelope = seal(STATEMENT, ADA)
    envelope.write(tmp_path / "a.json")

    assert Envelope.read(tmp_path / "a.json") == envelope
    assert Envelope.from_json(envelope.to_json()) == envelope
    Envelope.read(tmp_path / "a.json").write(tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


@given(st.binary(max_size=100))
def test_the_bytes_signed_are_those_of_securesystemslib(payload: bytes) -> None:
    assert pae(payload) == TheirEnvelope(payload, "application/vnd.in-toto+json", {}).pae()


def test_dsses_own_vectors_sign_these_bytes() -> None:
    """secure-systems-lab/dsse, testvectors/vectors.json: `single-signature` and `empty-payload`."""
    single = bytes.fromhex(
        "445353457631203238206170706c69636174696f6e2f766e642e696e2d746f746f2b6a736f6e203433207b225f747970"
        "65223a2268747470733a2f2f696e2d746f746f2e696f2f53746174656d656e742f7631227d"
    )
    empty = bytes.fromhex(
        "445353457631203238206170706c69636174696f6e2f766e642e696e2d746f746f2b6a736f6e203020"
    )

    assert pae(b'{"_type":"https://in-toto.io/Statement/v1"}') == single
    assert pae(b"") == empty


def test_dsses_published_signature_is_ours_for_its_key() -> None:
    """secure-systems-lab/dsse, protocol.md, Test Vectors: P-256, SHA-256, RFC 6979; raw r and s."""
    secret = 97358161215184420915383655311931858321456579547487070936769975997791359926199
    said = base64.b64decode(
        "A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA=="
    )
    published = encode_dss_signature(int.from_bytes(said[:32], "big"), int.from_bytes(said[32:], "big"))
    private = ec.derive_private_key(secret, ec.SECP256R1())

    found = ecdsa_signature(private, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world")

    assert lowered(found) == lowered(published)


def test_securesystemslib_verifies_it_and_knows_no_other_key() -> None:
    envelope = TheirEnvelope.from_dict(dict(seal(STATEMENT, ADA).to_json()))

    assert set(envelope.verify([sslib_key(BOB), sslib_key(ADA)], 1)) == {ADA.public.keyid}
    with pytest.raises(Exception, match="Accepted signatures do not match threshold"):
        envelope.verify([sslib_key(BOB)], 1)


def test_openssl_verifies_it(tmp_path: Path) -> None:
    envelope = seal(STATEMENT, ADA)
    (tmp_path / "key").write_text(ADA.public.pem)
    (tmp_path / "sig").write_bytes(envelope.signatures[0].sig)
    (tmp_path / "pae").write_bytes(pae(envelope.payload))

    words = ["openssl", "dgst", "-sha256", "-verify", "key", "-signature", "sig", "pae"]
    assert subprocess.run(words, cwd=tmp_path, capture_output=True, check=True).stdout == b"Verified OK\n"


def test_a_flip_in_any_byte_of_a_file_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    seal({"a": 1}, ADA).write(path)
    before = path.read_bytes()
    for place in range(len(before)):
        for bit in {place % 8, 5}:  # 5 turns the case of a letter
            path.write_bytes(before[:place] + bytes([before[place] ^ 1 << bit]) + before[place + 1 :])
            assert not holds(path), (place, bit)


def holds(path: Path) -> bool:
    """Return whether the file is an envelope of one signature, and that ADA's."""
    try:
        envelope = Envelope.read(path)
        return bool(envelope.statement) and envelope.signers([ADA.public]) == envelope.keyids
    except FairmarkError:
        return False


@pytest.mark.parametrize(
    "written",
    [
        lambda text: text.strip(),
        lambda text: text + "\n",
        lambda text: " " + text,
        lambda text: json.dumps(json.loads(text), indent=1) + "\n",
        lambda text: json.dumps(json.loads(text), separators=(",", ":"))[:-1] + ',"a":1}\n',
        lambda text: text.replace('"payload":', '"payload":"","payload":'),
        lambda text: text.replace("payloadType", "payload\\u0054ype"),
        lambda text: text.replace("application/", "application\\/"),
    ],
)
def test_another_text_of_the_same_values_is_refused(tmp_path: Path, written: Callable[[str], str]) -> None:
    path = tmp_path / "a.json"
    seal(STATEMENT, ADA).write(path)
    path.write_text(written(path.read_text()))

    with pytest.raises((InputError, VerificationError), match=r"^a\.json: "):
        Envelope.read(path)


def other_form(envelope: Any) -> None:
    envelope["payload"] = base64.urlsafe_b64encode(b'{"a":"\xc3\xbf\xc3\xbf\xc3\xbf"}').decode()


def loose_bits(envelope: Any) -> None:
    envelope["payload"] = "eyJhIjoxfR=="  # as eyJhIjoxfQ==, with bits that no byte takes


def twice(envelope: Any) -> None:
    envelope["signatures"] *= 2


def high(envelope: Any) -> None:
    r, s = decode_dss_signature(base64.b64decode(envelope["signatures"][0]["sig"]))
    envelope["signatures"][0]["sig"] = base64.b64encode(encode_dss_signature(r, ORDER - s)).decode()


def of_others(envelope: Any) -> None:
    envelope["signatures"][0]["sig"] = seal(STATEMENT, BOB).to_json()["signatures"][0]["sig"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (other_form, "payload must be base64|in its one form"),
        (loose_bits, "payload must be base64 in its one form"),
        (lambda e: e.update(payload="eyJhIjogMX0="), "payload must be a mapping in canonical JSON"),
        (lambda e: e.update(payload="W10="), "payload must be a mapping in canonical JSON"),
        (
            lambda e: e.update(payload="eyJhIjoxLCJhIjoxfQ=="),
            "payload must be strict JSON, got .*a key",
        ),
        (lambda e: e.update(payload="//8="), "payload must be strict JSON"),
        (lambda e: e.update(payload=7), "payload must be base64"),
        (lambda e: e.update(payloadType="application/json"), "payloadType must be application/vnd"),
        (lambda e: e.update(extra=1), "must have payload, payloadType and signatures only"),
        (lambda e: e.pop("payloadType"), "must have payload, payloadType and signatures only"),
        (lambda e: e.update(signatures=[]), "must have 1 to 16 signatures"),
        (lambda e: e.update(signatures={}), "must have 1 to 16 signatures"),
        (twice, "keyid must be a SHA-256, each once and in order"),
        (lambda e: e["signatures"][0].update(keyid="ADA"), "keyid must be a SHA-256"),
        (lambda e: e["signatures"][0].pop("keyid"), "a signature must have keyid and sig only"),
        (lambda e: e["signatures"][0].update(cert=""), "a signature must have keyid and sig only"),
        (lambda e: e["signatures"][0].update(sig="MEQ"), "sig must be base64"),
        (lambda e: e["signatures"][0].update(sig="MEQ="), "signature: must be that of key"),
        (high, "signature: must have the lower of its two s"),
        (of_others, "signature: must be that of key"),
    ],
)
def test_what_is_not_the_one_form_is_refused(change: Callable[[Any], Any], said: str) -> None:
    value = seal(STATEMENT, ADA).to_json()
    change(value)

    def read() -> None:
        envelope = Envelope.from_json(value)
        assert envelope.statement
        envelope.signers([ADA.public])

    with pytest.raises(VerificationError, match=said):
        read()


@pytest.mark.parametrize("envelope", [None, [], "", 7, {"payload": {}}])
def test_what_is_no_envelope_is_refused(envelope: Any) -> None:
    with pytest.raises(VerificationError, match="must have payload, payloadType and signatures only"):
        Envelope.from_json(envelope)


def test_two_may_sign_and_a_third_did_not() -> None:
    value = seal(STATEMENT, ADA).to_json()
    value["signatures"] += seal(STATEMENT, BOB).to_json()["signatures"]
    value["signatures"].sort(key=lambda entry: str(entry["keyid"]))
    both = Envelope.from_json(value)

    keys = [ADA.public, BOB.public, CAM.public]
    assert both.signers(keys) == sorted(key.keyid for key in keys[:2])
    assert both.signers([CAM.public]) == []
    value["signatures"].reverse()
    with pytest.raises(VerificationError, match="in order"):
        Envelope.from_json(value)

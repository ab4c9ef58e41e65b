"""Who may ask what: a key of the file, within its scopes, so often and no more."""

import base64
import os
from pathlib import Path

import pytest

from fairmark.errors import InputError, StateError, UsageError
from fairmark.params.serve import RequestLimits
from fairmark.serve.access import Access, new_key, read_keys
from fairmark.serve.body import Refused

LIMITS = RequestLimits(body_bytes=1000, rows=5, depth=8, number_length=40, requests=3, seconds=60)


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "keys.jsonl"


def header(token: str) -> dict[bytes, bytes]:
    return {b"authorization": f"Bearer {token}".encode()}


def refused(access: Access, headers: dict[bytes, bytes], scope: str = "decide") -> int:
    with pytest.raises(Refused) as caught:
        access.caller(headers, scope)  # type: ignore[arg-type]
    return caught.value.status


def test_a_new_key_opens_its_scopes_and_no_other(keys: Path) -> None:
    token = new_key(keys, "shop", ["decide", "read"])
    access = Access(keys, LIMITS)

    assert access.caller(header(token), "read").name == "shop"
    assert refused(access, header(token), "review") == 403


def test_no_key_is_in_the_file_and_nobody_else_may_read_it(keys: Path) -> None:
    token = new_key(keys, "shop", ["decide"])

    assert token not in keys.read_text()
    assert keys.stat().st_mode & 0o077 == 0


def test_a_client_that_knows_basic_alone_gives_the_key_as_password(keys: Path) -> None:
    token = new_key(keys, "shop", ["decide"])
    basic = b"Basic " + base64.b64encode(f"anybody:{token}".encode())

    assert Access(keys, LIMITS).caller({b"authorization": basic}, "decide").name == "shop"


@pytest.mark.parametrize(
    "value", [b"", b"Bearer", b"Bearer x", b"Basic !", b"Basic /w==", b"Bearer \xff", b"Key x"]
)
def test_what_is_no_key_is_not_known(keys: Path, value: bytes) -> None:
    new_key(keys, "shop", ["decide"])

    assert refused(Access(keys, LIMITS), {b"authorization": value}) == 401


def test_a_key_that_asks_too_often_waits(keys: Path) -> None:
    token, other = new_key(keys, "shop", ["decide"]), new_key(keys, "bank", ["decide"])
    access = Access(keys, LIMITS)
    for _ in range(3):
        access.caller(header(token), "decide")

    with pytest.raises(Refused) as caught:
        access.caller(header(token), "decide")
    assert caught.value.status == 429
    assert 1 <= (caught.value.retry_after_s or 0) <= 21
    assert access.caller(header(other), "decide").name == "bank"


def test_a_line_that_is_taken_out_ends_its_key_and_a_new_one_begins(keys: Path) -> None:
    old = new_key(keys, "shop", ["decide"])
    access = Access(keys, LIMITS)
    keys.unlink()
    new = new_key(keys, "shop.2", ["decide"])
    os.utime(keys, ns=(1, 1))
    access.refresh()

    assert refused(access, header(old)) == 401
    assert access.caller(header(new), "decide").name == "shop.2"


def test_a_file_that_is_broken_leaves_the_keys_that_were_known(keys: Path) -> None:
    token = new_key(keys, "shop", ["decide"])
    access = Access(keys, LIMITS)
    keys.write_text("{}\n")

    with pytest.raises(InputError, match=r"keys\.jsonl:1: name: must be given"):
        access.refresh()
    assert access.caller(header(token), "decide").name == "shop"


def test_a_name_is_there_once_and_plain_and_a_scope_is_known(keys: Path) -> None:
    new_key(keys, "shop", ["decide"])

    for name, scopes, must in [
        ("shop", ["read"], "must have each name once"),
        ("a b", ["read"], "must be a name of letters"),
        ("bank", ["all"], "must be of decide, outcome"),
        ("bank", [], "must be of decide, outcome"),
    ]:
        with pytest.raises(UsageError, match=must):
            new_key(keys, name, scopes)
    assert [key.name for key in read_keys(keys)] == ["shop"]


def test_no_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="must be readable"):
        Access(tmp_path / "none", LIMITS)

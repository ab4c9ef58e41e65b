"""Bytes to rows: what is well made is read at once, and every fault of the rest is told by row and field."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from served_release import ROW, small_scorer

from fairmark.serve.body import Refused, problem, strict_json
from fairmark.serve.wire import Reader

pytest_plugins = ("release_fixtures",)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.floats(-1e9, 1e9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def reader(released: Path) -> Reader:
    return Reader(small_scorer(released))


def refused(reader: Reader, body: bytes) -> Refused:
    with pytest.raises(Refused) as caught:
        reader.encoded(reader.request(body).rows)
    return caught.value


@given(subject=st.text(min_size=1, max_size=9), rows=st.integers(1, 3))
def test_what_is_sent_is_what_is_read(reader: Reader, subject: str, rows: int) -> None:
    row = ROW | {"home": subject}
    asked = reader.request(json.dumps({"rows": [row] * rows, "subjects": [subject] * rows}).encode())

    assert asked.rows == [row] * rows
    assert asked.subjects == [subject] * rows


def test_one_row_is_asked_for_alone(reader: Reader) -> None:
    asked = reader.request(json.dumps({"row": ROW, "subject": "a:b"}).encode())

    assert (asked.rows, asked.subjects, asked.single) == ([ROW], ["a:b"], True) or asked.single


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b'{"row": {}} x', 400),
        (b'\xef\xbb\xbf{"row": {}}', 400),
        (b'{"row": {"home": "\xff"}}', 400),
        (b'{"row": {"home": "\\ud800"}}', 400),
        ('{"row": {}}'.encode("utf-16"), 400),
        (b"[]", 422),
        (b"{}", 422),
        (b'{"rows": []}', 422),
        (b'{"rows": [[]]}', 422),
        (b'{"rows": [{}], "subjects": []}', 422),
        (b'{"rows": [{}], "more": 1}', 422),
        (b'{"row": {}, "row": {}}', 422),
        (b'{"row": {"home": "own", "home": "rent"}}', 422),
        (b'{"row": {"home": "own", "home": "re\\u003ant"}}', 422),
        (b'{"row": {"income <\xe2\x82\xac>": NaN}}', 422),
        (b'{"row": {"income <\xe2\x82\xac>": 1e999}}', 422),
        (b'{"row": {"income <\xe2\x82\xac>": ' + b"1" * 41 + b"}}", 422),
        (b'{"row": {"home": ' + b"[" * 100_000, 422),
        (b'{"row": {"home": {"a": {"b": {"c": {"d": {"e": {"f": {"g": 1}}}}}}}}}', 422),
        (b'{"row": {"home": {}}}', 422),
        (b'{"row": {"home": "own"}, "subject": ""}', 422),
        (b'{"row": {"home": "own"}, "subject": "' + b"x" * 201 + b'"}', 422),
        (b'{"rows": [' + b"{}," * 5000 + b"{}]}", 422),
    ],
)
def test_what_is_no_request_is_refused_with_its_status(reader: Reader, body: bytes, status: int) -> None:
    refusal = refused(reader, body)

    assert refusal.status == status
    assert refusal.faults
    assert json.loads(problem(refusal))["status"] == status


def test_every_fault_of_every_row_is_told(reader: Reader) -> None:
    rows = [
        ROW | {"member": "perhaps", "since": "tomorrow"},
        ROW,
        ROW | {"sex": "Female", "zip": 1, "home": []},
    ]
    refusal = refused(reader, json.dumps({"rows": rows}).encode())

    assert {(each.row, each.field) for each in refusal.faults} == {
        (1, "member"),
        (1, "since"),
        (3, "sex"),
        (3, "zip"),
        (3, "home"),
    }
    assert "row 1: member: must be true or false, got 'perhaps'" in [each.line() for each in refusal.faults]


def test_a_protected_attribute_is_refused_by_what_it_is(reader: Reader) -> None:
    (fault,) = refused(reader, json.dumps({"row": ROW | {"sex": "Female"}}).encode()).faults

    assert fault.must == "must not come with a decision, because it is protected"


@pytest.mark.parametrize("kind", [b'"', b'\\"', b"[]", b"{", b'"\\'])
def test_a_hostile_megabyte_is_refused_in_no_time(reader: Reader, kind: bytes) -> None:
    # Each of these made a reader that looks again at what it has seen take minutes.
    assert refused(reader, b'{"row": ' + kind * (2**20 // len(kind))).status in {400, 422}


@given(value=JSON)
def test_plain_json_is_read_as_python_reads_it(reader: Reader, value: Any) -> None:
    assert strict_json(json.dumps(value).encode(), reader.limits.model_copy(update={"depth": 99})) == value

"""Typed documents: every fault with its place, and the same document written as was read."""

import json
from pathlib import Path

import pytest

from fairmark.errors import InputError
from fairmark.files import read_json
from fairmark.record import Record


class Part(Record):
    """A part."""

    value: float | None
    why: str = ""


class Whole(Record):
    """A document."""

    rows: int
    parts: dict[str, Part]
    names: tuple[str, ...]


PLAIN = {
    "rows": 3,
    "parts": {"a": {"value": 0.5}, "b": {"value": None, "why": "no rows"}},
    "names": ["x", "y"],
}


def test_what_is_read_and_written_again_is_the_same_document(tmp_path: Path) -> None:
    Whole.from_json(PLAIN, "here").write(tmp_path / "a.json")

    assert json.loads((tmp_path / "a.json").read_text()) == PLAIN
    assert Whole.read(tmp_path / "a.json").to_json() == PLAIN


def test_every_fault_is_named_with_its_place() -> None:
    value = {"rows": "3", "parts": {"a": {"value": 0.5, "extra": 1}}, "names": ["x"]}

    with pytest.raises(InputError) as caught:
        Whole.from_json(value, "here")

    assert caught.value.faults == (
        'here: rows: must be a valid integer, got "3"',
        "here: parts.a.extra: must be a known key, got an unknown one",
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_is_refused(value: float) -> None:
    with pytest.raises(InputError, match=r"here: value: must"):
        Part.from_json({"value": value}, "here")


def test_a_file_that_is_none_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must exist, got no such file"):
        Whole.read(tmp_path / "none.json")
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(InputError, match=r"broken\.json"):
        Whole.read(tmp_path / "broken.json")


def test_a_key_given_twice_is_refused_at_both_doors(tmp_path: Path) -> None:
    """Of two values one reader takes the first and another the last: neither is what the file says."""
    (tmp_path / "twice.json").write_text('{"value": 0.1, "value": 0.9}')

    with pytest.raises(InputError, match=r"twice\.json.*value"):
        Part.read(tmp_path / "twice.json")
    with pytest.raises(InputError, match=r"twice\.json.*value"):
        read_json(tmp_path / "twice.json")

"""Finished trials stand on disk until the search has ended, and no half line of them is believed."""

from pathlib import Path

import pytest

from fairmark.errors import StateError
from fairmark.learn.workers import Checkpoint, key_of


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAIRMARK_STATE", str(tmp_path / "state"))


def test_what_was_kept_is_found_again() -> None:
    Checkpoint.open("k").keep('{"a": 1}', '{"b": "ü\\n"}')

    assert Checkpoint.open("k").found == {'{"a": 1}': '{"b": "ü\\n"}'}
    assert Checkpoint.open("other").found == {}


def test_a_line_that_was_being_written_is_not_believed() -> None:
    record = Checkpoint.open("k")
    record.keep("one", "1")
    record.keep("two", "2")
    record.path.write_text(record.path.read_text().rstrip()[:-2])

    assert Checkpoint.open("k").found == {"one": "1"}


@pytest.mark.parametrize("line", ["[]", "3", "null", '["a", "b", "c"]', "\0", "[1, 2]"])
def test_a_line_of_another_shape_is_not_believed(line: str) -> None:
    record = Checkpoint.open("k")
    record.keep("one", "1")
    record.path.write_text(record.path.read_text() + line + "\n")

    assert Checkpoint.open("k").found == {"one": "1"}


def test_a_record_that_was_cut_off_is_written_on_whole_lines() -> None:
    record = Checkpoint.open("k")
    record.keep("one", "1")
    record.path.write_text(record.path.read_text() + '["tw')

    Checkpoint.open("k").keep("three", "3")

    assert Checkpoint.open("k").found == {"one": "1", "three": "3"}


def test_a_search_that_ended_is_forgotten() -> None:
    record = Checkpoint.open("k")
    record.keep("one", "1")
    record.forget()
    record.forget()

    assert Checkpoint.open("k").found == {}


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")

    with pytest.raises(StateError, match=r"tune-k.jsonl: must be writable, got"):
        Checkpoint.open("k").keep("one", "1")


def test_the_key_hangs_on_every_file_and_every_section(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("1")
    two.write_text("2")

    keys = [
        key_of([one, two], ["s"]),
        key_of([two, one], ["s"]),
        key_of([one, two], ["t"]),
        key_of([one], ["s"]),
    ]

    assert len(set(keys)) == 4
    assert key_of([one, two], ["s"]) == keys[0]

"""How far two files are apart is what counting by hand says, for every kind of file that a stage writes."""

from pathlib import Path

import pandas as pd
import pytest

from fairmark.files import write_parquet
from fairmark.verify.compare import file_difference


@pytest.fixture
def told(tmp_path: Path) -> "type[_Told]":
    """Return what is told of two texts as a file of a name."""
    _Told.place = tmp_path
    return _Told


class _Told:
    place: Path

    @classmethod
    def of(cls, old: str, new: str, name: str) -> str:
        for side, text in (("old", old), ("new", new)):
            (cls.place / side).write_text(text)
        return file_difference(cls.place / "old", cls.place / "new", name)


def test_numbers_of_json_are_told_by_their_place(told: type[_Told]) -> None:
    old = '{"a": {"b": [1, 0.5, 3]}, "c": 100.0, "same": 7}'
    new = '{"a": {"b": [1, 0.25, 3]}, "c": 101.0, "same": 7}'

    assert told.of(old, new, "x.json") == (
        "2 numbers differ, by at most 1 (c: 100 was released, 101 made); "
        "relatively by at most 0.5 (a.b[1]: 0.5 was released, 0.25 made)"
    )


def test_what_is_no_number_is_told_beside(told: type[_Told]) -> None:
    found = told.of('{"a": "x", "b": true, "c": 1}', '{"a": "y", "b": 1, "c": null, "d": 2}', "x.json")

    assert found == ("4 other values: a: x was released, y made; b: True was released, 1 made, and 2 more")


def test_the_same_values_in_other_bytes_are_said_to_be(told: type[_Told]) -> None:
    assert told.of('{"a": 1}', '{ "a": 1.0 }', "x.json") == "the same values, written otherwise"


def test_cells_of_csv_are_told_by_line_and_column(told: type[_Told]) -> None:
    assert told.of("a,b\n1,x\n2,y\n", "a,b\n1,x\n2.5,y\n", "x.csv") == (
        "1 number differs, by at most 0.5 (line 3, a: 2 was released, 2.5 made); "
        "relatively by at most 0.2 (line 3, a: 2 was released, 2.5 made)"
    )
    assert "line 3, a: nothing was released" in told.of("a\n1\n", "a\n1\n2\n", "x.csv")


def test_yaml_is_compared_as_json_is(told: type[_Told]) -> None:
    assert told.of("chosen: {c: 1.0}\n", "chosen: {c: 3.0}\n", "x.yaml").startswith(
        "1 number differs, by at most 2 (chosen.c: 1 was released, 3 made)"
    )


def test_a_model_s_text_is_compared_number_by_number(told: type[_Told]) -> None:
    old, new = ("tree\nsplit=1 2\nleaf_value=" + value for value in ("0.25 -1e-3\n", "0.25 -2e-3\n"))

    assert told.of(old, new, "model.txt").startswith(
        "1 number differs, by at most 0.001 (line 3: -0.001 was released, -0.002 made)"
    )
    assert told.of("a\nb\nc\n", "a\nx\nc\nd\n", "x.md") == "2 of 4 lines differ, the first is line 2"


def test_columns_of_parquet_are_told_by_name(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"], "c": [1, 2]})
    write_parquet(tmp_path / "old", frame)
    write_parquet(tmp_path / "new", frame.assign(a=[1.0, 2.5], b=["x", "z"]))

    assert file_difference(tmp_path / "old", tmp_path / "new", "x.parquet") == (
        "column a: 1 number differs, by at most 0.5 (row 2: 2 was released, 2.5 made); "
        "relatively by at most 0.2 (row 2: 2 was released, 2.5 made); "
        "column b: 1 other value: row 2: y was released, z made"
    )
    write_parquet(tmp_path / "new", frame.head(1))
    assert file_difference(tmp_path / "old", tmp_path / "new", "x.parquet") == (
        "2 rows of 3 columns were released, 1 rows of 3 columns made"
    )


def test_what_can_not_be_read_is_said_to_be_other_bytes(told: type[_Told]) -> None:
    assert told.of("{}", "{", "x.json").startswith("other bytes; how far apart can't be told: ")
    assert told.of("{}", "{", "x.parquet").startswith("other bytes; how far apart can't be told: ")

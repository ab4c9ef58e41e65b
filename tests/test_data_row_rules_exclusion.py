"""Rows left out and texts respelt by rule are counted, and nothing else about the table changes."""

import gzip
import io
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from tiny_tables import ROWS, TEST_FILE, faults, lines, made, params

from fairmark.errors import ParamsError

MORE = [*ROWS, "17,cook,F,", "18,cook,F,maybe", "19,?,M,no", "95,cook,M,yes"]


def rule(column: str, when: Any) -> dict[str, Any]:
    return {"column": column, "when": when, "reason": "A test."}


def test_rows_are_left_out_by_what_stands_in_them(tmp_path: Path) -> None:
    rules = [rule("ok", "missing"), rule("ok", ["maybe"]), rule("job", "missing"), rule("age", {"above": 90})]

    found = made(tmp_path, lines(*MORE), drop_rows=rules)

    others = made(tmp_path, lines(*ROWS)).table
    assert found.table.astype({"job": "str"}).equals(others.astype({"job": "str"}))
    assert [(one.when, one.rows) for one in found.summary.excluded] == [
        ("is missing", 1),
        ("is maybe", 1),
        ("is missing", 1),
        ("is above 90", 1),
    ]


def test_a_row_counts_for_the_first_rule_that_it_meets(tmp_path: Path) -> None:
    rules = [rule("age", {"below": 20}), rule("ok", "missing"), rule("ok", ["maybe"])]

    found = made(tmp_path, lines(*MORE), drop_rows=rules).summary

    assert [one.rows for one in found.excluded] == [3, 0, 0]
    assert found.rows == 5


def test_a_number_is_met_by_each_of_its_spellings(tmp_path: Path) -> None:
    found = made(tmp_path, lines(*ROWS, "30.0,cook,M,no", "3e1,cook,F,no"), drop_rows=[rule("age", [30])])

    assert found.table["age"].tolist() == [41, 52, 63]


def test_lines_are_still_those_of_the_file(tmp_path: Path) -> None:
    found = faults(tmp_path, lines("17,cook,F,", *ROWS, "x,cook,F,no"), drop_rows=[rule("ok", "missing")])

    assert found == ["a.csv: line 7: column age: must be a finite number, got 'x'"]


def test_the_test_file_is_treated_alike(tmp_path: Path) -> None:
    found = made(tmp_path, lines(*ROWS), lines(*MORE[:5]), drop_rows=[rule("ok", "missing")])

    assert found.summary.files.all[1].rows == 4
    assert found.summary.excluded[0].rows == 1


def test_the_rows_of_a_file_are_counted_before_any_is_left_out(tmp_path: Path) -> None:
    files = {"main": {**TEST_FILE, "name": "a.csv", "rows": {"min": 8, "max": 8}}}

    assert len(made(tmp_path, lines(*MORE), drop_rows=[rule("age", {"below": 20})], files=files).table) == 5


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        (rule("gone", "missing"), "column gone: must be in the file (prepare.drop_rows), got no such column"),
        (
            rule("job", {"above": 1}),
            "column job: must hold numbers for prepare.drop_rows to compare, got 'cook'",
        ),
    ],
)
def test_a_rule_that_can_not_be_applied_is_a_fault(tmp_path: Path, given: dict[str, Any], fault: str) -> None:
    assert any(fault in one for one in faults(tmp_path, lines(*ROWS), drop_rows=[given]))


# ------------------------------------------------------------------ spellings


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Female", "female"),
        ("Female", "FEMALE"),
        ("two words", "two  words"),
        ("two words", "two\u00a0words"),
        ("Female", "Fe\u200bmale"),
        ("Female", "\uff26emale"),
        ("Fran\u00e7ais", "Franc\u0327ais"),
        ("STRASSE", "Stra\u00dfe"),
    ],
)
def test_groups_that_a_reader_takes_for_one_are_a_fault(tmp_path: Path, first: str, second: str) -> None:
    text = lines(f"30,cook,{first},yes", f"30,cook,{second},no")

    (found,) = faults(tmp_path, text)

    assert "column sex: groups must differ in more than case, spaces and Unicode form" in found
    said = yaml.safe_load(found.split("prepare.spellings: ")[1].split(", or by listing")[0])
    assert len(made(tmp_path, text, spellings=said).schema.groups["sex"]) == 1


def test_groups_of_two_files_are_compared_too(tmp_path: Path) -> None:
    found = faults(tmp_path, lines(*ROWS), lines("30,cook,f,yes", "30,cook,M,no"))

    assert "got 'F' and 'f'" in found[0]


def test_a_spelling_merges_them_and_is_counted(tmp_path: Path) -> None:
    rows = ["30,cook,Female,yes", "41,cook,female,no", "52,cook,M,no"]

    found = made(tmp_path, lines(*rows), spellings={"sex": {"female": "Female"}})

    assert found.schema.groups["sex"] == ["Female", "M"]
    assert found.summary.respelt == {"sex": 1}


def test_values_that_are_listed_are_meant_to_be_two(tmp_path: Path) -> None:
    said = {"sex": {"kind": "categorical", "values": ["F", "f"], "missing": 0}}

    found = made(tmp_path, lines("30,cook,F,yes", "41,cook,f,no"), columns=said)

    assert found.schema.groups["sex"] == ["F", "f"]


def test_a_spelling_of_a_spelling_is_refused() -> None:
    with pytest.raises(ParamsError, match=r"spellings\.sex must lead to texts that stay as they are"):
        params(spellings={"sex": {"a": "b", "b": "c"}})


# ------------------------------------------------------------------ files of other kinds


def test_a_file_packed_by_gzip_says_the_same(tmp_path: Path) -> None:
    found = made(tmp_path, gzip.compress(lines(*ROWS).encode()))

    assert found.summary.files.main.packed
    assert found.table.equals(made(tmp_path, lines(*ROWS)).table)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"PK\x03\x04rest", "an Excel workbook (.xlsx): save its sheet as CSV in UTF-8"),
        (b"\xd0\xcf\x11\xe0rest", "an old Excel workbook (.xls): save its sheet as CSV in UTF-8"),
        (b"PAR1rest", "a Parquet file: say prepare.format: {type: parquet, ...}"),
        (b"\x28\xb5\x2f\xfdrest", "packed by zstd: unpack it"),
        (gzip.compress(b"age\n")[:-6], "damaged gzip"),
    ],
)
def test_another_kind_of_file_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    assert words in faults(tmp_path, content)[0]


def test_a_nested_column_that_is_dropped_is_not_read(tmp_path: Path) -> None:
    table = pa.Table.from_pandas(pd.read_csv(io.StringIO(lines(*ROWS))))
    table = table.append_column("tags", pa.array([["a"], [], None, ["b"]]))
    stream = io.BytesIO()
    pq.write_table(table, stream)
    form: dict[str, Any] = {"type": "parquet", "missing": [], "thousands": None, "units": []}

    found = made(tmp_path, stream.getvalue(), format=form, drop=["tags"])

    assert found.summary.unread == {"tags": "list<element: string>"}
    assert "tags" not in found.table

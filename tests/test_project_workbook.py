"""A sheet of a workbook becomes the CSV that its owner sees; nothing is evaluated, and nothing guessed."""

import csv
import datetime as dt
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from fairmark.errors import InputError, UsageError
from fairmark.project.file_format import Overrides
from fairmark.project.table import read_table
from fairmark.project.workbook import as_tables, is_workbook

DAY = dt.datetime.fromisoformat
ROWS: Sequence[Sequence[Any]] = [
    ["when", "age", "zip", "ok", "paid"],
    [DAY("2024-03-01"), 30, 1234, True, 1.5],
    [DAY("2024-03-02"), 41, 99999, False, None],
    [DAY("2024-12-31"), 52, 7, True, 0.1],
]


def workbook(folder: Path, sheets: dict[str, Sequence[Sequence[Any]]], edit: Any = None) -> Path:
    made = Workbook()
    made.remove(made.active)
    for name, rows in sheets.items():
        sheet = made.create_sheet(name)
        for row in rows:
            sheet.append([*row])
    if edit is not None:
        edit(made)
    path = folder / "people.xlsx"
    made.save(path)
    return path


def respelt(path: Path, change: Callable[[bytes], bytes], part: str = "xl/worksheets/sheet1.xml") -> Path:
    """Change a part of a workbook, as no library of workbooks would write it."""
    with zipfile.ZipFile(path) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(path, "w") as new:
        for name, content in parts.items():
            new.writestr(name, change(content) if name == part else content)
    return path


def rows_of(path: Path, sheet: str | None = None) -> tuple[list[list[str]], tuple[str, ...]]:
    with as_tables([path], sheet, None) as (files, taken):
        return [*csv.reader(files[0].read_text().splitlines())], taken[0].notes


def test_cells_are_what_a_person_sees_of_days_codes_and_truths(tmp_path: Path) -> None:
    def as_codes(made: Workbook) -> None:
        for row in (2, 3, 4):
            made["people"].cell(row, 3).number_format = "00000"

    path = workbook(tmp_path, {"people": ROWS}, as_codes)

    assert is_workbook(path)
    assert rows_of(path)[0][1:] == [
        ["2024-03-01", "30", "01234", "true", "1.5"],
        ["2024-03-02", "41", "99999", "false", ""],
        ["2024-12-31", "52", "00007", "true", "0.1"],
    ]


def test_days_and_moments_are_read_as_dates_of_the_table(tmp_path: Path) -> None:
    rows: list[list[Any]] = [
        ["at", "n"],
        *([DAY("2024-03-01") + dt.timedelta(minutes=day * 720), day] for day in range(1, 29)),
    ]
    with as_tables([workbook(tmp_path, {"a": rows})], None, None) as (files, _):
        found = read_table(files[0], Overrides())

    assert [column.kind_name for column in found.columns.values()] == ["date", "numeric"]


def test_names_below_merged_titles_are_found(tmp_path: Path) -> None:
    def merged(made: Workbook) -> None:
        made["people"].merge_cells("A1:A2")
        made["people"].merge_cells("B1:C1")

    rows: list[list[Any]] = [
        ["age", "income", None],
        [None, "gross", "net"],
        *([20 + k, 100 * k, 80 * k] for k in range(9)),
    ]
    with as_tables([workbook(tmp_path, {"people": rows}, merged)], None, None) as (files, _):
        found = read_table(files[0], Overrides())

    assert list(found.columns) == ["age", "gross", "net"]
    assert found.rows == 9


def test_each_row_under_a_merged_cell_has_its_value(tmp_path: Path) -> None:
    rows: list[list[Any]] = [["region", "n"], ["north", 1], [None, 2], [None, 3], ["south", 4]]
    path = workbook(tmp_path, {"a": rows}, lambda made: made["a"].merge_cells("A2:A4"))

    found, notes = rows_of(path)

    assert [row[0] for row in found[1:]] == ["north", "north", "north", "south"]
    assert notes == ("2 cells have the value of the merged cell that lies over them.",)


def test_a_formula_counts_by_its_saved_result_and_never_by_itself(tmp_path: Path) -> None:
    path = workbook(tmp_path, {"a": [["n", "twice"], [1, "=A2*2"], [2, "=A3*2"]]})
    with pytest.raises(InputError, match="must hold the results of its formulas, got none in the columns B"):
        rows_of(path)

    saved = respelt(path, lambda xml: xml.replace(b"<v></v>", b"<v>7</v>").replace(b"<v />", b"<v>7</v>"))

    assert rows_of(saved)[0] == [["n", "twice"], ["1", "7"], ["2", "7"]]


def test_of_several_tables_one_must_be_named(tmp_path: Path) -> None:
    path = workbook(tmp_path, {"first": ROWS, "read me": [["a text"]], "second": ROWS[:3]})

    with pytest.raises(UsageError) as fault:
        rows_of(path)
    assert [line.strip() for line in fault.value.faults[1:]] == [
        "--sheet 'first'   (when, age, zip, ok, paid)",
        "--sheet 'second'   (when, age, zip, ok, paid)",
    ]
    assert len(rows_of(path, "second")[0]) == 3
    with as_tables([path], None, lambda _question, proposed: [*proposed][1]) as (_, taken):
        assert taken[0].notes == ("The sheet 'second' is read; 'first', 'read me' is not.",)


@pytest.mark.parametrize(
    ("part", "change", "must"),
    [
        ("xl/worksheets/sheet1.xml", lambda xml: xml[: len(xml) // 2], "must be a whole Excel workbook"),
        ("xl/workbook.xml", lambda xml: b"<!DOCTYPE a [<!ENTITY b 'c'>]>" + xml, "without a DOCTYPE"),
        ("xl/_rels/workbook.xml.rels", lambda _: b"<Relationships/>", "must be a whole Excel workbook"),
        ("xl/styles.xml", lambda _: b"<styleSheet><cellXfs", "must be a whole Excel workbook"),
    ],
)
def test_a_damaged_or_hostile_workbook_is_one_fault(
    tmp_path: Path, part: str, change: Callable[[bytes], bytes], must: str
) -> None:
    path = respelt(workbook(tmp_path, {"a": ROWS}), change, part)

    with pytest.raises(InputError, match=must):
        rows_of(path)


def test_what_is_no_table_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must hold a table of two columns or more on a sheet"):
        rows_of(workbook(tmp_path, {"a": [["only"], ["one"]], "b": []}))
    with pytest.raises(UsageError, match="--sheet: must be one of 'a', 'b', got 'c'"):
        rows_of(tmp_path / "people.xlsx", "c")
    assert not is_workbook(tmp_path / "none")

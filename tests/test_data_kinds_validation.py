"""Every cell that does not hold what params.yaml says of its column is named, all of them at once."""

from pathlib import Path
from typing import Any

import pytest
from tiny_tables import PREPARE, faults, lines, made

ROWS = ["30,cook,F,yes", "41,smith,M,no"]


def told(column: str, said: dict[str, Any]) -> dict[str, Any]:
    return {"columns": {**PREPARE["columns"], column: said}}


@pytest.mark.parametrize(
    ("column", "said", "cells", "fault"),
    [
        (
            "x",
            {"kind": "numeric", "min": 0, "max": None, "missing": 0},
            ("1", "-1"),
            "must be at least 0, got '-1'",
        ),
        (
            "x",
            {"kind": "numeric", "min": None, "max": 9.5, "missing": 0},
            ("1", "10"),
            "must be at most 9.5, got '10'",
        ),
        (
            "x",
            {"kind": "numeric", "min": None, "max": None, "missing": 0},
            ("1", ""),
            "must be given, got nothing",
        ),
        (
            "x",
            {"kind": "categorical", "values": ["a", "b"], "missing": 0},
            ("a", "A"),
            "must be one of a, b, got 'A'",
        ),
        (
            "x",
            {"kind": "ordinal", "order": ["b", "a"], "missing": 0},
            ("a", "c"),
            "must be one of b, a, got 'c'",
        ),
        (
            "x",
            {"kind": "boolean", "true": "Y", "false": "N", "missing": 0},
            ("y", "z"),
            "must be Y or N, got 'z'",
        ),
        (
            "x",
            {"kind": "date", "format": "%d.%m.%Y", "earliest": None, "latest": None, "missing": 0},
            ("31.01.2020", "31.02.2020"),
            "must be a date like 31.01.2026 (%d.%m.%Y), got '31.02.2020'",
        ),
        (
            "x",
            {"kind": "date", "format": None, "earliest": "2020-01-01", "latest": None, "missing": 0},
            ("2020-01-01", "2019-12-31"),
            "must be 2020-01-01 or later, got '2019-12-31'",
        ),
        (
            "x",
            {"kind": "date", "format": None, "earliest": None, "latest": "2020-01-01", "missing": 0},
            ("2020-01-01 23:59", "2020-01-02"),
            "must be 2020-01-01 or earlier, got '2020-01-02'",
        ),
        ("x", {"kind": "infer", "missing": 0}, ("a", ""), "must be given, got nothing"),
    ],
)
def test_a_cell_outside_its_declaration_is_refused(
    tmp_path: Path, column: str, said: dict[str, Any], cells: tuple[str, str], fault: str
) -> None:
    rows = [f"{row},{cell}" for row, cell in zip(ROWS, cells, strict=True)]

    found = faults(tmp_path, lines(*rows, header=f"age,job,sex,ok,{column}"), **told(column, said))

    assert found == [f"a.csv: line 3: column {column}: {fault}"]


def test_too_many_missing_cells_are_refused_by_their_share(tmp_path: Path) -> None:
    said = {"kind": "categorical", "values": None, "missing": 0.25}

    found = faults(tmp_path, lines(*ROWS, "50,?,F,yes", "60,,M,no"), **told("job", said))

    assert found == ["a.csv: column job: must be missing in at most 0.25 of rows, got 0.5"]


def test_a_share_of_missing_cells_exactly_at_the_limit_is_allowed(tmp_path: Path) -> None:
    said = {"kind": "categorical", "values": None, "missing": 0.5}

    assert len(made(tmp_path, lines(*ROWS, "50,?,F,yes", "60,,M,no"), **told("job", said)).table) == 4


def test_a_cell_that_can_not_be_read_does_not_count_as_missing(tmp_path: Path) -> None:
    said = {"kind": "numeric", "min": None, "max": None, "missing": 0.5}
    rows = [f"{row},{cell}" for row, cell in zip([*ROWS, ROWS[0]], ["", "b", "3"], strict=True)]

    found = faults(tmp_path, lines(*rows, header="age,job,sex,ok,x"), **told("x", said))

    assert found == ["a.csv: line 3: column x: must be a finite number, got 'b'"]


@pytest.mark.parametrize(("low", "high"), [(1, 1), (3, 9)])
def test_too_few_and_too_many_rows_are_refused(tmp_path: Path, low: int, high: int) -> None:
    files = {"main": {"name": "a.csv", "skip_rows": 0, "rows": {"min": low, "max": high}}}

    found = faults(tmp_path, lines(*ROWS), files=files)

    assert found == [f"a.csv: must have {low} to {high} rows, got 2"]


def test_lines_that_can_not_be_read_count_as_rows(tmp_path: Path) -> None:
    files = {"main": {"name": "a.csv", "skip_rows": 0, "rows": {"min": 3, "max": 3}}}

    found = faults(tmp_path, lines(*ROWS, "30,cook"), files=files)

    assert found == ["a.csv: line 4: must have 4 columns, got 2"]


def test_a_constant_column_is_fine(tmp_path: Path) -> None:
    assert made(tmp_path, lines("30,cook,F,yes", "30,cook,M,no")).table["job"].nunique() == 1


def test_long_lists_of_allowed_values_are_cut_in_the_message(tmp_path: Path) -> None:
    said = {"kind": "categorical", "values": [f"v{k}" for k in range(12)], "missing": 0}

    found = faults(tmp_path, lines(*ROWS), **told("job", said))

    values = "v0, v1, v10, v11, v2, v3, v4, v5 and 4 more"
    assert found == [f"a.csv: lines 2, 3: column job: must be one of {values}, got 'cook', 'smith'"]

"""Every column that params.yaml names stands in the file, and every column of the file has a part."""

from pathlib import Path
from typing import Any

import pytest
from tiny_tables import PREPARE, ROWS, TEST_FILE, faults, lines, made

NUMBER = {"kind": "numeric", "min": None, "max": None, "missing": 0}


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"target": {"column": "gone"}}, "target.column"),
        ({"row_id": "gone"}, "row_id"),
        ({"time": "gone"}, "time"),
        ({"weight": "gone"}, "weight"),
        ({"drop": ["gone"]}, "drop"),
        ({"columns": {"gone": NUMBER}}, "columns.gone"),
        ({"protected": {"a": {"by": "column", "column": "gone"}}}, "protected.a"),
        ({"protected": {"a": {"by": "edges", "column": "gone", "edges": [1]}}}, "protected.a"),
        ({"forbidden": ["gone"]}, "forbidden"),
    ],
)
def test_a_column_that_is_not_in_the_file_is_refused(
    tmp_path: Path, changes: dict[str, Any], place: str
) -> None:
    found = faults(tmp_path, lines(*ROWS), **changes)

    assert found == [f"a.csv: column gone: must be in the file (prepare.{place}), got no such column"]


def test_an_unlisted_column_is_refused_when_params_say_so(tmp_path: Path) -> None:
    found = faults(tmp_path, lines(*ROWS), unlisted="refuse")

    assert found == ["a.csv: column job: must be in prepare.columns or prepare.drop, got an unlisted column"]


def test_columns_of_marks_are_no_features_even_where_their_kind_is_said(tmp_path: Path) -> None:
    header = "age,job,sex,ok,id,w,day"
    rows = [f"{row},{k},1,0{k + 1}.01.2020" for k, row in enumerate(ROWS)]
    date = {"kind": "date", "format": "%d.%m.%Y", "earliest": None, "latest": None, "missing": 1}
    columns = {
        **PREPARE["columns"],
        "w": NUMBER,
        "id": NUMBER,
        "day": date,
        "ok": {"kind": "infer", "missing": 0},
    }

    found = made(tmp_path, lines(*rows, header=header), columns=columns, row_id="id", weight="w", time="day")

    assert list(found.table) == ["_row_id", "_label", "_source", "_weight", "_time", "age", "job"]
    assert found.table["_time"].dt.day.tolist() == [1, 2, 3, 4]
    assert found.schema.timed
    assert found.schema.weighted


def test_a_row_without_its_time_is_refused(tmp_path: Path) -> None:
    rows = [f"{row},{day}" for row, day in zip(ROWS, ["2020-01-01", "", "2020-01-03", "?"], strict=True)]

    found = faults(tmp_path, lines(*rows, header="age,job,sex,ok,day"), time="day")

    assert found == ["a.csv: lines 3, 5: column day: must be given, got nothing"]


def test_dropped_columns_are_not_looked_at(tmp_path: Path) -> None:
    columns = {"age": {**NUMBER, "max": 1}}

    found = made(tmp_path, lines(*ROWS), columns=columns, drop=["age"])

    assert "age" not in found.table
    assert found.summary.dropped == ("age",)


@pytest.mark.parametrize("column", ["job", "ok"])
def test_what_is_dropped_or_the_label_is_not_withheld_as_well(tmp_path: Path, column: str) -> None:
    found = made(tmp_path, lines(*ROWS), forbidden=[column], drop=["job"])

    assert [one.name for one in found.schema.withheld] == ["sex"]


def test_a_table_without_features_is_refused(tmp_path: Path) -> None:
    found = faults(tmp_path, lines(*ROWS), drop=["age", "job"])

    assert found == ["a.csv: must hold a column that a model may see, got none"]


def test_reserved_names_are_refused(tmp_path: Path) -> None:
    found = faults(
        tmp_path,
        lines(*ROWS, header="age,_label,sex,ok"),
        protected={"_row_id": PREPARE["protected"]["sex"]},
    )

    assert found == [
        "a.csv: prepare.protected._row_id must not be a reserved name, got '_row_id'",
        "a.csv: column _label: must not have a reserved name, got '_label'",
    ]


def test_the_test_file_has_the_columns_of_the_main_file(tmp_path: Path) -> None:
    test = lines("30,F,yes,1", "40,M,no,2", header="age,sex,ok,shoe size")

    found = faults(tmp_path, lines(*ROWS), test)

    where = f"{tmp_path.as_posix()}/a.csv"
    assert found == [f"b.csv: must have the columns of {where}, got none of 'job' and also 'shoe size'"]


def test_the_test_file_may_order_its_columns_otherwise(tmp_path: Path) -> None:
    test = lines("yes,F,cook,30", "no,M,smith,41", header="ok,sex,job,age")

    found = made(tmp_path, lines(*ROWS), test, files={"test": TEST_FILE})

    assert found.table["age"].tolist()[4:] == [30, 41]
    assert found.summary.shared_rows == 2

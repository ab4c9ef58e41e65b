"""Protected attributes become named groups in a table of their own, and never features."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import ROWS, faults, lines, made

from fairmark.data.evidence import cut, names
from fairmark.data.kinds import Kind

SEX = {"by": "column", "column": "sex"}
AGE = {"by": "edges", "column": "age", "edges": [41, 60.5]}


def test_attributes_come_from_columns_edges_and_crosses(tmp_path: Path) -> None:
    protected = {"both": {"by": "cross", "of": ["sex", "band"]}, "sex": SEX, "band": AGE}

    evidence = made(tmp_path, lines(*ROWS), protected=protected).evidence

    assert evidence["band"].tolist() == ["<41", "41 to <60.5", "41 to <60.5", ">=60.5"]
    assert evidence["both"].tolist() == ["F & <41", "M & 41 to <60.5", "M & 41 to <60.5", "F & >=60.5"]


def test_what_is_protected_or_forbidden_is_evidence_and_no_feature(tmp_path: Path) -> None:
    found = made(tmp_path, lines(*ROWS), forbidden=["job"])

    assert list(found.table) == ["_row_id", "_label", "_source", "_weight", "age"]
    assert list(found.evidence) == ["_row_id", "_label", "sex", "withheld:job", "withheld:sex"]
    assert {one["name"]: one["why"] for one in found.schema["withheld"]} == {
        "sex": "protected",
        "job": "forbidden",
    }


def test_both_tables_hold_the_same_rows_in_the_same_order(tmp_path: Path) -> None:
    found = made(tmp_path, lines(*ROWS), lines(*reversed(ROWS)))

    assert found.table[["_row_id", "_label"]].equals(found.evidence[["_row_id", "_label"]])


def test_a_missing_attribute_is_a_group_of_its_own(tmp_path: Path) -> None:
    protected = {"sex": SEX, "band": AGE, "both": {"by": "cross", "of": ["sex", "band"]}}
    columns = {"age": {"kind": "numeric", "min": None, "max": None, "missing": 1}}

    found = made(tmp_path, lines(*ROWS, ",cook,?,no"), protected=protected, columns=columns)

    assert found.evidence.iloc[-1][["sex", "band", "both"]].tolist() == ["missing"] * 2 + [
        "missing & missing"
    ]
    assert found.schema["attributes"]["sex"] == {
        "by": "column",
        "columns": ["sex"],
        "groups": ["F", "M", "missing"],
    }
    assert found.schema["attributes"]["both"]["columns"] == ["sex", "age"]


def test_numbers_booleans_and_days_give_plain_group_names() -> None:
    assert names(pd.Series([1.0, 1234567.5, np.nan]), Kind("numeric")).tolist() == [
        "1",
        "1234567.5",
        "missing",
    ]
    flags = pd.Series(pd.array([True, False, None], dtype="boolean"))
    assert names(flags, Kind("boolean", pair=("Ja", "Nein"))).tolist() == ["Ja", "Nein", "missing"]
    days = pd.Series(pd.to_datetime(["2020-01-31", "2020-01-31 10:00"], format="ISO8601"))
    assert names(days, Kind("date")).tolist() == ["2020-01-31", "2020-01-31T10:00:00"]


@settings(deadline=None)
@given(
    st.lists(st.integers(-50, 50), min_size=1, max_size=4, unique=True).map(sorted),
    st.lists(st.integers(-60, 60), min_size=1),
)
def test_a_cut_counts_the_edges_at_or_below_a_number(edges: list[int], values: list[int]) -> None:
    found = cut(pd.Series(values, dtype="float64"), [float(edge) for edge in edges])

    marks = ["", *map(str, edges), ""]
    expected = [sum(edge <= value for edge in edges) for value in values]
    for name, k in zip(found, expected, strict=True):
        low, high = marks[k], marks[k + 1]
        assert name == (f"<{high}" if not low else f">={low}" if not high else f"{low} to <{high}")


@pytest.mark.parametrize("column", ["job", "sex"])
def test_edges_on_a_column_that_is_no_number_are_refused(tmp_path: Path, column: str) -> None:
    protected = {"band": {"by": "edges", "column": column, "edges": [1]}}

    found = faults(tmp_path, lines(*ROWS), protected=protected)

    must = "must be numeric to be cut by the edges of prepare.protected.band"
    assert found == [f"a.csv: column {column}: {must}, got categorical"]

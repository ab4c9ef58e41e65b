"""Protected attributes become named groups in a table of their own, and never features."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_tables import ROWS, faults, lines, made

from fairmark.data.cells import Kind
from fairmark.data.group_names import intervals
from fairmark.data.groups import cut, groups, names
from fairmark.data.schema import MISSING, KindName, is_unknown
from fairmark.errors import InputError
from fairmark.params.prepare import ByColumn, ByCross, ByEdges, Protected

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
    assert {one.name: one.why for one in found.schema.withheld} == {
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
    assert found.schema.to_json()["attributes"]["sex"] == {
        "by": "column",
        "columns": ["sex"],
        "groups": ["F", "M", "missing"],
    }
    assert found.schema.attributes["both"].columns == ("sex", "age")


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


# ------------------------------------------------------------------ different groups, different names

KINDS: dict[KindName, Any] = {"numeric": "float64", "date": "datetime64[us]", "categorical": "str"}
TRICKY = st.one_of(
    st.text('a&" ', max_size=6), st.sampled_from(["missing", '"missing"', "a & b", "missing & a", "&"])
).map(str.strip)
CELLS = {
    "categorical": TRICKY.filter(bool),
    "numeric": st.floats(allow_nan=False, allow_infinity=False),
    "date": st.datetimes(),
}


def columns(kind: KindName) -> st.SearchStrategy["pd.Series[Any]"]:
    cells = st.lists(st.none() | CELLS[kind], min_size=6, max_size=6)
    return cells.map(lambda values: pd.Series(values, dtype=KINDS[kind]))


@settings(deadline=None)
@given(st.data())
def test_two_rows_share_a_name_only_where_they_share_a_group(data: st.DataObject) -> None:
    kinds = {name: data.draw(st.sampled_from(sorted(KINDS))) for name in ("one", "two")}
    cells = {name: data.draw(columns(kind)) for name, kind in kinds.items()}
    protected: dict[str, Protected] = {
        "one": ByColumn(by="column", column="one"),
        "two": ByColumn(by="column", column="two"),
        "both": ByCross(by="cross", of=["one", "two"]),
    }

    found, order = groups(protected, cells, {name: Kind(kind) for name, kind in kinds.items()})

    rows = list(
        zip(*(series.astype(object).where(series.notna(), None) for series in cells.values()), strict=True)
    )
    for first in range(6):
        for second in range(6):
            same = rows[first] == rows[second]
            assert (found["both"][first] == found["both"][second]) == same
    assert [is_unknown(name) for name in found["both"]] == [None in row for row in rows]
    assert {name: sorted(listed) for name, listed in order.items()} == {
        name: sorted(set(found[name])) for name in protected
    }


@settings(deadline=None)
@given(
    st.integers(-(10**10) + 1, 10**10 - 10),
    st.lists(st.integers(0, 9), min_size=1, max_size=5, unique=True).map(sorted),
)
def test_intervals_have_names_of_their_own_in_the_order_of_their_edges(first: int, steps: list[int]) -> None:
    edges = [first + step for step in steps]
    cells = pd.Series([*(float(edge) for edge in reversed(edges)), edges[0] - 1.0, np.nan])
    protected: dict[str, Protected] = {
        "band": ByEdges(by="edges", column="n", edges=[float(edge) for edge in edges])
    }

    found, order = groups(protected, {"n": cells}, {"n": Kind("numeric")})

    assert len(set(found["band"])) == len(edges) + 2
    assert order["band"] == [*intervals(edges), MISSING]


def test_days_written_as_numbers_are_groups_of_their_own() -> None:
    found = cut(pd.Series([19700101.0, 19700102.0, 19700103.0]), [19700101.0, 19700102.0, 19700103.0])

    assert found.tolist() == ["19700101 to <19700102", "19700102 to <19700103", ">=19700103"]


def test_groups_are_in_the_order_of_their_values(tmp_path: Path) -> None:
    protected = {
        "band": {"by": "edges", "column": "age", "edges": [5, 10, 100]},
        "age": {"by": "column", "column": "age"},
        "both": {"by": "cross", "of": ["band", "sex"]},
        "sex": SEX,
    }
    columns = {"age": {"kind": "numeric", "min": None, "max": None, "missing": 0}}
    rows = ["100,cook,F,yes", "9,smith,?,no", "20,cook,M,yes", "3,clerk,F,no"]

    found = made(tmp_path, lines(*rows), protected=protected, columns=columns).schema.attributes

    assert found["band"].groups == ("<5", "5 to <10", "10 to <100", ">=100")
    assert found["age"].groups == ("3", "9", "20", "100")
    assert found["sex"].groups == ("F", "M", "missing")
    assert found["both"].groups == ("<5 & F", "5 to <10 & missing", "10 to <100 & M", ">=100 & F")


def test_a_person_of_whom_the_word_missing_is_written_is_no_missing_person(tmp_path: Path) -> None:
    found = made(tmp_path, lines(*ROWS, "30,cook,missing,no", "30,cook,?,no")).schema.attributes["sex"]

    assert found.groups == ("F", "M", '"missing"', "missing")


def test_edges_longer_than_a_document_keeps_are_refused(tmp_path: Path) -> None:
    protected = {"band": {"by": "edges", "column": "age", "edges": [20240131120001]}}

    with pytest.raises(InputError, match="must be edges of at most 10 digits"):
        made(tmp_path, lines(*ROWS), protected=protected)

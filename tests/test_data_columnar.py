"""A Parquet file says the same as the CSV file of the same table, and a damaged one is refused."""

import datetime as dt
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny_tables import faults, lines, made

from fairmark.data.prepare import reading_lines

FORMAT = {"type": "parquet", "missing": ["?"], "thousands": None, "units": []}


def content(table: pd.DataFrame | pa.Table) -> bytes:
    stream = io.BytesIO()
    pq.write_table(table if isinstance(table, pa.Table) else pa.Table.from_pandas(table), stream)
    return stream.getvalue()


def people() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "age": [30.0, 41.0, 52.5],
            "job": ["cook", "?", None],
            "sex": pd.Categorical(["F", "M", "M"]),
            "code": pd.array([1, None, 3], dtype="Int64"),
            "owner": pd.array([True, None, False], dtype="boolean"),
            "seen": pd.DatetimeIndex(["2020-01-31", pd.NaT, "9999-12-31"]).as_unit("us"),
            "ok": ["yes", "no", "yes"],
        }
    )


def test_the_columns_keep_their_types(tmp_path: Path) -> None:
    table = made(tmp_path, content(people()), format=FORMAT).table

    assert table.dtypes.astype(str).to_dict() == {
        "_row_id": "str",
        "_label": "int8",
        "_source": "str",
        "_weight": "float64",
        "age": "float64",
        "job": "category",
        "code": "float64",
        "owner": "boolean",
        "seen": "datetime64[us]",
    }
    assert table["code"].fillna(-1).tolist() == [1, -1, 3]
    assert table["owner"].fillna(False).tolist() == [True, False, False]
    assert table["seen"][2] == pd.Timestamp("9999-12-31")
    assert table["job"].isna().tolist() == [False, True, True]


def test_csv_and_parquet_give_the_same_rows(tmp_path: Path) -> None:
    text = lines(
        "30,cook,F,1,true,2020-01-31 00:00:00.000000,yes",
        "41,?,M,,,,no",
        "52.5,,M,3,false,9999-12-31 00:00:00.000000,yes",
        header="age,job,sex,code,owner,seen,ok",
    )

    ours = made(tmp_path, content(people()), format=FORMAT)

    theirs = made(tmp_path, text)
    pd.testing.assert_frame_equal(ours.table, theirs.table)
    pd.testing.assert_frame_equal(ours.evidence, theirs.evidence)


def test_numbers_come_back_exactly(tmp_path: Path) -> None:
    numbers = np.random.default_rng(0).normal(size=200) * 10.0 ** np.linspace(-45, 45, 200)
    table = pd.DataFrame({"age": 20, "x": numbers, "sex": "F", "ok": ["yes", "no"] * 100})

    assert made(tmp_path, content(table), format=FORMAT).table["x"].tolist() == numbers.tolist()


def test_times_with_a_zone_are_moved_to_utc(tmp_path: Path) -> None:
    late = pa.array(
        [dt.datetime(2020, 2, 1, 4, 30, tzinfo=dt.UTC)] * 3, pa.timestamp("us", "America/New_York")
    )
    table = pa.Table.from_pandas(people()).set_column(5, "seen", late)

    seen = made(tmp_path, content(table), format=FORMAT).table["seen"]

    assert seen[0] == pd.Timestamp("2020-02-01 04:30")


def test_rows_are_numbered_from_one(tmp_path: Path) -> None:
    found = faults(tmp_path, content(people().assign(age=[30.0, 7.0, np.inf])), format=FORMAT)

    assert found == [
        "a.csv: row 3: column age: must be a finite number, got 'inf'",
        "a.csv: row 2: column age: must be at least 16, got '7'",
    ]


def test_nan_is_missing(tmp_path: Path) -> None:
    table = pa.Table.from_pandas(people()).set_column(3, "code", pa.array([1.0, float("nan"), 2.5]))

    assert made(tmp_path, content(table), format=FORMAT).table["code"].isna().tolist() == [False, True, False]


def test_whole_numbers_that_became_floats_read_as_integers(tmp_path: Path) -> None:
    table = people().assign(code=[123456789012.0, 7.0, 2.5])

    found = made(tmp_path, content(table), format=FORMAT, row_id="code")

    assert found.table["_row_id"].tolist() == ["123456789012", "7", "2.5"]


def test_skipped_rows_are_counted(tmp_path: Path) -> None:
    files = {"main": {"name": "a.csv", "skip_rows": 1, "rows": {"min": 1, "max": 2}}}

    found = faults(
        tmp_path, content(people().assign(age=[1.0, 41.0, 2.0], job="cook")), format=FORMAT, files=files
    )

    assert found == ["a.csv: row 3: column age: must be at least 16, got '2'"]


def test_rows_in_several_row_groups_read_as_one(tmp_path: Path) -> None:
    table = pa.Table.from_pandas(pd.concat([people()] * 3, ignore_index=True))
    stream = io.BytesIO()
    pq.write_table(table, stream, row_group_size=2)
    main = {"name": "a.csv", "rows": {"min": 1, "max": 9}}

    parted = made(tmp_path, stream.getvalue(), format=FORMAT, files={"main": main | {"skip_rows": 5}})
    whole = made(tmp_path, content(table.slice(5)), format=FORMAT, files={"main": main | {"skip_rows": 0}})

    pd.testing.assert_frame_equal(parted.table, whole.table)


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9, 0.999])
def test_a_truncated_file_is_refused(tmp_path: Path, kept: float) -> None:
    whole = content(people())

    found = faults(tmp_path, whole[: int(len(whole) * kept)] or b"PAR1", format=FORMAT)

    assert len(found) == 1
    assert found[0].startswith("a.csv: must be a whole Parquet file, got ")


def test_text_in_place_of_parquet_is_refused(tmp_path: Path) -> None:
    found = faults(tmp_path, lines("30,cook,F,yes"), format=FORMAT)

    assert found[0].startswith("a.csv: must be a whole Parquet file, got ")


def test_a_damaged_page_is_refused(tmp_path: Path) -> None:
    whole = bytearray(content(pd.concat([people()] * 200)))
    whole[200:260] = b"\xff" * 60

    found = faults(tmp_path, bytes(whole), format=FORMAT)

    assert found[0].startswith("a.csv: must be a whole Parquet file, got ")


def test_lists_and_bytes_are_refused(tmp_path: Path) -> None:
    table = pa.Table.from_pandas(people())
    table = table.append_column("tags", pa.array([["a"], [], ["b"]]))
    table = table.append_column("blob", pa.array([b"a", b"", b"b"]))

    found = faults(tmp_path, content(table), format=FORMAT)

    assert found[:2] == [
        "a.csv: column tags: must hold single values, or stand in prepare.drop, got list<element: string>",
        "a.csv: column blob: must hold single values, or stand in prepare.drop, got binary",
    ]


def test_a_column_without_any_value_is_refused(tmp_path: Path) -> None:
    found = faults(tmp_path, content(people().assign(nothing=None)), format=FORMAT)

    assert found == [
        "a.csv: column nothing: must hold a value to show its kind, got none: drop it, or say its kind"
    ]


def indexed() -> pa.Table:
    """Return people sorted by their label, with the row number that pandas hides in the file."""
    frame = pd.DataFrame(
        {"age": [30.0, 41, 52, 63], "sex": ["F", "M", "F", "M"], "ok": ["no", "no", "yes", "yes"]},
        index=[4, 7, 9, 12],
    )
    return pa.Table.from_pandas(frame)


def test_what_the_file_calls_an_index_is_left_out_by_name(tmp_path: Path) -> None:
    made_from = made(tmp_path, content(indexed()), format=FORMAT)

    assert made_from.schema.feature_names == ["age"]
    assert made_from.summary.index == ("__index_level_0__",)
    assert any("calls it an index: __index_level_0__" in line for line in reading_lines(made_from.summary))


def test_an_index_says_nothing_of_who_a_row_is(tmp_path: Path) -> None:
    frame = indexed().to_pandas()
    plain = made(tmp_path, content(pa.Table.from_pandas(frame, preserve_index=False)), format=FORMAT)

    assert made(tmp_path, content(indexed()), format=FORMAT).table.equals(plain.table)


def test_a_named_index_is_left_out_unless_params_name_it(tmp_path: Path) -> None:
    frame = indexed().to_pandas().rename_axis("customer")

    left_out = made(tmp_path, content(frame), format=FORMAT)
    kept = made(tmp_path, content(frame), format=FORMAT, row_id="customer")

    assert left_out.summary.index == ("customer",)
    assert kept.summary.index == ()
    assert kept.table["_row_id"].tolist() == ["4", "7", "9", "12"]


@pytest.mark.parametrize(
    "said", [b"{", b"[]", b"7", b'{"index_columns": 3}', b'{"index_columns": [{"a": 1}]}']
)
def test_metadata_of_another_make_names_no_index(tmp_path: Path, said: bytes) -> None:
    table = indexed().replace_schema_metadata({b"pandas": said}).drop_columns(["__index_level_0__"])

    assert made(tmp_path, content(table), format=FORMAT).summary.index == ()

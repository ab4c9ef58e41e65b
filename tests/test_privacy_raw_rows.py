"""A file without some rows is the same file without their bytes, however it is written."""

import gzip
import io
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from fairmark.data.prepare import prepared
from fairmark.errors import InputError, StateError
from fairmark.params.parse import typed
from fairmark.params.prepare import Prepare
from fairmark.privacy.raw_rows import counts, find, without

ROOT = Path(__file__).parents[1]
RAW: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))["prepare"]


def params(**changes: Any) -> Prepare:
    """Return how a small file is read: id, sex, age, note, paid."""
    form = {"type": "csv", "separator": ",", "decimal": ".", "header": None, "missing": ["?"]}
    made = RAW | {
        "files": {"main": {"name": "p.csv", "skip_rows": 0, "rows": {"min": 1, "max": 99}}, "test": None},
        "format": form | {"encoding": "utf-8", "thousands": None, "units": []} | changes.pop("format", {}),
        "target": {"column": "paid", "positive": "yes", "negative": "no", "strip": ""},
        "row_id": "id",
        "drop": ["note"],
        "columns": {},
        "unlisted": "infer",
        "protected": {"sex": {"by": "column", "column": "sex"}},
        "forbidden": [],
    }
    return typed(Prepare, made | changes, "prepare")


def taken(folder: Path, content: bytes, ids: list[str], given: Prepare) -> bytes:
    """Return a file's bytes without the rows of `ids`."""
    source = given.files.main
    (folder / source.name).write_bytes(content)
    places, unknown = find(folder, given, ids)
    assert not unknown
    return without(folder / source.name, source, given, places[source.name])


PLAIN = b"id,sex,age,note,paid\n1,F,30,a,yes\n2,M,40,b,no\n3,F,50,c,yes\n"
ODD = 'id;sex;age;note;paid\r\n1;F;30;"a;\r\nb ""c""";yes\r\n\r\n2; "M";40,5;"\u00e9\n\n";no\r\n3;F;?;;yes'


def test_a_row_is_taken_out_and_every_other_byte_stays(tmp_path: Path) -> None:
    assert taken(tmp_path, PLAIN, ["2"], params()) == PLAIN.replace(b"2,M,40,b,no\n", b"")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "cp1252", "utf-16", "utf-16-le"])
@pytest.mark.parametrize(
    ("row", "gone"),
    [("1", '1;F;30;"a;\r\nb ""c""";yes\r\n'), ("2", '2; "M";40,5;"\u00e9\n\n";no\r\n'), ("3", "3;F;?;;yes")],
)
def test_quotes_line_ends_within_and_any_encoding(tmp_path: Path, encoding: str, row: str, gone: str) -> None:
    form = {"separator": ";", "decimal": ",", "encoding": "utf-8" if encoding == "utf-8-sig" else encoding}

    made = taken(tmp_path, ODD.encode(encoding), [row], params(format=form))

    assert made == ODD.replace(gone, "").encode(encoding)


def test_the_byte_order_mark_stays_when_the_first_row_goes(tmp_path: Path) -> None:
    form = {"header": ["id", "sex", "age", "note", "paid"]}
    content = b"\xef\xbb\xbf1,F,3,a,yes\n2,M,4,b,no\n"

    assert taken(tmp_path, content, ["1"], params(format=form)) == b"\xef\xbb\xbf2,M,4,b,no\n"


def test_old_line_ends_and_skipped_lines_are_counted_as_they_are_read(tmp_path: Path) -> None:
    main = {"name": "p.csv", "skip_rows": 1, "rows": {"min": 1, "max": 9}}
    content = b'say "x\r' + PLAIN.replace(b"\n", b"\r")

    made = taken(tmp_path, content, ["3"], params(files={"main": main, "test": None}))

    assert made == content.replace(b"3,F,50,c,yes\r", b"")


def test_several_ids_are_taken_at_once_and_unknown_ones_named(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_bytes(PLAIN)

    places, unknown = find(tmp_path, params(), ["1", "3", "4", "30"])

    assert places == {"p.csv": {2, 4}}
    assert unknown == {"4", "30"}
    assert counts(tmp_path, params()) == {"p.csv": 3}


def test_an_id_of_content_is_that_of_prepare(tmp_path: Path) -> None:
    body = b"1,F,30,a,yes\n1,F,30,a,yes\n2,M,40,b,no\n3,F,,c,yes.\n"
    (tmp_path / "p.csv").write_bytes(b"id,sex,age,note,paid\n" + body)
    (tmp_path / "t.csv").write_bytes(b"id,sex,age,note,paid\n1,F,30,a,yes.\n2,M,41,b,no\n")
    files = {
        "main": {"name": "p.csv", "skip_rows": 0, "rows": {"min": 1, "max": 9}},
        "test": {"name": "t.csv", "skip_rows": 0, "rows": {"min": 1, "max": 9}},
    }
    target = {"column": "paid", "positive": "yes", "negative": "no", "strip": "."}
    given = params(files=files, target=target, row_id=None)

    table = prepared(tmp_path, given).table

    for row, line in zip(table["_row_id"], [2, 3, 4, 5, 2, 3], strict=True):
        places, unknown = find(tmp_path, given, [row])
        assert not unknown
        assert {file: numbers for file, numbers in places.items() if numbers} == {
            "t.csv" if "-t" in row else "p.csv": {line}
        }


def test_an_id_of_content_counts_the_rows_that_stay(tmp_path: Path) -> None:
    body = b"1,F,30,a,\n1,F,30,a,yes\n1,F,30,a,no\n2,M,40,b,no\n"
    (tmp_path / "p.csv").write_bytes(b"id,sex,age,note,paid\n" + body)
    rule = {"column": "paid", "when": "missing", "reason": "A test."}
    given = params(row_id=None, drop_rows=[rule])

    table = prepared(tmp_path, given).table

    places = [find(tmp_path, given, [row])[0]["p.csv"] for row in table["_row_id"]]
    assert places == [{3}, {4}, {5}]
    assert counts(tmp_path, given) == {"p.csv": 4}


def test_a_packed_file_is_packed_again(tmp_path: Path) -> None:
    packed = gzip.compress(PLAIN, mtime=0)

    found = taken(tmp_path, packed, ["2"], params())

    assert gzip.decompress(found) == PLAIN.replace(b"2,M,40,b,no\n", b"")
    assert found == taken(tmp_path, packed, ["2"], params())


def test_a_file_that_can_not_be_read_is_told_and_nothing_guessed(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_bytes(PLAIN + b"4,F\n")

    with pytest.raises(InputError, match="must have 5 columns"):
        find(tmp_path, params(), ["1"])


def test_text_that_can_not_be_written_back_as_it_was_is_refused(tmp_path: Path) -> None:
    # UTF-7 has many ways to write a letter; Python writes one of them.
    content = b"id,sex,age,note,paid\n1,F,30,+AGE-,yes\n2,M,40,b,no\n"

    with pytest.raises(StateError, match="written one way"):
        taken(tmp_path, content, ["2"], params(format={"encoding": "utf-7"}))


@pytest.mark.parametrize("compression", ["snappy", "zstd", "none"])
def test_parquet_keeps_schema_metadata_groups_and_compression(tmp_path: Path, compression: str) -> None:
    frame = pd.DataFrame(
        {
            "id": [f"p{k}" for k in range(7)],
            "sex": pd.Categorical(["F", "M"] * 3 + ["F"]),
            "age": [30, 31, 32, 33, 34, 35, 36],
            "note": [None] * 6 + ["x"],
            "paid": ["yes", "no"] * 3 + ["yes"],
        }
    )
    table = pa.Table.from_pandas(frame).replace_schema_metadata({"owner": "bank"})
    stream = io.BytesIO()
    pq.write_table(table, stream, row_group_size=3, compression=compression)
    files = {"main": {"name": "p.parquet", "skip_rows": 0, "rows": {"min": 1, "max": 9}}, "test": None}

    form: dict[str, Any] = {"type": "parquet", "missing": [], "thousands": None, "units": []}
    given = typed(Prepare, params().model_dump() | {"files": files, "format": form}, "prepare")
    made = taken(tmp_path, stream.getvalue(), ["p3", "p6"], given)

    old, new = pq.ParquetFile(io.BytesIO(stream.getvalue())), pq.ParquetFile(io.BytesIO(made))
    assert new.schema_arrow.equals(old.schema_arrow, check_metadata=True)
    assert [new.metadata.row_group(k).num_rows for k in range(3)] == [3, 2, 0]
    assert new.metadata.row_group(0).column(0).compression == old.metadata.row_group(0).column(0).compression
    assert new.read().to_pylist() == [row for row in table.to_pylist() if row["id"] not in {"p3", "p6"}]

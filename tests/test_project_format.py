"""How a raw file is written is found out from its bytes, and what is no table is refused in one sentence."""

import gzip
import io
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairmark.errors import InputError
from fairmark.project.file_format import Overrides, file_format
from fairmark.project.number_format import number_format
from fairmark.project.table import read_table

NOTHING = Overrides()


def table(folder: Path, content: bytes, name: str = "rows.csv") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


ROWS = [("Ada", 1.5, "yes"), ("Grété", 2.25, "no"), ("Bo", 30.0, "no")]


def text(separator: str, decimal: str) -> str:
    lines = [f"{a}{separator}{str(b).replace('.', decimal)}{separator}{c}" for a, b, c in ROWS]
    return "\n".join([separator.join(["name", "value", "good"]), *lines]) + "\n"


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"]
)
def test_separator_decimal_and_encoding_are_found(tmp_path: Path, separator: str, encoding: str) -> None:
    decimal = "." if separator == "," else ","
    found = read_table(table(tmp_path, text(separator, decimal).encode(encoding)), NOTHING)

    assert found.file.separator == separator
    assert list(found.texts.columns) == ["name", "value", "good"]
    assert found.texts["name"].tolist() == ["Ada", "Grété", "Bo"]
    assert found.columns["value"].cells.tolist() == [1.5, 2.25, 30.0]
    assert found.numbers.decimal == decimal


def test_a_mark_of_utf8_before_bytes_that_are_none_is_left_out_with_the_header(tmp_path: Path) -> None:
    found = read_table(table(tmp_path, b"\xef\xbb\xbf" + text(";", ",").encode("latin-1")), NOTHING)

    assert list(found.texts.columns) == ["name", "value", "good"]
    assert found.file.skip_rows == 1
    assert found.texts["name"].tolist()[1] == "Grété"


def test_a_file_without_a_header_gets_numbered_names_or_those_given(tmp_path: Path) -> None:
    path = table(tmp_path, b"39, Private, 77516\n50, Public, 83311\n38, Private, 215646\n")

    assert file_format(path, NOTHING).header == ("column_1", "column_2", "column_3")
    assert file_format(path, Overrides(names=("age", "work", "n"))).header == ("age", "work", "n")
    with pytest.raises(InputError, match="must name 3 columns, got 2"):
        file_format(path, Overrides(names=("age", "work")))


def test_a_header_above_texts_alone_is_told_from_the_rows(tmp_path: Path) -> None:
    headed = table(tmp_path, b"treatment,death\nscreened,no\ncontrol,no\nscreened,yes\n", "a.csv")
    bare = table(tmp_path, b"screened,no\nscreened,no\ncontrol,no\nscreened,yes\n", "b.csv")

    assert file_format(headed, NOTHING).header is None
    assert file_format(bare, NOTHING).header == ("column_1", "column_2")


def test_lines_above_a_table_and_what_excel_is_told_are_left_out(tmp_path: Path) -> None:
    titled = table(tmp_path, b"Export of 2026\n\na;b\n1;2\n3;4\n5;6\n", "a.csv")
    told = table(tmp_path, b"sep=;\r\na;b\r\n1;2\r\n3;4\r\n", "b.csv")

    assert list(read_table(titled, NOTHING).texts.columns) == ["a", "b"]
    assert read_table(told, NOTHING).texts["b"].tolist() == ["2", "4"]


def test_a_column_without_a_name_gets_one(tmp_path: Path) -> None:
    found = read_table(table(tmp_path, b'"",age,ok\n1,30,yes\n2,40,no\n3,50,no\n'), NOTHING)

    assert list(found.texts.columns) == ["column_1", "age", "ok"]


def test_gzip_and_parquet_are_read_as_they_are(tmp_path: Path) -> None:
    packed = table(tmp_path, gzip.compress(text(",", ".").encode()), "a.csv.gz")
    stream = io.BytesIO()
    pd.DataFrame({"age": [1.0, None, 3.0], "ok": [True, False, True]}).to_parquet(stream)
    parquet = read_table(table(tmp_path, stream.getvalue(), "b.parquet"), NOTHING)

    assert read_table(packed, NOTHING).rows == 3
    assert parquet.form["type"] == "parquet"
    assert [column.kind_name for column in parquet.columns.values()] == ["numeric", "boolean"]


@pytest.mark.parametrize(
    ("cells", "separator", "decimal", "thousands", "units"),
    [
        (["1,234.50", "99.00", "1,000,000.00"], ",", ".", ",", ()),
        (["1.234,50", "99,00", "1.000.000,00"], ";", ",", ".", ()),
        (["€ 12,50", "€ 3,20", "€ 110,00"], ";", ",", None, ("€",)),
        (["$1,200", "$90", "$3,000"], ",", ".", ",", ("$",)),
        (["12%", "5%", "70.5%"], ",", ".", None, ("%",)),
        (["1 234,5", "10,25", "9 999 999,0"], ";", ",", " ", ()),
        (["1", "2", "3"], ";", ".", None, ()),
    ],
)
def test_marks_in_numbers_are_found(
    cells: list[str], separator: str, decimal: str, thousands: str | None, units: tuple[str, ...]
) -> None:
    found = number_format(pd.DataFrame({"a": pd.Series(cells, dtype="str")}), {}, separator)

    assert (found.decimal, found.thousands, found.units) == (decimal, thousands, units)


def test_marks_of_missing_cells_are_those_that_can_mean_nothing_else() -> None:
    frame = pd.DataFrame(
        {
            "income": ["1", "-", "3", "unknown"],
            "colour": ["red", "unknown", "none", "NA"],
        }
    )

    found = number_format(frame, {}, ",")
    alone = number_format(frame[["colour"]], {}, ",")

    assert found.missing == ("-", "NA", "unknown")
    assert alone.missing == ("NA",)


def test_codes_with_leading_zeros_say_nothing_of_numbers() -> None:
    found = number_format(pd.DataFrame({"zip": ["01234", "99999", "10115"]}), {}, ";")

    assert (found.decimal, found.thousands) == (".", None)


@pytest.mark.parametrize(
    ("content", "must"),
    [
        (b"", "must hold rows, got an empty file"),
        (b"  \n \n", "must hold rows, got an empty file"),
        (b"age\n1\n2\n", "must be a table of two columns or more"),
        (b"a,b\n", "must hold rows below its column names"),
        (bytes(range(256)) * 8, "must be separated text or Parquet, got bytes that are neither"),
        (
            b"PK\x03\x04" + bytes(30),
            "must be separated text or Parquet, got a zip archive or an Excel workbook",
        ),
        (b"a,b,a\n1,2,3\n4,5,6\n", "must name each column once, got 'a' more than once"),
        (b"a,b\n1,2\n3\n" + b"4,5\n" * 20, "must have 2 columns"),
        (
            b"a,b\n1,2,\n3,4,\n5,6,\n",
            "must have a name for each column, got 2 names above rows of 3 cells: name all",
        ),
        (
            b"a,b\n" + b"1,x\n2,y\n" * 9 + b"a,b\n3,z\n",
            "must name its columns in one line, got 'a', 'b' in 2 of",
        ),
        (b'a,b\n1,"2\n3,4\n', "must be"),
        (
            b"<!DOCTYPE html><table><tr><td>1</td></tr></table>",
            "got a web page or XML: save its table as CSV",
        ),
        (b'[{"a": 1, "b": 2}, {"a": 3, "b": 4}]', "got JSON: save its table as CSV"),
        (b"a,b\n\0,1\n" * 9, "gives control characters such as '\\x00'"),
        (b"x" * 300_000, "must be"),
    ],
)
def test_what_is_no_table_gets_one_clear_message(tmp_path: Path, content: bytes, must: str) -> None:
    with pytest.raises(InputError) as fault:
        read_table(table(tmp_path, content), NOTHING)

    assert must in str(fault.value)
    assert len(fault.value.faults) == 1


@pytest.mark.parametrize(
    "above", ["Person,,Outcome\n", "Report of 2024,,\nPerson,,Outcome\n", '"Re\nport",,\n']
)
def test_lines_with_merged_cells_above_the_names_are_left_out(tmp_path: Path, above: str) -> None:
    found = read_table(table(tmp_path, (above + text(",", ".")).encode()), NOTHING)

    assert list(found.texts.columns) == ["name", "value", "good"]
    assert found.rows == 3
    assert "with merged cells" in found.file.notes[-1]


def test_a_column_of_lists_or_bytes_is_left_out_by_name(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"], "lists": [[1], [2]], "raw": [b"0", b"1"]})
    frame.to_parquet(tmp_path / "rows.parquet")
    found = read_table(tmp_path / "rows.parquet", NOTHING)

    assert {name for name, each in found.columns.items() if each.left_out} == {"lists", "raw"}
    assert found.columns["lists"].kind is None


@settings(max_examples=50)
@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = table(tmp_path_factory.getbasetemp(), content, "any.csv")

    with suppress(InputError):
        assert read_table(path, NOTHING).rows >= 1

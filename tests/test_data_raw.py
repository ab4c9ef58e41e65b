"""A raw file is read cell by cell, and every line that can't be is named by its physical number."""

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_tables import HEADER, PREPARE, ROWS, faults, lines, made, params

from fairmark.data.raw import read_raw
from fairmark.params.parse import typed
from fairmark.params.prepare import Source

SOURCE = typed(Source, PREPARE["files"]["main"], "source")


def test_cells_are_trimmed_and_missing_marks_taken_out(tmp_path: Path) -> None:
    table = made(tmp_path, lines("  30 , ?,F,yes", "41,\tsmith ,M,no", "52,,M,yes")).table

    assert table["age"].tolist() == [30, 41, 52]
    assert table["job"].astype("str").fillna("-").tolist() == ["-", "smith", "-"]


def test_quoted_cells_may_hold_separators_quotes_and_line_feeds(tmp_path: Path) -> None:
    table = made(tmp_path, lines('30, "a, ""b""",F,yes', '41,"two\nlines",M,no')).table

    assert table["job"].tolist() == ['a, "b"', "two\nlines"]


def test_a_byte_order_mark_and_any_line_end_are_read(tmp_path: Path) -> None:
    text = "\r\n".join([HEADER, *ROWS]) + "\r"

    assert len(made(tmp_path, b"\xef\xbb\xbf" + text.encode()).table) == 4


def test_blank_lines_are_skipped_and_counted(tmp_path: Path) -> None:
    text = lines(ROWS[0], "", "   ", "x,smith,M,no")

    assert faults(tmp_path, text) == ["a.csv: line 5: column age: must be a finite number, got 'x'"]


def test_lines_are_physical_after_a_cell_of_two_lines(tmp_path: Path) -> None:
    found = faults(tmp_path, lines('30,"one\ntwo",F,yes', "x,smith,M,no"))

    assert found == ["a.csv: line 4: column age: must be a finite number, got 'x'"]


def test_skipped_rows_are_counted(tmp_path: Path) -> None:
    files = {"main": {**PREPARE["files"]["main"], "skip_rows": 2}}

    found = faults(tmp_path, "# made\n# by hand\n" + lines(*ROWS, "x,cook,F,no"), files=files)

    assert found == ["a.csv: line 8: column age: must be a finite number, got 'x'"]


def test_skipped_rows_are_counted_where_the_header_is_given(tmp_path: Path) -> None:
    files = {"main": {**PREPARE["files"]["main"], "skip_rows": 1}}
    text = lines("x,cook,F,no", *ROWS)

    found = faults(tmp_path, text, files=files, format={"header": HEADER.split(",")})

    assert found == ["a.csv: line 2: column age: must be a finite number, got 'x'"]


def test_a_header_may_be_given(tmp_path: Path) -> None:
    table = made(tmp_path, "\n".join(ROWS), format={"header": HEADER.split(",")}).table

    assert table["job"].tolist() == ["cook", "smith", "cook", "clerk"]


def test_a_decimal_comma_is_read(tmp_path: Path) -> None:
    text = lines("30,5;cook;F;yes", "41;smith;M;no", header="age;job;sex;ok")

    assert made(tmp_path, text, format={"separator": ";", "decimal": ","}).table["age"].tolist() == [30.5, 41]


def test_another_encoding_is_read(tmp_path: Path) -> None:
    text = lines("30,Köchin,F,yes", "41,smith,M,no").encode("latin-1")

    assert made(tmp_path, text, format={"encoding": "latin-1"}).table["job"][0] == "Köchin"


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(*[st.text("ab,;\"\n '", max_size=4)] * 2), min_size=1, max_size=6))
def test_what_pandas_writes_is_read_back_trimmed(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    path = tmp_path_factory.mktemp("round") / "a.csv"
    pd.DataFrame(rows, columns=["p", "q"]).assign(r="1").to_csv(path, index=False)

    raw = read_raw(path.parent, SOURCE, params())

    assert not raw.faults.lines
    assert raw.texts.fillna("")[["p", "q"]].to_numpy().tolist() == [[p.strip(), q.strip()] for p, q in rows]


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "a.csv: must hold rows, got an empty file"),
        (HEADER.encode(), "a.csv: must hold at least one whole row, got none"),
        (b"\n\n", "a.csv: must begin with a line of column names, got none"),
        (b"age,job,sex,ok\n30,\xff,F,yes\n", "a.csv: line 2: must be text in utf-8, got byte 0xff"),
        (b"age,job,sex,ok\n30,a,F,yes\n4\x001,b,M,no", "a.csv: line 3: must be text, got a NUL character"),
    ],
)
def test_a_file_that_holds_no_table_is_refused(tmp_path: Path, content: bytes, fault: str) -> None:
    assert faults(tmp_path, content) == [fault]


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(lines(*ROWS))

    found = faults(tmp_path, lines(*ROWS), files={"test": {**PREPARE["files"]["main"], "name": "gone.csv"}})

    assert found == ["gone.csv: must exist, got no such file"]


def test_a_folder_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "b.csv").mkdir()

    found = faults(tmp_path, lines(*ROWS), files={"test": {**PREPARE["files"]["main"], "name": "b.csv"}})

    assert found == ["b.csv: must be readable, got Is a directory"]


def test_every_line_with_another_number_of_columns_is_named(tmp_path: Path) -> None:
    found = faults(tmp_path, lines(ROWS[0], "41,smith,M", ROWS[1], "63,clerk,F,no,1"))

    assert found == ["a.csv: lines 3, 5: must have 4 columns, got 3, 5"]


def test_a_file_cut_off_inside_a_line_is_refused(tmp_path: Path) -> None:
    text = lines(*ROWS)

    assert faults(tmp_path, text[: text.rindex(",F,no")]) == ["a.csv: line 5: must have 4 columns, got 2"]


def test_a_quote_that_is_never_closed_is_refused_where_it_opens(tmp_path: Path) -> None:
    found = faults(tmp_path, lines(*ROWS, '30,"cook,F,yes', *ROWS))

    assert found == ["a.csv: line 6: must be separated text from here on, got: unexpected end of data"]


def test_only_the_first_rows_of_a_fault_are_named(tmp_path: Path) -> None:
    found = faults(tmp_path, lines(*(f"x{k},cook,F,{'yes' if k % 3 else 'no'}" for k in range(9))))

    rows = "lines 2, 3, 4, 5, 6 and 4 more"
    values = "'x0', 'x1', 'x2' and 6 other values"
    assert found == [f"a.csv: {rows}: column age: must be a finite number, got {values}"]


def test_column_names_that_stand_twice_or_are_empty_are_refused(tmp_path: Path) -> None:
    found = faults(tmp_path, lines("30,a,F,yes,1,", "40,b,M,no,1,2", header="age,job,sex,ok,job,"))

    assert "a.csv: must name each column once, got 'job' more than once" in found
    assert "a.csv: must name every column, got no name for column 6" in found


def test_an_unknown_encoding_is_refused(tmp_path: Path) -> None:
    found = faults(tmp_path, lines(*ROWS), format={"encoding": "utf-9"})

    assert found == ["a.csv: prepare.format.encoding must be a known encoding, got 'utf-9'"]

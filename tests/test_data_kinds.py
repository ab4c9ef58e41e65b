"""A column's kind is what params.yaml says, or is read off its texts; what does not fit is a fault."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_tables import PREPARE, faults, lines, made

from fairmark.data.cells import Kind, Numerals
from fairmark.data.inference import kind_of
from fairmark.data.kinds import typed
from fairmark.data.schema import KindName
from fairmark.params.parse import typed as section
from fairmark.params.prepare import Boolean, Csv, Date, Inferred, Ordinal

INFER = Inferred(kind="infer", missing=1.0)


def form(**changes: object) -> Csv:
    return section(Csv, PREPARE["format"] | changes, "format")


FORM = form()


def texts(*values: str | None) -> "pd.Series[str]":
    return pd.Series(values, dtype="str")


@pytest.mark.parametrize(
    ("values", "name"),
    [
        (("1", "2.5", "-3e2", "+.5", None), "numeric"),
        (("1", "1"), "numeric"),
        (("7", "nan", "inf"), "numeric"),
        (("true", "False", "TRUE"), "boolean"),
        (("yes", "no", None), "boolean"),
        (("t", "f"), "boolean"),
        (("Y", "n"), "boolean"),
        (("yes", "yes"), "categorical"),
        (("yes", "no", "maybe"), "categorical"),
        (("F", "M"), "categorical"),
        (("0", "1"), "numeric"),
        (("2020-01-31", "2021-12-01 10:00"), "date"),
        (("1", "E10", "E11"), "categorical"),
        (("01234", "12345"), "categorical"),
    ],
)
def test_kinds_are_inferred(values: tuple[str, ...], name: str) -> None:
    assert kind_of("x", INFER, texts(*values), None, FORM).name == name


def test_an_inferred_category_allows_the_values_found() -> None:
    kind = kind_of("x", INFER, texts("b", "a", None, "b"), None, FORM)

    assert kind.categories == ("a", "b")
    assert not kind.declared


def test_a_column_without_any_value_has_no_kind() -> None:
    with pytest.raises(
        ValueError, match=r"must hold a value to show its kind, got none: drop it, or say its kind"
    ):
        kind_of("x", INFER, texts(None, None), None, FORM)


def test_numbers_are_read_with_their_decimal_mark() -> None:
    assert Numerals(",").read(["1,5", "-2"]).tolist() == [1.5, -2]
    assert np.isnan(Numerals(",").read(["1.5", "1.000,5"])).all()
    assert np.isnan(Numerals().read(["1,5", "1_000", "0x10", "", "٣", "1e", "--1"])).all()


@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_number_is_read_back(number: float) -> None:
    assert Numerals().read([repr(number)])[0] == number


@pytest.mark.parametrize("text", ["nan", "NaN", "inf", "-Infinity", "1e999"])
def test_numbers_without_an_end_are_faults_and_not_missing(tmp_path: Path, text: str) -> None:
    found = faults(tmp_path, lines("30,cook,F,yes", f"{text},cook,M,no"))

    assert found == [f"a.csv: line 3: column age: must be a finite number, got '{text}'"]


def test_nan_is_missing_where_it_is_listed(tmp_path: Path) -> None:
    table = made(
        tmp_path,
        lines("30,nan,F,yes", "41,5,M,no"),
        format={"missing": ["nan"]},
    ).table

    assert table["job"].isna().tolist() == [True, False]


def test_dates_are_read_by_their_format() -> None:
    kind = Kind("date", form="%d/%m/%Y")

    found = typed(texts("31/01/2020", None, "01/31/2020", "31/12/9999"), kind)

    assert found.cells.dt.strftime("%Y-%m-%d").fillna("-").tolist() == ["2020-01-31", "-", "-", "9999-12-31"]
    assert found.unreadable.tolist() == [False, False, True, False]


def test_iso_times_with_a_zone_are_moved_to_utc_and_words_are_no_dates() -> None:
    found = typed(texts("2020-01-31T23:00:00-05:00", "now", "2020-13-01"), Kind("date"))

    assert found.cells[0] == pd.Timestamp("2020-02-01 04:00")
    assert found.unreadable.tolist() == [False, True, True]


def test_booleans_are_read_whatever_their_case() -> None:
    kind = kind_of("x", Boolean(kind="boolean", true="Ja", false="NEIN", missing=1), texts("JA"), None, FORM)

    found = typed(texts("ja", "Nein", None, "nee"), kind)

    assert found.cells.tolist() == [True, False, pd.NA, pd.NA]
    assert found.unreadable.tolist() == [False, False, False, True]


def test_ordinals_keep_their_order() -> None:
    said = Ordinal(kind="ordinal", order=["low", "high"], missing=0)

    assert kind_of("x", said, texts("high"), None, FORM).categories == ("low", "high")


def test_a_date_typed_by_its_file_needs_no_format() -> None:
    said = Date(kind="date", format="%d.%m.%Y", earliest=None, latest=None, missing=0)

    assert kind_of("x", said, texts("2020-01-31"), "date", FORM).form is None


@pytest.mark.parametrize("name", ["numeric", "date", "boolean", "categorical"])
def test_no_rows_at_all_can_be_read(name: KindName) -> None:
    assert len(typed(texts(), Kind(name, pair=("y", "n"))).cells) == 0

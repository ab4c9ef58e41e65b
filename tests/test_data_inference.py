"""A column whose kind nobody said is never guessed: it is what every cell reads as, or it is refused."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_tables import PREPARE, faults, lines, made, params

from fairmark.data.inference import kind_of
from fairmark.data.prepare import reading_lines
from fairmark.params.parse import typed
from fairmark.params.prepare import Csv, Inferred

INFER = Inferred(kind="infer", missing=1.0)


def inferred(*texts: str | None, **changes: Any) -> Any:
    form = typed(Csv, PREPARE["format"] | changes, "format")
    return kind_of("x", INFER, pd.Series(texts, dtype="str"), None, form)


@pytest.mark.parametrize(
    ("texts", "said", "settled"),
    [
        (
            ["1", "2", "3", "unknown"],
            "75% of its cells read as numbers ('1'), but 25% do not ('unknown')",
            "missing",
        ),
        (
            ["38,653.70", "1,200.00", "12.5"],
            "all of its cells read as numbers",
            'prepare.format.thousands: ","',
        ),
        (
            ["38.653,70", "1.200,00", "12,5"],
            "all of its cells read as numbers",
            'prepare.format.decimal: ","',
        ),
        (["1 234", "5 678 901"], "all of its cells read as numbers", 'prepare.format.thousands: " "'),
        (
            ["$10", "-$1.5", "$7"],
            "all of its cells read as numbers with $",
            'prepare.format.units: [..., "$"]',
        ),
        (["12.3%", "4 %"], "all of its cells read as numbers with %", 'prepare.format.units: [..., "%"]'),
        (["31/01/2020", "01/02/2021"], "all of its cells read as dates", 'format: "%d/%m/%Y"'),
        (["01/02/2020", "03/04/2021"], "all of its cells read as dates", 'format: "%m/%d/%Y"'),
        (["Mar-2018", "Jan-2019"], "all of its cells read as dates", 'format: "%b-%Y"'),
        (["2020-01-31", "2020-02-01", "soon"], "66.7% of its cells read as dates", 'missing: [..., "soon"]'),
        (["0", "1", "2", "3+"], "75% of its cells read as numbers", "{kind: ordinal, order: [lowest first]"),
    ],
)
def test_what_mostly_reads_as_something_is_refused_with_what_settles_it(
    texts: list[str], said: str, settled: str
) -> None:
    with pytest.raises(ValueError, match="must say its kind") as stopped:
        inferred(*texts)

    assert said in str(stopped.value)
    assert settled in str(stopped.value)
    assert "prepare.columns.x: {kind: categorical, values: null, missing: 1}" in str(stopped.value)


@pytest.mark.parametrize(
    ("texts", "changes"),
    [
        (["1", "2", "3", "unknown"], {"missing": ["unknown"]}),
        (["38,653.70", "1,200.00", "12.5"], {"thousands": ","}),
        (["38.653,70", "1.200,00", "12,5"], {"thousands": ".", "decimal": ","}),
        (["$10", "-$1,500", "$7"], {"units": ["$"], "thousands": ","}),
        (["12.3%", "4 %"], {"units": ["%"]}),
    ],
)
def test_what_settles_it_does(tmp_path: Path, texts: list[str], changes: dict[str, Any]) -> None:
    rows = [f'30,cook,{"FM"[k % 2]},{("yes", "no")[k % 2]},"{text}"' for k, text in enumerate(texts)]

    found = made(tmp_path, lines(*rows, header="age,job,sex,ok,x"), format=changes).table["x"]

    wanted = {"1": 1.0, "38,653.70": 38653.7, "38.653,70": 38653.7, "$10": 10.0, "12.3%": 12.3}
    assert found[0] == wanted[texts[0]]
    assert found.dtype == "float64"


def test_units_that_settle_one_column_unsettle_no_other(tmp_path: Path) -> None:
    rows = [f"30,cook,{'FM'[k % 2]},{('yes', 'no')[k % 2]},${k}0,{k}%,€{k}" for k in range(1, 5)]
    table = lines(*rows, header="age,job,sex,ok,pay,share,rent")
    units: list[str] = ["€"]

    told = [fault for fault in faults(tmp_path, table, format={"units": units}) if "units: " in fault]
    for fault in told:
        added = json.loads("[" + fault.split("prepare.format.units: [..., ", 1)[1].split("]", 1)[0] + "]")
        units += added

    assert len(told) == 2
    found = made(tmp_path, table, format={"units": units}).table
    assert [str(found[name].dtype) for name in ("pay", "share", "rent")] == ["float64"] * 3


def test_an_order_that_two_formats_fit_is_not_chosen() -> None:
    with pytest.raises(ValueError, match="must say its kind") as stopped:
        inferred("01/02/2020", "03/04/2021")

    assert '"%d/%m/%Y"' in str(stopped.value)
    assert '"%m/%d/%Y"' in str(stopped.value)


def test_days_in_several_forms_become_no_category_in_silence() -> None:
    with pytest.raises(ValueError, match="days written in several ways") as stopped:
        inferred("2024-01-05", "05/01/2024", "7 Jan 2024")

    assert "('2024-01-05' and '05/01/2024')" in str(stopped.value)
    assert "nothing but days written in one way" in str(stopped.value)


@pytest.mark.parametrize(("text", "exact"), [("9007199254740992", True), ("9007199254740993", False)])
def test_whole_numbers_that_no_float_holds_are_no_numbers_in_silence(text: str, exact: bool) -> None:
    assert (int(float(text)) == int(text)) is exact
    if exact:
        assert inferred(text, "1").name == "numeric"
        return
    with pytest.raises(ValueError, match=r"whole numbers above 2\^53"):
        inferred(text, "1")


def test_codes_with_leading_zeros_are_texts_and_never_merge(tmp_path: Path) -> None:
    rows = ["30,01234,F,yes", "41,1234,M,no", "52,12345,F,yes"]

    found = made(tmp_path, lines(*rows))

    assert found.table["job"].tolist() == ["01234", "1234", "12345"]
    assert found.summary.columns["job"].zero_led
    assert "  job categorical, 3 values, 100% read as numbers (codes with leading zeros)" in reading_lines(
        found.summary
    )


def test_a_column_has_one_unit() -> None:
    with pytest.raises(ValueError, match="must say its kind"):
        inferred("$5", "5%", "$6", units=["$", "%"])


def test_a_cell_without_the_unit_of_its_column_is_a_fault(tmp_path: Path) -> None:
    columns = {"age": {"kind": "numeric", "min": None, "max": None, "missing": 0}}
    rows = ["$30,cook,F,yes", "$41,cook,M,no", "52,cook,M,no"]

    found = faults(tmp_path, lines(*rows), columns=columns, format={"units": ["$"]})

    assert found == ["a.csv: line 4: column age: must be a finite number with $, got '52'"]


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_no_column_of_mostly_numbers_is_reading_lines_categories(data: st.DataObject) -> None:
    number = st.floats(-1e6, 1e6, allow_nan=False)
    writings = [
        lambda value: f"{value:.2f}",
        lambda value: f"{value:,.2f}",
        lambda value: f"{value:,.2f}".translate(str.maketrans(",.", ".,")),
        lambda value: f"${value:,.0f}" if value >= 0 else f"-${-value:,.0f}",
        lambda value: f"{value:.1f}%",
    ]
    write = data.draw(st.sampled_from(writings))
    texts = [write(value) for value in data.draw(st.lists(number, min_size=5, max_size=20))]
    others = data.draw(st.lists(st.sampled_from(["unknown", "-", "n.a."]), max_size=len(texts)))

    try:
        found = inferred(*texts, *others).name
    except ValueError as error:
        found = str(error)

    assert found == "numeric" or found.startswith("must say its kind")


def test_prepare_says_what_it_took_each_column_for(tmp_path: Path) -> None:
    found = made(tmp_path, lines("30,cook,F,yes", "41,Cook,M,no", "52,?,M,yes")).summary

    assert dict(found.columns["job"]) == {
        "kind": "categorical",
        "said": False,
        "missing": 1 / 3,
        "values": 2,
        "numbers": 0.0,
        "zero_led": False,
        "alike": 2,
        "unit": None,
    }
    assert reading_lines(found) == [
        "prepare: 3 rows; columns as params.yaml says: 1, as every cell of them reads: 2",
        "  job categorical, 2 values, 33.3% missing",
        "  sex categorical, 2 values",
        "  alike but for case, spaces or Unicode form: 2 values of job",
    ]


# ------------------------------------------------------------------ personal data


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ([f"ada{k}@example.org" for k in range(30)], "e-mail"),
        ([f"+44 20 7946 {k:04}" for k in range(30)], "phone"),
        ([f"C-{k:05}" for k in range(30)], "id-like"),
        ([str(100000 + k) for k in range(30)], "id-like"),
        ([f"Called on day {k} and asked again" for k in range(30)], "free text"),
    ],
)
def test_personal_data_does_not_become_a_feature_by_itself(
    tmp_path: Path, cells: list[str], kind: str
) -> None:
    rows = [f"30,cook,{'FM'[k % 2]},{('yes', 'no')[k % 2]},{cell}" for k, cell in enumerate(cells)]
    text = lines(*rows, header="age,job,sex,ok,more")

    (found,) = faults(tmp_path, text)

    assert found.startswith("a.csv: column more: must be no personal data to become a feature by itself")
    assert f"looks like {kind} in 100%" in found
    assert 'prepare.drop: [..., "more"]' in found
    assert "more" not in made(tmp_path, text, drop=["more"]).table
    assert "more" not in made(tmp_path, text, forbidden=["more"]).table


def test_names_that_repeat_are_names(tmp_path: Path) -> None:
    names = [
        f"{first}{last}"
        for first in ("Ada", "Bob", "Cleo", "Dan", "Eve")
        for last in ("son", "man", "", "ford")
    ]
    rows = [f"30,{names[k % 20]},{'FM'[k % 2]},{('yes', 'no')[k % 2]}" for k in range(400)]

    (found,) = faults(tmp_path, lines(*rows, header="age,name,sex,ok"))

    assert "column name: must be no personal data" in found


def test_who_says_the_kind_has_looked_at_it(tmp_path: Path) -> None:
    rows = [f"{100000 + k},cook,{'FM'[k % 2]},{('yes', 'no')[k % 2]}" for k in range(30)]
    said = {"age": {"kind": "numeric", "min": None, "max": None, "missing": 0}}

    assert params(columns=said).unlisted == "infer"
    assert "age" in made(tmp_path, lines(*rows), columns=said).table

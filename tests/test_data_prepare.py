"""All that is wrong with the raw files is said at once, and tables of any shape are read."""

from pathlib import Path

import pandas as pd
import pytest
from loans_table import DEBT, make_second
from tiny_tables import PREPARE, ROWS, faults, lines, made

from fairmark.data.prepare import Prepared, prepared
from fairmark.params.read import read_params


def second(tmp_path: Path) -> Prepared:
    path = make_second(tmp_path, rows=300)
    return prepared(tmp_path / "data", read_params(path).prepare)


def test_every_fault_of_both_files_is_reported_together(tmp_path: Path) -> None:
    columns = {**PREPARE["columns"], "job": {"kind": "categorical", "values": ["cook"], "missing": 0}}
    main = lines("x,cook,F,yes", "30,cook,M", "7,baker,F,no", "30,,F,never")
    test = lines("30,cook,F,yes", "nan,cook,F,yes")

    assert faults(tmp_path, main, test, columns=columns, forbidden=["gone"]) == [
        "a.csv: line 3: must have 4 columns, got 3",
        "a.csv: column gone: must be in the file (prepare.forbidden), got no such column",
        "a.csv: line 2: column age: must be a finite number, got 'x'",
        "a.csv: line 4: column age: must be at least 16, got '7'",
        "a.csv: line 5: column job: must be given, got nothing",
        "a.csv: line 4: column job: must be one of cook, got 'baker'",
        "a.csv: line 5: column ok: the label must be yes or no, got 'never'",
        "b.csv: line 3: column age: must be a finite number, got 'nan'",
        "b.csv: column ok: the label must hold both classes, got only 'yes'",
    ]


def test_the_test_file_is_typed_by_what_the_main_file_showed(tmp_path: Path) -> None:
    header = "age,job,sex,ok,x,day"
    main = lines(*(f"{row},{k},2020-01-0{k + 1}" for k, row in enumerate(ROWS)), header=header)
    test = lines("30,cook,F,yes,many,2020-01-05", "30,cook,M,no,1,soon", header=header)

    assert faults(tmp_path, main, test) == [
        "b.csv: line 2: column x: must be a finite number, got 'many'",
        "b.csv: line 3: column day: must be a date like 2026-01-31 (ISO 8601), got 'soon'",
    ]


def test_an_unseen_category_is_kept_and_counted_where_none_are_declared(tmp_path: Path) -> None:
    found = made(tmp_path, lines(*ROWS), lines("30,pilot,F,yes", "40,pilot,M,no", "50,?,M,no"))

    assert found.summary.unseen == {"job": 2}
    assert found.table["job"].tolist()[4:6] == ["pilot", "pilot"]
    assert found.schema.features[1].categories == ("clerk", "cook", "smith")


def test_missing_shares_are_told(tmp_path: Path) -> None:
    found = made(tmp_path, lines("30,?,F,yes", "41,smith,M,no"), lines("30,,F,yes", "41,?,M,no"))

    assert found.summary.missing == {"age": 0, "job": 0.75, "sex": 0}
    assert found.schema.features[1].missing == 0.5


def test_the_second_data_set_is_typed_as_its_params_say(tmp_path: Path) -> None:
    found = second(tmp_path)

    assert found.table.dtypes.astype(str).to_dict() == {
        "_row_id": "str",
        "_label": "int8",
        "_source": "str",
        "_weight": "float64",
        "opened": "datetime64[us]",
        "income": "float64",
        DEBT: "float64",
        "rating": "category",
        "owner": "boolean",
        "channel": "category",
    }
    assert [one.kind for one in found.schema.features] == [
        "date",
        "numeric",
        "numeric",
        "ordinal",
        "boolean",
        "categorical",
    ]


def test_the_second_data_set_says_what_was_written(tmp_path: Path) -> None:
    found = second(tmp_path)

    raw = pd.read_csv(tmp_path / "data/loans.csv", sep=";", decimal=",")
    assert found.table["_row_id"].tolist() == raw["customer id"].tolist()
    assert found.table["_label"].tolist() == raw["repaid"].astype(int).tolist()
    weights = raw["survey weight"] / raw["survey weight"].mean()
    assert found.table["_weight"].tolist() == pytest.approx(weights.tolist(), rel=1e-14)
    assert found.table[DEBT].tolist() == raw[DEBT].tolist()
    assert found.table["owner"].tolist() == (raw["owner"] == "J").tolist()
    assert found.table["opened"].dt.strftime("%d.%m.%Y").tolist() == raw["opened"].tolist()
    assert found.evidence["region"].tolist() == raw["region"].tolist()
    assert found.summary.positives == raw["repaid"].sum()

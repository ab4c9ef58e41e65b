"""A row means the same at every door: to `prepare`, to the registered model, and to `fairmark.api`.

The oracle is the pipeline itself: the scores of its model on its own table, and its own faults.
"""

import csv
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from loans_table import DEBT, make_second
from pipeline import run_stage
from served_model import load_served

from fairmark.data.row import CellFault
from fairmark.data.schema import Schema
from fairmark.errors import InputError
from fairmark.model.estimator import Estimator
from fairmark.model.model import Model
from fairmark.model.row import RowModel
from fairmark.params.read import read_params

STAGES = ("prepare", "split", "tune", "train")


@dataclass(frozen=True)
class Made:
    """A project whose model is trained, its raw rows as texts, and the pipeline's own scores of them."""

    folder: Path
    texts: pd.DataFrame
    scores: "np.ndarray[Any, np.dtype[np.float64]]"
    estimator: Estimator

    @property
    def rows(self) -> RowModel:
        """The same model as the service reads rows for it, one by one."""
        made = self.folder / "artifacts"
        params = read_params(self.folder / "params.yaml").prepare
        return RowModel.load(made / "train" / "model", Schema.read(made / "prepare" / "schema.json"), params)

    @property
    def typed(self) -> pd.DataFrame:
        """The raw rows as pandas reads the file by itself, decimal mark apart."""
        return pd.read_csv(self.folder / "data" / "loans.csv", sep=";", decimal=",")


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("doors")
    make_second(folder, rows=600)
    for name in STAGES:
        run_stage(name, folder)
    made = folder / "artifacts"
    texts = pd.read_csv(folder / "data" / "loans.csv", sep=";", dtype=str, keep_default_na=False)
    table = pd.read_parquet(made / "prepare" / "table.parquet")
    model, schema = made / "train" / "model", made / "prepare" / "schema.json"
    estimator = Estimator.load(model, schema, folder / "params.yaml")
    return Made(folder, texts, Model.load(model).score(table), estimator)


@pytest.fixture(scope="module")
def served(second: Made, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The same model as MLflow serves it."""
    folder = tmp_path_factory.mktemp("served")
    made = second.folder / "artifacts"
    shutil.copytree(made / "train" / "model", folder / "model")
    shutil.copy(made / "prepare" / "schema.json", folder)
    shutil.copy(second.folder / "params.yaml", folder)
    return load_served(folder)


FORMS: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "as they are": lambda rows: rows,
    "objects": lambda rows: rows.astype(object),
    "Arrow": lambda rows: rows.convert_dtypes(dtype_backend="pyarrow"),
    "nullable": lambda rows: rows.convert_dtypes(),
    "categories": lambda rows: rows.astype(dict.fromkeys(("rating", "channel"), "category")),
    "padded": lambda rows: rows.assign(rating=" " + rows["rating"] + "  ", channel=rows["channel"] + "\t"),
    "booleans": lambda rows: rows.assign(owner=rows["owner"] == "J"),
    "days": lambda rows: rows.assign(opened=pd.to_datetime(rows["opened"], format="%d.%m.%Y")),
    "others": lambda rows: rows[[*reversed(rows.columns)]].assign(more="x"),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("read", ["texts", "typed"])
def test_every_raw_row_has_the_bits_that_it_has_in_the_pipeline(second: Made, read: str, form: str) -> None:
    rows = FORMS[form](second.texts if read == "texts" else second.typed)

    assert second.estimator.predict_proba(rows)[:, 1].tobytes() == second.scores.tobytes()


@pytest.mark.parametrize("form", ["as they are", "padded", "booleans", "others"])
@pytest.mark.parametrize("read", ["texts", "typed"])
def test_every_raw_row_has_those_bits_one_by_one(second: Made, read: str, form: str) -> None:
    records = FORMS[form](second.texts if read == "texts" else second.typed).to_dict("records")
    model = second.rows
    rows = [model.read({str(name): value for name, value in each.items()}) for each in records]

    assert np.array([model.score(row) for row in rows]).tobytes() == second.scores.tobytes()
    assert np.array(model.scores(rows)).tobytes() == second.scores.tobytes()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.filterwarnings("ignore")  # MLflow's, about itself
def test_every_raw_row_has_those_bits_in_the_registered_model(second: Made, served: Any, form: str) -> None:
    scored = served.predict(FORMS[form](second.typed))

    assert scored["score"].to_numpy().tobytes() == second.scores.tobytes()
    assert (scored["decision"] == (second.scores >= second.estimator.model.threshold)).all()


@given(places=st.lists(st.integers(0, 599), min_size=1, max_size=5))
def test_a_row_has_its_score_in_whatever_company(second: Made, places: list[int]) -> None:
    scored = second.estimator.scored(second.typed.iloc[places])

    np.testing.assert_array_equal(scored["score"], second.scores[places])
    assert list(scored.index) == places


WRONG: dict[str, tuple[str, Any, str]] = {
    "a text for a number": ("income", "much", "must be a finite number"),
    "below the smallest": ("income", "-5", "must be at least 0"),
    "without end": ("income", "inf", "must be a finite number"),
    "too large to carry": ("income", "1e160", "must be"),
    "nothing": ("income", "", "must be given, got nothing"),
    "a missing mark": ("income", "n/a", "must be given, got nothing"),
    "no such rank": ("rating", "superb", "must be one of poor, fair, good, best"),
    "no such day": ("opened", "31.02.2016", "must be a date like 31.01.2026"),
    "too late": ("opened", "01.01.2020", "must be 2019-12-31 or earlier"),
    "neither yes nor no": ("owner", "maybe", "must be J or N"),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.filterwarnings("ignore")
def test_what_prepare_refuses_is_refused_at_every_door(
    second: Made, served: Any, name: str, tmp_path: Path
) -> None:
    column, text, must = WRONG[name]
    rows = second.texts.copy()
    rows.loc[6, column] = text
    (tmp_path / "data").mkdir()
    shutil.copy(second.folder / "params.yaml", tmp_path)
    with (tmp_path / "data" / "loans.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, delimiter=";").writerows([rows.columns, *rows.itertuples(index=False, name=None)])

    with pytest.raises(SystemExit):
        run_stage("prepare", tmp_path)
    for door in (second.estimator.predict, second.estimator.predict_proba, served.predict):
        with pytest.raises(InputError, match=f"rows: row 7: column {column}: .*{must}"):
            door(rows)
    with pytest.raises(CellFault, match=must):
        second.rows.read({str(name): value for name, value in rows.iloc[6].items()})
    assert len(second.estimator.faults(rows)) == 1
    assert second.estimator.faults(second.texts) == []


@pytest.mark.parametrize(
    ("change", "must"),
    [
        ({"income": -5}, "row 1: column income: must be at least 0, got '-5'"),
        ({"income": np.inf}, "row 1: column income: must be a finite number, got 'inf'"),
        ({"income": [[1]] * 600}, "column income: must hold single values"),
        ({"income": True}, "row 1: column income: must be a finite number, got 'true'"),
        ({"opened": 17000}, "row 1: column opened: must be a date like"),
        ({"owner": None}, "row 1: column owner: must be given, got nothing"),
    ],
)
def test_typed_values_that_are_wrong_are_refused_too(second: Made, change: dict[str, Any], must: str) -> None:
    rows = second.typed.assign(**change).iloc[:1]

    (fault,) = second.estimator.faults(rows)

    assert must in fault


def test_a_category_that_no_file_held_is_what_it_is_in_the_pipeline(second: Made) -> None:
    rows = second.texts.assign(channel="pigeon")
    table = second.estimator.read(second.texts).assign(channel="pigeon")

    np.testing.assert_array_equal(
        second.estimator.predict_proba(rows)[:, 1], second.estimator.model.score(table)
    )


def test_columns_that_are_missing_or_stand_twice_are_refused(second: Made) -> None:
    faults = second.estimator.faults(
        pd.concat([second.texts.drop(columns=DEBT), second.texts[["income"]]], axis=1)
    )

    assert faults == [
        f"rows: must hold every column that the model reads, got none of {DEBT}",
        "rows: must hold each column once, got income more than once",
    ]

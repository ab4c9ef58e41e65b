"""One row scores to the 64 bits that a table of it scores to, without a data frame anywhere."""

import datetime as dt
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from release_folder import CHOSEN, SCHEMA
from release_folder import model as small_model
from release_folder import rows as small_rows
from tiny_tables import params as tiny

from fairmark.data.cells import Kind, Numerals
from fairmark.data.reader import Reader
from fairmark.data.row import CellFault, ColumnReader, RowReader, moment_of
from fairmark.data.schema import Schema
from fairmark.errors import InputError
from fairmark.model import boosted_trees
from fairmark.model.boosted_trees import Boosted, train_ranges
from fairmark.model.encoder import Encoder
from fairmark.model.model import Model
from fairmark.model.model_file import Calibration
from fairmark.model.path_tables import path_tables
from fairmark.model.row import PlainBooster, RowModel, SingleRow
from fairmark.params.learn import Chosen
from fairmark.params.parse import read_yaml, typed
from fairmark.params.prepare import Prepare

ROOT = Path(__file__).parents[1]
BLOCKED = ("pandas", "pyarrow", "mlflow", "prefect", "shap", "dvc", "sklearn")


@pytest.fixture(scope="module")
def default(tmp_path_factory: pytest.TempPathFactory) -> tuple[Model, RowModel, pd.DataFrame]:
    """Return trees learnt on the published test rows, both ways to score them, and the raw rows."""
    params = typed(Prepare, read_yaml(ROOT / "params.yaml")["prepare"], "params.yaml")
    path = ROOT / "data" / "adult.test"
    if not path.exists():
        pytest.skip("needs the data of the default project (dvc pull)")
    schema = Schema.read(ROOT / "artifacts" / "prepare" / "schema.json")
    names: Any = params.format.header  # type: ignore[union-attr]
    raw = pd.read_csv(path, skiprows=1, names=names, skipinitialspace=True, dtype=str, keep_default_na=False)
    known = Reader.of(params, schema).read(raw, schema.feature_names)
    encoder = Encoder.fit(known, schema.features, 50)
    label = raw["income"].str.startswith(">").astype(int)
    places = [place for place, each in enumerate(encoder.columns) if each.kind == "categorical"]
    settings = {"objective": "binary", "num_leaves": 15, "verbosity": -1, "num_threads": 1, "seed": 1}
    data = lgb.Dataset(encoder.transform(known), label, categorical_feature=places, params=settings)
    text = lgb.train(settings, data, 40).model_to_string()
    trees = Boosted(text[: text.index(boosted_trees.END)] + boosted_trees.REST)
    chosen = typed(Chosen, CHOSEN | {"family": "boosted", "settings": {"num_leaves": 15}}, "chosen")
    model = Model(encoder, trees, Calibration(a=0.93, b=-0.11), 0.5, 1, chosen)
    folder = tmp_path_factory.mktemp("model")
    model.save(folder)
    return model, RowModel.load(folder, schema, params), raw


def test_every_published_test_row_has_the_bits_of_the_table(
    default: tuple[Model, RowModel, pd.DataFrame],
) -> None:
    model, rows, raw = default
    params = typed(Prepare, read_yaml(ROOT / "params.yaml")["prepare"], "params.yaml")
    schema = Schema.read(ROOT / "artifacts" / "prepare" / "schema.json")
    wanted = model.score(Reader.of(params, schema).read(raw, model.features))
    read = [rows.read(each) for each in raw[model.features].to_dict("records")]  # type: ignore[arg-type]

    assert isinstance(rows.scorer, SingleRow)
    assert np.array([rows.score(each) for each in read]).tobytes() == wanted.tobytes()
    assert np.array(rows.scores(read)).tobytes() == wanted.tobytes()


def test_rows_that_are_read_together_are_read_as_one_by_one(
    default: tuple[Model, RowModel, pd.DataFrame],
) -> None:
    model, rows, raw = default
    records: list[dict[str, Any]] = raw[model.features].head(200).to_dict("records")  # type: ignore[assignment]
    odd = [{**each, "occupation": None, "workclass": None} for each in records[:20]]
    together, alone = rows.read_all([*records, *odd]), [rows.read(each) for each in [*records, *odd]]

    assert [each.matrix.tobytes() for each in together] == [each.matrix.tobytes() for each in alone]
    assert [each[1:] for each in together] == [each[1:] for each in alone]


def test_the_stated_fallback_has_the_same_bits(default: tuple[Model, RowModel, pd.DataFrame]) -> None:
    model, rows, raw = default
    plain = PlainBooster(rows.scorer.trees)  # type: ignore[attr-defined]

    for each in raw[model.features].head(50).to_dict("records"):
        row = rows.read(each).matrix  # type: ignore[arg-type]
        assert rows.scorer.raw(row).hex() == plain.raw(row).hex()


def test_contributions_add_up_to_the_log_odds(default: tuple[Model, RowModel, pd.DataFrame]) -> None:
    model, rows, raw = default
    read = [rows.read(each) for each in raw[model.features].head(20).to_dict("records")]  # type: ignore[arg-type]
    score = np.array(rows.scores(read))

    sums = rows.contributions(read).sum(axis=1)

    np.testing.assert_allclose(sums, np.log(score / (1 - score)), atol=1e-6)


def test_tables_explain_as_lightgbm_does_whatever_a_row_holds(
    default: tuple[Model, RowModel, pd.DataFrame],
) -> None:
    model, rows, raw = default
    trees: Boosted = rows.scorer.trees  # type: ignore[attr-defined]
    tables = path_tables(trees, len(model.features))
    assert tables is not None
    read = [rows.read(each).matrix for each in raw[model.features].head(400).to_dict("records")]  # type: ignore[arg-type]
    odd = np.array(read[:100])
    draw = np.random.default_rng(5)
    odd[draw.random(odd.shape) < 0.3] = np.nan
    for place, column in enumerate(model.encoder.columns):
        if column.categories is not None:
            odd[draw.random(100) < 0.3, place] = draw.integers(0, 40)
    matrix = np.vstack([np.array(read), odd])

    found = np.array([tables.explain(row) for row in matrix])

    np.testing.assert_allclose(found, trees.contributions(matrix), atol=1e-9)
    np.testing.assert_allclose(tables.explain_all(matrix), found, rtol=0, atol=1e-12)


def test_leaves_have_tables_of_their_own_where_shared_ones_are_too_large(
    default: tuple[Model, RowModel, pd.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    trees: Boosted = default[1].scorer.trees  # type: ignore[attr-defined]
    shared = path_tables(trees, 7)
    assert shared is not None
    monkeypatch.setattr("fairmark.model.path_tables.MOST_BYTES", shared.answers.nbytes - 1)
    alone = path_tables(trees, 7)
    assert alone is not None

    assert len(alone.offset) > len(shared.offset)
    np.testing.assert_allclose(alone.explain(np.zeros(7)), shared.explain(np.zeros(7)), rtol=0, atol=1e-12)


def test_trees_too_large_for_tables_are_left_to_lightgbm(
    default: tuple[Model, RowModel, pd.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    trees: Boosted = default[1].scorer.trees  # type: ignore[attr-defined]
    monkeypatch.setattr("fairmark.model.path_tables.MOST_BYTES", 1000)

    assert path_tables(trees, 7) is None


def test_ranges_of_the_train_rows_stand_in_the_trees(default: tuple[Model, RowModel, pd.DataFrame]) -> None:
    model, rows, raw = default
    found = dict(zip(model.features, train_ranges(rows.scorer.trees.text), strict=True))  # type: ignore[attr-defined]

    ages = raw["age"].astype(float)
    assert found["age"] == (ages.min(), ages.max())
    assert found["occupation"] is None


def test_a_scorecard_with_every_kind_of_feature_has_the_bits_of_the_table(tmp_path: Path) -> None:
    model, frame = small_model(), small_rows()
    model.save(tmp_path)
    rows = RowModel.load(tmp_path, SCHEMA, tiny())
    records: list[dict[str, Any]] = json.loads(frame.to_json(orient="records", date_format="iso"))

    scores = [rows.score(rows.read(each)) for each in records]

    assert np.array(scores).tobytes() == model.score(frame).tobytes()


def test_a_file_that_is_not_the_stated_one_is_refused(tmp_path: Path) -> None:
    small_model().save(tmp_path)
    path = tmp_path / "logistic.json"
    path.write_text(path.read_text().replace("0.5", "0.6"))

    with pytest.raises(InputError, match=r"logistic\.json: must be the file that model\.json names"):
        RowModel.load(tmp_path, SCHEMA, tiny())


def test_nothing_of_the_service_needs_a_data_frame() -> None:
    program = f"""
import importlib.abc, pkgutil, sys
class Blocked(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {BLOCKED}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Blocked())
import fairmark.serve, fairmark.cli.main
for each in pkgutil.iter_modules(fairmark.serve.__path__):
    __import__(f"fairmark.serve.{{each.name}}")
"""
    subprocess.run([sys.executable, "-c", program], check=True)


FIRST, LAST = dt.datetime(1, 1, 2), dt.datetime(9999, 12, 30)  # noqa: DTZ001 - without a zone, as texts
MARKS = ["-", "/", ".", " ", ""]


@given(
    moment=st.datetimes(FIRST, LAST),
    mark=st.sampled_from(MARKS),
    parts=st.integers(1, 6),
    zone=st.sampled_from(["", "Z", "+05:30", "-0330", "+7", " +01:00", "+24:00", "x"]),
    between=st.sampled_from(["T", " ", "t"]),
    padded=st.booleans(),
)
def test_a_day_is_read_as_pandas_reads_it(
    moment: dt.datetime, mark: str, parts: int, zone: str, between: str, padded: bool
) -> None:
    pad = "02d" if padded or not mark else "d"
    text = mark.join([f"{moment.year:04d}", f"{moment.month:{pad}}", f"{moment.day:{pad}}"][:parts])
    if parts > 3:
        clock = (moment.hour, moment.minute, moment.second)[: parts - 3]
        text += between + ":".join(f"{each:02d}" for each in clock) + zone
    (wanted,) = pd.DatetimeIndex(
        pd.to_datetime(pd.Index([text]), format="ISO8601", errors="coerce", utc=True)
    ).tz_localize(None)

    assert moment_of(text, None) == (None if pd.isna(wanted) else wanted.to_pydatetime())


@pytest.mark.parametrize(
    "text", ["now", "2020-02-30", "2020-W01-1", "24:00", "2020-01-01T24:00", "", "12020-01-01"]
)
def test_what_is_no_day_is_none(text: str) -> None:
    assert moment_of(text, None) is None


NUMBERS = st.one_of(
    st.integers(-(10**20), 10**20), st.floats(), st.booleans(), st.none(), st.text(max_size=6)
)


@settings(max_examples=40)
@given(value=NUMBERS, low=st.sampled_from([None, 0.0, -5.5]), marks=st.sampled_from([["?"], ["-9", "0"], []]))
def test_the_quick_way_reads_what_the_plain_way_reads(
    value: Any, low: float | None, marks: list[str]
) -> None:
    rule = {"kind": "numeric", "min": low, "max": 120.0, "missing": 0.5}
    params = tiny(format={"missing": marks}, columns={"age": rule})
    column = SCHEMA.features[0].model_copy(update={"name": "age"})
    schema = SCHEMA.model_copy(update={"features": (column,)})
    (reader,) = RowReader.of(params, schema, ["age"]).columns

    assert _read(reader.quick, value) == _read(reader.read, value)


def _read(read: Any, value: Any) -> Any:
    try:
        return read(value)
    except CellFault as fault:
        return str(fault)


@given(
    value=st.one_of(
        st.integers(-1000, 10**15), st.floats(allow_nan=False), st.booleans(), st.text(max_size=5)
    )
)
def test_a_typed_value_is_the_text_that_the_reader_of_tables_takes_it_for(value: Any) -> None:
    params = tiny(columns={"job": {"kind": "categorical", "values": None, "missing": 1.0}})
    column = SCHEMA.features[1].model_copy(update={"name": "job", "categories": ("own", "1")})
    schema = SCHEMA.model_copy(update={"features": (column,)})
    (reader,) = RowReader.of(params, schema, ["job"]).columns
    table = pd.DataFrame({"job": pd.Series([value, "a text"], dtype=object)})
    wanted = Reader.of(params, schema).read(table, ["job"])["job"].iloc[0]

    assert reader.read(value) == (None if pd.isna(wanted) else wanted)


@pytest.mark.parametrize(
    ("rule", "text", "left_out"),
    [
        ("missing", None, True),
        ("missing", "5", False),
        ([5], "5.0", True),
        ({"above": 9}, "9.5", True),
        ({"above": 9}, "9", False),
        ({"below": 0}, "-1", True),
    ],
)
def test_a_row_that_prepare_leaves_out_is_refused(rule: Any, text: str | None, left_out: bool) -> None:
    params = tiny(drop_rows=[{"column": "age", "when": rule, "reason": "odd"}], columns={})
    schema = SCHEMA.model_copy(update={"features": (SCHEMA.features[0].model_copy(update={"name": "age"}),)})
    (reader,) = RowReader.of(params, schema, ["age"]).columns

    assert isinstance(_read(reader.quick, text), str) is left_out


def test_a_number_with_a_unit_must_have_it() -> None:
    kind = Kind("numeric", numerals=Numerals(thousands=",", unit="$"))
    reader = ColumnReader("pay", kind, frozenset(), {}, True, (), False, ())

    assert reader.quick("$1,250") == 1250
    assert "must be a finite number with $" in _read(reader.quick, 1250)
    assert math.copysign(1, float(reader.read("$-0"))) == 1  # type: ignore[arg-type]

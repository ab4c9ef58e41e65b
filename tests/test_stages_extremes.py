"""What `prepare` lets in goes through all eight stages: no later one carries less than it promises."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from extremes import SIZES, make_extremes
from hypothesis import given
from hypothesis import strategies as st
from loans_table import make_second
from people_table import TRAIN
from pipeline import PIPELINE, run_stage
from schemas import column

from fairmark.data.cells import LARGEST, SMALLEST, Kind
from fairmark.data.kinds import check, typed
from fairmark.errors import Faults
from fairmark.explain.dependence import dependence
from fairmark.learn import fit_logistic
from fairmark.learn.training_data import Sample
from fairmark.model.model_file import Column
from fairmark.params.prepare import Date, Rows


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_numbers_days_and_texts_at_the_edges_go_through_every_stage(tmp_path: Path) -> None:
    make_extremes(tmp_path, rows=240, categories=240)

    for stage in PIPELINE:
        run_stage(stage, tmp_path)

    metrics = json.loads((tmp_path / "artifacts" / "evaluate" / "metrics.json").read_text())
    assert 0.5 < metrics["roc_auc"] <= 1
    table = pd.read_parquet(tmp_path / "artifacts" / "prepare" / "table.parquet")
    assert set(table["every size"]) == set(SIZES)
    assert not np.signbit(table["zeros"]).any()
    assert table["day"].dt.year.isin([1, 1677, 2262, 9999]).all()


@pytest.mark.parametrize("text", ["1e160", "1e51", "-1e51", "1e-51", "5e-324", "1e309", "-1e309"])
@pytest.mark.parametrize("column", ["income", 'debt [€, "total"]'])
def test_a_number_that_no_stage_could_carry_is_refused_by_the_first(
    column: str, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_second(tmp_path, rows=120)
    raw = tmp_path / "data" / "loans.csv"
    table = pd.read_csv(raw, sep=";", dtype=str, keep_default_na=False)
    table.loc[3, column] = text
    table.to_csv(raw, sep=";", index=False)

    with pytest.raises(SystemExit):
        run_stage("prepare", tmp_path)

    # Before it stand the steps, where the machine is slow.
    lines = capsys.readouterr().err.partition("prepare stopped:\n")[2].splitlines()
    assert all(f"column {column}: must be" in line and text in line for line in lines)
    assert lines


@pytest.mark.parametrize(
    "day", ["0000-01-01", "0001-01-01T00:00+05:00", "9999-12-31T23:59-05:00", "10000-01-01"]
)
def test_a_day_that_no_calendar_has_is_refused(day: str) -> None:
    read = typed(pd.Series([day, "2020-02-29"], dtype="str"), Kind("date"))
    said = Date(kind="date", format=None, earliest=None, latest=None, missing=0.0)
    faults = Faults("days.csv", "line")

    check({"day": (said, Kind("date"), read)}, Rows(min=1, max=9), np.array([1, 2]), 0, faults)

    assert [line.split(", got")[0] for line in faults.lines] in (
        ["days.csv: line 1: column day: must be in the years 1 to 9999 (UTC)"],
        ["days.csv: line 1: column day: must be a date like 2026-01-31 (ISO 8601)"],
    )


@given(
    values=st.lists(
        st.floats(SMALLEST, LARGEST) | st.floats(-LARGEST, -SMALLEST) | st.just(0.0), min_size=1, max_size=30
    )
)
def test_the_dependence_of_any_numbers_has_bins_that_are_apart(values: list[float]) -> None:
    frame = pd.DataFrame({"x": values, "_weight": 1.0})

    found = dependence(lambda rows: np.zeros(len(rows)), frame, frame, column("x"), 5)

    assert sum(found.density) == pytest.approx(1)
    assert found.edges is not None
    assert (np.diff(found.edges) > 0).all()


@pytest.mark.parametrize("power", [-160, -40, 0, 40, 160])
def test_a_scorecard_scores_alike_in_every_unit(power: int) -> None:
    draw = np.random.default_rng(3)
    matrix = np.column_stack([draw.normal(3, 2, 300), np.full(300, 1.23456789), draw.choice([0.0, 7.0], 300)])
    label = (matrix[:, 0] + draw.normal(0, 2, 300) > 3).astype(np.int8)
    columns = tuple(Column(name=name, kind="numeric", categories=None) for name in "abc")

    def scores(unit: float) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
        rows = Sample.plain(matrix * unit, label, np.ones(300))
        return fit_logistic.fit(rows, rows, columns, {"c": 1.0}, TRAIN).raw(rows.matrix)

    np.testing.assert_allclose(scores(2.0**power), scores(1.0), rtol=1e-9, atol=1e-9)

"""Extreme columns of many draws, and one category of 10,000 values, go through all eight stages."""

from pathlib import Path

import pytest
from extremes import make_extremes
from pipeline import PIPELINE, run_stage

pytestmark = [pytest.mark.proof, pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")]


@pytest.mark.parametrize(
    ("rows", "categories", "seed"), [(12_000, 10_000, 0), *((120, 120, k) for k in range(6))]
)
def test_every_stage_carries_what_the_first_lets_in(
    rows: int, categories: int, seed: int, tmp_path: Path
) -> None:
    make_extremes(tmp_path, rows=rows, seed=seed, categories=categories)

    for stage in PIPELINE:
        run_stage(stage, tmp_path)

    assert (tmp_path / "artifacts" / "document" / "report.html").is_file()

"""`prepare.person` goes through all stages: no part shares a person, twice the same bytes."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from loans_table import make_second
from pipeline import contents, run_all, run_stage

EACH = 4


def _of_persons(folder: Path, persons: int) -> None:
    """Make a table in which every person has `EACH` rows, and one region."""
    params = make_second(folder, rows=persons * EACH)
    raw = folder / "data" / "loans.csv"
    table = pd.read_csv(raw, sep=";", dtype=str, keep_default_na=False)
    whose = np.arange(len(table)) // EACH
    table["region"] = table["region"].to_numpy()[whose * EACH]
    table["whose"] = [f"P{k}" for k in whose]
    table.to_csv(raw, sep=";", index=False, quoting=csv.QUOTE_MINIMAL)
    said: dict[str, Any] = yaml.safe_load(params.read_text(encoding="utf-8"))
    said["prepare"]["person"] = "whose"
    params.write_text(yaml.safe_dump(said, sort_keys=False, allow_unicode=True), encoding="utf-8")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_persons_go_through_every_stage_and_twice_give_the_same_bytes(tmp_path: Path) -> None:
    _of_persons(tmp_path / "one", 150)
    run_all(tmp_path / "one")
    _of_persons(tmp_path / "two", 150)
    for stage in ("prepare", "audit", "split", "tune", "train", "evaluate"):  # all that know of persons
        run_stage(stage, tmp_path / "two")
    made = [tmp_path / name / "artifacts" for name in ("one", "two")]

    assert contents(made[1]).items() <= contents(made[0]).items()
    table = pd.read_parquet(made[0] / "prepare" / "table.parquet")
    part = pd.read_parquet(made[0] / "split" / "rows.parquet")["part"]
    assert set(part.groupby(table["_person"]).nunique()) == {1}
    found = json.loads((made[0] / "evaluate" / "measurements.json").read_text(encoding="utf-8"))
    assert found["data"]["rows"] == EACH * found["data"]["persons"]
    assert all(each["rows"] == EACH * each["persons"] for each in found["groups"]["region"].values())
    assert found["findings"]["shared_persons"]["value"] == 0
    assert found["findings"]["persons"]["value"] == 0

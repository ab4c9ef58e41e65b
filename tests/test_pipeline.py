"""A data set quite unlike the default one goes through every stage, by its params alone, twice the same."""

import csv
import hashlib
import json
import platform
import shutil
from pathlib import Path

import pytest
import recordings
from loans_table import make_second
from pipeline import contents, run_all, run_all_exactly, run_stage

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("second")
    make_second(folder)
    run_all_exactly(folder)
    return folder


@pytest.mark.skipif(
    (platform.system(), platform.machine()) != ("Linux", "x86_64"),
    reason="bytes are promised on x86-64 Linux",
)
def test_bytes_of_every_stage_are_those_on_record(second: Path) -> None:
    made = contents(second / "artifacts")
    lines = [f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in made.items()]

    recordings.compare("second.sha256", "".join(lines))


def test_another_data_set_goes_through_every_stage(second: Path) -> None:
    page = (second / "artifacts" / "document" / "report.html").read_text()
    metrics = json.loads((second / "artifacts" / "evaluate" / "metrics.json").read_text())

    assert "<html" in page
    assert metrics["roc_auc"] > 0.6


def test_every_stage_twice_gives_the_same_bytes_whatever_the_number_of_processes(
    second: Path, tmp_path: Path
) -> None:
    for part in ("data", "params.yaml"):
        (shutil.copytree if (second / part).is_dir() else shutil.copy)(second / part, tmp_path / part)

    run_all(tmp_path)

    assert contents(tmp_path / "artifacts") == contents(second / "artifacts")


def test_rows_in_another_order_keep_their_parts(second: Path, tmp_path: Path) -> None:
    shutil.copytree(second / "data", tmp_path / "data")
    shutil.copy(second / "params.yaml", tmp_path / "params.yaml")
    raw = next((tmp_path / "data").glob("*.csv"))
    head, *rows = csv.reader(raw.read_text(encoding="utf-8").splitlines(keepends=True), delimiter=";")
    with raw.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, delimiter=";").writerows([head, *reversed(rows)])

    for stage in ("prepare", "split"):
        run_stage(stage, tmp_path)

    summaries = [f / "artifacts" / "split" / "summary.json" for f in (second, tmp_path)]
    assert summaries[0].read_bytes() == summaries[1].read_bytes()

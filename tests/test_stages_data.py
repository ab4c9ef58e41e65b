"""The first three stages write what they declare, the same bytes each time, and nothing when they stop."""

import json
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import pandas as pd
import pytest
import yaml
from loans_table import ROOT, make_second, second_params

from fairmark.entry import option_names, run
from fairmark.errors import ParamsError
from fairmark.params.read import read_params
from fairmark.stages.audit import audit
from fairmark.stages.prepare import prepare
from fairmark.stages.split import split

PREPARED = ("table.parquet", "evidence.parquet", "schema.json", "summary.json")
ADULT = pytest.mark.skipif(not (ROOT / "data/adult.data").exists(), reason="the data is not pulled")


def call(stage: Callable[..., None], *paths: Path) -> None:
    named = [f"--{name}" for name in option_names(stage)]
    run(stage, [stage.__name__, *chain(*zip(named, map(str, paths), strict=True))])


def staged(params: Path, data: Path, out: Path) -> dict[str, Path]:
    """Run the three stages and return their outputs by name."""
    made = {
        name: out / name for name in (*PREPARED, "audit.json", "rows.parquet", "split.json", "provable.json")
    }
    inputs = [made[name] for name in PREPARED[:3]]
    call(prepare, params, data, *(made[name] for name in PREPARED))
    call(audit, params, *inputs, made["audit.json"])
    call(split, params, *inputs, made["rows.parquet"], made["split.json"], made["provable.json"])
    return made


def test_the_second_data_set_goes_through(tmp_path: Path) -> None:
    made = staged(make_second(tmp_path), tmp_path / "data", tmp_path / "out")

    rows, table = pd.read_parquet(made["rows.parquet"]), pd.read_parquet(made["table.parquet"])
    assert rows["_row_id"].equals(table["_row_id"])
    assert rows["part"].value_counts(normalize=True).to_dict() == pytest.approx(
        {"train": 0.525, "valid": 0.175, "test": 0.3}, abs=0.03
    )
    assert json.loads(made["audit.json"].read_text())["rows"] == 1500


def test_each_stage_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    params = make_second(tmp_path)

    first = staged(params, tmp_path / "data", tmp_path / "one")
    second = staged(params, tmp_path / "data", tmp_path / "two")

    assert {k: path.read_bytes() for k, path in first.items()} == {
        k: path.read_bytes() for k, path in second.items()
    }


def test_the_outputs_of_a_stage_are_all_that_it_writes(tmp_path: Path) -> None:
    made = staged(make_second(tmp_path), tmp_path / "data", tmp_path / "out")

    assert sorted((tmp_path / "out").iterdir()) == sorted(made.values())


def test_a_faulty_table_stops_prepare_and_leaves_no_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    params = make_second(tmp_path)
    with (tmp_path / "data/loans.csv").open("a") as stream:
        stream.write("C-X;01.01.2016;North;many;1;good;J;phone;;1;True\n")

    with pytest.raises(SystemExit) as stopped:
        call(prepare, params, tmp_path / "data", *(tmp_path / "out" / name for name in PREPARED))

    assert stopped.value.code == 1
    assert "column income: must be a finite number, got 'many'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_group_that_can_not_be_tested_stops_split_and_leaves_no_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    params = make_second(tmp_path)
    data = tmp_path / "data/loans.csv"
    with data.open("a") as stream:
        stream.write("C-99;01.01.2016;Far;1000;1;good;J;phone;;1;True\n")
    paths = [tmp_path / name for name in PREPARED]
    call(prepare, params, tmp_path / "data", *paths)

    names = ("rows.parquet", "split.json", "provable.json")
    with pytest.raises(SystemExit):
        call(split, params, *paths[:3], *(tmp_path / name for name in names))

    assert "every group of region, got none of 'Far' (1 in all)" in capsys.readouterr().err
    assert not (tmp_path / "rows.parquet").exists()


def test_rows_can_be_parted_by_time(tmp_path: Path) -> None:
    params = make_second(tmp_path)
    said = second_params()
    said["prepare"] = {**said["prepare"], "time": "opened"}
    said["split"]["order"] = "time"
    params.write_text(yaml.safe_dump(said, allow_unicode=True))

    made = staged(params, tmp_path / "data", tmp_path / "out")

    part = pd.read_parquet(made["rows.parquet"])["part"]
    time = pd.read_parquet(made["table.parquet"])["_time"]
    assert time[part == "train"].max() < time[part == "valid"].min()
    assert time[part == "valid"].max() < time[part == "test"].min()


def test_the_same_table_in_parquet_gives_the_same_table(tmp_path: Path) -> None:
    first = staged(make_second(tmp_path), tmp_path / "data", tmp_path / "one")
    said = second_params()
    raw = pd.read_csv(tmp_path / "data/loans.csv", sep=";", decimal=",")
    raw["opened"] = pd.to_datetime(raw["opened"], format="%d.%m.%Y")
    raw.to_parquet(tmp_path / "data/loans.parquet")
    files = {"main": {**said["prepare"]["files"]["main"], "name": "loans.parquet"}, "test": None}
    said["prepare"] = {
        **said["prepare"],
        "files": files,
        "format": {"type": "parquet", "missing": [], "thousands": None, "units": []},
    }
    said["project"] = {**said["project"], "data": "loans.parquet"}
    params = tmp_path / "params.yaml"
    params.write_text(yaml.safe_dump(said, allow_unicode=True))

    second = staged(params, tmp_path / "data", tmp_path / "two")

    same = ("table.parquet", "evidence.parquet", "audit.json", "rows.parquet", "split.json")
    assert [first[name].read_bytes() == second[name].read_bytes() for name in same] == [True] * len(same)


@ADULT
def test_adult_is_counted_as_published(tmp_path: Path) -> None:
    made = staged(ROOT / "params.yaml", ROOT / "data", tmp_path)

    summary = json.loads(made["summary.json"].read_text())
    assert summary["files"]["main"]["rows"] == 32_561
    assert summary["files"]["test"]["rows"] == 16_281
    # adult.names gives 23.93% for both files together; DATASHEET.md the 52 duplicates.
    assert summary["positives"] / summary["rows"] == pytest.approx(0.2393, abs=5e-5)
    assert summary["duplicates"] == 52
    parts = json.loads(made["split.json"].read_text())["parts"]
    assert parts["test"]["rows"] == 16_281


@ADULT
def test_in_adult_the_relationship_gives_the_sex_away_and_nothing_is_personal(tmp_path: Path) -> None:
    audited = json.loads(staged(ROOT / "params.yaml", ROOT / "data", tmp_path)["audit.json"].read_text())

    powers = audited["associations"]["sex"]
    assert max(powers, key=lambda name: powers[name]) == "relationship"
    assert powers["relationship"] > 0.85
    assert ("sex", "relationship") in {(one["attribute"], one["column"]) for one in audited["proxies"]}
    assert audited["leakage"] == []
    assert audited["personal"] == []


def test_what_params_say_of_another_table_stops_the_first_stage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = make_second(tmp_path)
    params = yaml.safe_load(path.read_text(encoding="utf-8"))
    base = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["privacy"]["personal"] = base["privacy"]["personal"]
    path.write_text(yaml.safe_dump(params, allow_unicode=True), encoding="utf-8")
    (tmp_path / "data" / "DATASHEET.md").write_text("# Adult\n\nadult.data\n")
    outputs = [tmp_path / name for name in PREPARED]

    with pytest.raises(SystemExit):
        call(prepare, path, tmp_path / "data", *outputs)
    said = capsys.readouterr().err
    own = set(params["prepare"]["columns"])
    for name in set(base["privacy"]["personal"]) - own:
        assert f"must name columns of loans.csv, got '{name}', which it has not" in said
    assert "DATASHEET.md: must name loans.csv, the file it speaks of, got a text that does not" in said
    assert not any(output.exists() for output in outputs)


@pytest.mark.parametrize("where", ["governance", "environmental_cost"])
def test_what_is_said_of_another_project_is_a_fault_of_params(tmp_path: Path, where: str) -> None:
    path = make_second(tmp_path)
    params = yaml.safe_load(path.read_text(encoding="utf-8"))
    params["release"][where]["of"] = "adult-income"
    path.write_text(yaml.safe_dump(params, allow_unicode=True), encoding="utf-8")

    fault = rf"release\.{where}\.of must be small-loans, the project .* got 'adult-income'"
    with pytest.raises(ParamsError, match=fault):
        read_params(path)


def test_texts_that_speak_of_another_file_are_a_fault_of_params(tmp_path: Path) -> None:
    path = make_second(tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace("data: loans.csv", "data: adult.data"), "utf-8")

    with pytest.raises(ParamsError, match=r"project\.data must be loans\.csv, the main file of prepare, got"):
        read_params(path)


def test_a_missing_data_sheet_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = make_second(tmp_path)
    call(prepare, path, tmp_path / "data", *(tmp_path / name for name in PREPARED))

    assert "no DATASHEET.md in data/" in capsys.readouterr().out

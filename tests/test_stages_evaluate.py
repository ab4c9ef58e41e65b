"""The stage measures test rows alone, writes what judge reads, and the same bytes twice."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from confusion_rows import limit, policy
from data_summaries import AUDITED, PARTED, PREPARED
from people_table import FEATURES, SCHEMA, TRAIN, chosen, frames
from people_table import policy as people_policy
from schemas import changed, regrouped
from sklearn.metrics import accuracy_score, roc_auc_score
from stage_outputs import checks, search, trials

from fairmark.errors import InputError
from fairmark.files import write_json, write_parquet
from fairmark.judge.verdict import judge_document
from fairmark.learn import fit_logistic
from fairmark.learn.summaries import Alternative
from fairmark.learn.training_data import Sample
from fairmark.model.encoder import Encoder
from fairmark.model.model import Model, digest
from fairmark.model.model_file import Calibration
from fairmark.params.read import read_params
from fairmark.stages.evaluate import evaluate

WHOLE = read_params(Path(__file__).parents[1] / "params.yaml")
PARAMS = WHOLE.evaluate.model_copy(
    update={"confidence": 0.9, "replicates": 100, "calibration_bins": 5, "curve_points": 30}
)
RIVAL = Alternative(
    number=1, chosen=chosen("logistic", 0.5), quality=0.7, limits={}, why="It has less accuracy."
)
PLOTS = ["calibration.csv", "groups.csv", "precision_recall.csv", "roc.csv"]


def _written(folder: Path, weighted: bool = False) -> dict[str, Path]:
    """Write the stage's inputs; the group "gone" is known and has no row."""
    names = (
        "table",
        "evidence",
        "schema",
        "prepared",
        "audit",
        "rows",
        "parted",
        "model",
        "searched",
        "metrics.json",
        "measurements.json",
        "plots",
        "further.json",
        "reference.json",
        "alternatives.json",
    )
    made = {name: folder / name for name in names}
    table, evidence, parts = frames(900)
    if weighted:
        table["_weight"] = np.random.default_rng(1).gamma(2.0, 1.0, len(table))
    groups = {name: sorted(evidence[name].unique()) for name in SCHEMA.attributes}
    groups["age"].append("gone")
    changed(regrouped(SCHEMA, groups), weighted=weighted).write(made["schema"])
    PREPARED.write(made["prepared"])
    AUDITED.write(made["audit"])
    PARTED.write(made["parted"])
    found = search(trials([]))
    found.model_copy(update={"alternatives": [RIVAL]}).write(made["searched"])
    for name, frame in (("table", table), ("evidence", evidence), ("rows", parts)):
        write_parquet(made[name], frame)
    encoder = Encoder.fit(table, FEATURES, 9)
    sample = Sample.plain(encoder.transform(table), table["_label"].to_numpy(), np.ones(len(table)))
    scorer = fit_logistic.fit(sample, sample, encoder.columns, {"c": 1.0}, TRAIN)
    Model(encoder, scorer, Calibration(a=1.0, b=0.0), 0.4, 1, chosen("logistic")).save(made["model"])
    return made


def _evaluated(paths: dict[str, Path]) -> dict[str, Path]:
    """Run the stage, without the further checks: those have tests of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "fairmark.stages.evaluate.checks", lambda *_: checks({"side": {"left": 9}}, ("x", "job"))
        )
        evaluate(*paths.values(), PARAMS, WHOLE.train, people_policy(), WHOLE.privacy)  # type: ignore[call-arg, arg-type]
    return paths


def _outputs(paths: dict[str, Path]) -> dict[str, bytes]:
    names = ("metrics.json", "measurements.json", "reference.json", "alternatives.json")
    files = [*(paths[name] for name in names), *(paths["plots"] / name for name in PLOTS)]
    return {path.name: path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the paths of a stage that has run."""
    return _evaluated(_written(tmp_path_factory.mktemp("evaluate")))


def _measured(paths: dict[str, Path]) -> Any:
    return json.loads(paths["measurements.json"].read_text())


def test_values_are_those_of_the_peer_on_test_rows_alone(done: dict[str, Path]) -> None:
    table = pd.read_parquet(done["table"])
    test = table[(pd.read_parquet(done["rows"])["part"] == "test").to_numpy()].reset_index(drop=True)
    score = Model.load(done["model"]).score(test)
    found = _measured(done)

    assert found["data"]["rows"] == len(test) == 180
    assert found["overall"]["roc_auc"]["value"] == pytest.approx(roc_auc_score(test["_label"], score))
    assert found["overall"]["accuracy"]["value"] == pytest.approx(
        accuracy_score(test["_label"], score >= 0.4)
    )


def test_the_document_names_its_model_its_threshold_and_its_rows(done: dict[str, Path]) -> None:
    found = _measured(done)
    parts = pd.read_parquet(done["rows"])
    ids = "\n".join(sorted(parts.loc[parts["part"] == "test", "_row_id"]))

    assert found["model"] == {"sha256": digest(done["model"]), "threshold": 0.4}
    assert found["data"]["rows_sha256"] == hashlib.sha256(ids.encode()).hexdigest()
    assert found["confidence"] == 0.9


def test_what_it_writes_can_be_judged(done: dict[str, Path]) -> None:
    limits = (limit("accuracy", at_least=0.5), limit("recall", "age", at_least=0.01))
    verdict = judge_document(_measured(done), policy(*limits), None, expected_model=digest(done["model"]))

    assert verdict.faults == ()
    assert verdict.limits["accuracy"] == "pass"
    assert verdict.limits["recall"] == "insufficient evidence"  # nobody of the group "gone" was measured


def test_every_known_group_is_measured_even_without_rows(done: dict[str, Path]) -> None:
    groups = _measured(done)["groups"]

    assert set(groups) == {"side", "age", "side_age"}
    assert groups["age"]["gone"]["rows"] == 0
    assert groups["age"]["gone"]["measures"]["accuracy"]["why"] == "no rows"


def test_the_headline_and_the_plots_hold_the_same_numbers(done: dict[str, Path]) -> None:
    top, found = json.loads(done["metrics.json"].read_text()), _measured(done)
    lines = pd.read_csv(done["plots"] / "groups.csv", keep_default_na=False)
    left = lines.query("group == 'left' and measure == 'recall'")["value"].astype(float).item()

    assert top["brier"] == found["overall"]["brier"]["value"]
    assert left == found["groups"]["side"]["left"]["measures"]["recall"]["value"]
    assert sorted(path.name for path in done["plots"].iterdir()) == PLOTS


@pytest.mark.parametrize("weighted", [False, True])
def test_evaluating_twice_gives_the_same_bytes(tmp_path: Path, weighted: bool) -> None:
    one, two = (_outputs(_evaluated(_written(tmp_path / name, weighted))) for name in ("one", "two"))

    assert one == two


def test_weights_are_measured_with(tmp_path: Path) -> None:
    paths = _evaluated(_written(tmp_path, weighted=True))
    found = _measured(paths)
    table = pd.read_parquet(paths["table"])
    test = table[(pd.read_parquet(paths["rows"])["part"] == "test").to_numpy()].reset_index(drop=True)
    score = Model.load(paths["model"]).score(test)

    assert found["data"]["weighted"] is True
    assert found["overall"]["roc_auc"]["value"] == pytest.approx(
        roc_auc_score(test["_label"], score, sample_weight=test["_weight"])
    )


def test_a_group_that_the_schema_does_not_know_stops_it_and_nothing_is_written(tmp_path: Path) -> None:
    paths = _written(tmp_path)
    schema = json.loads(paths["schema"].read_text())
    schema["attributes"]["age"]["groups"] = ["<40"]
    write_json(paths["schema"], schema)

    with pytest.raises(
        InputError, match=r"evidence.age: must hold the groups \['<40'\] alone, got \['>=40'\]"
    ):
        _evaluated(paths)
    assert not any(paths[name].exists() for name in ("metrics.json", "measurements.json", "plots"))

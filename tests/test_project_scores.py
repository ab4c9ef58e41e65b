"""Scores made elsewhere are judged by a model's formulas, and what they can't show is left open."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from evaluation_release import ROOT, VENDOR, frame, proposed, run

from fairmark import api
from fairmark.errors import InputError, UsageError
from fairmark.judge.measurements import Measurements
from fairmark.judge.verdict import judge
from fairmark.params.parse import typed
from fairmark.params.read import read_params
from fairmark.params.scores import UNKNOWN, Scores
from fairmark.project.choices import Options
from fairmark.project.evaluate_scores import decisions, evaluate_scores
from fairmark.project.scores import ScoreOptions, pipeline
from fairmark.yaml12 import parse_yaml


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scores") / "vendor.csv"
    frame().to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, table: Path) -> Path:
    return run(tmp_path_factory.mktemp("project") / "vendor", table, VENDOR)


def test_columns_that_an_evaluation_does_not_read_are_left_out(table: Path) -> None:
    made = proposed(table, VENDOR)

    assert set(made.made.drop) == {"decision", "remark"}
    assert made.params.prepare.row_id == "id"
    assert made.params.split.order == "hash"
    findings = made.params.policy.findings.model_dump()
    assert {name for name, value in findings.items() if value is not None} == {"repeated_rows"}
    # Every row is a test row: none is learnt from.
    assert sum(next(e.rows for e in made.found.provable if e.kind == "ratio")) == 600


def test_measurements_are_those_of_the_front_door(project: Path) -> None:
    rows = frame()
    found = Measurements.read(project / "artifacts" / "evaluate" / "measurements.json")
    label, score = (rows["paid"] == "yes").to_numpy(), rows["score"].to_numpy()
    own = api.measure(
        label.astype(int), score=score, threshold=0.5, groups={"sex": rows["sex"]}, replicates=100
    )

    assert found.cells == own.cells
    assert found.overall["roc_auc"].value == pytest.approx(own.overall["roc_auc"].value)
    assert found.disparities["sex"]["selection_rate_ratio"].value == pytest.approx(
        own.disparities["sex"]["selection_rate_ratio"].value
    )


def test_copied_rows_of_scores_leave_the_verdict_open(tmp_path: Path) -> None:
    path = tmp_path / "copies.csv"
    copies = pd.concat([frame().drop(columns=["id", "remark"])] * 6)
    copies.to_csv(path, index=False)
    folder = run(tmp_path / "copies", path, VENDOR)
    found = Measurements.read(folder / "artifacts" / "evaluate" / "measurements.json")
    verdict = judge(found, read_params(folder / "params.yaml").policy, None)

    (sign,) = [each for each in verdict.findings if each.limit == "finding-repeated-rows"]
    assert sign.outcome == "insufficient evidence"
    # Five of six; scores of four digits repeat by chance too.
    assert sign.value == pytest.approx(5 / 6, abs=0.02)


@pytest.mark.parametrize(("flipped", "outcome"), [(False, "pass"), (True, "fail")])
def test_decisions_that_are_worse_than_chance_for_a_group_do_not_pass(
    tmp_path: Path, flipped: bool, outcome: str
) -> None:
    """Scores turned round for 6% of the rows select every group alike, and are right for three in four."""
    draw, rows = np.random.default_rng(5), 4000
    group, label = draw.choice(["a", "b", "c"], rows, p=[0.47, 0.47, 0.06]), draw.random(rows) < 0.5
    score = 0.35 * label + 0.65 * draw.random(rows)
    score = np.where(flipped & (group == "c"), 1 - score, score).round(5)
    paid = np.where(label, "yes", "no")
    pd.DataFrame({"score": score, "paid": paid, "group": group}).to_csv(tmp_path / "g.csv", index=False)
    said = Options(target="paid", positive=("yes",), protect=("group",), name="vendor")
    policy = proposed(tmp_path / "g.csv", VENDOR, said).params.policy
    verdict = api.judge(
        label.astype(int), (score >= 0.5).astype(int), groups={"group": group}, policy=policy, score=score
    )

    assert verdict.limits["group-better-than-chance"] == outcome
    assert verdict.limits["group-four-fifths"] == "pass"


def test_decisions_alone_are_judged_as_they_were_made(tmp_path: Path, table: Path, project: Path) -> None:
    judged = ScoreOptions(decision="decision", selected="grant", made_by="Vendor", version="3")
    folder = run(tmp_path / "decided", table, judged)
    measured = [
        Measurements.read(each / "artifacts" / "evaluate" / "measurements.json") for each in (folder, project)
    ]

    assert measured[0].cells == measured[1].cells
    assert measured[0].model.sha256 != measured[1].model.sha256
    assert "Calibration by" not in (folder / "artifacts" / "document" / "report.html").read_text()


def test_the_pages_say_what_they_can_not(project: Path) -> None:
    card = (project / "artifacts" / "document" / "evaluation-card.md").read_text()
    report = (project / "artifacts" / "document" / "report.html").read_text()

    for sentence in UNKNOWN:
        assert sentence in card
        assert sentence.split(":")[0] in report
    assert "by Vendor (3)" in card
    assert "took no part in training" not in report


@pytest.mark.parametrize(
    ("judged", "must"),
    [
        (ScoreOptions(), "--score score --threshold NUMBER"),
        (ScoreOptions(score="score"), "--threshold: must say"),
        (ScoreOptions(score="score", threshold=2), "--threshold: must be in 0..1, as the scores are, got 2"),
        (ScoreOptions(score="nothing", threshold=0.5), "must name a column"),
        (ScoreOptions(score="id", threshold=0.5), "must be chances in 0..1, got 0 to 599"),
        (ScoreOptions(score="sex", threshold=0.5), "must name numbers"),
        (ScoreOptions(decision="decision"), "--selected: must be"),
        (ScoreOptions(decision="remark", selected="x"), "--decision: must name two values"),
        (
            ScoreOptions(decision="decision", selected="grant", threshold=0.5),
            "--threshold: must not be given",
        ),
        (ScoreOptions(decision="paid", selected="yes"), "must name columns of their own"),
    ],
)
def test_what_is_judged_is_said_and_never_guessed(table: Path, judged: ScoreOptions, must: str) -> None:
    with pytest.raises(UsageError) as fault:
        proposed(table, judged)

    assert must in str(fault.value)


def test_rows_without_a_score_are_counted(tmp_path: Path, table: Path) -> None:
    rows = pd.read_csv(table)
    rows.loc[::10, "score"] = None
    rows.to_csv(tmp_path / "lacking.csv", index=False)

    with pytest.raises(UsageError, match=r"numeric values, and none in 10\.0% of the rows"):
        proposed(tmp_path / "lacking.csv", ScoreOptions(score="score", threshold=0.5))


def test_a_later_table_with_another_scale_is_refused(project: Path, tmp_path: Path) -> None:
    rows = pd.read_parquet(project / "artifacts" / "prepare" / "table.parquet")
    rows.assign(score=rows["score"] * 100).to_parquet(tmp_path / "table.parquet")
    prepared = project / "artifacts" / "prepare"
    scores = Scores(score="score", threshold=0.5, decision=None, selected=None, made_by="x", version="1")

    with pytest.raises(InputError, match=r"must be chances in 0\.\.1"):
        evaluate_scores(
            tmp_path / "table.parquet",
            prepared / "evidence.parquet",
            prepared / "schema.json",
            prepared / "summary.json",
            scores,
            tmp_path / "m.json",
            tmp_path / "n.json",
            tmp_path / "plots",
            read_params(project / "params.yaml").evaluate,
        )


def test_the_pipeline_has_the_stages_that_scores_can_have() -> None:
    default = yaml.safe_load((ROOT / "dvc.yaml").read_text())
    found = parse_yaml(pipeline(default), "dvc.yaml")

    assert list(found["stages"]) == ["prepare", "audit", "evaluate", "document"]
    assert found["stages"]["prepare"] == default["stages"]["prepare"]
    for name in ("evaluate", "document"):
        module = found["stages"][name]["cmd"].split(" -m ")[1].split()[0]
        assert (ROOT / "src" / Path(*module.split("."))).with_suffix(".py").is_file()


DECIDED = Scores(score=None, threshold=None, decision="d", selected="grant", made_by="x", version="1")


@pytest.mark.parametrize(
    ("cells", "must"),
    [
        (["grant", None, "refuse"], "given in every row, got none in 1 rows"),
        (["grant", "refuse", "pending"], "must have two values, got 3"),
        (["yes", "no", "no"], "must be a value of d, 'no', 'yes', got 'grant'"),
    ],
)
def test_a_decision_that_is_none_is_no_refusal(cells: list[str | None], must: str) -> None:
    with pytest.raises(InputError, match=must):
        decisions(pd.DataFrame({"d": cells}), DECIDED)


@pytest.mark.parametrize("threshold", [-0.1, 1.5, float("nan")])
def test_a_threshold_outside_of_the_scores_is_refused(threshold: float) -> None:
    value = {"score": "s", "threshold": threshold, "decision": None, "selected": None}
    with pytest.raises(InputError, match="threshold"):
        typed(Scores, value | {"made_by": "x", "version": "1"}, "scores")

"""Scores made elsewhere are judged by a model's formulas, and what they can't show is left open."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from fixed_keys import key
from project_checkout import committed
from release_folder import git

from fairmark import api
from fairmark.errors import InputError, StateError, UsageError, VerificationError
from fairmark.files import sha256, write_json, write_text
from fairmark.judge.measurements import Measurements
from fairmark.params.read import read_params
from fairmark.params.scores import Scores
from fairmark.project import attest
from fairmark.project.choices import Options
from fairmark.project.document_scores import document_scores
from fairmark.project.evaluate_scores import evaluate_scores
from fairmark.project.file_format import Overrides
from fairmark.project.proposal import Proposal, proposal
from fairmark.project.scores import ScoreOptions, pipeline, scores_text
from fairmark.report.evaluation import UNKNOWN
from fairmark.signing.dsse import Envelope, seal
from fairmark.stages.audit import audit
from fairmark.stages.prepare import prepare
from fairmark.yaml12 import parse_yaml

ROOT = Path(__file__).parents[1]
DEFAULT = (ROOT / "params.yaml").read_text(encoding="utf-8")
SAID = Options(target="paid", positive=("yes",), protect=("sex",), name="vendor")
VENDOR = ScoreOptions(score="score", threshold=0.5, made_by="Vendor", version="3")


def frame() -> pd.DataFrame:
    draw = np.random.default_rng(5)
    label = draw.random(600) < 0.4
    score = np.clip(0.5 * label + 0.6 * draw.random(600), 0, 1).round(4)
    return pd.DataFrame(
        {
            "id": np.arange(600),
            "score": score,
            "decision": np.where(score >= 0.5, "grant", "refuse"),
            "paid": np.where(label, "yes", "no"),
            "sex": draw.choice(["f", "m"], 600),
            "remark": [f"remark {k}" for k in range(600)],
        }
    )


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scores") / "vendor.csv"
    frame().to_csv(path, index=False)
    return path


def proposed(table: Path, judged: ScoreOptions, said: Options = SAID) -> Proposal:
    return proposal([table], DEFAULT, said, Overrides(), None, "Ada", judged=judged)


def run(folder: Path, table: Path, judged: ScoreOptions) -> Path:
    """Run the stages of a project of scores in `folder`, as its dvc.yaml would."""
    made = proposed(table, judged)
    assert made.scores is not None
    write_text(folder / "params.yaml", made.text)
    write_text(folder / "scores.yaml", scores_text(made.scores))
    (folder / "data").mkdir(parents=True)
    shutil.copy(table, folder / "data" / table.name)
    out, params = folder / "artifacts", made.params
    table_, evidence, schema = (
        out / "prepare" / name for name in ("table.parquet", "evidence.parquet", "schema.json")
    )
    prepare(
        folder / "data",
        table_,
        evidence,
        schema,
        out / "prepare" / "summary.json",
        params.prepare,
        params.privacy,
    )
    audit(table_, evidence, schema, out / "audit" / "audit.json", params.audit)
    metrics, measurements, plots = (
        out / "evaluate" / name for name in ("metrics.json", "measurements.json", "plots")
    )
    evaluate_scores(table_, evidence, schema, made.scores, metrics, measurements, plots, params.evaluate)
    document_scores(out, made.scores, out / "document", params.document, params.project, params.policy)
    return folder


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, table: Path) -> Path:
    return run(tmp_path_factory.mktemp("project") / "vendor", table, VENDOR)


def test_columns_that_an_evaluation_does_not_read_are_left_out(table: Path) -> None:
    made = proposed(table, VENDOR)

    assert set(made.made.drop) == {"decision", "remark"}
    assert made.params.prepare.row_id == "id"
    assert made.params.split.order == "hash"
    assert set(made.params.policy.findings.model_dump().values()) == {None}
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


@pytest.fixture
def evaluation(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a sealed evaluation; whether DVC holds the stages for up to date is asked elsewhere."""
    root = tmp_path / "root"
    shutil.copytree(project, root)
    (root / ".gitignore").write_text("releases/\n.fairmark/\n")
    (root / "data.dvc").write_text(
        "outs:\n- md5: 0123456789abcdef0123456789abcdef.dir\n  hash: md5\n  path: data\n"
    )
    git(root, "init", "-q")
    committed(root)
    monkeypatch.setattr(attest, "check_workspace", lambda _: None)
    folder, verdict = attest.attest(root, key("maker"))
    assert folder == next((root / "releases").iterdir())
    assert verdict.state == json.loads((folder / "verdict.json").read_text())["state"]
    with pytest.raises(StateError, match="must be new"):
        attest.attest(root, key("maker"))
    return folder


def test_a_sealed_evaluation_holds_until_a_byte_of_it_changes(evaluation: Path) -> None:
    keys = [key("maker").public]
    said = attest.check(evaluation, keys)

    assert (said.made_by, said.version, said.not_known) == ("Vendor", "3", UNKNOWN)
    with pytest.raises(VerificationError, match="signed by a key that you trust"):
        attest.check(evaluation, [])

    for name in sorted(path.name for path in evaluation.iterdir() if path.name != attest.STATEMENT):
        kept = (evaluation / name).read_bytes()
        (evaluation / name).write_bytes(kept + b" ")
        with pytest.raises(VerificationError, match="got other bytes"):
            attest.check(evaluation, keys)
        (evaluation / name).unlink()
        with pytest.raises(VerificationError, match="got none"):
            attest.check(evaluation, keys)
        (evaluation / name).write_bytes(kept)
    (evaluation / "more.txt").touch()
    with pytest.raises(VerificationError, match="a file beside it"):
        attest.check(evaluation, keys)


def test_a_verdict_that_the_policy_does_not_give_is_found_even_when_signed(evaluation: Path) -> None:
    verdict = json.loads((evaluation / "verdict.json").read_text())
    write_json(evaluation / "verdict.json", verdict | {"guarantee": "none"})
    by = key("maker")
    envelope = Envelope.read(evaluation / attest.STATEMENT)
    subject = [
        {"name": path.name, "digest": {"sha256": sha256(path)}}
        for path in sorted(evaluation.iterdir())
        if path.name != attest.STATEMENT
    ]
    seal(envelope.statement | {"subject": subject}, by).write(evaluation / attest.STATEMENT)

    with pytest.raises(VerificationError, match="must be what the policy says of the measurements"):
        attest.check(evaluation, [by.public])


def test_a_project_without_scores_is_no_evaluation(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="fairmark init --scores"):
        attest.attest(tmp_path, key("maker"))

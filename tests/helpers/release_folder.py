"""A small working folder as the stages leave it, made by hand: model, measurements, cards and DVC's files."""

import hashlib
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from loans_table import said_of
from rival_models import alternatives
from schemas import column, schema, withheld

from fairmark.data.reference import Reference
from fairmark.data.schema import Label
from fairmark.evaluate.measure import headline, measure
from fairmark.evaluate.reference import reference
from fairmark.files import sha256, write_text
from fairmark.judge.findings import Shown, Strongest
from fairmark.judge.measurements import About, MeasuredModel, MeasuredRows, Measurements
from fairmark.judge.verdict import Verdict, judge
from fairmark.model.encoder import Encoder
from fairmark.model.model import Model, digest
from fairmark.model.model_file import Calibration
from fairmark.model.scorecard import Line, Scorecard, Steps
from fairmark.params.learn import Chosen
from fairmark.params.parse import typed
from fairmark.params.policy import Findings
from fairmark.params.read import read_params
from fairmark.release.build import assemble
from fairmark.release.statement import release_digest
from fairmark.repo.commit import trace
from fairmark.repo.dvc_files import address
from fairmark.report.labels import count, measured, number
from fairmark.report.rendering import literal
from fairmark.signing.git_tags import tag_release
from fairmark.signing.key_store import own_key
from fairmark.signing.keys import SigningKey
from fairmark.stats.measures import label as title

CHOSEN = {
    "family": "logistic",
    "settings": {"c": 1.0},
    "balance": "none",
    "reweighing": False,
    "mitigation": [],
    "margin": None,
    "folds": None,
}
YES_NO = ["true", "false"]
SCHEMA = schema(
    [
        column("income <€>", missing=0.25),
        column("home", "categorical", ["own", "rent"]),
        column("member", "boolean", missing=0.25, pair=("true", "false")),
        column("since", "date", missing=0.25),
    ],
    {"sex": ["Female", "Male"]},
    label=Label(column="paid", positive="yes, paid", negative="no, owed"),
    withheld=(withheld("sex", categories=["Female", "Male"]),),
)


def _params() -> dict[str, Any]:
    """Return the project's own params.yaml, told of a smaller data set and of a policy that it meets."""
    params: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["project"] |= {"name": "loans", "title": "Loans paid back", "data_licence": "CC0-1.0"}
    params["project"] |= {"data": "people.csv"}
    params["release"] |= said_of(params["release"], "loans")
    params["prepare"] |= {
        "files": {"main": {"name": "people.csv", "skip_rows": 0, "rows": {"min": 1, "max": 9}}, "test": None},
        "target": {"column": "paid", "positive": "yes, paid", "negative": "no, owed", "strip": ""},
        "drop": [],
        "columns": {},
        "protected": {"sex": {"by": "column", "column": "sex"}},
        "forbidden": [],
    }
    params["split"]["test_share"] = 0.5
    params["tune"]["mitigation"] = []
    params["evaluate"]["references"] = None
    limits: list[dict[str, Any]] = [
        {"name": "auc-floor", "measure": "roc_auc", "attribute": None, "at_least": 0.6},
        {"name": "four-fifths", "measure": "selection_rate_ratio", "attribute": "sex", "at_least": 0.8},
    ]
    rest = {"at_most": None, "gate": True, "reason": "A floor."}
    params["privacy"] |= {"personal": ["sex"]}
    params["policy"] |= {"limits": [limit | rest for limit in limits], "waivers": []}
    law = {"jurisdiction": "Elsewhere", "citation": "Act 1", "checked": "2026-11-28", "term_days": None}
    elsewhere = limits[1] | rest | {"at_least": 0.7, "law": law | {"note": None}}
    params["policy"]["overlays"] = [
        {"name": "elsewhere", "jurisdiction": "Elsewhere", "must_pass": True, "stages": ["abroad"]}
        | {"level": 0.01, "protected_at_prediction": None, "limits": [elsewhere]}
        | {"waivers": [], "overrides": []}
    ]
    params["explain"] |= {"mutable": {"home": "either"}}
    return params


ROOT = Path(__file__).resolve().parents[2]
PARAMS = _params()


def rows() -> pd.DataFrame:
    """Return four rows with every kind of feature, and of each kind a missing value."""
    return pd.DataFrame(
        {
            "income <€>": [1.0, 2.0, 3.0, np.nan],
            "home": pd.Series(["own", "rent", "own", None], dtype="str"),
            "member": pd.Series([True, False, pd.NA, True], dtype="boolean"),
            "since": pd.Series(["2020-01-01", "2021-01-01", None, "2022-01-01"], dtype="datetime64[us]"),
        }
    )


def model() -> Model:
    """Return a scorecard written by hand."""
    encoder = Encoder.fit(rows(), SCHEMA.features, 9)
    lines = [
        Line(type="line", name=name, impute=1, mean=mean, scale=scale, coef=1, missing_coef=0.5, average=0)
        for name, mean, scale in (("income <€>", 2, 1), ("member", 0.5, 1), ("since", 18500, 400))
    ]
    home = Steps(type="steps", name="home", categories=["own", "rent"], each=[1, -1], missing=0, average=0)
    card = Scorecard(intercept=0.1, features=[lines[0], home, lines[1], lines[2]])
    return Model(encoder, card, Calibration(a=1, b=0), 0.5, 1, typed(Chosen, CHOSEN, "chosen"))


def git(root: Path, *words: str) -> str:
    """Return what git says in `root`."""
    return subprocess.run(
        ["git", "-C", str(root), *words], check=True, capture_output=True, encoding="utf-8"
    ).stdout


def measurements(folder: Path) -> Measurements:
    """Return what `evaluate` would say of the model in `folder`: 8,000 rows, two groups, no difference."""
    rng = np.random.default_rng(7)
    label = np.tile(np.array([0, 0, 1, 1], dtype=np.int8), 2000)
    score = np.clip(0.35 + 0.3 * label + rng.normal(0, 0.2, len(label)), 0, 1)
    groups = pd.DataFrame({"sex": np.tile(["Female", "Male"], 4000)})
    decision = (score >= 0.5).astype(np.int8)
    known = {"sex": ["Female", "Male"]}
    options: dict[str, Any] = {"confidence": 0.95, "replicates": 100, "seed": 1, "bins": 5}
    ids = "\n".join(sorted(f"{row:08x}" for row in range(len(label))))
    data = MeasuredRows(
        part="test",
        rows=len(label),
        positives=int(label.sum()),
        weighted=False,
        rows_sha256=hashlib.sha256(ids.encode()).hexdigest(),
    )
    none = Strongest(value=0.0, each=(Shown(of=(), value=0.0),))
    about = About(
        MeasuredModel(sha256=digest(folder), threshold=0.5),
        data,
        0.95,
        dict.fromkeys(Findings.model_fields, none),
        alternatives(digest(folder)).judged,
    )
    return Measurements.of(measure(label, score, decision, None, groups, known, **options), about)


def binned(found: Measurements, root: Path) -> Reference:
    """Return what `evaluate` would count of the rows behind `found`, and of twice as many train rows."""
    params = read_params(root / "params.yaml")
    rng = np.random.default_rng(8)
    size = found.data.rows
    train, test = (
        some.iloc[rng.integers(0, 4, n)].reset_index(drop=True)
        for some, n in ((rows(), 2 * size), (rows(), size))
    )
    test["_label"] = np.arange(size) < found.data.positives
    scores = np.round(np.linspace(0.05, 0.95, size), 2)
    how = {"bins": params.evaluate.reference_bins, "most": 9, "smallest": params.privacy.smallest_cell}
    return reference(train, test, SCHEMA.features, scores, found, **how)


PAGES = ("data-card.html", "data-card.md", "model-card.html", "model-card.md", "report.html")
STAGES: dict[str, dict[str, list[str]]] = {
    "prepare": {"deps": ["data"], "params": ["prepare"], "outs": ["artifacts/prepare/schema.json"]},
    "train": {
        "deps": ["artifacts/prepare/schema.json"],
        "params": ["train", "policy"],
        "outs": ["artifacts/train/model"],
    },
    "evaluate": {
        "deps": ["artifacts/train/model"],
        "params": ["evaluate"],
        "outs": [
            "artifacts/evaluate/measurements.json",
            "artifacts/evaluate/metrics.json",
            "artifacts/evaluate/reference.json",
            "artifacts/evaluate/alternatives.json",
        ],
    },
    "document": {
        "deps": ["artifacts/evaluate/measurements.json"],
        "params": ["document", "project", "policy"],
        "outs": [f"artifacts/document/{name}" for name in PAGES],
    },
}


def write_artifacts(root: Path) -> None:
    """Write into `root` what the stages would."""
    made = root / "artifacts"
    SCHEMA.write(made / "prepare" / "schema.json")
    (made / "train" / "model").mkdir(parents=True)
    model().save(made / "train" / "model")
    found = measurements(made / "train" / "model")
    found.write(made / "evaluate" / "measurements.json")
    headline(found, 0.5).write(made / "evaluate" / "metrics.json")
    binned(found, root).write(made / "evaluate" / "reference.json")
    alternatives(found.model.sha256).write(made / "evaluate" / "alternatives.json")
    for name in PAGES:
        write_text(made / "document" / name, model_card(found))
    write_text(made / "document" / "data-card.md", data_card(root, found))
    write_text(made / "document" / "report.html", f'{model_card(found)}<section id="reasons"></section>\n')


def data_card(root: Path, found: Measurements) -> str:
    """Return what a data card has to say, as `report.data_card` lays it out."""
    params = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))
    roles, times, data = params["release"]["governance"], params["privacy"]["retention"], found.data
    lines = [
        "# Data card: Loans paid back",
        "",
        "## Columns",
        "",
        "| Column | Kind | Role | Missing | Personal |",
        "|---|---|---|---:|---|",
    ]
    lines += [f"| {literal(it.name)} | {it.kind} | feature | | no |" for it in SCHEMA.features]
    lines += [f"| {it.name} | {it.kind} | protected | | yes |" for it in SCHEMA.withheld]
    lines += ["", f"- Owner: {roles['owner']}.", f"- Custodian, who keeps it: {roles['custodian']}."]
    lines += [f"- people.csv: 1 rows, SHA-256 `{sha256(root / 'data' / 'people.csv')}`.", ""]
    lines += [
        "## Personal data",
        "",
        "| What | Days |",
        "|---|---:|",
        f"| A version of the data | {times['data_days']} |",
        f"| A release | {times['releases_days']} |",
    ]
    lines += [f"| An entry of the audit trail | {times['trail_days']} |", ""]
    rate = number(data.positives / data.rows, 3)
    lines += ["## Who is in it", "", "| Part | Rows | Share labelled positive |", "|---|---:|---:|"]
    return "\n".join([*lines, f"| Test | {count(data.rows)} | {rate} |", ""])


def model_card(found: Measurements) -> str:
    """Return the tables of a model card, as `report.cards` lays them out."""
    lines = ["# Model card: Loans paid back", "", "| Measure | Value (interval) | What |", "|---|---:|---|"]
    lines += [f"| {title(key)} | {measured(entry, 3)} | |" for key, entry in found.overall.items()]
    for attribute, groups in found.groups.items():
        lines += ["", f"### By {attribute}", "", "| Group | Rows | Accuracy |", "|---|---:|---:|"]
        for group, cell in groups.items():
            lines.append(f"| {group} | {cell.rows} | {measured(cell.measures['accuracy'], 3)} |")
        lines += ["", "| Measure | Value (interval) | Lowest |", "|---|---:|---|"]
        gaps = found.disparities[attribute]
        lines += [f"| {title(key)} | {measured(entry, 3)} | |" for key, entry in gaps.items()]
    return "\n".join(lines) + "\n"


def write_lock(root: Path) -> None:
    """Write into `root` the dvc.lock and data.dvc that DVC would."""

    def entry(path: str) -> dict[str, Any]:
        return {"path": path, "hash": "md5", "md5": address(root / path), "size": 1}

    params = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))
    stages = {
        name: {
            "cmd": f"python -m {name}",
            "deps": [entry(path) for path in stage["deps"]],
            "params": {"params.yaml": {key: params[key] for key in stage["params"]}},
            "outs": [entry(path) for path in stage["outs"]],
        }
        for name, stage in STAGES.items()
    }
    write_text(root / "dvc.lock", yaml.safe_dump({"schema": "2.0", "stages": stages}, sort_keys=False))
    write_text(root / "data.dvc", yaml.safe_dump({"outs": [entry("data") | {"path": "data"}]}))


def verdict_on(root: Path) -> Verdict:
    """Return the verdict on the working folder `root`."""
    policy = read_params(root / "params.yaml").policy
    return judge(Measurements.read(root / "artifacts" / "evaluate" / "measurements.json"), policy, None)


def make_release(root: Path, version: str, key: SigningKey | None = None) -> Path:
    """Return a release folder made of the working folder `root`, sealed and tagged with a test's key."""
    key = key or own_key(make=True)
    params, seen, verdict = read_params(root / "params.yaml"), trace(root), verdict_on(root)
    folder = root / "releases" / f"{params.project.name}-{version}"
    assemble(root, folder, version, seen, params, verdict, key)
    tag_release(root, params.project.name, version, "A release", release_digest(folder), key=key)
    return folder

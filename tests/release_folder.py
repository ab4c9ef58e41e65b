"""A small working folder as the stages leave it, made by hand: model, measurements, cards and DVC's files."""

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from fairmark.files import write_json, write_text
from fairmark.learn.encode import Encoder
from fairmark.learn.logistic import Line, Scorecard, Steps
from fairmark.learn.model import Calibration, Model, digest
from fairmark.params import Chosen, typed
from fairmark.release.hashes import address

CHOSEN = {
    "family": "logistic",
    "settings": {"c": 1.0},
    "balance": "none",
    "reweighing": False,
    "mitigation": [],
    "margin": None,
}
SCHEMA: dict[str, Any] = {
    "attributes": {"sex": {"by": "column", "columns": ["sex"], "groups": ["Female", "Male"]}},
    "features": [
        {"name": "income <€>", "kind": "numeric", "categories": None, "missing": 0.25},
        {"name": "home", "kind": "categorical", "categories": ["own", "rent"], "missing": 0.0},
        {"name": "member", "kind": "boolean", "categories": None, "missing": 0.25},
        {"name": "since", "kind": "date", "categories": None, "missing": 0.25},
    ],
    "label": {"column": "paid", "positive": "yes, paid", "negative": "no, owed"},
    "row_id": None,
    "timed": False,
    "weighted": False,
    "test_file": False,
    "withheld": [
        {"name": "sex", "kind": "categorical", "categories": ["Female", "Male"], "why": "protected"}
    ],
}


def _params() -> dict[str, Any]:
    """Return the project's own params.yaml, told of a smaller data set and of a policy that it meets."""
    params: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["project"] |= {"name": "loans", "title": "Loans paid back", "data_licence": "CC0-1.0"}
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
    limits: list[dict[str, Any]] = [
        {"name": "auc-floor", "measure": "roc_auc", "attribute": None, "at_least": 0.6},
        {"name": "four-fifths", "measure": "selection_rate_ratio", "attribute": "sex", "at_least": 0.8},
    ]
    rest = {"at_most": None, "gate": True, "reason": "A floor."}
    params["policy"] |= {"limits": [limit | rest for limit in limits], "waivers": []}
    return params


ROOT = Path(__file__).resolve().parents[1]
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
    encoder = Encoder.fit(rows(), SCHEMA["features"], 9)
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


def _spread(value: float, by: float = 0.01) -> dict[str, float]:
    return {"value": value, "low": max(value - by, 0.0), "high": min(value + by, 1.0)}


def _measures(tp: int, fp: int, fn: int, tn: int) -> dict[str, Any]:
    n = tp + fp + fn + tn
    values = {
        "selection_rate": (tp + fp) / n,
        "base_rate": (tp + fn) / n,
        "accuracy": (tp + tn) / n,
        "balanced_accuracy": (tp / (tp + fn) + tn / (tn + fp)) / 2,
        "precision": tp / (tp + fp),
        "recall": tp / (tp + fn),
        "false_positive_rate": fp / (fp + tn),
        "f1": 2 * tp / (2 * tp + fp + fn),
        "roc_auc": 0.9,
        "pr_auc": 0.85,
        "log_loss": 0.4,
        "brier": 0.1,
        "calibration_error": 0.02,
    }
    return {name: _spread(value) for name, value in values.items()}


def _cells(tp: int, fp: int, fn: int, tn: int) -> dict[str, int]:
    return {"tp": tp, "fp": fp, "fn": fn, "tn": tn}


def measurements(folder: Path) -> dict[str, Any]:
    """Return what `evaluate` would say of the model in `folder`: 10,000 rows, two groups, no difference."""
    group = {
        "rows": 5000,
        "positives": 2500,
        "cells": _cells(2000, 500, 500, 2000),
        "measures": _measures(2000, 500, 500, 2000),
    }
    ends = {"lowest": "Female", "highest": "Male"}
    rates = ("selection_rate", "true_positive_rate", "false_positive_rate", "accuracy", "precision")
    disparities = {
        f"{rate}_{kind}": _spread(value, 0.05) | ends
        for rate in rates
        for kind, value in (("ratio", 1.0), ("difference", 0.0))
    }
    disparities["equalized_odds_difference"] = _spread(0.0, 0.05) | ends
    return {
        "model": {"sha256": digest(folder), "threshold": 0.5},
        "data": {
            "rows": 10000,
            "positives": 5000,
            "part": "test",
            "weighted": False,
            "rows_sha256": "0" * 64,
        },
        "confidence": 0.95,
        "overall": _measures(4000, 1000, 1000, 4000),
        "cells": _cells(4000, 1000, 1000, 4000),
        "groups": {"sex": {"Female": group, "Male": group}},
        "disparities": {"sex": disparities},
    }


def headline(measured: dict[str, Any]) -> dict[str, Any]:
    """Return the flat metrics.json of `measured`."""
    flat = {name: found["value"] for name, found in measured["overall"].items()}
    fairness = {name: found["value"] for name, found in measured["disparities"]["sex"].items()}
    return flat | {"threshold": 0.5, "fairness": {"sex": fairness}}


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
        "outs": ["artifacts/evaluate/measurements.json", "artifacts/evaluate/metrics.json"],
    },
    "document": {
        "deps": ["artifacts/evaluate/measurements.json"],
        "params": ["document", "project", "policy"],
        "outs": [
            f"artifacts/document/{name}" for name in ("model-card.md", "model-card.html", "report.html")
        ],
    },
}


def write_artifacts(root: Path) -> None:
    """Write into `root` what the stages would."""
    made = root / "artifacts"
    write_json(made / "prepare" / "schema.json", SCHEMA)
    (made / "train" / "model").mkdir(parents=True)
    model().save(made / "train" / "model")
    measured = measurements(made / "train" / "model")
    write_json(made / "evaluate" / "measurements.json", measured)
    write_json(made / "evaluate" / "metrics.json", headline(measured))
    for name in ("model-card.md", "model-card.html", "report.html"):
        numbers = "".join(f"| {key} | {item['value']:.3f} |\n" for key, item in measured["overall"].items())
        write_text(made / "document" / name, f"# Loans paid back\n\n{numbers}")


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

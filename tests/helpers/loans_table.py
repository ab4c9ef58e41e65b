"""A second data set, unlike Adult, made from a seed: small loans with a header, dates and weights.

It has no missing value, a boolean target, a row id column, three groups, an ordinal, and one column whose
name holds a comma, quotes, brackets and a letter outside ASCII.
"""

import csv
import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import yaml

ROOT = Path(__file__).resolve().parents[2]
DEBT = 'debt [€, "total"]'
RATINGS = ["poor", "fair", "good", "best"]

PREPARE: dict[str, Any] = {
    "files": {
        "main": {"name": "loans.csv", "skip_rows": 0, "rows": {"min": 100, "max": 100_000}},
        "test": None,
    },
    "format": {
        "type": "csv",
        "separator": ";",
        "decimal": ",",
        "header": None,
        "missing": ["n/a"],
        "thousands": None,
        "units": [],
        "encoding": "utf-8",
    },
    "target": {"column": "repaid", "positive": True, "negative": None, "strip": ""},
    "row_id": "customer id",
    "person": None,
    "time": None,
    "weight": "survey weight",
    "spellings": {},
    "drop_rows": [],
    "drop": ["note"],
    "columns": {
        "opened": {
            "kind": "date",
            "format": "%d.%m.%Y",
            "earliest": "2015-01-01",
            "latest": "2019-12-31",
            "missing": 0,
        },
        "region": {"kind": "categorical", "values": None, "missing": 0},
        "income": {"kind": "numeric", "min": 0, "max": None, "missing": 0},
        "rating": {"kind": "ordinal", "order": RATINGS, "missing": 0},
        "owner": {"kind": "boolean", "true": "J", "false": "N", "missing": 0},
        "channel": {"kind": "infer", "missing": 0},
    },
    "unlisted": "infer",
    "protected": {"region": {"by": "column", "column": "region"}},
    "forbidden": [],
}

LIMITS: list[dict[str, Any]] = [
    {
        "name": "auc-floor",
        "measure": "roc_auc",
        "attribute": None,
        "at_least": 0.6,
        "at_most": None,
        "gate": True,
        "reason": "Below this the model knows nothing.",
    },
    {
        "name": "region-selection",
        "measure": "selection_rate_ratio",
        "attribute": "region",
        "at_least": 0.2,
        "at_most": None,
        "gate": True,
        "reason": "A fifth is what any model of this table keeps.",
    },
]

FEW_CHECKS: dict[str, Any] = {
    "sizes": [0.25, 1],
    "history": [0.5, 1],
    "leading": 4,
    "repeats": 2,
    "missing_shares": [0.2],
    "nudges": [0.1, 1],
    "bands": [1, 0.8],
    "sample": 200,
}
"""Each experiment on fewer numbers than by default: they are most of the cost of all stages here."""


def make_second(folder: Path, rows: int = 1500, seed: int = 0) -> Path:
    """Write `folder`/data/loans.csv and `folder`/params.yaml, and return the path of the params."""
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    table = loans(rows, seed)
    with (data / "loans.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, delimiter=";", lineterminator="\r\n")
        writer.writerow(table)
        writer.writerows(zip(*table.values(), strict=True))
    path = folder / "params.yaml"
    path.write_text(yaml.safe_dump(second_params(), sort_keys=False, allow_unicode=True), encoding="utf-8")
    return path


def second_params() -> dict[str, Any]:
    """Return the whole of its params.yaml; what is not of the data is this repository's own."""
    base: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    steps = [{**step, "attribute": "region"} for step in base["tune"]["mitigation"][:1]]
    return base | {
        "project": base["project"]
        | {"name": "small-loans", "title": "Small loans repaid (made from a seed)", "data": "loans.csv"},
        "release": base["release"] | said_of(base["release"], "small-loans"),
        "prepare": PREPARE,
        "split": base["split"] | {"order": "hash", "test_share": 0.3, "valid_share": 0.25},
        "audit": base["audit"] | {"min_group_rows": 50},
        "tune": base["tune"] | {"trials": 4, "batch": 2, "mitigation": steps},
        "train": base["train"] | {"max_rounds": 60, "patience": 10},
        "evaluate": base["evaluate"]
        | {
            "replicates": 200,
            "curve_points": 50,
            "references": None,
            "checks": base["evaluate"]["checks"] | FEW_CHECKS,
        },
        "explain": base["explain"]
        | {
            "sample": 100,
            "background": 50,
            "top": 3,
            "decisions": 2,
            "grid": 8,
            "mutable": None,
            "texts": None,
        },
        "policy": base["policy"]
        | {
            "budget": None,
            "min_group_rows": 20,
            "limits": LIMITS,
            "waivers": [],
            "constant_answer": {"measures": ["balanced_accuracy"], "at_least": 0, "not_required": None},
        },
        "privacy": base["privacy"] | {"personal": ["customer id", "region", "income"]},
    }


def said_of(release: dict[str, Any], name: str) -> dict[str, Any]:
    """Return what a section `release` says of a project, as said of the project `name`."""
    return {key: release[key] | {"of": name} for key in ("governance", "environmental_cost")}


def loans(rows: int, seed: int) -> dict[str, list[str]]:
    """Return the columns as texts; repayment truly depends on income, debt, rating, home and date."""
    draw = np.random.default_rng([seed, 2])
    region = draw.choice(["North", "South", "Öst"], rows, p=[0.5, 0.3, 0.2])
    poorer = np.where(region == "South", 0.25, 0.0)
    income = np.exp(draw.normal(7.6 - poorer, 0.45)).round(2)
    debt = np.exp(draw.normal(6.8, 0.7, rows)).round(2)
    rating = draw.integers(0, 4, rows)
    owner = draw.random(rows) < 0.4
    day = draw.integers(0, 5 * 365, rows)
    good = 1.6 * (np.log(income) - 7.5) - 1.1 * (np.log(debt) - 6.8) + 0.7 * (rating - 1.5)
    good += 0.8 * owner + 0.0004 * (day - 900) + 0.5
    repaid = draw.random(rows) < 1 / (1 + np.exp(-1.4 * good))
    return {
        "customer id": [f"C-{k:06d}" for k in draw.permutation(rows)],
        "opened": [f"{dt.date(2015, 1, 1) + dt.timedelta(days=int(k)):%d.%m.%Y}" for k in day],
        "region": region.tolist(),
        "income": [_comma(value) for value in income],
        DEBT: [_comma(value) for value in debt],
        "rating": [RATINGS[k] for k in rating],
        "owner": ["J" if yes else "N" for yes in owner],
        "channel": draw.choice(["branch", "phone", "web; app"], rows).tolist(),
        "note": draw.choice(["", "checked", "call\nback"], rows).tolist(),
        "survey weight": [_comma(value) for value in draw.uniform(0.5, 2.0, rows).round(3)],
        "repaid": ["True" if yes else "False" for yes in repaid],
    }


def _comma(value: float) -> str:
    return f"{value:g}".replace(".", ",")

"""A small made table with its parts, and a scorecard that anyone can add up, for the tests of the checks."""

from typing import Any

import numpy as np
import pandas as pd
from schemas import column, schema

from fairmark.data.split import Parts
from fairmark.evaluate.summary_metrics import Rows
from fairmark.model.encoder import Encoder
from fairmark.model.model import Model
from fairmark.model.model_file import Calibration, Column
from fairmark.model.scorecard import Line, Scorecard, Steps
from fairmark.params.evaluate import Checks
from fairmark.params.learn import Chosen, Threshold, Train
from fairmark.params.policy import Bounds, ConstantAnswer, Findings, Limit, Policy

ODD = 'job, "title" [ü]'
GROUPS = ["blue", "green", "red"]
"""Nobody is green."""

CHECKS = Checks(
    seed=3,
    most_rows=None,
    sizes=[0.2, 1],
    history=[0.5, 1],
    plain={"boosted": {"num_leaves": 4, "min_child_samples": 5}, "logistic": {"c": 1.0}},
    leading=5,
    repeats=3,
    bins=3,
    min_slice_rows=10,
    worst=4,
    missing_shares=[0.1, 0.5],
    shift=0.1,
    nudges=[0.1, 1],
    bands=[1, 0.8],
    sample=40,
)
TRAIN = Train(
    seed=1,
    max_categories=9,
    max_rounds=20,
    patience=5,
    smallest_leaf=1,
    monotone={},
    threshold=Threshold(maximise="accuracy", by=None),
)
CHOSEN = Chosen(
    family="logistic",
    settings={"c": 1.0},
    balance="none",
    reweighing=False,
    mitigation=[],
    margin=None,
    folds=None,
)


def limit(measure: str, attribute: str | None, at_least: float) -> Limit:
    """Return a gated lower limit."""
    return Limit(
        name=measure.replace("_", "-"),
        measure=measure,
        attribute=attribute,
        at_least=at_least,
        at_most=None,
        gate=True,
        reason="A test.",
    )


POLICY = Policy(
    goal="g",
    price="p",
    level=0.05,
    correction="bonferroni",
    budget=None,
    bounds=Bounds(losses="betting", auc="placements", rates="gaffke"),
    min_group_rows=5,
    limits=[limit("roc_auc", None, 0.55), limit("accuracy", None, 0.5)],
    waivers=[],
    overrides=[],
    overlays=[],
    protected_at_prediction=[],
    constant_answer=ConstantAnswer(measures=[], at_least=0, not_required="A test."),
    findings=Findings(**dict.fromkeys(Findings.model_fields)),
    alternatives=None,
)

KINDS = {
    "x": "numeric",
    "noise": "numeric",
    ODD: "categorical",
    "own": "boolean",
    "since": "date",
}


def parts(rows: int = 400, seed: int = 5, features: str = "x noise job own since", **columns: Any) -> Parts:
    """Return a made table: the label follows `x` and the job, a little; `columns` replace or add columns."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows)
    job = rng.choice(["cook", "smith"], rows)
    table = pd.DataFrame(
        {
            "_row_id": [f"secret-{k}" for k in range(rows)],
            "_label": (x + (job == "cook") + rng.normal(0, 0.7, rows) > 0.5).astype("int8"),
            "_source": "main",
            "_weight": 1.0,
            "x": x,
            "noise": rng.normal(size=rows),
            ODD: pd.Series(job, dtype="str"),
            "own": pd.array(rng.random(rows) < 0.5, dtype="boolean"),
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, rows), unit="D"),
        }
    ).assign(**columns)
    teams = pd.Series(rng.choice(["blue", "red"], rows), dtype="str")
    evidence = table[["_row_id", "_label"]].assign(team=teams, **{"withheld:team": teams})
    names = [ODD if name == "job" else name for name in features.split()]
    belongs = pd.Series(rng.choice(["train", "valid", "test"], rows, p=[0.5, 0.2, 0.3]))
    return Parts(
        schema([column(name, KINDS[name]) for name in names], {"team": GROUPS}), table, evidence, belongs
    )


def scorecard(threshold: float = 0.5, slope: float = 2.0, cook: float = 1.0, smith: float = -1.0) -> Model:
    """Return a model of log-odds slope * x plus the job's points; a missing value has no points."""
    line = Line(type="line", name="x", impute=0, mean=0, scale=1, coef=slope, missing_coef=0, average=0.0)
    steps = Steps(
        type="steps", name=ODD, categories=["cook", "smith"], each=[cook, smith], missing=0.0, average=0.0
    )
    encoder = Encoder(
        (
            Column(name="x", kind="numeric", categories=None),
            Column(name=ODD, kind="categorical", categories=["cook", "smith"]),
        )
    )
    card = Scorecard(intercept=0.0, features=[line, steps])
    return Model(encoder, card, Calibration(a=1.0, b=0.0), threshold, 1, CHOSEN)


def rows(label: list[int], teams: list[str], weight: list[float] | None = None, **columns: Any) -> Rows:
    """Return rows of a part, written out."""
    heavy = np.ones(len(label)) if weight is None else np.array(weight)
    table = pd.DataFrame({"_label": label, **columns})
    groups = pd.DataFrame({"team": pd.Series(teams, dtype="str")})
    return Rows(table, np.array(label, dtype=np.int8), heavy, groups, {"team": GROUPS})

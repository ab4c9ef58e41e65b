"""A small made-up table of people, parted and written as `prepare` and `split` write theirs."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from schemas import attribute, column, schema, withheld

from fairmark.params.learn import Chosen, Step, Threshold, Train
from fairmark.params.policy import Bounds, ConstantAnswer, Findings, Limit, Policy

ODD = 'job "title" [ü, {x}]'
FEATURES = [
    column("skill", missing=0.1),
    column(ODD, "categorical", ["cook", "driver", "nurse"], missing=0.05),
    column("grade", "ordinal", ["low", "mid", "high"]),
    column("own", "boolean", missing=0.05),
    column("since", "date", missing=0.05),
]
SCHEMA = schema(
    FEATURES,
    attributes={
        "side": attribute("side", ["left", "missing", "right"]),
        "age": attribute("age", ["<40", ">=40"], by="edges"),
        "side_age": attribute("side_age", [], by="cross", columns=("side", "age")),
    },
    withheld=(withheld("side"),),
)
TRAIN = Train(
    seed=3,
    max_categories=9,
    max_rounds=40,
    patience=10,
    smallest_leaf=1,
    monotone={},
    threshold=Threshold(maximise="accuracy", by=None),
)


def chosen(family: str = "boosted", strength: float = 0.0, **changes: Any) -> Chosen:
    """Return choices, mitigated for `side` where `strength` is above 0."""
    settings: dict[str, dict[str, Any]] = {
        "boosted": {"learning_rate": 0.2, "num_leaves": 7, "min_child_samples": 20},
        "logistic": {"c": 1.0},
        "additive": {"learning_rate": 0.2, "min_child_samples": 20, "pairs": 2},
    }
    step = Step(attribute="side", constraint="demographic_parity", strength=strength)
    known: dict[str, Any] = {
        "family": family,
        "settings": settings[family],
        "balance": "none",
        "reweighing": False,
        "mitigation": [step] if strength else [],
        "margin": None,
        "folds": None,
    }
    return Chosen(**(known | changes))


def limit(measure: str, attribute: str | None, **bounds: Any) -> Limit:
    """Return a gated limit named as its measure."""
    known: dict[str, Any] = {"at_least": None, "at_most": None, "gate": True, "reason": "A test."}
    name = measure.replace("_", "-")
    return Limit(name=name, measure=measure, attribute=attribute, **(known | bounds))


def policy(*limits: Limit, min_group_rows: int = 20) -> Policy:
    """Return a policy of these limits."""
    return Policy(
        goal="A test.",
        price="None.",
        level=0.05,
        correction="bonferroni",
        budget=None,
        bounds=Bounds(losses="betting", auc="placements", rates="gaffke"),
        min_group_rows=min_group_rows,
        limits=list(limits) or [limit("selection_rate_ratio", "side", at_least=0.8)],
        waivers=[],
        overrides=[],
        overlays=[],
        protected_at_prediction=[],
        constant_answer=ConstantAnswer(measures=[], at_least=0, not_required="A test."),
        findings=Findings(**dict.fromkeys(Findings.model_fields)),
        alternatives=None,
    )


def frames(rows: int = 900, seed: int = 5) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return table, evidence and parts of people among whom the left side is paid less often."""
    draw = np.random.default_rng(seed)
    left = draw.random(rows) < 0.4
    skill = draw.normal(size=rows) - 0.6 * left
    job = np.where(draw.random(rows) < 0.7, np.where(left, "nurse", "driver"), "cook").astype(object)
    grade = np.array(["low", "mid", "high"], dtype=object)[draw.integers(0, 3, rows)]
    own = pd.array(draw.random(rows) < 0.5, dtype="boolean")
    since = pd.Timestamp("2020-02-01") + pd.to_timedelta(draw.integers(0, 900, rows), unit="D")
    label = skill + 0.8 * (job == "driver") + 0.3 * (grade == "high") + 0.7 * draw.normal(size=rows) > 0.7
    table = pd.DataFrame(
        {
            "_row_id": [f"{k:016x}-0" for k in range(rows)],
            "_label": label.astype(np.int8),
            "_source": "main",
            "_weight": 1.0,
            "skill": skill,
            ODD: pd.Series(job).astype("str"),
            "grade": pd.Series(grade).astype("str"),
            "own": own,
            "since": since.astype("datetime64[us]"),
        }
    )
    for k, name in enumerate(("skill", ODD, "own", "since")):
        table.loc[k :: 19 + k, name] = None
    side = np.where(left, "left", "right").astype(object)
    side[::90] = "missing"
    evidence = table[["_row_id", "_label"]].assign(
        side=side, age=np.where(draw.random(rows) < 0.5, "<40", ">=40")
    )
    evidence = evidence.astype({"side": "str", "age": "str"})
    evidence["side_age"] = evidence["side"] + " & " + evidence["age"]
    part = np.array(["train", "train", "train", "valid", "test"], dtype=object)[np.arange(rows) % 5]
    return table, evidence, pd.DataFrame({"_row_id": table["_row_id"], "part": pd.Series(part).astype("str")})


def written(folder: Path, rows: int = 900, seed: int = 5) -> tuple[Path, Path, Path, Path]:
    """Write people into `folder`; return the paths of table, evidence, schema and rows."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / name for name in ("table.parquet", "evidence.parquet", "schema.json", "rows.parquet")]
    table, evidence, parts = frames(rows, seed)
    for path, frame in zip((paths[0], paths[1], paths[3]), (table, evidence, parts), strict=True):
        frame.to_parquet(path, index=False)
    SCHEMA.write(paths[2])
    return paths[0], paths[1], paths[2], paths[3]

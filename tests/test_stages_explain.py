"""The stage explains a sample of test rows, writes no row id, and writes the same bytes twice."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from schemas import column, schema
from scorecard_table import CHOSEN, ODD, POLICY

from fairmark.errors import InputError
from fairmark.files import write_parquet
from fairmark.learn import fit_logistic
from fairmark.learn.training_data import Sample
from fairmark.model.encoder import Encoder
from fairmark.model.model import Model
from fairmark.model.model_file import Calibration
from fairmark.params.evaluate import Explain, ExplainedRefits
from fairmark.params.learn import Threshold, Train
from fairmark.stages.explain import explain

REFITS = ExplainedRefits(seed=6, refits=2, rows=30, most_rows=None)
PARAMS = Explain(
    seed=4, sample=40, background=20, top=2, decisions=4, grid=5, mutable=None, texts=None, stability=REFITS
)
TRAIN = Train(
    seed=1,
    max_categories=9,
    max_rounds=1,
    patience=1,
    smallest_leaf=1,
    monotone={},
    threshold=Threshold(maximise="accuracy", by=None),
)
FEATURES = [
    column("age", missing=0.1),
    column(ODD, "categorical", ["a", "b"]),
    column("own", "boolean"),
    column("since", "date"),
]


def _table(rows: int) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    age = np.where(rng.random(rows) < 0.1, np.nan, rng.integers(18, 80, rows))
    return pd.DataFrame(
        {
            "_row_id": [f"secret-{row}" for row in range(rows)],
            "_label": (np.nan_to_num(age, nan=40) + rng.normal(0, 9, rows) > 45).astype("int8"),
            "_source": "main",
            "_weight": 1.0,
            "age": age,
            ODD: pd.Series(rng.choice(["a", "b"], rows), dtype="str"),
            "own": pd.array(rng.random(rows) < 0.5, dtype="boolean"),
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, rows), unit="D"),
        }
    ).astype({"since": "datetime64[us]"})


@pytest.fixture
def paths(tmp_path: Path) -> dict[str, Path]:
    """Return the stage's paths, inputs written, outputs not."""
    names = ("table", "evidence", "schema", "rows", "model", "ranking", "explanations", "shapley")
    made = {name: tmp_path / name for name in names}
    frame = _table(120)
    write_parquet(made["table"], frame)
    teams = pd.Series(["red", "blue"] * 60, dtype="str")
    write_parquet(made["evidence"], frame[["_row_id", "_label"]].assign(team=teams))
    schema(FEATURES, {"team": ["blue", "green", "red"]}).write(made["schema"])
    write_parquet(made["rows"], frame[["_row_id"]].assign(part=["train", "valid", "test"] * 40))
    encoder = Encoder.fit(frame, FEATURES, 9)
    sample = Sample.plain(encoder.transform(frame), frame["_label"].to_numpy(), np.ones(len(frame)))
    scorer = fit_logistic.fit(sample, sample, encoder.columns, {"c": 1.0}, TRAIN)
    Model(encoder, scorer, Calibration(a=1.0, b=0.0), 0.5, 1, CHOSEN).save(made["model"])
    return made


def _outputs(paths: dict[str, Path]) -> list[Path]:
    return [paths["ranking"], paths["explanations"], paths["shapley"]]


def test_the_explanations_speak_of_every_feature_and_group(paths: dict[str, Path]) -> None:
    explain(**paths, params=PARAMS, base=TRAIN, policy=POLICY)

    found = json.loads(paths["explanations"].read_text())
    assert {each["feature"] for each in found["importance"]} == {"age", ODD, "own", "since"}
    assert found["by_group"]["team"]["green"]["rows"] == 0
    assert list(found["dependence"]) == sorted(each["feature"] for each in found["importance"][:2])
    assert found["additivity"] < 1e-6


def test_the_ranking_is_the_importance_that_dvc_plots(paths: dict[str, Path]) -> None:
    explain(**paths, params=PARAMS, base=TRAIN, policy=POLICY)

    ranking = pd.read_csv(paths["ranking"])
    assert list(ranking.columns) == ["feature", "mean_abs_shap"]
    assert ranking["mean_abs_shap"].is_monotonic_decreasing


def test_no_row_id_is_written(paths: dict[str, Path]) -> None:
    explain(**paths, params=PARAMS, base=TRAIN, policy=POLICY)

    assert not any(b"secret" in path.read_bytes() for path in _outputs(paths))


def test_explaining_twice_gives_the_same_bytes(paths: dict[str, Path]) -> None:
    explain(**paths, params=PARAMS, base=TRAIN, policy=POLICY)
    first = [path.read_bytes() for path in _outputs(paths)]
    explain(**paths, params=PARAMS, base=TRAIN, policy=POLICY)

    assert [path.read_bytes() for path in _outputs(paths)] == first


def test_a_model_that_is_no_model_is_refused_and_nothing_is_written(paths: dict[str, Path]) -> None:
    (paths["model"] / "model.json").write_text("{}")

    with pytest.raises(InputError, match=r"model\.json"):
        explain(**paths, params=PARAMS, base=TRAIN, policy=POLICY)

    assert not paths["explanations"].exists()
    assert not paths["ranking"].exists()

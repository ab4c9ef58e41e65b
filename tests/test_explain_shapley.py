"""Shapley values are those of shap's explainers, add up to the score, and open in shap from their file."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from schemas import column

from fairmark.explain.shapley import shapley_values, write_shapley
from fairmark.learn import fit_boosted, fit_logistic
from fairmark.learn.training_data import Sample
from fairmark.model.encoder import Encoder
from fairmark.model.model import Model
from fairmark.model.model_file import Calibration
from fairmark.model.scorecard import Line
from fairmark.params.learn import Chosen, Threshold, Train

pytestmark = pytest.mark.slow

STAGES = ("prepare", "audit", "split", "tune", "train", "evaluate", "document")
TRAIN = Train(
    seed=1,
    max_categories=9,
    max_rounds=20,
    patience=20,
    smallest_leaf=1,
    monotone={},
    threshold=Threshold(maximise="accuracy", by=None),
)
FEATURES = [
    column("age"),
    column("job, <b>", "categorical"),
    column("own", "boolean"),
    column("since", "date"),
]


@pytest.fixture(scope="module")
def shap() -> Any:
    """Return the library, which takes seconds to import: every worker would, were it named above."""
    import shap

    return shap


def rows(n: int = 300) -> pd.DataFrame:
    draw = np.random.default_rng(3)
    frame = pd.DataFrame({"age": np.where(draw.random(n) < 0.1, np.nan, draw.integers(18, 80, n))})
    frame["job, <b>"] = pd.Series(draw.choice(["a", "b", "c"], n), dtype="str")
    frame["own"] = pd.array(draw.random(n) < 0.5, dtype="boolean")
    frame["since"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(draw.integers(0, 900, n), unit="D")
    score = np.nan_to_num(frame["age"], nan=40.0) / 9 + (frame["job, <b>"] == "b") + draw.normal(size=n)
    frame["_label"] = (score > 5.5).astype("int8")
    return frame


def model(family: str, frame: pd.DataFrame, **settings: float) -> Model:
    encoder = Encoder.fit(frame, FEATURES, 9)
    sample = Sample.plain(encoder.transform(frame), frame["_label"].to_numpy(), np.ones(len(frame)))
    learn = fit_boosted.fit if family == "boosted" else fit_logistic.fit
    chosen = Chosen(
        family=family,  # type: ignore[arg-type]
        settings={},
        balance="none",
        reweighing=False,
        mitigation=[],
        margin=None,
        folds=None,
    )
    scorer = learn(sample, sample, encoder.columns, settings, TRAIN)
    return Model(encoder, scorer, Calibration(a=1.5, b=-0.2), 0.5, 1, chosen)


def boosted(frame: pd.DataFrame) -> Model:
    return model("boosted", frame, num_leaves=7, min_child_samples=5)


def test_boosted_trees_have_the_same_bits_with_shap_and_without() -> None:
    trees = boosted(rows())

    np.testing.assert_array_equal(shapley_values(trees, rows()), trees.contributions(rows()))


def test_a_scorecard_has_the_same_values_with_shap_and_without() -> None:
    card = model("logistic", rows(), c=1.0)

    np.testing.assert_allclose(shapley_values(card, rows()), card.contributions(rows()), rtol=0, atol=1e-12)


def test_a_scorecard_of_numbers_has_the_values_of_a_linear_model_over_its_train_rows(shap: Any) -> None:
    frame = rows().dropna()
    encoder = Encoder.fit(frame, FEATURES[:1], 9)
    sample = Sample.plain(encoder.transform(frame), frame["_label"].to_numpy(), np.ones(len(frame)))
    card = fit_logistic.fit(sample, sample, encoder.columns, {"c": 1.0}, TRAIN)
    one = Model(encoder, card, Calibration(a=1, b=0), 0.5, 1, model("logistic", frame, c=1.0).chosen)
    (line,) = card.features
    assert isinstance(line, Line)

    everybody = shap.maskers.Independent(sample.matrix, max_samples=len(sample.matrix))
    linear = shap.LinearExplainer((np.array([line.coef / line.scale]), card.intercept), everybody)

    oracle = linear.shap_values(sample.matrix)
    np.testing.assert_allclose(shapley_values(one, frame)[:, :-1], oracle, atol=1e-8)


@pytest.mark.parametrize("family", ["boosted", "logistic"])
def test_a_model_that_never_moves_is_all_base_value(family: str) -> None:
    frame = rows().assign(age=40.0, own=True, since=pd.Timestamp("2020-01-01"), **{"job, <b>": "a"})
    still = model(family, frame, **({"c": 1.0} if family == "logistic" else {}))

    values = shapley_values(still, frame)

    np.testing.assert_allclose(values[:, :-1], 0, atol=1e-12)
    np.testing.assert_allclose(values[:, -1], still.margin(frame))


@pytest.mark.parametrize("family", ["boosted", "logistic"])
def test_the_file_opens_as_an_explanation_that_adds_up_to_the_score(
    shap: Any, family: str, tmp_path: Path
) -> None:
    frame = rows()
    made = model(family, frame, **({"c": 1.0} if family == "logistic" else {"num_leaves": 7}))
    write_shapley(tmp_path / "shapley.npz", made, frame, FEATURES, shapley_values(made, frame))

    opened = shap.Explanation(**np.load(tmp_path / "shapley.npz"))

    whole = opened.base_values + opened.values.sum(axis=1)  # noqa: PD011 - not of pandas
    raw = made.scorer.raw(made.encoder.transform(frame))
    np.testing.assert_allclose(whole, made.margin(frame), atol=1e-8)
    np.testing.assert_allclose((whole + 0.2) / 1.5, raw, atol=1e-8)
    assert list(opened.feature_names) == ["age", "job, <b>", "own", "since"]


def test_the_file_holds_the_rows_in_numbers_and_in_words(shap: Any, tmp_path: Path) -> None:
    frame = rows()
    trees = boosted(frame)
    write_shapley(tmp_path / "file", trees, frame, FEATURES, shapley_values(trees, frame))

    opened = shap.Explanation(**np.load(tmp_path / "file"))

    gap = int(frame["age"].isna().argmax())
    assert np.isnan(opened.data[gap, 0])
    assert opened.display_data[gap].tolist() == [
        "missing",
        frame["job, <b>"][gap],
        "yes" if frame["own"][gap] else "no",
        frame["since"][gap].date().isoformat(),
    ]


@pytest.mark.filterwarnings("ignore")  # shap's own, of matplotlib and NumPy
@pytest.mark.parametrize("plot", ["bar", "beeswarm", "waterfall"])
def test_shap_draws_what_the_file_holds(shap: Any, plot: str, tmp_path: Path) -> None:
    frame = rows()
    trees = boosted(frame)
    write_shapley(tmp_path / "file", trees, frame, FEATURES, shapley_values(trees, frame))
    opened = shap.Explanation(**np.load(tmp_path / "file"))

    axes = getattr(shap.plots, plot)(opened[0] if plot == "waterfall" else opened, show=False)

    shown = " ".join(label.get_text() for label in axes.get_yticklabels())
    assert all(name in shown for name in opened.feature_names)


def test_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    frame, written = rows(), []
    for name in ("one", "two"):
        trees = boosted(frame)
        write_shapley(tmp_path / name, trees, frame, FEATURES, shapley_values(trees, frame))
        written.append((tmp_path / name).read_bytes())

    assert written[0] == written[1]


def test_no_other_stage_imports_shap() -> None:
    imports = "; ".join(f"import fairmark.stages.{name}" for name in STAGES)
    code = f"import sys, fairmark, fairmark.api; {imports}; print(*sys.modules)"

    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "fairmark.stages.evaluate" in ended.stdout.split()
    assert not {"shap", "numba", "fairlearn"} & set(ended.stdout.split())

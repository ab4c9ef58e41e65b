"""Learn a logistic regression by scikit-learn, and write it down as a scorecard."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from fairmark.errors import InputError
from fairmark.learn.mitigation import relabel
from fairmark.learn.training_data import Sample
from fairmark.model.model_file import Column
from fairmark.model.monotone import signs
from fairmark.params.learn import Train
from fairmark.stats.arrays import Floats

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline
from fairmark.model.scorecard import Line, Scorecard, Steps

ITERATIONS = 5000


def fit(
    train: Sample,
    valid: Sample,  # noqa: ARG001 - this family has no rounds to stop
    columns: Sequence[Column],
    settings: Mapping[str, float | int | str | bool],
    base: Train,
    watch: Callable[[int, Callable[[], Floats]], None] | None = None,  # noqa: ARG001 - nor to watch
) -> Scorecard:
    """Learn a scorecard from train rows, relabelled where they have a cost.

    `settings["c"]` is scikit-learn's `C`, the inverse of the strength of L2.

    Raises
    ------
    InputError
        When relabelling leaves one label only.
    """
    label, weight = relabel(train.label, train.weight, train.cost)
    if len(np.unique(label[weight > 0])) < 2:
        raise InputError("chosen.mitigation: must leave rows of both labels, got rows of one")
    rows = replace(train, label=label, weight=weight)
    return _collapsed(fit_pipeline(rows, columns, settings, base), rows, columns)


def fit_pipeline(
    train: Sample, columns: Sequence[Column], settings: Mapping[str, float | int | str | bool], base: Train
) -> "Pipeline":
    """Return the fitted scikit-learn pipeline that the scorecard says over again in plain numbers."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import MissingIndicator, SimpleImputer
    from sklearn.pipeline import Pipeline, make_pipeline
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

    lines, steps = _places(columns)
    numbers = make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True),
        # Before StandardScaler: of numbers of 1e200 the variance would overflow. See `_units`.
        FunctionTransformer(partial(np.multiply, _units(train.matrix[:, lines]))),
        StandardScaler(),
    )
    ways = [
        ("numbers", numbers, lines),
        # A missing number is taken for the median, and has a coefficient of its own: that it is missing may
        # tell.
        ("missing", MissingIndicator(features="all", error_on_new=False), lines),
        ("steps", OneHotEncoder(handle_unknown="ignore", sparse_output=False), steps),
    ]
    pipeline = Pipeline(
        [
            ("columns", ColumnTransformer([way for way in ways if way[2]])),
            ("model", _learner(float(settings["c"]), [columns[place].name for place in lines], base)),
        ]
    )
    return pipeline.fit(train.matrix, train.label, model__sample_weight=train.weight)


def _learner(c: float, lines: Sequence[str], base: Train) -> "LogisticRegression":
    """Return what learns the coefficients: scikit-learn's own, or the same under signs of these lines."""
    from sklearn.linear_model import LogisticRegression

    each = signs(lines, base.monotone)
    if not any(each):
        return LogisticRegression(C=c, max_iter=ITERATIONS, random_state=base.seed)
    from fairmark.learn.signed_logistic import SignedLogisticRegression

    return SignedLogisticRegression(signs=each, C=c, max_iter=ITERATIONS)


def _places(columns: Sequence[Column]) -> tuple[list[int], list[int]]:
    steps = [place for place, column in enumerate(columns) if column.kind == "categorical"]
    return [place for place in range(len(columns)) if place not in steps], steps


def _collapsed(pipeline: "Pipeline", train: Sample, columns: Sequence[Column]) -> Scorecard:
    lines, steps = _places(columns)
    model, ways = pipeline["model"], pipeline["columns"].named_transformers_
    units = _units(train.matrix[:, lines])
    # In the order of the ColumnTransformer: numbers, whether each is missing, categories.
    coefs, missing, left = np.split(model.coef_[0], [len(lines), 2 * len(lines)])
    entries: dict[int, Line | Steps] = {}
    for k, place in enumerate(lines):
        imputer, _, scaler = ways["numbers"]
        # Standardised in other units; the scorecard reads the numbers as they are.
        mean, scale = scaler.mean_[k] / units[k], scaler.scale_[k] / units[k]
        facts = (imputer.statistics_[k], mean, scale, coefs[k], missing[k])
        entries[place] = _line(columns[place].name, *facts)
    for k, place in enumerate(steps):
        known = ways["steps"].categories_[k]
        entries[place] = _steps(columns[place], known, left[: len(known)])
        left = left[len(known) :]
    for place, entry in entries.items():
        # The mean points of train rows are the base of its Shapley values: the background of a linear model
        # is a mean.
        average = _short(entry.points(train.matrix[:, place]).mean())
        entries[place] = entry.model_copy(update={"average": average})
    return Scorecard(
        intercept=_short(model.intercept_[0]), features=[entries[place] for place in range(len(columns))]
    )


def _units(matrix: Floats) -> Floats:
    """Return the power of two that takes the largest number of each column to a size from 0.5 to 1, [p].

    A power of two costs no digit: columns keep the bits of their standard scores. But the mean of a column of
    one value is off by the last digit of that value, which standardising then leaves as it is.
    """
    sizes = np.nan_to_num(np.abs(matrix)).max(axis=0, initial=0.0)
    units: Floats = np.exp2(-np.frexp(sizes)[1].astype(np.float64))
    return units


def _line(name: str, *facts: float) -> Line:
    impute, mean, scale, coef, missing = map(_short, facts)
    return Line(
        type="line",
        name=name,
        impute=impute,
        mean=mean,
        scale=scale,
        coef=coef,
        missing_coef=missing,
        average=0.0,
    )


def _steps(column: Column, known: Floats, coefs: Floats) -> Steps:
    names = column.categories or []
    points = {
        "missing" if np.isnan(code) else int(code): _short(coef)
        for code, coef in zip(known, coefs, strict=True)
    }
    return Steps(
        type="steps",
        name=column.name,
        categories=names,
        each=[points.get(code, 0.0) for code in range(len(names))],
        missing=points.get("missing", 0.0),
        average=0.0,
    )


def _short(value: float) -> float:
    # Twelve digits keep the pipeline's scores to 1e-9, and leave out the last-bit noise of a sum.
    return float(f"{value:.12g}")

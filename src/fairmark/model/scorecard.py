"""Logistic regression by scikit-learn, written as a scorecard that a person can read and add up."""

import json
from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from fairmark.errors import InputError
from fairmark.model.model_file import Column
from fairmark.params.base import Section
from fairmark.params.parse import typed
from fairmark.stats.arrays import Floats


class Line(Section):
    """Points of a numeric feature: `coef * (x - mean) / scale`.

    A missing x counts as `impute`, and gets `missing_coef` on top.
    """

    type: Literal["line"]
    name: str
    impute: float
    mean: float
    scale: Annotated[float, Field(gt=0)]
    coef: float
    missing_coef: float
    average: float
    """Mean points over train rows."""

    def points(self, values: Floats) -> Floats:
        """Return the points of each value, [n]."""
        absent = np.isnan(values)
        standard = (np.where(absent, self.impute, values) - self.mean) / self.scale
        return self.coef * standard + self.missing_coef * absent


class Steps(Section):
    """Points of a categorical feature: one entry for each category in the order of its codes."""

    type: Literal["steps"]
    name: str
    categories: list[str]
    each: list[float]
    missing: float
    average: float
    """Mean points over train rows."""

    def points(self, values: Floats) -> Floats:
        """Return the points of each code, [n]."""
        # A missing value has no code, and is given the place behind the last one.
        table = np.array([*self.each, self.missing])
        return table[np.where(np.isnan(values), len(self.each), values).astype(np.intp)]


class Scorecard(Section):
    """The raw log-odds: an intercept, and the points of each feature on top."""

    intercept: float
    features: list[Annotated[Line | Steps, Field(discriminator="type")]]

    @property
    def rounds(self) -> None:
        """None: this family has no rounds."""
        return

    @property
    def averages(self) -> Floats:
        """Mean points of each feature over train rows, [p]."""
        return np.array([feature.average for feature in self.features])

    def points(self, matrix: Floats) -> Floats:
        """Return the points of each feature, [n, p]; with the intercept they add up to the raw log-odds."""
        points = np.empty(matrix.shape)
        for place, feature in enumerate(self.features):
            points[:, place] = feature.points(matrix[:, place])
        return points

    def raw(self, matrix: Floats) -> Floats:
        """Return the raw log-odds of rows [n, p], [n]."""
        return np.asarray(self.points(matrix).sum(axis=1) + self.intercept)

    def contributions(self, matrix: Floats) -> Floats:
        """Return exact Shapley values of the raw log-odds, [n, p + 1].

        The model is a sum, so a feature's value is its points minus its mean points over train rows.
        """
        base = np.full((len(matrix), 1), self.intercept + self.averages.sum())
        return np.hstack([self.points(matrix) - self.averages, base])

    def dumps(self) -> str:
        """Return the scorecard as JSON."""
        return json.dumps(self.model_dump(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def load(text: str, columns: Sequence[Column]) -> Scorecard:
    """Return the scorecard that `dumps` wrote down.

    Raises
    ------
    InputError
        When the text is no scorecard of these columns.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"logistic.json: must be JSON, got {error}") from error
    card = typed(Scorecard, value, "logistic.json")
    # Both files are read by position when rows are scored: an order that differs would give each feature the
    # points of another one, and nobody would notice.
    wanted = [
        (column.name, column.categories if column.kind == "categorical" else None) for column in columns
    ]
    got = [(line.name, line.categories if isinstance(line, Steps) else None) for line in card.features]
    if wanted != got or any(len(f.each) != len(f.categories) for f in card.features if isinstance(f, Steps)):
        unlike = [each for each in got if each not in wanted] or got
        raise InputError(
            f"logistic.json: must have points for the features of encoder.json, got {str(unlike)[:80]}"
        )
    return card

"""One measured value with its interval, and what bounds at any other level are made of beside it."""

from typing import Annotated

import numpy as np
from pydantic import Field

from fairmark.record import Record
from fairmark.stats import intervals, score_measures
from fairmark.stats.measures import MEASURES, OfScores

DRAWS = 20_000
"""Draws behind a bound of the calibration error; their seed is fixed, so it is a pure function."""
_GROWTH = {"se": -0.5, "skew": -0.5, "df": 1.0, "smaller": 1.0, "positives": 1.0, "negatives": 1.0}
"""How what is stored of a measure of scores changes with the number of rows, as a power of it."""

Positive = Annotated[float, Field(ge=0)]


class Measured(Record):
    """A value with its two-sided interval at the document's confidence; null, with `why`, without rows.

    What follows `why` is stored of measures of scores alone, which no confusion matrix can say.
    """

    value: float | None
    low: float | None
    high: float | None
    why: str | None = None
    se: Positive | None = None
    """Standard error; of a disparity, by the bootstrap."""
    df: Positive | None = None
    """Degrees of freedom."""
    skew: float | None = None
    """Skewness of the mean, of a loss."""
    smaller: Positive | None = None
    """Effective rows of the rarer label, of a loss."""
    without_self: float | None = None
    """Average precision in which no row counts for itself."""
    positives: Positive | None = None
    """Effective rows of the positive label, of an AUC."""
    negatives: Positive | None = None
    """Effective rows of the negative label, of an AUC."""
    gaps: tuple[float, ...] | None = None
    """Each bin's part of the calibration error, with its sign."""
    spreads: Annotated[tuple[Positive, ...], Field(min_length=1)] | None = None
    """The standard errors of these."""

    def lacks(self, name: str) -> str | None:
        """Return the first of what bounds of the measure `name` need that is not here, or None."""
        formula = MEASURES[name].formula
        needed = ("se", "df", *formula.stored) if isinstance(formula, OfScores) else ("gaps", "spreads")
        return next((key for key in needed if getattr(self, key) is None), None)

    def bounds(self, name: str, tail: float) -> tuple[float, float]:
        """Return bounds of a measure of scores at any `tail`, from what is stored of it.

        They are not exact but close, and on the safe side where rows are few; for the calibration error a
        quantile of the sum of its bins' errors (`score_measures.reach`).
        """
        formula, value = MEASURES[name].formula, _known(self.value)
        if not isinstance(formula, OfScores):
            reach = score_measures.reach(np.array(self.spreads or (0.0,)), tail, DRAWS, 0)
            return max(0.0, value - reach), min(1.0, value + reach)
        se, df = _known(self.se), _known(self.df)
        # Which bound it is shows in what is stored beside it: a loss, an average precision, or an area under
        # the ROC curve (`OfScores.stored`).
        if self.smaller is not None:
            return intervals.loss(value, se, df, _known(self.skew), self.smaller, MEASURES[name].most, tail)
        if self.without_self is not None:
            return intervals.pr_auc(value, se, df, self.without_self, tail)
        return intervals.roc_auc(value, se, df, _known(self.positives), _known(self.negatives), tail)

    def grown(self, factor: float) -> "Measured":
        """Return the same value with the errors of `factor` times the rows, which shrink with its root."""
        stored = self.model_dump(include={*_GROWTH}, exclude_none=True)
        more = {key: number * factor ** _GROWTH[key] for key, number in stored.items()}
        if self.spreads is not None:
            more["spreads"] = tuple(spread / factor**0.5 for spread in self.spreads)
        return self.model_copy(update=more)


def _known(number: float | None) -> float:
    # What is missing was named by `lacks` before, and such a document is never judged.
    return float("nan") if number is None else number

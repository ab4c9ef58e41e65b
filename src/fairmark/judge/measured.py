"""One measured value with its interval, and what bounds at any other level are made of beside it."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from fairmark.record import Record
from fairmark.stats import intervals
from fairmark.stats.arrays import Floats
from fairmark.stats.betting import auc_bound
from fairmark.stats.bounded_means import Bound, Pair, Units, lower_sum_of_gaps, upper_sum_of_gaps
from fairmark.stats.measures import MEASURES, OfScores

CLOSE = 1e-6
"""Values are written with ten digits; what is further off was not computed from what stands beside it."""

_GROWTH = {"se": -0.5, "df": 1.0}
"""How what is stored of a measure of scores changes with the number of rows, as a power of it."""

ScoreBound = Literal["betting", "gaffke", "pairs", "placements"]
"""How a measure of scores is bounded: losses and calibration by the first two, an AUC by the others."""

Positive = Annotated[float, Field(ge=0)]
Above = Annotated[float, Field(gt=0)]


class UnitCounts(Record):
    """Independent units (rows, or persons) by weight and value, on a grid that keeps their mean."""

    weight: tuple[Above, ...] | None = None
    """Of each node; left out where every unit weighs 1."""
    value: tuple[float, ...]
    count: tuple[Above, ...]
    """How many units are at each node; not whole where they lie between nodes."""
    heaviest: Above
    """The weight that no unit is above, seen or not."""
    low: float
    high: float
    """What no value is below and above."""

    @classmethod
    def of(cls, nodes: tuple[Floats, Floats, Floats], heaviest: float, low: float, high: float) -> Self:
        """Return weights, values and counts of nodes as they are written."""
        weight, value, count = (tuple(part.tolist()) for part in nodes)
        plain = heaviest == 1 and all(each == 1 for each in weight)
        known = {} if plain else {"weight": weight}
        return cls(value=value, count=count, heaviest=heaviest, low=low, high=high, **known)

    @model_validator(mode="after")
    def _fitting(self) -> Self:
        sizes = {len(part) for part in (self.value, self.count, self.weight) if part is not None}
        if len(sizes) != 1:
            raise ValueError(f"must have as many values as counts and weights, got {sorted(sizes)}")
        if any(not self.low - 1e-9 <= each <= self.high + 1e-9 for each in self.value):
            raise ValueError(f"value must be within {self.low} to {self.high}, got one outside")
        if self.weight is not None and max(self.weight, default=0.0) > self.heaviest * (1 + 1e-9):
            raise ValueError(f"weight must be at most heaviest {self.heaviest}, got {max(self.weight)}")
        return self

    @property
    def units(self) -> Units:
        """The same for computing."""
        return self.bounded("gaffke")

    def bounded(self, by: Bound) -> Units:
        """Return the same for computing, with the mean bounded so."""
        weight = (1.0,) * len(self.value) if self.weight is None else self.weight
        return Units(weight, self.value, self.count, self.heaviest, self.low, self.high, by)

    def grown(self, factor: float) -> Self:
        """Return `factor` times as many of each."""
        return self.model_copy(update={"count": tuple(each * factor for each in self.count)})


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
    without_self: float | None = None
    """Average precision in which no row counts for itself."""
    units: UnitCounts | None = None
    """Of a loss."""
    positives: UnitCounts | None = None
    """Units of the positive label by their placements, of an AUC."""
    negatives: UnitCounts | None = None
    """Units of the negative label by their placements, of an AUC."""
    crossing: bool | None = None
    """Of an AUC: whether some persons have rows of both labels."""
    gaps: tuple[float, ...] | None = None
    """Each bin's part of the calibration error, with its sign."""
    bins: Annotated[tuple[UnitCounts, ...], Field(min_length=1)] | None = None
    """The units of each bin by label less score."""

    def lacks(self, name: str) -> str | None:
        """Return the first of what bounds of the measure `name` need that is not here, or None."""
        formula = MEASURES[name].formula
        needed = formula.stored if isinstance(formula, OfScores) else ("gaps", "bins")
        return next((key for key in needed if getattr(self, key) is None), None)

    def foreign_range(self, most: float) -> tuple[float, float] | None:
        """Return the first range of stored units that is not their measure's, or None.

        Placements of an AUC lie in 0..1, parts of a calibration error in -1..1, a loss in 0..`most`: a bound
        rests on it, and a wider or narrower one would be believed.
        """
        stated = [(one, 0.0, 1.0) for one in (self.positives, self.negatives) if one is not None]
        stated += [(one, -1.0, 1.0) for one in self.bins or ()]
        stated += [(one, 0.0, most) for one in (self.units,) if one is not None]
        wrong = [
            (one.low, one.high)
            for one, low, high in stated
            if abs(one.low - low) + abs(one.high - high) > CLOSE
        ]
        return wrong[0] if wrong else None

    def contradicts(self) -> bool:
        """Return whether the stored units have another mean than the value."""
        value = _known(self.value)
        if self.bins is not None:
            if len(self.bins) != len(self.gaps or ()):
                return True
            sums = [one.units.total for one in self.bins]
            weight = sum(each[0] for each in sums)
            means = [each[1] / weight for each in sums]
            off = [abs(a - b) for a, b in zip(means, self.gaps or (), strict=True)]
            return max(off) > CLOSE or abs(sum(map(abs, means)) - value) > CLOSE
        stored = [one for one in (self.units, self.positives, self.negatives) if one is not None]
        return any(not abs(one.units.mean - value) <= CLOSE for one in stored)

    def lower(self, tail: float, by: ScoreBound = "gaffke") -> float:
        """Return the lower bound of a measure of scores at any `tail`, from what is stored of it.

        Of a loss that of a bounded mean (`bounded_means`, `betting`), of the calibration error that of the
        largest of such means; of an AUC that of the sum of two, the placements of each label, or ("pairs")
        that of pairs which share no row. Of the average precision a close one by its standard error.
        """
        if self.bins is not None:
            return lower_sum_of_gaps([one.bounded(_mean(by)) for one in self.bins], tail)
        if self.units is not None:
            return self.units.bounded(_mean(by)).lower(tail)
        if self.positives is None or self.negatives is None:
            return self._by_error(tail)[0]
        return self._auc_low(self.positives.units, self.negatives.units, _known(self.value), tail, by)

    def upper(self, tail: float, by: ScoreBound = "gaffke") -> float:
        """Return the upper bound likewise."""
        if self.bins is not None:
            return upper_sum_of_gaps([one.bounded(_mean(by)) for one in self.bins], tail)
        if self.units is not None:
            return self.units.bounded(_mean(by)).upper(tail)
        if self.positives is None or self.negatives is None:
            return self._by_error(tail)[1]
        one, two = self.positives.units.turned(), self.negatives.units.turned()
        return 1 - self._auc_low(one, two, 1 - _known(self.value), tail, by)

    def _by_error(self, tail: float) -> tuple[float, float]:
        se, df = _known(self.se), _known(self.df)
        return intervals.pr_auc(_known(self.value), se, df, _known(self.without_self), tail)

    def _auc_low(self, one: Units, two: Units, value: float, tail: float, by: ScoreBound) -> float:
        if by == "pairs":
            # Where a person has rows of both labels, pairs of persons can't be told apart: nothing is shown.
            pairs = 0.0 if self.crossing else min(one.size, two.size)
            scales = [side.total[0] / max(side.size, 1e-9) / side.heaviest for side in (one, two)]
            return auc_bound(value, pairs, min(scales[0] * scales[1], 1.0), tail)
        # The error of an AUC is the sum of the errors of both means, to the first order (Hoeffding's
        # decomposition).
        pair = Pair(one, two, bool(self.crossing))
        return max(0.0, pair.lower("sum", tail, 2 * value, value, 2 * value) - value)

    def grown(self, factor: float) -> "Measured":
        """Return the same value with the errors of `factor` times the rows, which shrink with its root."""
        stored = self.model_dump(include={*_GROWTH}, exclude_none=True)
        more: dict[str, object] = {key: number * factor ** _GROWTH[key] for key, number in stored.items()}
        for key in ("units", "positives", "negatives"):
            if (one := getattr(self, key)) is not None:
                more[key] = one.grown(factor)
        if self.bins is not None:
            more["bins"] = tuple(one.grown(factor) for one in self.bins)
        return self.model_copy(update=more)


def _mean(by: ScoreBound) -> Bound:
    return "betting" if by == "betting" else "gaffke"


def _known(number: float | None) -> float:
    # What is missing was named by `lacks` before, and such a document is never judged.
    return float("nan") if number is None else number

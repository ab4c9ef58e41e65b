"""The gain over the best constant answer: what a model is worth beside "yes", or "no", to everybody.

A policy without it can be met by not deciding: whoever selects everybody has a ratio of selection rates of 1.

| measure | constant answer | gain |
|---|---|---|
| accuracy | the better of base rate and 1 - base rate | (tp - fp) / n over "no", (tn - fn) / n over "yes" |
| balanced_accuracy | 0.5, as any constant | balanced accuracy - 0.5 |
| f1 | that of "yes", 2 b / (1 + b) with the base rate b | F1 - 2 b / (1 + b) |
| roc_auc | 0.5 | AUC - 0.5 |
| pr_auc | the base rate | PR AUC - base rate |

The gain in accuracy is paired: model and constant answer differ on the rows alone that the model decides
otherwise, and it is above 0 exactly when more than half of these are right (McNemar 1947, in its exact form).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol, Self

from fairmark.judge.comparisons import Balance, Comparison, Part, Scored, Share
from fairmark.judge.measured import Measured
from fairmark.params.learn import Profit
from fairmark.stats.bounded_means import Units
from fairmark.stats.confusion import ConfusionMatrix
from fairmark.stats.measures import GAINS, ODDS, f1_of, share
from fairmark.stats.rates import rate_of


class Cells(Protocol):
    """The confusion matrix of some rows, shape `[1, 2, 2]`, and the units of its rates."""

    @property
    def matrix(self) -> ConfusionMatrix:
        """Return the matrix."""

    def units_of(self, rate: str) -> Units | None:
        """Return the units of a rate, or None where they are rows of weight 1."""


_SIGN = 0.9
"""Part of a tail that goes to the share of right ones among the rows decided otherwise; the rest to how many
these are."""


@dataclass(frozen=True)
class _Otherwise:
    """The rows that the model decides otherwise than one constant answer, and how many of them are right."""

    differ: Part
    """Share of all rows that are decided otherwise."""
    right: Part
    """Share of these that are decided as they are labelled."""
    gained: float = 1.0
    """What one of them brings beyond the constant answer, where it is right."""
    lost: float = 1.0
    """What it brings less, where it is wrong."""

    @property
    def value(self) -> float:
        """Return accuracy less that of the constant answer: -1..1, 0 = the constant answer does as well."""
        return self.differ.share * self._mean(self.right.share) if self.right.rows > 0 else 0.0

    def bound(self, tail: float, *, above: bool) -> float:
        """Return the exact upper (`above`) or lower bound: the errors of two shares add to `tail`."""
        # How many rows differ is known far more exactly than how many of these are right, and only the latter
        # decides on which side of 0 the gain is: most of the tail goes there.
        sure = self.right.bounds(tail * _SIGN)[int(above)]
        share = self._mean(sure)
        # The farther from 0 the more rows differ: on its own side of 0 a bound takes the nearer end.
        wide = (share > 0) == above
        return share * self.differ.bounds(tail * (1 - _SIGN))[int(wide)]

    def grown(self, factor: float) -> "_Otherwise":
        """Return the same shares of more rows."""
        return replace(self, differ=self.differ.grown(factor), right=self.right.grown(factor))

    def _mean(self, right: float) -> float:
        """Return what the rows that are decided otherwise bring each, beyond the constant answer."""
        return (self.gained + self.lost) * right - self.lost


@dataclass(frozen=True)
class DecisionGain:
    """The mean worth of decisions less that of the better constant answer: the smaller of the gains.

    Over "no" and over "yes" to everybody. Worth is 1 for a right decision in accuracy, and money in a profit.
    """

    over_no: _Otherwise
    over_yes: _Otherwise

    @property
    def value(self) -> float | None:
        """Return the gain; None without rows."""
        return min(self.over_no.value, self.over_yes.value) if self.over_no.differ.rows > 0 else None

    @property
    def parts(self) -> tuple[Part, ...]:
        """Return all rows, with the share that is selected."""
        return (self.over_no.differ,)

    @property
    def positives(self) -> float:
        """Return the base rate, 0..1: the selected who are right, and the others who are not."""
        chosen, left = (each.differ.share for each in (self.over_no, self.over_yes))
        return chosen * self.over_no.right.share + left * (1 - self.over_yes.right.share)

    def low(self, tail: float, at: float) -> float:  # noqa: ARG002 - one formula for every limit
        """Return the smaller of the lower bounds: the better constant answer is a fixed one, whichever."""
        return min(self.over_no.bound(tail, above=False), self.over_yes.bound(tail, above=False))

    def high(self, tail: float, at: float) -> float:  # noqa: ARG002 - the same
        """Return the smaller of the upper bounds, whose chances of error add up."""
        return min(self.over_no.bound(tail / 2, above=True), self.over_yes.bound(tail / 2, above=True))

    def grown(self, factors: tuple[float, ...]) -> Self:
        """Return the same shares of more rows."""
        return type(self)(self.over_no.grown(factors[0]), self.over_yes.grown(factors[0]))


@dataclass(frozen=True)
class AccuracyGain(DecisionGain):
    """Accuracy less that of the better constant answer."""


def profit_gain(profit: Profit, cells: Cells) -> DecisionGain:
    """Return the mean profit of a row less that of the better constant answer, in the profit's own unit.

    Exactly bounded as accuracy is: a row that is decided otherwise gains what its right decision brings more
    than the wrong one, or loses it.
    """
    yes, no = profit.tp - profit.fn, profit.tn - profit.fp
    (chosen, precise), (rejected, right) = (
        (_part(cells, differ), _part(cells, right)) for differ, right in _OTHERWISE
    )
    return DecisionGain(_Otherwise(chosen, precise, yes, no), _Otherwise(rejected, right, no, yes))


@dataclass(frozen=True)
class Beyond:
    """One measure less what a constant answer has in it: a number, or a share of the same rows."""

    measure: Comparison
    constant: Share | float

    @property
    def value(self) -> float | None:
        """Return the measure less the constant; None where either is not known."""
        value = self.measure.value
        base = self.constant if isinstance(self.constant, float) else self.constant.value
        return None if value is None or base is None else value - base

    @property
    def parts(self) -> tuple[Part, ...]:
        """Return the sides of the measure."""
        return self.measure.parts

    def low(self, tail: float, at: float) -> float:
        """Return the measure's lower bound less the constant's upper one; their chances of error add up."""
        if isinstance(self.constant, float):
            return self.measure.low(tail, at + self.constant) - self.constant
        return self.measure.low(tail / 2, at) - self.constant.high(tail / 2, at)

    def high(self, tail: float, at: float) -> float:
        """Return the measure's upper bound less the constant's lower one."""
        if isinstance(self.constant, float):
            return self.measure.high(tail, at + self.constant) - self.constant
        return self.measure.high(tail / 2, at) - self.constant.low(tail / 2, at)

    def grown(self, factors: tuple[float, ...]) -> "Beyond":
        """Return the same values of more rows."""
        constant = self.constant
        if not isinstance(constant, float):
            constant = replace(constant, part=constant.part.grown(factors[0]))
        return Beyond(self.measure.grown(factors), constant)


def gain(name: str, entries: Mapping[str, Measured], cells: Cells) -> tuple[Comparison, str]:
    """Return the comparison of a gain, such as `accuracy_gain`, and why it has no value where it has none.

    Parameters
    ----------
    entries
        Measures of all rows, of which those of scores are read.
    cells
        The cells of all rows.
    """
    base = _part(cells, "base_rate")
    match name.removesuffix("_gain"):
        case "accuracy":
            sides = (_Otherwise(_part(cells, differ), _part(cells, right)) for differ, right in _OTHERWISE)
            return AccuracyGain(*sides), "no rows"
        case "balanced_accuracy":
            one, two = _part(cells, "recall"), _part(cells, "false_positive_rate")
            return Beyond(Balance(one, two, crossing(cells)), 0.5), share(
                "false_positive_rate" if one.rows else "recall"
            ).empty
        case "f1":
            f1_gain = Beyond(Share(_part(cells, "jaccard"), f1_of), Share(base, f1_of))
            return f1_gain, share("jaccard").empty
        case measure:
            entry = entries[measure]
            tests = int(cells.matrix.count.sum())
            ranked = Scored(measure, entry, Part(None, 0.0, float(tests), tests))
            return Beyond(ranked, 0.5 if measure == "roc_auc" else Share(base)), entry.why or ""


_OTHERWISE = (
    ("selection_rate", "precision"),
    ("rejection_rate", "negative_predictive_value"),
)
"""The share that differs from "no" and from "yes", and the share of it that is right."""


def crossing(cells: Cells) -> bool:
    """Return whether a unit, such as a person, may have rows of both labels."""
    every = cells.units_of("selection_rate")
    labels = [cells.units_of(rate) for rate in ODDS]
    apart = sum(one.size for one in labels if one is not None)
    return every is not None and apart > every.size * (1 + 1e-9)


def _part(cells: Cells, rate: str) -> Part:
    value, _, rows = rate_of(cells.matrix, rate)
    filled, tests = rows[0] > 0, int(cells.matrix.count[0].sum())
    return Part(None, float(value[0]) if filled else 0.0, float(rows[0]), tests, cells.units_of(rate))


def gains(entries: Mapping[str, Measured], cells: Cells, tail: float) -> dict[str, Measured]:
    """Return the value and the interval of every gain, for the measurements document."""
    intervals_by_gain: dict[str, Measured] = {}
    for name in GAINS:
        each, why = gain(name, entries, cells)
        value = each.value
        if value is None:
            intervals_by_gain[name] = Measured(value=None, low=None, high=None, why=why)
        elif isinstance(each, Beyond) and isinstance(each.measure, Balance):
            intervals_by_gain[name] = _less(
                entries["balanced_accuracy"], 0.5
            )  # by the score test, as the balance itself
        else:
            intervals_by_gain[name] = Measured(
                value=value, low=each.low(tail, 0.0), high=each.high(tail, 0.0)
            )
    return intervals_by_gain


def _less(entry: Measured, constant: float) -> Measured:
    value, low, high = ((end or 0.0) - constant for end in (entry.value, entry.low, entry.high))
    return Measured(value=value, low=low, high=high)

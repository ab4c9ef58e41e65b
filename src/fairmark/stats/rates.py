"""Rates of groups, and disparities between them, with intervals that hold for the worst pair of groups.

The worst pair is found on the same rows, so an interval for it as if it had been named beforehand would lie.
With every ordered pair of groups bounded from below at `tail`, and from above at `tail` / number of such
pairs:

* the smallest of the lower bounds is a lower bound of the smallest ratio, and errs with chance <= `tail`: the
  truly smallest ratio is that of one fixed pair, whose own lower bound would have to err;
* the smallest of the upper bounds is an upper bound of it: it errs only if some pair's upper bound does, and
  their chances add up to at most `tail` (Bonferroni).

Differences are the same with the sides exchanged. No bootstrap: it never covers parity.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fairmark.stats.arrays import Floats
from fairmark.stats.confusion import ConfusionMatrix
from fairmark.stats.intervals import clopper_pearson
from fairmark.stats.measures import MEASURES, QUANTITIES, Composite, Larger, Share, share, summed
from fairmark.stats.score_test import koopman, miettinen_nurminen

MANY = 16
"""Groups above which pairs are bounded by bounds of their groups: 120 exact tests take seconds already."""


def rate_of(matrix: ConfusionMatrix, name: str) -> tuple[Floats, Floats, Floats]:
    """Return `(value, hits, rows)` of a rate in every group, shape `[groups]` each; NaN without rows.

    Without weights, hits and rows are the counts. With weights the value is weighted, `rows` is the effective
    number of rows and hits = value * rows: the smaller of Kish's size and of Korn and Graubard's (1998),
    p (1 - p) / var(p), where var is the linearised variance; so bounds from them are approximate, not exact.
    """
    formula = share(name)
    value = formula(matrix.weight)
    top, bottom = summed(matrix.weight, formula.hits), summed(matrix.weight, formula.rows)
    if not matrix.weighted:
        return value, top, bottom
    square_in = summed(matrix.square, formula.hits)
    square_out = summed(matrix.square, formula.rows) - square_in
    with np.errstate(divide="ignore", invalid="ignore"):
        # The variance of a ratio of weighted sums, linearised: each row pulls by its weight times how far it
        # lies from the rate. At a rate of 0 or 1 that is 0 and says nothing, and Kish's size stands alone.
        by_kish = bottom**2 / (square_in + square_out)
        spread = ((1 - value) ** 2 * square_in + value**2 * square_out) / bottom**2
        rows = np.fmin(by_kish, np.where(spread > 0, value * (1 - value) / spread, np.inf))
    rows = np.where(bottom > 0, np.nan_to_num(rows), 0.0)
    return value, np.nan_to_num(value) * rows, rows


def value_of(matrix: ConfusionMatrix, name: str) -> Floats:
    """Return a measure of decisions in every group, shape `[groups]`; NaN where it is not defined."""
    return values_of(matrix.weight, name)


def values_of(table: Floats, name: str) -> Floats:
    """Return a measure of decisions for each confusion matrix of `table`, `[..., 2, 2]` to `[...]`.

    Raises
    ------
    KeyError
        When the confusion matrix does not say it.
    """
    formula = MEASURES[name].formula
    if not isinstance(formula, Share | Composite):
        raise KeyError(name)
    return formula(table)


@dataclass(frozen=True)
class Disparity:
    """A ratio or difference over groups. `lowest` and `highest` number the groups that make it."""

    value: float
    low: float
    high: float
    lowest: int
    highest: int


def disparity(
    matrix: ConfusionMatrix, name: str, tail: float, claims: int = 1
) -> tuple[Disparity, Disparity] | str:
    """Return the ratio and the difference of a rate over groups, or why there is none.

    Ratio = lowest rate / highest rate, 0..1, 1 = parity; difference = highest - lowest, 0..1, 0 = parity.
    A group without rows in the rate's denominator could have any rate: it leaves the value to the others, and
    takes the bound on the unfair side to its end. `claims` divides the tail of the bound on the fair side
    further, where the largest of several disparities is looked for.
    """
    value, hits, rows = rate_of(matrix, name)
    filled = np.flatnonzero(rows > 0)
    if len(filled) < 2:
        return f"fewer than two groups to compare: {share(name).empty} in the others"
    lowest, highest = (int(filled[pick(value[filled])]) for pick in (np.argmin, np.argmax))
    if len(filled) > MANY:
        return _pooled(value, hits, rows, tail, claims)
    one, two = (side.ravel() for side in np.meshgrid(filled, filled, indexing="ij"))
    one, two = one[one != two], two[one != two]
    counts = (hits[one], rows[one], hits[two], rows[two])
    # On the fair side any ordered pair's bound may err, so all of them share the tail; on the unfair side
    # only that of the truly worst pair may, which keeps the whole of it.
    shared = tail / (len(one) * claims)
    # A group without rows may have any rate: it can be no better than the others, and as bad as can be.
    unknown = len(filled) < len(value)
    gap = Disparity(
        float(value[highest] - value[lowest]),
        max(0.0, float(miettinen_nurminen(*counts, shared)[0].max())),
        1.0 if unknown else min(1.0, float(miettinen_nurminen(*counts, tail)[1].max())),
        lowest,
        highest,
    )
    quotient = Disparity(
        float(value[lowest] / value[highest]) if value[highest] > 0 else float("nan"),
        0.0 if unknown else float(koopman(*counts, tail)[0].min()),
        min(1.0, float(koopman(*counts, shared)[1].min())),
        lowest,
        highest,
    )
    return quotient, gap


def _pooled(
    value: Floats, hits: Floats, rows: Floats, tail: float, claims: int
) -> tuple[Disparity, Disparity]:
    """Return the same from exact bounds of each group, so that many groups cost no more than their number.

    A bound on the unfair side errs only if one of the two groups of the truly worst pair does, at half the
    tail each; one on the fair side rests on all groups, whose 2 n bounds share the tail.
    """
    filled = np.flatnonzero(rows > 0)
    lowest, highest = (int(filled[pick(value[filled])]) for pick in (np.argmin, np.argmax))
    (low, high), unknown = clopper_pearson(hits[filled], rows[filled], tail / 2), len(filled) < len(value)
    share = tail / (2 * len(filled) * claims)
    all_low, all_high = clopper_pearson(hits[filled], rows[filled], share)
    # Every ordered pair at once, by outer differences and quotients; the diagonal is a group with itself.
    other = ~np.eye(len(filled), dtype=bool)
    farthest, nearest = high[:, None] - low[None, :], all_low[:, None] - all_high[None, :]
    with np.errstate(divide="ignore"):
        least = np.where(high[:, None] > 0, low[None, :] / high[:, None], 0.0)
        # A lower bound of 0 in the denominator bounds no ratio from above: 1 claims nothing.
        most = np.where(all_low[:, None] > 0, all_high[None, :] / all_low[:, None], 1.0)
    gap = Disparity(
        float(value[highest] - value[lowest]),
        max(0.0, float(nearest[other].max())),
        1.0 if unknown else min(1.0, float(farthest[other].max())),
        lowest,
        highest,
    )
    quotient = Disparity(
        float(value[lowest] / value[highest]) if value[highest] > 0 else float("nan"),
        0.0 if unknown else float(least[other].min()),
        min(1.0, float(most[other].min())),
        lowest,
        highest,
    )
    return quotient, gap


def equalized_odds(parts: Sequence[tuple[Disparity, Disparity] | str]) -> Disparity | str:
    """Return the larger of the differences of the true and the false positive rate, or why there is none.

    Takes what `disparity` says of the two rates with `claims` 2. The larger of the upper bounds is an upper
    bound at the tail itself; the larger of the lower ones needs the tail shared, as for the worst pair.
    """
    gaps = []
    for part in parts:
        if isinstance(part, str):
            return part
        gaps.append(part[1])
    worse = max(gaps, key=lambda gap: gap.value)
    low, high = max(gap.low for gap in gaps), max(gap.high for gap in gaps)
    return Disparity(worse.value, low, high, worse.lowest, worse.highest)


def values_over_groups(table: Floats, name: str) -> Floats:
    """Return a disparity over groups for many confusion matrices, `[..., groups, 2, 2]` to `[...]`.

    `{rate}_ratio` is the lowest rate over the highest (1 = parity), `{rate}_difference` the highest less the
    lowest (0 = parity), `equalized_odds_difference` the larger of the differences of true and false positive
    rates. Groups without a rate are left out; NaN where fewer than one is left or nobody has any.

    Raises
    ------
    KeyError
        When no disparity has this name.
    """
    known = QUANTITIES.get(name)
    if known is None or not known.over_groups:
        raise KeyError(name)
    if isinstance(known.measure.formula, Larger):
        rates = known.measure.formula.rates
        first, *others = (values_over_groups(table, f"{rate}_difference") for rate in rates)
        for other in others:
            first = np.fmax(first, other)
        return first
    each = values_of(table, known.measure.name)
    # NaN first, so that no group at all gives NaN too.
    low = np.fmin.reduce(each, axis=-1, initial=np.nan)
    high = np.fmax.reduce(each, axis=-1, initial=np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(low / high if known.how == "ratio" else high - low)

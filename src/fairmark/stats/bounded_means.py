"""Bounds of the mean of a bounded variable, weighted or not, from independent units of any kind.

A unit is what is independent of the others: a row, or all rows of a person. Each has a weight and a value
within a known range, and the mean is E[weight x value] / E[weight]. The bound is Gaffke's (2005;
Learned-Miller and Thomas 2020): units get random weights that are exponential (a Bayesian bootstrap) beside
one unit that was never seen, as heavy as any can be and with the worst value there is; the bound is a
quantile of the mean of these. For values of 0 and 1 it is Clopper and Pearson's; without any spread it is
their rule of three; for many units it is about Student's. That it never errs more than it says is proven for
0 and 1 and conjectured for other variables: no counterexample is known, and the proofs look for one. Where
a proof is asked for, `Units.by` says "betting" (`betting`), which wants more rows.

Two independent means are compared by combining their confidence distributions (Fay, Proschan and Brittain
2015): the chance that a draw of the one is above a draw of the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, Self

import numpy as np

from fairmark.stats import betting
from fairmark.stats.arrays import Floats, Places
from fairmark.stats.intervals import clopper_pearson

Bound = Literal["betting", "gaffke"]
"""How a mean is bounded: `betting` is proven for every bounded variable, `gaffke` conjectured and tighter."""

_NEWTONS = 60
_GRID = 33
_ROUNDS = 5
_STEPS = 128
_LEFT_OUT = 1e-7


@dataclass(frozen=True)
class Units:
    """Independent units by weight and value: so many at each pair of them.

    Parameters
    ----------
    weight, value, count
        [nodes] weight > 0, value within `low`..`high`, and how many units (not whole where they lie between
        nodes, see `spread`).
    heaviest
        The weight that no unit is above, seen or not.
    low, high
        What no value is below and above.
    by
        By which bound the mean is bounded.
    """

    weight: tuple[float, ...]
    value: tuple[float, ...]
    count: tuple[float, ...]
    heaviest: float
    low: float
    high: float
    by: Bound = "gaffke"

    @property
    def total(self) -> tuple[float, float]:
        """Return the sums of weight and of weight x value."""
        weight, value, count = (np.array(part) for part in (self.weight, self.value, self.count))
        return float(weight @ count), float((weight * count) @ value)

    @property
    def mean(self) -> float:
        """Return the weighted mean; NaN without units."""
        weight, value = self.total
        return value / weight if weight > 0 else float("nan")

    @property
    def size(self) -> float:
        """Return how many units there are."""
        return float(sum(self.count))

    def grown(self, factor: float) -> Self:
        """Return `factor` times as many units of the same kind."""
        return replace(self, count=tuple(each * factor for each in self.count))

    def turned(self) -> Self:
        """Return the same with every value mirrored in its range: an upper bound of it is a lower one."""
        return replace(self, value=tuple(self.low + self.high - each for each in self.value))

    def p_below(self, at: Floats) -> Floats:
        """Return the p-value of H: mean >= `at`, against a mean below it; rises as `at` falls."""
        if self.by == "betting":
            short = (self.high - np.asarray(at, dtype=np.float64)) / (self.high - self.low)
            return betting.p_value(betting.log_capital(self.short_of_high, short))
        weight, value, count = (np.array(part) for part in (self.weight, self.value, self.count))
        at = np.asarray(at, dtype=np.float64)[..., None]
        seen = weight * (value - at)
        unseen = np.broadcast_to(self.heaviest * (self.high - at), (*seen.shape[:-1], 1))
        return sum_above_zero(np.concatenate([seen, unseen], axis=-1), np.append(count, 1.0))

    @property
    def short_of_high(self) -> betting.Good:
        """Return the units by how far their value is below the highest, as part of the range."""
        weight, value, count = (np.array(part) for part in (self.weight, self.value, self.count))
        good = np.clip((self.high - value) / (self.high - self.low), 0.0, 1.0)
        kept = count > 0
        return betting.Good(good[kept], np.minimum(weight / self.heaviest, 1.0)[kept], count[kept])

    def p_above(self, at: Floats) -> Floats:
        """Return the p-value of H: mean <= `at`, against a mean above it."""
        return self.turned().p_below(self.low + self.high - np.asarray(at, dtype=np.float64))

    def lower(self, tail: float) -> float:
        """Return the lower bound of the mean, which errs with chance `tail`; the least without units."""
        return self.low + self.high - _upper(self.turned(), tail)

    def upper(self, tail: float) -> float:
        """Return the upper bound of the mean, which errs with chance `tail`."""
        return _upper(self, tail)


# A report asks for the same bounds many times.
@lru_cache(maxsize=4096)
def _upper(units: Units, tail: float, rounds: int = _ROUNDS) -> float:
    if not units.size > 0:
        return units.high
    if {*units.weight} == {units.heaviest} and {*units.value} <= {units.low, units.high}:
        # Rows of one weight that hit or miss: Clopper and Pearson's own formula, to the last digit.
        hits = sum(n for n, each in zip(units.count, units.value, strict=True) if each == units.high)
        top = float(clopper_pearson(hits, units.size, tail)[1])
        return units.low + top * (units.high - units.low)
    near, far = units.low, units.high
    if tail < 0.3:  # the p-value falls from about a half at the mean to 0 at the end of the range
        near = min(max(units.mean, units.low), units.high)
    for _ in range(rounds):
        grid = np.linspace(near, far, _GRID)
        above = np.flatnonzero(units.p_below(grid[1:-1]) <= tail)
        place = int(above[0]) + 1 if above.size else _GRID - 1
        near, far = float(grid[place - 1]), float(grid[place])
    return far


def sum_above_zero(coefficient: Floats, shape: Floats) -> Floats:
    """Return P(sum over k of c_k G_k >= 0) for independent gammas of these shapes, [..., k] to [...].

    By the saddlepoint (Lugannani and Rice 1980; Daniels 1987), with the cumulant function -sum of
    n_k log(1 - c_k t). Off by a few thousandths of itself, or by hundredths where one shape carries all;
    exact where the chance is 0 or 1.
    """
    from scipy.special import ndtr

    c, n = np.asarray(coefficient, dtype=np.float64), np.asarray(shape, dtype=np.float64)
    kept = n > 0
    c, n = c[..., kept], n[kept]
    least, most = c.min(axis=-1), c.max(axis=-1)
    sure = (least >= 0) | (most <= 0)
    size = np.maximum(np.abs(c).max(axis=-1), 1e-300)
    c = c / size[..., None]
    # The root of the derivative lies between the poles, where it rises from minus to plus infinity.
    with np.errstate(divide="ignore"):
        left = np.where(sure, -1.0, 1 / np.where(sure, -1.0, c.min(axis=-1)))
        right = np.where(sure, 1.0, 1 / np.where(sure, 1.0, c.max(axis=-1)))
    left, right = left * (1 - 1e-15), right * (1 - 1e-15)
    t = np.zeros(sure.shape)
    for _ in range(_NEWTONS):
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            pull = c / (1 - c * t[..., None])
            slope, bend = pull @ n, (pull * pull) @ n
            step = slope / bend
        left, right = np.where(slope > 0, left, t), np.where(slope > 0, t, right)
        # Newton's step where it stays between what is known to be too low and too high, else half the way.
        t, before = t - step, t
        t = np.where((t > left) & (t < right), t, (left + right) / 2)
        if (sure | (np.abs(t - before) <= 1e-9 * (right - left + np.abs(t)))).all():
            break
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        inner = 1 - c * t[..., None]
        # log1p: near the mean the terms cancel, and what is left is far below the last digit of 1 - c t.
        cumulant = -(n * np.log1p(np.where(inner > 0, -c * t[..., None], 0.0))).sum(axis=-1)
        pull = c / np.where(inner > 0, inner, 1.0)
        second, third = (n * pull**2).sum(axis=-1), 2 * (n * pull**3).sum(axis=-1)
        w = np.sign(t) * np.sqrt(np.maximum(-2 * cumulant, 0))
        u = t * np.sqrt(second)
        density = np.exp(-(w**2) / 2) / np.sqrt(2 * np.pi)
        # At the mean both terms are infinite; their difference is a sixth of the skewness, of which no digit
        # is left near it: the kernels of other processors would differ in the third place of a chance.
        gap = np.where(np.abs(w) < 1e-3, -third / (6 * second**1.5), 1 / u - 1 / w)
        chance = ndtr(-w) + density * gap
    return np.where(sure, np.where(least >= 0, 1.0, 0.0), np.clip(np.nan_to_num(chance, nan=1.0), 0.0, 1.0))


Kind = Literal["ratio", "difference", "sum"]


@dataclass(frozen=True)
class Pair:
    """Two means that are compared: of independent units, or (`crossing`) of units that stand in both.

    Where a person stands in both, nothing is said of how they hang together: each side is bounded by itself
    at half the tail, which holds whatever they do (Bonferroni).
    """

    one: Units
    two: Units
    crossing: bool = False

    def p_above(self, kind: Kind, margin: float) -> float:
        """Return the p-value of H: mean 1 <= margin x mean 2, mean 1 - mean 2 <= margin, or their sum is.

        A small one says that mean 1 (or the sum) is above.
        """
        one, two = self.one, self.two
        if kind == "sum":
            # mean 1 > margin - mean 2: the mirrored mean 2 is subtracted.
            return Pair(one, two.turned(), self.crossing).p_above("difference", margin - two.low - two.high)
        if not (one.size > 0 and two.size > 0):
            return 1.0
        if one.by == "betting":
            return self._p_by_betting(kind, margin)
        (grid, over), (points, under) = _distribution(two), _distribution(one.turned())
        # Of the mirrored mean 1 `under` is the chance to be above: read back, that to be below.
        points, under = one.low + one.high - points[::-1], under[::-1]
        other = margin * grid if kind == "ratio" else grid + margin
        below = np.interp(other, points, under, left=0.0, right=1.0)
        if self.crossing:
            return float(min(1.0, 2 * np.maximum(below, over).min()))
        # E over a draw of mean 2, by trapezoids: too large, if anything, where the tail is convex.
        steps = np.maximum(over[:-1] - over[1:], 0.0)
        inner = (below[1:] + below[:-1]) / 2 @ steps
        return float(min(1.0, inner + below[0] * (1 - over[0]) + over[-1]))

    def _p_by_betting(self, kind: Kind, margin: float) -> float:
        """Return the largest p-value over all mean 2 of H that mean 2 is the one and mean 1 on the edge."""
        one, two = self.one, self.two

        def edge(mean2: Floats) -> tuple[Floats, Floats]:
            mean1 = margin * mean2 if kind == "ratio" else mean2 + margin
            # What is good for the claim: how far 1 is above its lowest value, and 2 below its highest.
            return (mean1 - one.low) / (one.high - one.low), (two.high - mean2) / (two.high - two.low)

        log_e = betting.least_of_pair(
            one.turned().short_of_high, two.short_of_high, edge, (two.low, two.high), crossing=self.crossing
        )
        return float(betting.p_value(np.array(log_e)))

    def lower(self, kind: Kind, tail: float, limit: float, least: float, most: float) -> float:
        """Return the largest margin in `least`..`most` whose H is rejected at `tail`; `least` if none is.

        The test at `limit` is made first, so that the bound is at or above it exactly when that test rejects.
        """
        low, high = least, most
        if low < limit < high:
            low, high = (limit, high) if self.p_above(kind, limit) <= tail else (low, limit)
        while high - low > 1e-5 * max(abs(low), abs(high), 1e-3):
            middle = (low + high) / 2
            low, high = (middle, high) if self.p_above(kind, middle) <= tail else (low, middle)
        return low


# Each group stands in many pairs, and each pair is asked for at many margins.
@lru_cache(maxsize=512)
def _distribution(units: Units) -> tuple[Floats, Floats]:
    """Return points, rising, and the p-value of H: mean >= point: the upper confidence distribution.

    The points hold all of it but a millionth.
    """
    points = np.linspace(_upper(units, 1 - _LEFT_OUT, 2), _upper(units, _LEFT_OUT, 2), _STEPS)
    return points, units.p_below(points)


def spread(
    weight: Floats,
    value: Floats,
    *,
    weights: Floats,
    values: Floats,
    count: Floats | None = None,
) -> tuple[Floats, Floats, Floats]:
    """Return units on a grid of weights x values, as (weight, value, count) of each node that has any.

    Each unit is shared by the nodes around it in proportion to how near they are (linear binning: Wand 1994),
    so that sums of weights and of weight x value stay as they are, and only the spread grows: a bound gets
    wider, never narrower.
    """
    share = np.ones(len(weight)) if count is None else count
    total = np.zeros(len(weights) * len(values))
    (left, heavy), (under, over) = _places(weight, weights), _places(value, values)
    for step_w, part_w in ((0, 1 - heavy), (1, heavy)):
        for step_v, part_v in ((0, 1 - over), (1, over)):
            row, column = (
                np.minimum(left + step_w, len(weights) - 1),
                np.minimum(under + step_v, len(values) - 1),
            )
            # Nearness in both at once: the four corners of a cell share a unit, and their parts sum to it.
            part = share * part_w * part_v
            total += np.bincount(row * len(values) + column, weights=part, minlength=len(total))
    rows, columns = np.divmod(np.flatnonzero(total), len(values))
    return weights[rows], values[columns], total[np.flatnonzero(total)]


def _places(x: Floats, nodes: Floats) -> tuple[Places, Floats]:
    """Return the node at or below each x, and how far it is on the way to the next, 0..1."""
    if len(nodes) == 1:
        return np.zeros(len(x), dtype=np.intp), np.zeros(len(x))
    at = np.clip(np.searchsorted(nodes, x, side="right") - 1, 0, len(nodes) - 2)
    return at, np.clip((x - nodes[at]) / (nodes[at + 1] - nodes[at]), 0.0, 1.0)


def weight_nodes(weight: Floats, most: int = 12) -> Floats:
    """Return the distinct weights; where they are many, `most` in even proportions from least to heaviest."""
    distinct = np.unique(weight)
    if len(distinct) <= most:
        return distinct
    nodes = np.geomspace(distinct[0], distinct[-1], most)
    nodes[0], nodes[-1] = distinct[0], distinct[-1]
    return nodes


def upper_sum_of_gaps(bins: Sequence[Units], tail: float) -> float:
    """Return the upper bound of a sum over bins of |mean over all units of the values in the bin|, as ECE is.

    The sum is the largest mean over all ways to give each bin a sign: it is shown to be below a number when
    for each of them the mean is, so that no level is shared (Berger 1982). The bins hold values within -1..1
    and are parts of one sample.
    """
    signed = _Signed.of(bins)
    if signed is None:
        return 1.0
    if bins[0].by == "betting":
        return signed.gaps.bound(tail, upper=True)
    sign = signed.observed
    high = signed.units(sign).upper(tail)
    # Where a bin's gap is near 0 the other sign can have the higher bound: flip until no flip raises it.
    for _ in range(4 * len(sign)):
        tried = [np.where(np.arange(len(sign)) == k, -sign, sign) for k in range(len(sign))]
        chances = [float(signed.units(one).p_below(np.array([high]))[0]) for one in tried]
        best = int(np.argmax(chances))
        if chances[best] <= tail * (1 + 1e-9):
            break
        sign = tried[best]
        high = max(high, signed.units(sign).upper(tail))
    return min(1.0, high)


def lower_sum_of_gaps(bins: Sequence[Units], tail: float) -> float:
    """Return the lower bound of the same: that of the mean by the signs that were seen.

    One of 2^bins ways to give signs, all of which share the tail.
    """
    signed = _Signed.of(bins)
    if signed is None:
        return 0.0
    if bins[0].by == "betting":
        return signed.gaps.bound(tail, upper=False)
    sign = signed.observed
    return max(0.0, signed.units(sign).lower(tail / 2 ** len(sign)))


@dataclass(frozen=True)
class _Signed:
    """The units of all bins that have any, and the bin of each node."""

    weight: Floats
    value: Floats
    count: Floats
    bin: Places
    heaviest: float

    @classmethod
    def of(cls, bins: Sequence[Units]) -> Self | None:
        each = [one for one in bins if one.size > 0]
        if not each:
            return None
        weight, value, count = (
            np.concatenate(parts)
            for parts in zip(
                *((np.array(one.weight), np.array(one.value), np.array(one.count)) for one in each),
                strict=True,
            )
        )
        place = np.repeat(np.arange(len(each)), [len(one.count) for one in each])
        return cls(weight, value, count, place, max(one.heaviest for one in each))

    @property
    def gaps(self) -> betting.Gaps:
        """Return the same for bets."""
        return betting.Gaps(self.value, np.minimum(self.weight / self.heaviest, 1.0), self.count, self.bin)

    @property
    def observed(self) -> Floats:
        """Return the sign of each bin's gap."""
        gaps = np.bincount(self.bin, weights=self.weight * self.value * self.count)
        return np.where(gaps < 0, -1.0, 1.0)

    def units(self, sign: Floats) -> Units:
        """Return the units with the values of each bin times its sign."""
        value = self.value * sign[self.bin]
        weight, count = tuple(self.weight.tolist()), tuple(self.count.tolist())
        return Units(weight, tuple(value.tolist()), count, self.heaviest, -1.0, 1.0)

"""Exact tests and bounds for the ratio and the difference of two independent shares: the gate rests on these.

The score test is close to its level on average, but errs up to several times more where few hits are
expected (the proofs print it). Here its statistic only says which tables are more extreme; their chance is
summed over both binomials, and the largest such chance over the unknown common share is the p-value (Barnard
1947; Chan and Zhang 1999). Looking for the largest only inside a confidence set of that share, and adding the
chance that the set misses, keeps the p-value valid and makes it less wasteful (Berger and Boos 1994).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, gammaln

from fairmark.judge.cells import Floats
from fairmark.judge.intervals import clopper_pearson
from fairmark.judge.score import difference_statistic, koopman, miettinen_nurminen, ratio_statistic

Kind = Literal["ratio", "difference"]
Extreme = Callable[[Floats, Floats], NDArray[np.bool_]]
"""Whether tables with these hits, of the first and of the second sample, are as extreme as the observed."""

MISSED = 1e-5
"""Chance that the confidence set of the unknown share misses it; it is added to every p-value."""
_FINE = 2  # points a standard deviation (of the larger sample) in the search for the largest chance
_LEAST_GRID = 48
_REFINED = 12
_REACH = 6.5  # binomial mass further out than this many standard deviations, and `_SLACK` rows, is < 1e-9
_SLACK = 14
_DEAR = 40  # a binomial distribution function costs as much as so many terms of the sum that it is


@dataclass(frozen=True)
class Sample:
    """`hits` out of `rows`, whole numbers."""

    hits: int
    rows: int

    @property
    def share(self) -> float:
        """Return hits / rows."""
        return self.hits / self.rows


def p_value(one: Sample, two: Sample, kind: Kind, margin: float) -> float:
    """Return the p-value of H: share 1 <= margin x share 2 ("ratio"), or share 1 <= share 2 + margin.

    Whatever the two shares under H and however few rows, the chance of a p-value of at most `a` is at most
    `a`. A small one says that share 1 is above. 1 without rows.
    """
    if one.rows == 0 or two.rows == 0:
        return 1.0
    statistic = ratio_statistic if kind == "ratio" else difference_statistic
    seen = float(statistic(one.hits, one.rows, two.hits, two.rows, margin))
    if seen <= 0:  # not even the observed share is above: no p-value worth knowing
        return 1.0
    least, most = (float(b) for b in clopper_pearson(two.hits, two.rows, MISSED / 2))
    if kind == "difference":
        least = max(least, -margin)  # below, share 2 + margin < 0, and H holds no share 1 at all
    if least > most:
        return MISSED

    def other(share2: Floats) -> Floats:
        return np.clip(margin * share2 if kind == "ratio" else share2 + margin, 0, 1)

    grid = _arcs(least, most, max(one.rows, two.rows))
    if one.rows <= two.rows:
        first = _window(one.rows, other(grid))
        edge = _edges(
            first, one, two, lambda x1, x2: statistic(x1, one.rows, x2, two.rows, margin) >= seen - 1e-9
        )

        def chances(share2: Floats) -> Floats:
            return _chances(first, edge, (one.rows, other(share2)), (two.rows, share2))

    else:  # the same with misses for hits, which keeps the sum over the smaller sample
        first = _window(two.rows, 1 - grid)
        few, many = (Sample(side.rows - side.hits, side.rows) for side in (two, one))
        edge = _edges(
            first,
            few,
            many,
            lambda y2, y1: statistic(one.rows - y1, one.rows, two.rows - y2, two.rows, margin) >= seen - 1e-9,
        )

        def chances(share2: Floats) -> Floats:
            return _chances(first, edge, (two.rows, 1 - share2), (one.rows, 1 - other(share2)))

    return min(1.0, _largest(chances, grid) + MISSED)


def _arcs(least: float, most: float, rows: int) -> Floats:
    """Return shares from `least` to `most`, even on the arcsine scale.

    There a standard deviation is 1 / (2 sqrt(rows)) everywhere, so even steps miss no peak.
    """
    start, stop = (float(np.arcsin(np.sqrt(end))) for end in (least, most))
    points = max(_LEAST_GRID, int((stop - start) * 2 * np.sqrt(rows) * _FINE))
    return np.asarray(np.sin(np.linspace(start, stop, points)) ** 2, dtype=np.float64)


def _largest(chances: Callable[[Floats], Floats], grid: Floats) -> float:
    """Return the largest chance on the grid, and then finer around the best of it."""
    found = chances(grid)
    best = int(found.argmax())
    around = np.linspace(grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)], _REFINED)
    return float(max(found.max(), chances(around).max()))


def _chances(hits: Floats, edge: Floats, few: tuple[int, Floats], many: tuple[int, Floats]) -> Floats:
    """Return P(hits of `many` <= edge(hits of `few`)) at each pair of shares; both are `(rows, shares)`."""
    return np.asarray((_mass(hits, *few) * _under(edge, *many)).sum(axis=1), dtype=np.float64)


def _window(rows: int, share: Floats) -> Floats:
    """Return the numbers of hits that have any chance worth counting at one of these shares."""
    mean, spread = rows * share, np.sqrt(rows * share * (1 - share))
    low = max(0, int(np.floor((mean - _REACH * spread).min())) - _SLACK)
    high = min(rows, int(np.ceil((mean + _REACH * spread).max())) + _SLACK)
    return np.arange(low, high + 1, dtype=np.float64)


def _edges(first: Floats, few: Sample, many: Sample, extreme: Extreme) -> Floats:
    """Return, for each number of hits of `few`, the most hits of `many` that are as extreme; -1 for none.

    Made to rise with the hits of `few` (it does, but for ties of the last digit), and to hold the observed
    table: the p-value is then that of a set at least as large, and of one whose chance grows with share 1
    (Barnard's convexity), so that share 1 on the edge of H is the worst of H.
    """
    low, high = np.full(first.shape, -1.0), np.full(first.shape, many.rows + 1.0)
    while (high - low > 1).any():
        middle = np.floor((low + high) / 2)
        inside = (middle < 0) | ((middle <= many.rows) & extreme(first, np.clip(middle, 0, many.rows)))
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    low = np.where(first >= few.hits, np.maximum(low, many.hits), low)
    return np.maximum.accumulate(low)


def _under(edge: Floats, rows: int, share: Floats) -> Floats:
    """Return P(hits <= edge), shape `[shares, edges]`."""
    hits = _window(rows, share)
    if len(hits) > _DEAR * len(edge):
        return np.where(edge < 0, 0.0, bdtr(np.maximum(edge, 0), rows, share[:, None]))
    below = np.cumsum(_mass(hits, rows, share), axis=1)
    at = (edge - hits[0]).astype(np.intp)
    return np.where(at < 0, 0.0, below[:, np.clip(at, 0, len(hits) - 1)])


def _mass(hits: Floats, rows: int, share: Floats) -> Floats:
    """Return the binomial probabilities, shape `[shares, hits]`."""
    inner = np.clip(share, 1e-300, 1 - 1e-16)[:, None]
    power = hits * np.log(inner) + (rows - hits) * np.log1p(-inner)
    return np.asarray(np.exp(power + _ways(int(hits[0]), int(hits[-1]), rows)), dtype=np.float64)


@lru_cache(maxsize=64)
def _ways(low: int, high: int, rows: int) -> Floats:
    """Return the logarithms of the binomial coefficients of `low` to `high` out of `rows`."""
    hits = np.arange(low, high + 1, dtype=np.float64)
    return np.asarray(gammaln(rows + 1) - gammaln(hits + 1) - gammaln(rows - hits + 1), dtype=np.float64)


def lower(
    one: Sample, two: Sample, kind: Kind, tail: float, limit: float, floor: float | None = None
) -> float:
    """Return the exact lower bound of share 1 / share 2, or of share 1 - share 2.

    It is above the true value with chance at most `tail`, and never above the observed one. The test at
    `limit` itself is made first, so that the bound is at or above `limit` exactly when that test rejects.
    With a `floor`, every bound below it is given as `floor`.
    """
    least = 0.0 if kind == "ratio" else -1.0
    if one.rows == 0 or two.rows == 0 or (kind == "ratio" and one.hits == 0):
        return least if floor is None else floor
    ceiling = _observed(one, two, kind)
    score_bounds = koopman if kind == "ratio" else miettinen_nurminen
    start = float(score_bounds(one.hits, one.rows, two.hits, two.rows, tail)[0])

    def clear(margin: float) -> bool:
        return p_value(one, two, kind, margin) <= tail

    low, high = least, ceiling  # at the least nothing is claimed, and at the observed value nothing is clear
    if floor is not None:
        if not clear(floor):
            return floor
        low = floor
    if low < limit < ceiling:
        low, high = (limit, high) if clear(limit) else (low, limit)
    return _boundary(clear, low, high, start, abs(ceiling - start))


def _observed(one: Sample, two: Sample, kind: Kind) -> float:
    if kind == "difference":
        return one.share - two.share
    return one.share / max(two.share, 0.5 / two.rows)  # without hits in sample 2: more than any lower bound


def _boundary(clear: Callable[[float], bool], low: float, high: float, guess: float, scale: float) -> float:
    """Return the last margin between `low` and `high` that is clear, short of it by at most 0.3% of `scale`.

    Walks outwards from `guess` with growing steps, then halves.
    """
    step = 0.01 * scale
    while low < guess < high:
        if clear(guess):
            low, guess = guess, guess + step
        else:
            high, guess = guess, guess - step
        step *= 2
    while high - low > 0.003 * scale:
        middle = (low + high) / 2
        low, high = (middle, high) if clear(middle) else (low, middle)
    return low

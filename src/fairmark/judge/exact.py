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

import numpy as np

from fairmark.judge.cells import Floats
from fairmark.judge.intervals import clopper_pearson
from fairmark.judge.score import Kind, lowest
from fairmark.judge.tables import Order, Sample, Tables

MISSED = 1e-5
"""Chance that the confidence set of the unknown share misses it; it is added to every p-value."""
_FINE = 2  # points a standard deviation (of the larger sample) in the search for the largest chance
_LEAST_GRID = 48
_REFINED = 12
_PIECES = 8
_NOISE = 1e-8  # more than what is left out of a chance, far out


def p_value(one: Sample, two: Sample, kind: Kind, margin: float) -> float:
    """Return the p-value of H: share 1 <= margin x share 2 ("ratio"), or share 1 <= share 2 + margin.

    Whatever the two shares under H and however few rows, the chance of a p-value of at most `a` is at most
    `a`. A small one says that share 1 is above. 1 without rows.
    """
    tested = _tested(one, two, kind, margin)
    return tested if isinstance(tested, float) else tested.p_value()


def rejects(one: Sample, two: Sample, kind: Kind, margin: float, tail: float) -> bool:
    """Return whether `p_value` is at most `tail`, which takes a fraction of its time to say."""
    tested = _tested(one, two, kind, margin)
    return tested <= tail if isinstance(tested, float) else tested.rejects(tail)


@dataclass(frozen=True)
class _Tested:
    """H with the tables that speak against it, and the shares 2 (`grid`, rising) at which it is looked at."""

    kind: Kind
    margin: float
    tables: Tables
    grid: Floats

    def chances(self, share2: Floats) -> Floats:
        """Return the chance of the tables on the edge of H."""
        return self.tables.chances(_share1(self.kind, self.margin, share2), share2)

    def p_value(self) -> float:
        """Return the largest chance on the grid, and then finer around the best of it."""
        found = self.chances(self.grid)
        best = int(found.argmax())
        return min(1.0, float(max(found[best], self.chances(self._around(best)).max())) + MISSED)

    def _around(self, at: int) -> Floats:
        return np.linspace(self.grid[max(at - 1, 0)], self.grid[min(at + 1, len(self.grid) - 1)], _REFINED)

    def rejects(self, tail: float) -> bool:
        """Return `p_value() <= tail`, from as few of the chances as will do.

        A few of them may be too much already. If they are small, the shares are cut into pieces: within one,
        no chance is above that of its highest share 1 with its lowest share 2, and all of these may be small
        enough. Else the p-value has to be worked out.
        """
        left = tail - MISSED
        ends = self.grid[np.linspace(0, len(self.grid) - 1, _PIECES + 1).astype(np.intp)]
        few = self.chances(ends[2:-2:2]).max()
        if few > left + _NOISE:
            return False
        if few < left / 2:
            bounds = self.tables.chances(_share1(self.kind, self.margin, ends[1:]), ends[:-1])
            if bounds.max() <= left - _NOISE:
                return True
        return self.p_value() <= tail


def _share1(kind: Kind, margin: float, share2: Floats) -> Floats:
    """Return the share 1 on the edge of H."""
    return np.clip(margin * share2 if kind == "ratio" else share2 + margin, 0, 1)


def _tested(one: Sample, two: Sample, kind: Kind, margin: float) -> _Tested | float:
    """Return what is to be summed up, or the p-value where nothing is."""
    if one.rows == 0 or two.rows == 0:
        return 1.0
    order = Order(kind, one, two, margin)
    if order.seen <= 0:  # not even the observed share is above: no p-value worth knowing
        return 1.0
    least, most = _plausible(two)
    if kind == "difference":
        least = max(least, -margin)  # below, share 2 + margin < 0, and H holds no share 1 at all
    if least > most:
        return MISSED
    grid = _arcs(least, most, max(one.rows, two.rows))
    return _Tested(kind, margin, order.tables(_share1(kind, margin, grid), grid), grid)


@lru_cache(maxsize=64)
def _plausible(two: Sample) -> tuple[float, float]:
    """Return the confidence set of share 2."""
    low, high = clopper_pearson(two.hits, two.rows, MISSED / 2)
    return float(low), float(high)


def _arcs(least: float, most: float, rows: int) -> Floats:
    """Return shares from `least` to `most`, even on the arcsine scale.

    There a standard deviation is 1 / (2 sqrt(rows)) everywhere, so even steps miss no peak.
    """
    start, stop = (float(np.arcsin(np.sqrt(end))) for end in (least, most))
    points = max(_LEAST_GRID, int((stop - start) * 2 * np.sqrt(rows) * _FINE))
    return np.asarray(np.sin(np.linspace(start, stop, points)) ** 2, dtype=np.float64)


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
    start = lowest(kind, one.hits, one.rows, two.hits, two.rows, tail)

    def clear(margin: float) -> bool:
        return rejects(one, two, kind, margin, tail)

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

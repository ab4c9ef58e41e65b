"""Exact tests and bounds for the ratio and the difference of two independent shares: the gate rests on these.

The score test is close to its level on average, but errs up to several times more where few hits are
expected (the proofs print it). Here its statistic only says which tables are more extreme; their chance is
summed over both binomials, and the largest such chance over the unknown common share is the p-value (Barnard
1947; Chan and Zhang 1999). Looking for the largest only inside a confidence set of that share, and adding the
chance that the set misses, keeps the p-value valid and makes it less wasteful (Berger and Boos 1994).

Tables of two samples that are as extreme as the observed one, and the chance of them.

Such a set grows one way: a table stays in it with more hits of sample 1, and with fewer of sample 2. So one
number for each count of the smaller sample describes it (`edge`), and its chance rises with share 1 and falls
with share 2.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from fairmark.stats.arrays import Floats
from fairmark.stats.intervals import clopper_pearson
from fairmark.stats.score_test import (
    Kind,
    difference_curve,
    difference_statistic,
    lowest,
    ratio_curve,
    ratio_statistic,
)

_REACH = 6.5  # binomial mass further out than this many standard deviations, and `_SLACK` rows, is < 1e-9
_SLACK = 14
_DEAR = 40  # a binomial distribution function costs as much as so many terms of the sum that it is
# Tables whose statistics differ by rounding alone are as extreme as each other. Leaving one of them out would
# make a p-value too small, counting one too many only makes it larger.
_TIE = 1e-9
_AT_ONCE = 16  # shares that are summed at once; more of large samples would not fit into a processor's cache
_CELLS = 1 << 14  # of small samples so many shares more that numpy's cost of a call does not count
# A bound takes many tests of the same sample 2 at the same shares 2: what is known of it is kept, up to so
# many cells of a table (64 tables twice, of 0.5 MB each at the most).
_KEPT, _KEPT_CELLS = 64, 1 << 16
# Shares as squared sines, a hair inside 0 and 1, where the curves divide by a variance that vanishes.
_ANGLES = np.linspace(1e-6, np.pi / 2 - 1e-6, 49)
_FINER = np.linspace(0, 1, 3 * len(_ANGLES))
_AROUND = np.array([[-1.0], [0.0], [1.0], [2.0]])


@dataclass(frozen=True)
class Sample:
    """`hits` out of `rows`, whole numbers."""

    hits: int
    rows: int

    @property
    def share(self) -> float:
        """Return hits / rows."""
        return self.hits / self.rows


@dataclass(frozen=True)
class Tables:
    """The tables whose score statistic is at least that of the observed one.

    Those with at most `edge` out of `many` where there are `first` out of `few`, the rows of the smaller
    sample: of hits, or, with sample 2 for the smaller, of misses (`turned`).
    """

    first: Floats
    edge: Floats
    few: int
    many: int
    turned: bool

    def chances(self, share1: Floats, share2: Floats) -> Floats:
        """Return their chance at each pair of shares."""
        # P(table in the set) is a sum over the smaller sample alone, of P(its count) x P(other count <=
        # edge): the inner sum is a distribution function, so that the cost is few + many and not few x many.
        few, many = (1 - share2, 1 - share1) if self.turned else (share1, share2)
        hits = _window(self.many, many)
        step = _AT_ONCE * max(1, _CELLS // (_AT_ONCE * max(len(hits), len(self.first))))
        sums = []
        for k in range(0, len(few), step):
            under = _under(self.edge, hits, self.many, many[k : k + step], kept=not self.turned)
            mass = _kept_mass if self.turned else _mass
            under *= mass(self.first, self.few, few[k : k + step])
            # A row that is summed by itself is rounded otherwise than beside others: always the same ones
            # together, so that a chance has the same bits whatever the step.
            sums += [under[at : at + _AT_ONCE].sum(axis=1) for at in range(0, len(under), _AT_ONCE)]
        return np.concatenate(sums)


@dataclass(frozen=True)
class Order:
    """The order of all tables by the score statistic at one margin, and where the observed one stands."""

    kind: Kind
    one: Sample
    two: Sample
    margin: float

    @cached_property
    def seen(self) -> float:
        """Return the statistic of the observed table."""
        return float(self._statistic(self.one.hits, self.two.hits))

    def tables(self, share1: Floats, share2: Floats) -> Tables:
        """Return the tables that are as extreme as the observed one.

        Counts that have no chance at any of these shares are left out.
        """
        # Counting misses instead of hits makes the set grow the same way when sample 2 is the smaller one.
        turned = self.one.rows > self.two.rows
        few, many = (_misses(self.two), _misses(self.one)) if turned else (self.one, self.two)
        first = _window(few.rows, 1 - share2 if turned else share1)
        return Tables(first, self._edges(first, few, many, turned=turned), few.rows, many.rows, turned)

    def _edges(self, first: Floats, few: Sample, many: Sample, *, turned: bool) -> Floats:
        """Return, for each number out of `few`, the most out of `many` that are as extreme; -1 for none.

        Made to rise with the number out of `few` (it does, but for ties of the last digit), and to hold the
        observed table: the p-value is then that of a set at least as large, and of one whose chance grows
        with share 1 (Barnard's convexity), so that share 1 on the edge of H is the worst of H.
        """
        least = self.seen - _TIE

        def inside(x: Floats, y: Floats) -> NDArray[np.bool_]:
            at = np.minimum(np.maximum(y, 0), many.rows)  # what np.clip does, in a third of its time
            statistic = self._statistic(many.rows - at, few.rows - x) if turned else self._statistic(x, at)
            return (y < 0) | ((y <= many.rows) & (statistic >= least))

        # The curve of equal statistic is right to about a count. Four tries around it settle nearly every
        # edge, in one vectorised call; bisection finds the few that are further off.
        guess = np.floor(self._likely(first, least, turned=turned))
        near = guess + _AROUND
        kept = inside(first, near).sum(axis=0)
        low = np.where(kept > 0, guess + kept - 2, -1.0)
        high = np.where(kept < len(near), guess + kept - 1, many.rows + 1.0)
        far = np.flatnonzero(high - low > 1)
        while far.size:
            middle = np.floor((low[far] + high[far]) / 2)
            inside_set = inside(first[far], middle)
            low[far], high[far] = (
                np.where(inside_set, middle, low[far]),
                np.where(inside_set, high[far], middle),
            )
            far = far[high[far] - low[far] > 1]
        # The observed table is as extreme as itself whatever rounding says: without it a p-value could fall
        # below the chance of what was seen.
        low = np.where(first >= few.hits, np.maximum(low, many.hits), low)
        # Ties of the last digit can make the edge step back. A larger set makes the p-value larger, never
        # invalid.
        return np.asarray(np.maximum.accumulate(low))

    def _likely(self, first: Floats, level: float, *, turned: bool) -> Floats:
        """Return about how many out of `many` have the statistic `level`, for each number out of `few`."""
        curve = ratio_curve if self.kind == "ratio" else difference_curve
        ends = (0.0, min(1.0, 1 / max(self.margin, 1e-9)))
        if self.kind == "difference":
            ends = (max(0.0, -self.margin), min(1.0, 1 - self.margin))
        angles = _ANGLES  # a standard deviation is about as wide everywhere on this scale
        for _ in range(2):  # all shares first, then those that matter, more finely
            share2 = ends[0] + (ends[1] - ends[0]) * np.sin(angles) ** 2
            few, many = curve(self.one.rows, self.two.rows, self.margin, level, share2)
            if turned:
                few, many, angles = self.two.rows - many[::-1], self.one.rows - few[::-1], angles[::-1]
            near = np.interp([first[0], first[-1]], few, angles)
            wide = _ANGLES[1] - _ANGLES[0]
            start, stop = max(near.min() - wide, _ANGLES[0]), min(near.max() + wide, _ANGLES[-1])
            angles = start + (stop - start) * _FINER
        counts = np.interp(first, few, many)
        counts = np.minimum(np.maximum(counts, -1), (self.one if turned else self.two).rows)
        return counts if np.isfinite(counts).all() else np.zeros(first.shape)

    def _statistic(self, x1: Floats | int, x2: Floats | int) -> Floats:
        statistic = ratio_statistic if self.kind == "ratio" else difference_statistic
        return statistic(x1, self.one.rows, x2, self.two.rows, self.margin)


def _misses(side: Sample) -> Sample:
    return Sample(side.rows - side.hits, side.rows)


def _window(rows: int, share: Floats) -> Floats:
    """Return the numbers of hits that have any chance worth counting at one of these shares."""
    mean, spread = rows * share, np.sqrt(rows * share * (1 - share))
    # Over all shares, not of each: one window of hits serves the whole grid of the nuisance parameter.
    low = max(0, int(np.floor((mean - _REACH * spread).min())) - _SLACK)
    high = min(rows, int(np.ceil((mean + _REACH * spread).max())) + _SLACK)
    return np.arange(low, high + 1, dtype=np.float64)


def _under(edge: Floats, hits: Floats, rows: int, share: Floats, *, kept: bool) -> Floats:
    """Return P(hits <= edge), shape `[shares, edges]`; `hits` are all that have a chance.

    `kept` says that the same shares will be asked for again.
    """
    from scipy.special import bdtr

    if len(hits) > _DEAR * len(edge):
        return np.where(edge < 0, 0.0, bdtr(np.maximum(edge, 0), rows, share[:, None]))
    below = (_kept_cumulative if kept else _cumulative)(hits, rows, share)
    at = (edge - hits[0]).astype(np.intp)
    return np.where(at < 0, 0.0, below[:, np.minimum(np.maximum(at, 0), len(hits) - 1)])


def _cumulative(hits: Floats, rows: int, share: Floats) -> Floats:
    """Return the binomial distribution function, shape `[shares, hits]`."""
    return np.cumsum(_mass(hits, rows, share), axis=1)


def _kept(of: Callable[[Floats, int, Floats], Floats]) -> Callable[[Floats, int, Floats], Floats]:
    """Return `of`, memoised by the run of counts, the rows and the shares unless they are many."""

    @lru_cache(maxsize=_KEPT)
    def at(low: int, high: int, rows: int, shares: bytes) -> Floats:
        found = of(np.arange(low, high + 1, dtype=np.float64), rows, np.frombuffer(shares))
        found.flags.writeable = False  # handed out more than once
        return found

    def kept(hits: Floats, rows: int, share: Floats) -> Floats:
        if len(hits) * len(share) > _KEPT_CELLS:
            return of(hits, rows, share)
        return at(int(hits[0]), int(hits[-1]), rows, share.tobytes())

    return kept


def _mass(hits: Floats, rows: int, share: Floats) -> Floats:
    """Return the binomial probabilities, shape `[shares, hits]`."""
    # In logarithms, because the coefficients of a thousand rows overflow a float; and inside 0..1, because
    # log 0 times no hits would be NaN where the factor is 1.
    inner = np.minimum(np.maximum(share, 1e-300), 1 - 1e-16)
    power = np.multiply.outer(np.log(inner), hits)
    power += np.multiply.outer(np.log1p(-inner), rows - hits)
    power += _ways(int(hits[0]), int(hits[-1]), rows)
    return np.asarray(np.exp(power, out=power), dtype=np.float64)


_kept_mass, _kept_cumulative = _kept(_mass), _kept(_cumulative)


@lru_cache(maxsize=64)
def _ways(low: int, high: int, rows: int) -> Floats:
    """Return the logarithms of the binomial coefficients of `low` to `high` out of `rows`."""
    from scipy.special import gammaln

    hits = np.arange(low, high + 1, dtype=np.float64)
    return np.asarray(gammaln(rows + 1) - gammaln(hits + 1) - gammaln(rows - hits + 1), dtype=np.float64)


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
        # The chance has several peaks along the share. The grid is fine enough to be next to the highest, and
        # the second pass climbs it; `MISSED` pays for shares outside the confidence set (Berger and Boos
        # 1994).
        chances = self.chances(self.grid)
        best = int(chances.argmax())
        return min(1.0, float(max(chances[best], self.chances(self._around(best)).max())) + MISSED)

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
        # Inner points first, where the chance peaks as a rule: most tests that can't reject end here.
        few = self.chances(ends[2:-2:2]).max()
        if few > left + _NOISE:
            return False
        if few < left / 2:
            # The chance rises with share 1 and falls with share 2 (Barnard's convexity), so that one corner
            # of a piece bounds all of it.
            bounds = self.tables.chances(_share1(self.kind, self.margin, ends[1:]), ends[:-1])
            if bounds.max() <= left - _NOISE:
                return True
        return self.p_value() <= tail


def _share1(kind: Kind, margin: float, share2: Floats) -> Floats:
    """Return the share 1 on the edge of H."""
    return np.clip(margin * share2 if kind == "ratio" else share2 + margin, 0, 1)


# A verdict, its bounds and the rows that it lacks ask for one test in seven again, mostly at another tail.
@lru_cache(maxsize=256)
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
    # A lower bound above what was observed would claim more than the sample shows, however wide the tail.
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
    # Each halving is an exact test, and `low` is always one that is clear: stopping early makes the bound
    # lower, by less than is ever shown, and never wrong.
    while high - low > 0.003 * scale:
        middle = (low + high) / 2
        low, high = (middle, high) if clear(middle) else (low, middle)
    return low

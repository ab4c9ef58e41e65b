"""Rates of groups that are known by probability alone, as a name and address proxy such as BISG gives them.

Each row has a probability p of each group and nobody is put into one. Two numbers answer two questions.

**The weighted estimator**, sum of p x hit over sum of p x row. It is right where, among people of the same
proxy, the decision says nothing more of the group. Else it is off by exactly

    weighted - true = -E[Cov(group, hit | proxy)] / P(group)

of a rate of all rows, which no row shows (Chen, Kallus, Mao, Svacha and Udell 2019).

**The identified interval**: all rates that the same rows and probabilities leave possible, whoever in a bin
of probabilities belongs to the group (Kallus, Mao and Zhou 2022, by the inequalities of Frechet and
Hoeffding).
With q the share of hits in a bin and pi that of the group, between max(0, pi + q - 1) and min(pi, q) of the
bin's rows are hits of the group. It asks of the proxy only that in each bin the mean probability is the true
share, or off by at most `error`; it does not narrow as rows are added.

Bounds of its ends are for the sample too. For any split of the bins into those where the group is what is
scarce and those where hits are, "the rate is at most u" follows from a mean of one bounded variable being
below 0, so that the bound is one of bounded means (`bounded_means`). The split is chosen on the rows, and the
tail is shared by all splits that could have been chosen (Bonferroni).
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fairmark.stats.arrays import Floats
from fairmark.stats.bounded_means import Bound, Units
from fairmark.stats.measures import PLACE, Share

CELLS = tuple(PLACE)
"""The cells of the confusion matrix in the order of the tables here."""
_PRECISION = 1e-5

Nodes = tuple[tuple[tuple[float, float], ...], ...]
"""Rows of each bin of probabilities by cell, at the bin's lower and upper edge, shape [bins, 4, 2]."""


def nodes_of(
    probability: Floats, label: NDArray[np.integer], decision: NDArray[np.integer], bins: int
) -> Nodes:
    """Return rows by bin of the probability, cell, and edge of the bin.

    Each row is shared by the edges of its bin in proportion to how near it is (linear binning: Wand 1994), so
    that sums of rows and of probabilities stay as they are; the spread only grows, and bounds with it.
    """
    place = np.minimum((probability * bins).astype(np.intp), bins - 1)
    upper = np.clip(probability * bins - place, 0.0, 1.0)
    table = np.zeros((bins, len(CELLS), 2))
    for k, cell in enumerate(CELLS):
        at = (label == PLACE[cell][0]) & (decision == PLACE[cell][1])
        for side, share in enumerate((1 - upper, upper)):
            table[:, k, side] = np.bincount(place[at], weights=share[at], minlength=bins)
    return tuple(tuple((float(low), float(high)) for low, high in each) for each in table)


@dataclass(frozen=True)
class ProxyRate:
    """A rate of one group that is known by probability.

    Parameters
    ----------
    nodes
        As `nodes_of` returns them.
    hits, rows
        Cells that count as hits, and all that the rate is of.
    error
        How far the mean probability of a bin is from the true share of the group at most, 0..1.
    by
        By which bound means are bounded.
    """

    nodes: Nodes
    hits: tuple[str, ...]
    rows: tuple[str, ...]
    error: float = 0.0
    by: Bound = "gaffke"

    @classmethod
    def of(cls, nodes: Nodes, rate: Share, error: float) -> "ProxyRate":
        """Return a rate of the registry."""
        return cls(nodes, tuple(sorted(rate.hits)), tuple(sorted(rate.rows)), error)

    @property
    def table(self) -> Floats:
        """Rows by bin, cell and edge, [bins, 4, 2]."""
        return np.array(self.nodes)

    @property
    def probability(self) -> Floats:
        """The probability at each node, [bins, 1, 2]."""
        bins = len(self.nodes)
        return np.stack([np.arange(bins), np.arange(1, bins + 1)], axis=-1)[:, None, :] / bins

    def expected(self) -> tuple[float, float]:
        """Return the hits and the rows of the group that are expected, if the proxy is right."""
        mass = (self.table * self.probability).sum(axis=(0, 2))
        return float(mass @ _in(self.hits)), float(mass @ _in(self.rows))

    @property
    def weighted(self) -> float | None:
        """The weighted estimator, 0..1; None where no such row is expected."""
        hits, rows = self.expected()
        return hits / rows if rows > 0 else None

    def weighted_bounds(self, tail: float) -> tuple[float, float]:
        """Return bounds of what the weighted estimator estimates, each of which errs with chance `tail`."""
        weight = np.broadcast_to(self.probability, self.table.shape)
        kept = (self.table > 0) & (weight > 0) & (_in(self.rows)[:, None] > 0)
        value = np.broadcast_to(_in(self.hits)[:, None], self.table.shape)
        w, x, n = (tuple(part[kept].tolist()) for part in (weight, value, self.table))
        units = Units(w, x, n, heaviest=1.0, low=0.0, high=1.0, by=self.by)
        return units.lower(tail), units.upper(tail)

    def identified(self) -> tuple[float, float]:
        """Return the lowest and the highest rate that rows and probabilities leave possible, as observed.

        Of a rate of all rows no narrower interval holds; of any other, such as a true positive rate, it is an
        outer one, since both sides of the quotient are taken at their worst.
        """
        return 1 - self.opposite.highest(), self.highest()

    def bounds(self, tail: float) -> tuple[float, float]:
        """Return bounds of both ends of that interval, each of which errs with chance `tail`."""
        return 1 - _upper(self.opposite, tail), _upper(self, tail)

    def grown(self, factor: float) -> "ProxyRate":
        """Return the same with `factor` times the rows."""
        nodes = tuple(tuple((low * factor, up * factor) for low, up in each) for each in self.nodes)
        return ProxyRate(nodes, self.hits, self.rows, self.error, self.by)

    @property
    def opposite(self) -> "ProxyRate":
        """The rate of those that do not hit: 1 less this one."""
        missed = tuple(cell for cell in self.rows if cell not in self.hits)
        return ProxyRate(self.nodes, missed, self.rows, self.error, self.by)

    @property
    def whole(self) -> bool:
        """Whether it is a rate of all rows, as a selection rate is."""
        return {*self.rows} == {*CELLS}

    def scarce(self) -> tuple[int, int]:
        """Return from which bin on hits are scarcer than members, and from which on not all can have hit."""
        members, hits, misses = self._by_bin()
        slack = self.error * self.table.sum(axis=(1, 2))
        by_members = np.concatenate([[0.0], np.cumsum(members + slack)])
        by_hits = np.concatenate([np.cumsum(hits[::-1])[::-1], [0.0]])
        # Left of the split members are what is scarce, right of it hits: the split that allows the fewest.
        first = int(np.argmin(by_members + by_hits))
        if self.whole:  # whoever of the group did not hit missed: one split serves both
            return first, first
        sure = np.concatenate([np.cumsum((members - slack - self._count() + misses)[::-1])[::-1], [0.0]])
        return first, int(np.argmax(sure))

    def is_below(self, at: float, tail: float) -> bool:
        """Return whether the highest possible rate is shown to be below `at`, with chance `tail` to err."""
        first, last = self.scarce()
        bins = len(self.nodes)
        # The rows chose the split, so every split that they could have chosen has its part of the tail.
        splits = bins + 1 if self.whole else (bins + 1) ** 2
        p, hit, miss = (
            self.probability,
            _in(self.hits)[:, None],
            _in(self.rows)[:, None] - _in(self.hits)[:, None],
        )
        place = np.arange(bins)[:, None, None]
        # At most so many hits of the group, less `at` of hits and sure misses: below 0 where the rate is.
        most = np.where(place < first, p + self.error, hit)
        least = np.where(place >= last, p - self.error + miss - 1, 0.0)
        value = np.broadcast_to((1 - at) * most - at * least, self.table.shape)
        kept = self.table > 0
        low, high = float(value.min()), float(value.max())
        if not high > low:
            return high < 0
        count = tuple(self.table[kept].tolist())
        units = Units((1.0,) * len(count), tuple(value[kept].tolist()), count, 1.0, low, high, self.by)
        return bool(units.p_below(np.array([0.0]))[0] <= tail / splits)

    def _count(self) -> Floats:
        return np.asarray(self.table.sum(axis=(1, 2)))

    def _by_bin(self) -> tuple[Floats, Floats, Floats]:
        """Return expected members, hits and misses of each bin, [bins] each."""
        each = self.table.sum(axis=2)
        members = (self.table * self.probability).sum(axis=(1, 2))
        hits = each @ _in(self.hits)
        return members, hits, each @ _in(self.rows) - hits

    def highest(self) -> float:
        """Return the highest rate that rows and probabilities leave possible, as observed."""
        members, hits, misses = self._by_bin()
        slack, count = self.error * self._count(), self._count()
        most = np.minimum(np.minimum(members + slack, count), hits).sum()
        least = np.maximum(members - slack + misses - count, 0.0).sum()
        return float(most / (most + least)) if most + least > 0 else 1.0


def _in(cells: tuple[str, ...]) -> Floats:
    return np.array([float(cell in cells) for cell in CELLS])


# Each group stands in several comparisons, and each is asked for at the same few tails.
@lru_cache(maxsize=4096)
def _upper(rate: ProxyRate, tail: float) -> float:
    """Return the upper bound of the highest rate that is possible."""
    # By bisection: what is shown to be below a rate is shown to be below each higher one.
    low, high = rate.identified()[1], 1.0
    while high - low > _PRECISION:
        middle = (low + high) / 2
        low, high = (low, middle) if rate.is_below(middle, tail) else (middle, high)
    return high

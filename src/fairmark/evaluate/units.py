"""Units of evidence: what of rows the gate's bounds of weighted, dependent and scored rows are made from.

A unit is a row, or all rows of a person. Its value for a rate is the share of its own rows that are hits; for
a loss its mean loss; for an AUC the share of the other label that it is ranked on the right side of; for the
calibration error what it adds to the gap of a bin. They are written on a grid (`bounded_means.spread`).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fairmark.judge.measured import UnitCounts
from fairmark.stats import bounded_means, score_measures
from fairmark.stats.arrays import Floats, Mask
from fairmark.stats.measures import MEASURES, PLACE, Share, share

SHARES = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
"""Nodes of a person's share of hits."""
LOSSES = (np.arange(41) / 40) ** 2
"""Nodes of a loss, as parts of the largest: finest where most losses are."""
PLACEMENTS = (1 - np.cos(np.pi * np.arange(49) / 48)) / 2
"""Nodes of a share of the other label: finest at both ends."""
RATES = tuple(name for name, row in MEASURES.items() if isinstance(row.formula, Share) and not row.same_as)
"""Every rate that a bound may be asked of."""


@dataclass(frozen=True)
class RowUnits:
    """Some rows: weight, person (a number, or None where each row is somebody else's), the heaviest unit.

    `heft` is the weight of all rows of each row's person, in this part or beyond.
    """

    weight: Floats
    person: NDArray[np.integer] | None
    heft: Floats | None
    heaviest: float

    @property
    def plain(self) -> bool:
        """Whether every row is a unit of weight 1, so that counts say all."""
        return self.person is None and bool((self.weight == 1).all())

    def means(self, value: Floats, kept: Mask) -> tuple[Floats, Floats]:
        """Return weight and weighted mean value of each unit of the kept rows."""
        weight, value = self.weight[kept], value[kept]
        if self.person is None:
            return weight, value
        _, place = np.unique(self.person[kept], return_inverse=True)
        total = np.asarray(np.bincount(place, weights=weight), dtype=np.float64)
        return total, np.bincount(place, weights=weight * value) / np.where(total > 0, total, 1)

    def counts(self, value: Floats, kept: Mask, nodes: Floats, low: float, high: float) -> UnitCounts:
        """Return the units of the kept rows on a grid of values."""
        weight, mean = self.means(value, kept)
        if not len(weight):
            return UnitCounts.of((np.empty(0),) * 3, self.heaviest, low, high)
        weights = bounded_means.weight_nodes(weight)
        return UnitCounts.of(
            bounded_means.spread(weight, mean, weights=weights, values=nodes), self.heaviest, low, high
        )

    def apart(self, value: Floats, kept: Mask, nodes: Floats) -> UnitCounts:
        """Return the same where a unit's rows stand in several places: each row is a part of its unit.

        That spreads a unit out over its rows, so that a bound is never narrower.
        """
        weight = (self.weight if self.heft is None else self.heft)[kept]
        if not len(weight):
            return UnitCounts.of((np.empty(0),) * 3, self.heaviest, -1.0, 1.0)
        weights = bounded_means.weight_nodes(weight)
        # So much of its person as a row weighs: all rows of a person add up to one unit.
        part = self.weight[kept] / weight
        found = bounded_means.spread(weight, value[kept], weights=weights, values=nodes, count=part)
        return UnitCounts.of(found, self.heaviest, -1.0, 1.0)


def of_rates(
    label: NDArray[np.integer], decision: NDArray[np.integer], rows: RowUnits, kept: Mask
) -> dict[str, UnitCounts] | None:
    """Return the units of every rate among the kept rows; None where counts of rows say all."""
    if rows.plain:
        return None
    place = np.asarray(label, dtype=np.intp) * 2 + np.asarray(decision, dtype=np.intp)
    return {name: _rate(place, rows, kept, name) for name in RATES}


def _rate(place: NDArray[np.intp], rows: RowUnits, kept: Mask, name: str) -> UnitCounts:
    formula = share(name)
    within, hit = (
        np.isin(place, [2 * PLACE[count][0] + PLACE[count][1] for count in counts])
        for counts in (formula.rows, formula.hits)
    )
    # Where each row is somebody else's its share of hits is 0 or 1: two nodes do.
    nodes = SHARES[[0, -1]] if rows.person is None else SHARES
    return rows.counts(hit.astype(np.float64), kept & within, nodes, 0.0, 1.0)


def of_losses(label: NDArray[np.integer], score: Floats, rows: RowUnits, name: str) -> UnitCounts:
    """Return the units of a mean loss, `brier` or `log_loss`."""
    most = MEASURES[name].most
    loss = score_measures.row_losses(label, score, name)
    return rows.counts(loss, np.ones(len(label), dtype=bool), LOSSES * most, 0.0, most)


def of_placements(label: NDArray[np.integer], score: Floats, rows: RowUnits) -> tuple[UnitCounts, UnitCounts]:
    """Return the units of the positive and of the negative rows by placement; either mean is the AUC."""
    beaten = score_measures.placements(label, score, rows.weight)
    positive, negative = (rows.counts(beaten, label == side, PLACEMENTS, 0.0, 1.0) for side in (1, 0))
    return positive, negative


def of_bins(label: NDArray[np.integer], score: Floats, rows: RowUnits, bins: int) -> Iterator[UnitCounts]:
    """Yield the units of each score bin by label less score."""
    place = score_measures.bin_of(score, bins)
    for k in range(bins):
        # Label less score is -score or 1 - score: nodes at both edges and in the middle of the bin for either
        # label.
        edges = (k + np.array([1.0, 0.5, 0.0])) / bins
        yield rows.apart(label - score, place == k, np.concatenate([-edges, 1 - edges]))

"""Clusters of test rows that hang together: by person, by a column such as a branch, by days of one block.

Bounds take a cluster for one unit of evidence, so that they hold however its rows hang together. Clusters
that have a row in common, such as the weeks in which one person stands, are one.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairmark.data.roles import PERSON, TIME, WEIGHT, WITHHELD
from fairmark.data.split import Parts
from fairmark.errors import InputError
from fairmark.params.evaluate import ByCluster, ByDays, Cluster


@dataclass(frozen=True)
class Clusters:
    """Whose each row of the whole table is: `number` [rows], what a unit is called, and the heaviest one.

    None for `number` where each row is a unit of its own.
    """

    number: NDArray[np.intp] | None
    units: str
    heaviest: float

    def of(self, kept: NDArray[np.bool_]) -> NDArray[np.intp] | None:
        """Return the numbers of these rows."""
        return None if self.number is None else self.number[kept]


def clusters(parts: Parts, how: Cluster | None) -> Clusters:
    """Return the clusters of a table's rows, as params and `prepare.person` say.

    Raises
    ------
    InputError
        When the column is none of the table, or the table has no time.
    """
    table, weight = parts.table, parts.table[WEIGHT]
    if parts.design is not None:
        # How heavy a group is in the test part is known, and in the other parts it is another.
        weight = weight / parts.design * parts.design[parts.belongs == "test"].max()
    if how is None:
        heaviest = float(weight.groupby(parts.keys).sum().max())
        person = pd.factorize(parts.keys)[0] if PERSON in table else None
        return Clusters(person, "persons", heaviest)
    number, units = _given(parts, how)
    if PERSON in table:
        number = _joined(number, pd.factorize(table[PERSON])[0])
    test = (parts.belongs == "test").to_numpy()
    each = np.bincount(number, weights=weight)
    tested = np.bincount(number[test], weights=weight[test], minlength=len(each))
    # Where a cluster has rows in several parts, the test part holds some of each; else all of it or none.
    spread = bool(((tested > 0) & (tested < each)).any())
    whole = float(each.max()) * (float(weight[test].sum() / weight.sum()) if spread else 1.0)
    return Clusters(number, units, max(whole, float(tested.max())))


def _given(parts: Parts, how: Cluster) -> tuple[NDArray[np.intp], str]:
    match how:
        case ByDays(days=days):
            if TIME not in parts.table:
                raise InputError(
                    "evaluate.cluster.days: must stand beside prepare.time, got a table without a time"
                )
            time = pd.to_datetime(parts.table[TIME])
            block = (time - time.min()) // pd.Timedelta(days=days)
            return pd.factorize(block)[0], f"blocks of {days:g} days"
        case ByCluster(column=column):
            frame, name = parts.table, column
            if WITHHELD + column in parts.evidence:
                frame, name = parts.evidence, WITHHELD + column
            if name not in frame:
                known = [*parts.schema.feature_names, *(each.name for each in parts.schema.withheld)]
                raise InputError(f"evaluate.cluster.column: must be one of {known}, got {column!r}")
            return pd.factorize(frame[name], use_na_sentinel=False)[0], f"clusters by {column}"


def _joined(one: NDArray[np.intp], two: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return clusters so large that no cluster of either kind is parted: the connected components."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    first = int(one.max(initial=-1)) + 1
    size = first + int(two.max(initial=-1)) + 1
    edges = coo_array((np.ones(len(one)), (one, first + two)), shape=(size, size))
    return np.asarray(connected_components(edges, directed=False)[1][one], dtype=np.intp)

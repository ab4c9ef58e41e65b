"""Signs of leakage: that the model knows what it could not know when it decides.

Kaufman, Rosset, Perlich and Stitelman (2012), "Leakage in data mining: formulation, detection, and
avoidance": features that give the label away, alone or in pairs; one feature that decides alone; features
that are dated after the decision; duplicates and persons across splits. An AUC that is too good to be true is
one more sign; the policy's ceiling looks at that one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairmark.data.dataset import Parts
from fairmark.evaluate.documents import (
    Concentration,
    Duplicates,
    DuplicateShares,
    LookAheadDate,
    LookAheadFeatures,
    PairAuc,
)
from fairmark.evaluate.slices import edges
from fairmark.evaluate.summary_metrics import Rows, summary_metrics, threshold_at
from fairmark.model.encoder import Column
from fairmark.stats.arrays import Floats, Labels
from fairmark.stats.auc import roc_auc

FINE_BINS = 50
"""Bins of a number whose AUC alone is measured: few enough to hold rows, enough to lose no power."""

COARSE_BINS = 10
"""Bins of a number in a pair: squared, still few enough to hold rows."""

Train = tuple[Floats, Labels, Floats]
"""Encoded train rows [m, p], their labels and their weights [m]."""


@dataclass(frozen=True)
class Binned:
    """The bin of each train row, [m], and of each measured row, [n], and how many bins there are."""

    train: NDArray[np.intp]
    measured: NDArray[np.intp]
    size: int

    @classmethod
    def of(cls, column: Column, train: Floats, values: Floats, bins: int) -> "Binned":
        """Return the bins of one feature: quantiles of train rows for numbers and dates, else its values."""
        continuous = column.kind in {"numeric", "date"}
        cuts = edges(train, bins) if continuous else np.arange(1, _values(column), dtype=np.float64)
        return cls(_places(train, cuts), _places(values, cuts), len(cuts) + 2)

    def crossed(self, other: "Binned") -> "Binned":
        """Return the bins of two features together."""
        return Binned(
            self.train * other.size + other.train,
            self.measured * other.size + other.measured,
            self.size * other.size,
        )


def single_feature_auc(
    columns: Sequence[Column], train: Train, matrix: Floats, rows: Rows
) -> dict[str, float | None]:
    """Return the AUC of each feature alone, learnt on train rows and measured on `rows`.

    The feature's score is the share of positive train rows with its value (numbers and dates in quantile
    bins), so the AUC sees any shape of relation. 0.5 = it says nothing, 1 = it gives the label away; None
    when `rows` hold one label only.

    Parameters
    ----------
    columns
        The features, [p].
    train
        Encoded train rows [m, p], their labels and their weights [m].
    matrix
        The encoded `rows`, [n, p].
    """
    return {
        column.name: _auc(Binned.of(column, train[0][:, k], matrix[:, k], FINE_BINS), train, rows)
        for k, column in enumerate(columns)
    }


def feature_pair_auc(
    columns: Sequence[Column], leading: Sequence[str], train: Train, matrix: Floats, rows: Rows
) -> list[PairAuc]:
    """Return the AUC of each pair of the leading features, as `single_feature_auc` has it of one.

    The answer may stand in no column and in two of them: a start and an end, an amount and its total. The
    highest comes first, and None stands last.
    """
    place = {column.name: k for k, column in enumerate(columns)}
    binned = {
        name: Binned.of(columns[place[name]], train[0][:, place[name]], matrix[:, place[name]], COARSE_BINS)
        for name in leading
    }
    found = [
        PairAuc(columns=[one, two], auc=_auc(binned[one].crossed(binned[two]), train, rows))
        for one, two in combinations(leading, 2)
    ]
    return sorted(found, key=lambda pair: (-(pair.auc or 0.0), pair.columns))


def _auc(bins: Binned, train: Train, rows: Rows) -> float | None:
    """Return the AUC of the share of positive train rows in each row's bin."""
    _, label, weight = train
    base = float(np.average(label, weights=weight))
    total = np.bincount(bins.train, weight, bins.size)
    # Drawn towards the base rate by one row's worth of doubt: an empty bin scores as the base rate does.
    share = (np.bincount(bins.train, label * weight, bins.size) + base) / (total + 1)
    found = roc_auc(rows.label, share[bins.measured], rows.weight)
    return None if found is None else found.value


def _values(column: Column) -> int:
    return 2 if column.categories is None else len(column.categories)


def _places(values: Floats, cuts: Floats) -> NDArray[np.intp]:
    places = np.searchsorted(cuts, values, side="right")
    return np.where(np.isnan(values), len(cuts) + 1, places)


def concentration(contributions: Floats, names: Sequence[str], weight: Floats) -> Concentration:
    """Return which feature has the largest share of the mean absolute contributions, and its share.

    Share 1 / p = evenly spread, 1 = one feature decides alone; None when no feature moves the score.

    Parameters
    ----------
    contributions
        Shapley values of a sample, the base value in the last column, [n, p + 1].
    names
        The features, [p].
    weight
        Row weights, [n].
    """
    means = weight @ np.abs(contributions[:, :-1])
    if not means.sum() > 0:
        return Concentration(rows=len(contributions), feature=None, share=None)
    largest = int(means.argmax())
    share = float(means[largest] / means.sum())
    return Concentration(rows=len(contributions), feature=names[largest], share=share)


def look_ahead_features(parts: Parts) -> LookAheadFeatures:
    """Return, for each date feature, the share of rows where it lies after the row's own time; 0 = none."""
    if "_time" not in parts.table:
        return LookAheadFeatures(dates=None, why="no time column")
    time = pd.to_datetime(parts.table["_time"])
    found = {}
    for feature in parts.schema.features:
        if feature.kind == "date":
            date = pd.to_datetime(parts.table[feature.name])
            both = (date.notna() & time.notna()).to_numpy()
            share = float((date > time).to_numpy()[both].mean()) if both.any() else None
            found[feature.name] = LookAheadDate(rows=int(both.sum()), share=share)
    return LookAheadFeatures(dates=found)


def shared_persons(parts: Parts) -> float | None:
    """Return the share of test rows whose person has rows to learn from, or None without `prepare.person`.

    `split` lets none through; what it wrote is looked at anew here, because all rests on it.
    """
    if "_person" not in parts.table:
        return None
    person, part = parts.table["_person"], parts.belongs
    return float(person[part == "test"].isin(person[part.isin(["train", "valid"])]).mean())


def duplicates(
    parts: Parts, matrix: Floats, rows: Rows, score: Floats, threshold: float | Floats
) -> Duplicates:
    """Return the duplicates across splits: rows that equal, in features and evidence, a row learnt from.

    Parameters
    ----------
    parts
        Table, evidence and split.
    matrix
        The whole table, encoded, [all rows, p].
    rows, score
        Test rows and their scores, [n].
    threshold
        Decide 1 from this score on; one for all rows, or that of each row, [n].
    """
    key, with_label = _keys(parts, matrix)
    part = {name: (parts.belongs == name).to_numpy() for name in ("train", "valid", "test")}

    def shares(among: str, of: str) -> DuplicateShares:
        share, same_label = (
            float(np.isin(code[part[of]], code[part[among]]).mean()) for code in (key, with_label)
        )
        return DuplicateShares(share=share, same_label=same_label)

    repeated = np.isin(key[part["test"]], key[part["train"] | part["valid"]])
    return Duplicates(
        train=shares("train", "test"),
        valid=shares("valid", "test"),
        valid_in_train=shares("train", "valid"),
        without=summary_metrics(rows.take(~repeated), score[~repeated], threshold_at(threshold, ~repeated)),
    )


def _keys(parts: Parts, matrix: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return a number for each row's features and evidence, and one for these and the label, [all rows]."""
    evidence = [name for name in parts.evidence if name not in {"_row_id", "_label"}]
    coded = [pd.factorize(parts.evidence[name])[0] for name in evidence]
    code = np.zeros(len(matrix), dtype=np.int64)
    # Column by column, two numbers become one (row-major, as in a grid of both) and are numbered anew from 0:
    # so the number never grows beyond rows x values, however many columns there are.
    for column in (*matrix.T, *coded):
        place, values = pd.factorize(column)  # NaN is -1, like any value of its own
        code = pd.factorize(code * (len(values) + 1) + place + 1)[0].astype(np.int64)
    return code, code * 2 + parts.table["_label"].to_numpy(np.int64)

"""Signs of leakage: that the model knows what it could not know when it decides.

Kaufman, Rosset, Perlich and Stitelman (2012), "Leakage in data mining: formulation, detection, and
avoidance". An AUC that is too good to be true is one more sign; the policy's ceiling looks at that one.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairmark.data.dataset import Parts
from fairmark.evaluate.slices import edges
from fairmark.evaluate.summary_metrics import Rows, glance, taken
from fairmark.model.encoder import Column
from fairmark.stats.arrays import Floats, Labels
from fairmark.stats.auc import roc_auc

FINE_BINS = 50
"""Bins of a number whose power alone is measured: few enough to hold rows, enough to lose no power."""


def alone(
    columns: Sequence[Column], train: tuple[Floats, Labels, Floats], matrix: Floats, rows: Rows
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
        column.name: _power(column, (train[0][:, k], *train[1:]), matrix[:, k], rows)
        for k, column in enumerate(columns)
    }


def _power(column: Column, train: tuple[Floats, Labels, Floats], values: Floats, rows: Rows) -> float | None:
    continuous = column.kind in {"numeric", "date"}
    cuts = edges(train[0], FINE_BINS) if continuous else np.arange(1, _values(column), dtype=np.float64)
    seen, places = (_places(part, cuts) for part in (train[0], values))
    size = len(cuts) + 2
    weight = np.bincount(seen, train[2], size)
    base = float(np.average(train[1], weights=train[2]))
    share = (np.bincount(seen, train[1] * train[2], size) + base) / (weight + 1)  # one row's worth of doubt
    found = roc_auc(rows.label, share[places], rows.weight)
    return None if found is None else found.value


COARSE_BINS = 10
"""Bins of a number in a pair: squared, still few enough to hold rows."""


def together(
    columns: Sequence[Column],
    leading: Sequence[str],
    train: tuple[Floats, Labels, Floats],
    matrix: Floats,
    rows: Rows,
) -> list[dict[str, Any]]:
    """Return the AUC of each pair of the leading features, as `alone` has it of one.

    The answer may stand in no column and in two of them: a start and an end, an amount and its total.

    Returns
    -------
    list
        `{"columns": [name, name], "auc"}` of each pair, the highest first; None stands last.
    """
    own = {column.name: k for k, column in enumerate(columns)}
    coded = {
        name: _coarse(columns[own[name]], train[0][:, own[name]], matrix[:, own[name]]) for name in leading
    }
    found = [
        {"columns": [one, two], "auc": _joint(coded[one], coded[two], train, rows)}
        for one, two in combinations(leading, 2)
    ]
    return sorted(found, key=lambda pair: (-(pair["auc"] or 0.0), pair["columns"]))


def _coarse(column: Column, train: Floats, values: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp], int]:
    """Return the bin of each train row and of each measured row, and how many bins there are."""
    continuous = column.kind in {"numeric", "date"}
    cuts = edges(train, COARSE_BINS) if continuous else np.arange(1, _values(column), dtype=np.float64)
    return _places(train, cuts), _places(values, cuts), len(cuts) + 2


def _joint(
    one: tuple[NDArray[np.intp], NDArray[np.intp], int],
    two: tuple[NDArray[np.intp], NDArray[np.intp], int],
    train: tuple[Floats, Labels, Floats],
    rows: Rows,
) -> float | None:
    seen, places, size = one[0] * two[2] + two[0], one[1] * two[2] + two[1], one[2] * two[2]
    base = float(np.average(train[1], weights=train[2]))
    weight = np.bincount(seen, train[2], size)
    share = (np.bincount(seen, train[1] * train[2], size) + base) / (weight + 1)
    found = roc_auc(rows.label, share[places], rows.weight)
    return None if found is None else found.value


def _values(column: Column) -> int:
    return 2 if column.categories is None else len(column.categories)


def _places(values: Floats, cuts: Floats) -> NDArray[np.intp]:
    places = np.searchsorted(cuts, values, side="right")
    return np.where(np.isnan(values), len(cuts) + 1, places)


def concentration(contributions: Floats, names: Sequence[str], weight: Floats) -> dict[str, Any]:
    """Return which feature has the largest share of the mean absolute contributions, and its share.

    Parameters
    ----------
    contributions
        Shapley values of a sample, the base value in the last column, [n, p + 1].

    Returns
    -------
    dict
        `{"rows", "feature", "share"}`; share 1 / p = evenly spread, 1 = one feature decides alone; None for
        both when no feature moves the score.
    """
    means = weight @ np.abs(contributions[:, :-1])
    if not means.sum() > 0:
        return {"rows": len(contributions), "feature": None, "share": None}
    largest = int(means.argmax())
    share = float(means[largest] / means.sum())
    return {"rows": len(contributions), "feature": names[largest], "share": share}


def later(parts: Parts) -> dict[str, Any]:
    """Return, for each date feature, the share of rows where it lies after the row's own time; 0 = none.

    Returns
    -------
    dict
        `{"dates": {feature: {"rows" (with both times), "share" (None without rows)}}}`, or `{"dates": None,
        "why"}` when no row has a time.
    """
    if "_time" not in parts.table:
        return {"dates": None, "why": "no time column"}
    time = pd.to_datetime(parts.table["_time"])
    found = {}
    for feature in parts.schema["features"]:
        if feature["kind"] == "date":
            date = pd.to_datetime(parts.table[feature["name"]])
            both = (date.notna() & time.notna()).to_numpy()
            share = float((date > time).to_numpy()[both].mean()) if both.any() else None
            found[feature["name"]] = {"rows": int(both.sum()), "share": share}
    return {"dates": found}


def shared_persons(parts: Parts) -> float | None:
    """Return the share of test rows whose person has rows to learn from, or None without `prepare.person`.

    `split` lets none through; what it wrote is looked at anew here, because all rests on it.
    """
    if "_person" not in parts.table:
        return None
    person, part = parts.table["_person"], parts.belongs
    return float(person[part == "test"].isin(person[part.isin(["train", "valid"])]).mean())


def twins(
    parts: Parts, matrix: Floats, rows: Rows, score: Floats, threshold: float | Floats
) -> dict[str, Any]:
    """Return how many test rows are exactly equal, in features and evidence, to a row that was learnt from.

    Parameters
    ----------
    matrix
        The whole table, encoded, [all rows, p].
    rows, score
        Test rows and their scores, [n].

    Returns
    -------
    dict
        `{"train", "valid": {"share", "same_label"}, "valid_in_train": {...}, "without": glance}`: shares of
        test rows, 0..1, `same_label` of those with a twin of the same label; `valid_in_train` is the same of
        validation rows, which shows what to expect in this table; `without` measures the test rows that have
        no twin.
    """
    key, both = _keys(parts, matrix)
    part = {name: (parts.belongs == name).to_numpy() for name in ("train", "valid", "test")}

    def shares(among: str, of: str) -> dict[str, float]:
        return {
            name: float(np.isin(code[part[of]], code[part[among]]).mean())
            for name, code in (("share", key), ("same_label", both))
        }

    alike = np.isin(key[part["test"]], key[part["train"] | part["valid"]])
    left = rows.take(~alike)
    return {
        "train": shares("train", "test"),
        "valid": shares("valid", "test"),
        "valid_in_train": shares("train", "valid"),
        "without": glance(left, score[~alike], taken(threshold, ~alike)),
    }


def _keys(parts: Parts, matrix: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return a number for each row's features and evidence, and one for these and the label, [all rows]."""
    evidence = [name for name in parts.evidence if name not in {"_row_id", "_label"}]
    coded = [pd.factorize(parts.evidence[name])[0] for name in evidence]
    code = np.zeros(len(matrix), dtype=np.int64)
    for column in (*matrix.T, *coded):
        place, values = pd.factorize(column)  # NaN is -1, like any value of its own
        code = pd.factorize(code * (len(values) + 1) + place + 1)[0].astype(np.int64)
    return code, code * 2 + parts.table["_label"].to_numpy(np.int64)

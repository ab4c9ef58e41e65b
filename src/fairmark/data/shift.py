"""Shift between parts: how far label rate, groups and features are apart, by total variation distance.

The distance between two distributions over the same values is half the sum of the differences of their
shares: the share of rows that would have to be others for the two to be alike (0 = the same, 1 = nothing in
common). Chance alone makes it larger than 0, so that one is told only where a chi-square test of homogeneity
finds it beyond chance as well.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import chdtrc

from fairmark.data.audit import levels
from fairmark.data.schema import Schema
from fairmark.stats.arrays import Ints

CHANCE = 0.001
"""Of a finding among all comparisons where no part differs (Bonferroni)."""

SHOWN = 5
"""Columns named in one finding."""


def shift(
    table: pd.DataFrame, evidence: pd.DataFrame, schema: Schema, part: "pd.Series[str]", least: float
) -> dict[str, Any]:
    """Return how the validation and the test part differ from the train part.

    Returns
    -------
    dict
        `{"valid", "test": {"label", "groups": {attribute}, "features": {column}}, "findings": [sentence],
        "chance"}`: beyond chance is what has a p of at most `chance`;
        each entry is `{"distance", "p"}`, the label's also `{"train", "here"}`, its rates. Rows of a person
        count as one in the test (`_rows_as_one`).
    """
    codes: dict[tuple[str, str], Ints] = {("label", ""): table["_label"].to_numpy(np.int64)}
    for name in schema.attributes:
        codes["groups", name] = pd.factorize(evidence[name])[0].astype(np.int64)
    for feature in schema.features:
        codes["features", feature.name] = levels(table[feature.name], feature.kind)
    base = (part == "train").to_numpy(bool)
    as_one = _rows_as_one(table)
    found: dict[str, Any] = {}
    for name in ("valid", "test"):
        here = (part == name).to_numpy(bool)
        each: dict[str, Any] = {"groups": {}, "features": {}}
        for (kind, column), code in codes.items():
            one = _between(code[base], code[here], as_one)
            if kind == "label":
                each["label"] = one | {"train": _rate(code[base]), "here": _rate(code[here])}
            else:
                each[kind][column] = one
        found[name] = each
    chance = CHANCE / (2 * len(codes))
    told = [line for name in ("valid", "test") for line in _told(name, found[name], least, chance)]
    return found | {"findings": told, "chance": chance}


def _rate(labels: Ints) -> float | None:
    return float(labels.mean()) if len(labels) else None


def _rows_as_one(table: pd.DataFrame) -> float:
    """Return how many rows of a person count as one: the sum of squares of rows a person over their sum."""
    if "_person" not in table:
        return 1.0
    rows = table["_person"].value_counts().to_numpy(np.float64)
    return float((rows**2).sum() / rows.sum())


def _between(one: Ints, other: Ints, as_one: float) -> dict[str, float]:
    """Return the total variation distance of two samples of codes, and its chance by Pearson's chi-square."""
    size = int(max(one.max(initial=0), other.max(initial=0))) + 1
    counts = np.array([np.bincount(codes, minlength=size) for codes in (one, other)], dtype=np.float64)
    # In one order whatever the order of the rows, so that sums have the same last digits.
    counts = counts[:, np.lexsort(counts)]
    counts = counts[:, counts.sum(axis=0) > 0]
    rows: npt.NDArray[np.float64] = counts.sum(axis=1, keepdims=True)
    if not (rows > 0).all():
        return {"distance": 0.0, "p": 1.0}
    expected = rows * counts.sum(axis=0) / rows.sum()
    statistic = float(((counts - expected) ** 2 / expected).sum()) / as_one
    freedom = counts.shape[1] - 1
    return {
        "distance": float(np.abs(counts[0] / rows[0] - counts[1] / rows[1]).sum() / 2),
        "p": float(chdtrc(freedom, statistic)) if freedom else 1.0,
    }


def _told(name: str, found: dict[str, Any], least: float, chance: float) -> Iterator[str]:
    part = {"valid": "validation", "test": "test"}[name]

    def stands_out(one: dict[str, float]) -> bool:
        return one["distance"] >= least and one["p"] <= chance

    label = found["label"]
    if stands_out(label):
        yield (
            f"The {part} part differs from the train part in its label: {label['here']:.3g} of its rows are "
            f"positive, {label['train']:.3g} of the train rows."
        )
    for kind, word in (("groups", "its groups"), ("features", "its features")):
        far = {column: one["distance"] for column, one in found[kind].items() if stands_out(one)}
        listed = sorted(far.items(), key=lambda pair: (-pair[1], pair[0]))
        if listed:
            shown = ", ".join(f"{column} {distance:.2g}" for column, distance in listed[:SHOWN])
            more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
            yield (
                f"The {part} part differs from the train part in {word}: {shown}{more} (shares of rows that "
                "would have to be others)."
            )

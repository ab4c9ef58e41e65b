"""Shift between parts: how far label rate, groups and features are apart, by total variation distance.

The distance between two distributions over the same values is half the sum of the differences of their
shares: the share of rows that would have to be others for the two to be alike (0 = the same, 1 = nothing in
common). Chance alone makes it larger than 0, so that one is told only where a chi-square test of homogeneity
finds it beyond chance as well.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import chdtrc

from fairmark.data.audit import levels
from fairmark.data.schema import Schema
from fairmark.data.summaries import Distance, LabelDistance, PartShift, Shift
from fairmark.stats.arrays import Ints, Mask

CHANCE = 0.001
"""Of a finding among all comparisons where no part differs (Bonferroni)."""

SHOWN = 5
"""Columns named in one finding."""


def shift(
    table: pd.DataFrame, evidence: pd.DataFrame, schema: Schema, part: "pd.Series[str]", least: float
) -> Shift:
    """Return how the validation and the test part differ from the train part.

    Rows of a person count as one in the test (`_rows_as_one`).

    Parameters
    ----------
    least
        The distance from which a difference beyond chance is worth a sentence.
    """
    codes: dict[tuple[str, str], Ints] = {("label", ""): table["_label"].to_numpy(np.int64)}
    for name in schema.attributes:
        codes["groups", name] = pd.factorize(evidence[name])[0].astype(np.int64)
    for feature in schema.features:
        codes["features", feature.name] = levels(table[feature.name], feature.kind)
    base = (part == "train").to_numpy(bool)
    as_one = _rows_as_one(table)
    valid, test = (
        _part_shift(codes, base, (part == name).to_numpy(bool), as_one) for name in ("valid", "test")
    )
    chance = CHANCE / (2 * len(codes))
    findings = [*_findings("validation", valid, least, chance), *_findings("test", test, least, chance)]
    return Shift(valid=valid, test=test, findings=tuple(findings), chance=chance)


def _part_shift(codes: dict[tuple[str, str], Ints], base: Mask, here: Mask, as_one: float) -> PartShift:
    found = {key: _between(code[base], code[here], as_one) for key, code in codes.items()}
    label = codes["label", ""]
    return PartShift(
        label=LabelDistance(**dict(found["label", ""]), train=_rate(label[base]), here=_rate(label[here])),
        groups={column: one for (kind, column), one in found.items() if kind == "groups"},
        features={column: one for (kind, column), one in found.items() if kind == "features"},
    )


def _rate(labels: Ints) -> float | None:
    return float(labels.mean()) if len(labels) else None


def _rows_as_one(table: pd.DataFrame) -> float:
    """Return how many rows of a person count as one: the sum of squares of rows a person over their sum."""
    if "_person" not in table:
        return 1.0
    rows = table["_person"].value_counts().to_numpy(np.float64)
    return float((rows**2).sum() / rows.sum())


def _between(one: Ints, other: Ints, as_one: float) -> Distance:
    """Return the total variation distance of two samples of codes, and its chance by Pearson's chi-square."""
    size = int(max(one.max(initial=0), other.max(initial=0))) + 1
    counts = np.array([np.bincount(codes, minlength=size) for codes in (one, other)], dtype=np.float64)
    # In one order whatever the order of the rows, so that sums have the same last digits.
    counts = counts[:, np.lexsort(counts)]
    counts = counts[:, counts.sum(axis=0) > 0]
    rows: npt.NDArray[np.float64] = counts.sum(axis=1, keepdims=True)
    if not (rows > 0).all():
        return Distance(distance=0.0, p=1.0)
    expected = rows * counts.sum(axis=0) / rows.sum()
    statistic = float(((counts - expected) ** 2 / expected).sum()) / as_one
    freedom = counts.shape[1] - 1
    return Distance(
        # Half a sum of rounded shares can pass 1 by a last digit.
        distance=min(1.0, float(np.abs(counts[0] / rows[0] - counts[1] / rows[1]).sum() / 2)),
        p=float(chdtrc(freedom, statistic)) if freedom else 1.0,
    )


def _findings(part: str, found: PartShift, least: float, chance: float) -> Iterator[str]:
    """Yield in words what differs beyond chance, and by at least `least`."""

    def stands_out(one: Distance) -> bool:
        return one.distance >= least and one.p <= chance

    label = found.label
    if stands_out(label):
        yield (
            f"The {part} part differs from the train part in its label: {label.here:.3g} of its rows are "
            f"positive, {label.train:.3g} of the train rows."
        )
    for each, word in ((found.groups, "its groups"), (found.features, "its features")):
        far = {column: one.distance for column, one in each.items() if stands_out(one)}
        listed = sorted(far.items(), key=lambda pair: (-pair[1], pair[0]))
        if listed:
            shown = ", ".join(f"{column} {distance:.2g}" for column, distance in listed[:SHOWN])
            more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
            yield (
                f"The {part} part differs from the train part in {word}: {shown}{more} (shares of rows that "
                "would have to be others)."
            )

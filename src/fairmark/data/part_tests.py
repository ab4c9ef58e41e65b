"""Tests of how rows were parted: shift between the parts, and independence of part and label.

Shift is measured by total variation distance: half the sum of the differences of two distributions' shares,
which is the share of rows that would have to be others for the two to be alike (0 = the same, 1 = nothing in
common). Chance alone makes it larger than 0, so that a finding needs a chi-square test of homogeneity too.

Independence is tested by permutation, exactly, among rows alike in features and groups: which part such a row
came to must say nothing of its label. In each such stratum the labels are dealt out anew to the same parts
(the hypergeometric distribution, as in Fisher's exact test), and Pearson's chi-squares are added up over the
strata: a part that draws rows of one label in one stratum and of the other in the next shows too, which a
Cochran-Mantel-Haenszel test would miss.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import chdtrc

from fairmark.data.audit import levels
from fairmark.data.schema import Schema
from fairmark.data.summaries import Distance, IndependenceTest, LabelDistance, PartShift, Shift
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


DRAWS = 999
"""Deals behind a p-value, which is so at least 1 / 1000."""

NEVER = 8.0
"""Standard deviations above what is expected that chance does not bring."""


def independence(
    alike: Sequence[npt.NDArray[np.integer]],
    part: npt.NDArray[np.integer],
    label: npt.NDArray[np.integer],
    seed: int,
) -> IndependenceTest:
    """Return a test of part against label among rows that are alike.

    Parameters
    ----------
    alike
        [n] codes of each column in which rows of a stratum must agree.
    part, label
        [n] part from 0, and 0 or 1.

    Returns
    -------
    IndependenceTest
        `independent` is None where no stratum holds both labels and several parts, False where no deal came
        near (`NEVER`), True otherwise.
    """
    table = _tables(_stratum(alike, len(label)), part, label)  # [strata, parts, labels]
    rows = int(table.sum())
    if not len(table):
        return IndependenceTest(
            strata=0, rows=0, statistic=None, expected=None, deviations=None, p=None, independent=None
        )
    found = _chi_square(table[:, :, 1], table)
    draw = np.random.default_rng([seed, 7])
    dealt = np.array([_chi_square(_deal(table, draw), table) for _ in range(DRAWS)])
    spread = float(dealt.std(ddof=1))
    above = float((found - dealt.mean()) / spread) if spread > 0 else 0.0
    chance = float((1 + (dealt >= found - 1e-9).sum()) / (DRAWS + 1))
    return IndependenceTest(
        strata=len(table),
        rows=rows,
        statistic=found,
        expected=float(dealt.mean()),
        deviations=above,
        p=chance,
        independent=not (above > NEVER and chance <= 1 / (DRAWS + 1)),
    )


def _stratum(alike: Sequence[npt.NDArray[np.integer]], rows: int) -> Ints:
    code = np.zeros(rows, dtype=np.int64)
    for column in alike:
        code = code * (int(column.max(initial=0)) + 1) + column
        code = pd.factorize(code)[0].astype(np.int64)
    return code


def _tables(stratum: Ints, part: npt.NDArray[np.integer], label: npt.NDArray[np.integer]) -> Ints:
    """Return the rows of each part and label of the strata that can tell, [strata, parts, 2]."""
    several = np.bincount(stratum)[stratum] > 1 if len(stratum) else np.zeros(0, bool)
    codes, strata = pd.factorize(stratum[several])
    parts = int(part.max(initial=0)) + 1
    places = (codes * parts + part[several]) * 2 + label[several]
    size = (len(strata), parts, 2)
    counts = np.bincount(places, minlength=int(np.prod(size))).reshape(size).astype(np.int64)
    telling = (counts.sum(axis=1) > 0).all(axis=1) & ((counts.sum(axis=2) > 0).sum(axis=1) > 1)
    # In one order whatever the order of the rows, so that the deals are the same.
    kept = counts[telling]
    ordered: Ints = kept[np.lexsort(kept.reshape(len(kept), size[1] * 2).T[::-1])]
    return ordered


def _deal(table: Ints, draw: np.random.Generator) -> Ints:
    """Return how many positive rows each part gets when labels are dealt out anew, [strata, parts]."""
    sizes = table.sum(axis=2)
    left, positives = sizes.sum(axis=1), table[:, :, 1].sum(axis=1)
    dealt: Ints = np.zeros_like(sizes)
    for k in range(sizes.shape[1]):
        dealt[:, k] = draw.hypergeometric(positives, left - positives, sizes[:, k])
        left, positives = left - sizes[:, k], positives - dealt[:, k]
    return dealt


def _chi_square(positives: Ints, table: Ints) -> float:
    """Return the sum of Pearson's chi-squares of parts by labels over the strata."""
    sizes = table.sum(axis=2).astype(np.float64)
    share = (table[:, :, 1].sum(axis=1) / sizes.sum(axis=1))[:, None]
    expected = sizes * share
    gaps = np.divide(
        (positives - expected) ** 2, expected * (1 - share), out=np.zeros_like(expected), where=sizes > 0
    )
    return float(gaps.sum())

"""The summary of a split, and its tests: shift between the parts, and independence of part and label.

Shift is measured by total variation distance: half the sum of the differences of two distributions' shares,
which is the share of rows that would have to be others for the two to be alike (0 = the same, 1 = nothing in
common). Chance alone makes it larger than 0, so that a finding needs a chi-square test of homogeneity too.

Independence is tested by permutation, exactly, among rows alike in features and groups: which part such a row
came to must say nothing of its label. In each such stratum the labels are dealt out anew to the same parts
(the hypergeometric distribution, as in Fisher's exact test), and Pearson's chi-squares are added up over the
strata: a part that draws rows of one label in one stratum and of the other in the next shows too, which a
Cochran-Mantel-Haenszel test would miss.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import chdtrc

from fairmark.data.audit import levels
from fairmark.data.roles import LABEL, PERSON, ROW_ID, SOURCE
from fairmark.data.row_ids import Codes, smallest
from fairmark.data.schema import Schema
from fairmark.data.split import PARTS, UNUSED
from fairmark.data.summaries import (
    Distance,
    IndependenceTest,
    LabelDistance,
    Parts,
    PartShift,
    PartSummary,
    PersonsByPart,
    Shift,
    SplitSummary,
)
from fairmark.errors import InputError
from fairmark.params.prepare import ByGroup, Split
from fairmark.stats.arrays import Ints, Mask

SHIFT_CHANCE = 0.001
"""Of a finding among all comparisons where no part differs (Bonferroni)."""
SHOWN_COLUMNS = 5
"""Columns named in one finding."""
DRAWS = 999
"""Deals behind a p-value, which is so at least 1 / 1000."""
NEVER = 8.0
"""Standard deviations above what is expected that chance does not bring."""
LABEL_CHANCE = 0.001
"""The chance of a test of part and label from which it is told."""


def summary(
    table: pd.DataFrame, evidence: pd.DataFrame, schema: Schema, part: "pd.Series[str]", params: Split
) -> SplitSummary:
    """Return how the rows were parted, and how the parts differ."""
    inside = {name: (part == name).to_numpy(bool) for name in PARTS}
    unused = int((part == UNUSED).sum())
    tested = independent(table, evidence, schema, part, params.seed)
    shifted = shift(table, evidence, schema, part, params.shift)
    found = SplitSummary(
        parts=Parts(**{name: _part_summary(table, evidence, schema, here) for name, here in inside.items()}),
        unused=unused,
        persons=_persons(table, inside),
        test_file=schema.test_file,
        order=params.order,
        alike=params.alike,
        gap_days=params.gap_days,
        independence=tested,
        shift=shifted,
        findings=(*_split_findings(tested, unused), *shifted.findings),
    )
    by = params.test_share
    # Said only where it is so.
    return found.model_copy(update={"sampled_by": by.attribute}) if isinstance(by, ByGroup) else found


def _part_summary(table: pd.DataFrame, evidence: pd.DataFrame, schema: Schema, here: Mask) -> PartSummary:
    return PartSummary(
        rows=int(here.sum()),
        label_rate=float(table.loc[here, LABEL].mean()),
        groups={
            attribute: {group: int((evidence.loc[here, attribute] == group).sum()) for group in groups}
            for attribute, groups in schema.groups.items()
        },
    )


def _persons(table: pd.DataFrame, inside: Mapping[str, Mask]) -> PersonsByPart | None:
    if PERSON not in table:
        return None
    return PersonsByPart(**{name: table.loc[here, PERSON].nunique() for name, here in inside.items()})


def _split_findings(test: IndependenceTest, unused: int) -> Iterator[str]:
    """Yield in words what a reader must know of how the rows were parted."""
    if test.p is not None and test.p <= LABEL_CHANCE:
        yield (
            f"Part and label go together in {test.rows:,} rows that are alike in features and groups: "
            f"chance brings that in at most {test.p:g} of splits."
        )
    if unused:
        yield (
            f"{unused:,} rows are in no part: their person is in a later part, or they lie in the "
            "gap before one."
        )


def require_independent(split: SplitSummary) -> None:
    """Refuse a split by hash whose parts know the label, as its summary `found` measured it.

    Parts by time may differ in their labels: that is what is asked of them.

    Raises
    ------
    InputError
        When part and label go together among rows that are alike.
    """
    test = split.independence
    if split.order == "hash" and test.independent is False:
        raise InputError(
            "split: the part of a row must not depend on its label, got parts and labels that go together "
            f"in {test.rows:,} rows alike in features and groups (chi-square {test.statistic:.6g}, "
            f"{test.expected:.6g} expected, {test.deviations:.3g} standard deviations above): the ids "
            "in prepare.row_id know the label; name another column, or null"
        )


def independent(
    table: pd.DataFrame, evidence: pd.DataFrame, schema: Schema, part: "pd.Series[str]", seed: int
) -> IndependenceTest:
    """Return whether part and label are independent among rows alike in features and groups.

    Only of rows that were parted here: the rows of a published test file are what they are.
    """
    # One row a person, the first by its id: what its other rows are is no second piece of evidence.
    single = np.ones(len(table), bool)
    if PERSON in table:
        first = table[ROW_ID].sort_values(kind="stable").index
        single[first] = ~table[PERSON].loc[first].duplicated().to_numpy(bool)
    columns = [*(table[name] for name in schema.feature_names), *(evidence[name] for name in schema.singles)]
    alike = [smallest(pd.factorize(column, use_na_sentinel=False)[0]) for column in columns]
    parted_here = single & (table[SOURCE] != "test").to_numpy(bool) & (part != UNUSED).to_numpy(bool)
    kept = np.flatnonzero(parted_here)
    number = part.map({name: k for k, name in enumerate((*PARTS, UNUSED))}).to_numpy(np.int64)
    label = table[LABEL].to_numpy(np.int64)
    return independence([code[kept] for code in alike], number[kept], label[kept], seed)


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
    codes: dict[tuple[str, str], Codes] = {("label", ""): table[LABEL].to_numpy(np.int64)}
    for name in schema.attributes:
        codes["groups", name] = smallest(pd.factorize(evidence[name], use_na_sentinel=False)[0])
    for feature in schema.features:
        codes["features", feature.name] = levels(table[feature.name], feature.kind)
    base = (part == "train").to_numpy(bool)
    # Rows of a person come to a part together, so that counts vary more than those of independent rows: by
    # the mean number of rows that share a row's person, the design effect of whole clusters (Kish 1965).
    as_one = _rows_as_one(table)
    valid, test = (
        _part_shift(codes, base, (part == name).to_numpy(bool), as_one) for name in ("valid", "test")
    )
    # Every column of two parts is a comparison: with so many, one in a thousand alone would come up by luck.
    chance = SHIFT_CHANCE / (2 * len(codes))
    findings = [*_findings("validation", valid, least, chance), *_findings("test", test, least, chance)]
    return Shift(valid=valid, test=test, findings=tuple(findings), chance=chance)


def _part_shift(codes: dict[tuple[str, str], Codes], base: Mask, here: Mask, as_one: float) -> PartShift:
    distances = {key: _between(code[base], code[here], as_one) for key, code in codes.items()}
    label = codes["label", ""]
    return PartShift(
        label=LabelDistance(
            **dict(distances["label", ""]), train=_rate(label[base]), here=_rate(label[here])
        ),
        groups={column: one for (kind, column), one in distances.items() if kind == "groups"},
        features={column: one for (kind, column), one in distances.items() if kind == "features"},
    )


def _rate(labels: Codes) -> float | None:
    return float(labels.mean()) if len(labels) else None


def _rows_as_one(table: pd.DataFrame) -> float:
    """Return how many rows of a person count as one: the sum of squares of rows a person over their sum."""
    if PERSON not in table:
        return 1.0
    rows = table[PERSON].value_counts().to_numpy(np.float64)
    return float((rows**2).sum() / rows.sum())


def _between(one: Codes, other: Codes, as_one: float) -> Distance:
    """Return the total variation distance of two samples of codes, and its chance by Pearson's chi-square."""
    size = int(max(one.max(initial=0), other.max(initial=0))) + 1
    counts = np.array([np.bincount(codes, minlength=size) for codes in (one, other)], dtype=np.float64)
    # In one order whatever the order of the rows, so that sums have the same last digits.
    counts = counts[:, np.lexsort(counts)]
    counts = counts[:, counts.sum(axis=0) > 0]
    rows: npt.NDArray[np.float64] = counts.sum(axis=1, keepdims=True)
    # A part without rows of this kind can't be compared, and is no finding.
    if not (rows > 0).all():
        return Distance(distance=0.0, p=1.0)
    expected = rows * counts.sum(axis=0) / rows.sum()
    # Pearson's statistic over the design effect is about a chi-square again (Rao and Scott 1981, first
    # order).
    statistic = float(((counts - expected) ** 2 / expected).sum()) / as_one
    freedom = counts.shape[1] - 1
    return Distance(
        # Half a sum of rounded shares can pass 1 by a last digit.
        distance=min(1.0, float(np.abs(counts[0] / rows[0] - counts[1] / rows[1]).sum() / 2)),
        p=float(chdtrc(freedom, statistic)) if freedom else 1.0,
    )


def _findings(part: str, shift: PartShift, least: float, chance: float) -> Iterator[str]:
    """Yield in words what differs beyond chance, and by at least `least`."""

    def stands_out(one: Distance) -> bool:
        return one.distance >= least and one.p <= chance

    label = shift.label
    if stands_out(label):
        yield (
            f"The {part} part differs from the train part in its label: {label.here:.3g} of its rows are "
            f"positive, {label.train:.3g} of the train rows."
        )
    for each, word in ((shift.groups, "its groups"), (shift.features, "its features")):
        far = {column: one.distance for column, one in each.items() if stands_out(one)}
        listed = sorted(far.items(), key=lambda pair: (-pair[1], pair[0]))
        if listed:
            shown = ", ".join(f"{column} {distance:.2g}" for column, distance in listed[:SHOWN_COLUMNS])
            more = f" and {len(listed) - SHOWN_COLUMNS} more" if len(listed) > SHOWN_COLUMNS else ""
            yield (
                f"The {part} part differs from the train part in {word}: {shown}{more} (shares of rows that "
                "would have to be others)."
            )


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
    statistic = _chi_square(table[:, :, 1], table)
    draw = np.random.default_rng([seed, 7])
    dealt = np.array([_chi_square(_deal(table, draw), table) for _ in range(DRAWS)])
    spread = float(dealt.std(ddof=1))
    above = float((statistic - dealt.mean()) / spread) if spread > 0 else 0.0
    # The deal that was found is one of all: with it counted the p-value is exact, and never 0. The slack
    # keeps ties of rounding on the side of the null hypothesis.
    chance = float((1 + (dealt >= statistic - 1e-9).sum()) / (DRAWS + 1))
    return IndependenceTest(
        strata=len(table),
        rows=rows,
        statistic=statistic,
        expected=float(dealt.mean()),
        deviations=above,
        p=chance,
        # 999 deals can't tell a p of 0.001 from one of 10^-20, and only the latter is worth stopping for: how
        # far above the spread of the deals it lies says which.
        independent=not (above > NEVER and chance <= 1 / (DRAWS + 1)),
    )


def _stratum(alike: Sequence[npt.NDArray[np.integer]], rows: int) -> Ints:
    code = np.zeros(rows, dtype=np.int64)
    for column in alike:
        # Numbered anew after each column, so that the product never overflows, however many columns there
        # are.
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
    # A stratum of one label, or in one part, is the same under every deal: it only dilutes the statistic.
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
    # A multivariate hypergeometric draw, part by part: what is left goes on to the next part.
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

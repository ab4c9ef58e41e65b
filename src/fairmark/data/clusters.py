"""Do rows come in clusters, several of one person? Patterns of stable columns that repeat beyond chance.

Where a person has several rows, the columns that belong to the person (age, income, region) repeat together
while others vary: there is a set of columns whose patterns are many and small, and nearly every row shares
its pattern with others. The same columns, each shuffled by itself, would hardly ever repeat. A table of
few codes repeats when shuffled too, and says nothing.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pandas as pd

from fairmark.data.summaries import Clusters

SEEDS = 6
"""Columns with most values, alone and in pairs, from which a pattern is grown."""

REPEATED = 0.9
"""Share of rows that share their pattern with another, from which a pattern may be a person."""

GROWTH = 1.05
"""A column is stable within a pattern when it makes at most so many times as many patterns."""

ROWS_EACH = 100.0
"""Rows of a pattern, in the mean, above which it is a kind of people and no person."""

LEAST = 20
"""Patterns below which nothing is asked."""

COLUMNS = 3
"""Columns that a pattern must have."""

Codes = npt.NDArray[np.int64]


def clusters(columns: Mapping[str, Codes], label: Codes, seed: int) -> Clusters | None:
    """Return the columns whose patterns repeat as the rows of a person would, or None where none do.

    Parameters
    ----------
    columns
        The level of each row in each column, [n], every value a level of its own.
    label
        0 or 1, [n].

    """
    most = sorted(columns, key=lambda name: (-int(columns[name].max(initial=0)), name))
    starts = [(name,) for name in most[:SEEDS]] + list(combinations(most[:SEEDS], 2))
    found = [one for start in starts if (one := _grown(start, columns)) is not None]
    if not found:
        return None
    # The fewest patterns: a column that varies within a person splits persons into more.
    names, pattern = min(found, key=lambda one: (int(one[1].max()), -len(one[0]), one[0]))
    by_chance = _repeated(_shuffled([columns[name] for name in names], seed))
    if by_chance > REPEATED / 2:
        return None
    patterns = int(pattern.max()) + 1
    labels = pd.Series(label).groupby(pattern).nunique()
    return Clusters(
        columns=tuple(sorted(names)),
        patterns=patterns,
        rows_each=len(pattern) / patterns,
        repeated=_repeated(pattern),
        by_chance=by_chance,
        label_constant=float((labels == 1).mean()),
    )


def question(found: Clusters | None) -> list[str]:
    """Return in words what the audit asks of clusters that it found."""
    if found is None:
        return []
    named = ", ".join(found.columns[:5])
    more = f" and {len(found.columns) - 5} more" if len(found.columns) > 5 else ""
    constant = found.label_constant > REPEATED
    own = " The label goes with them: a model can learn who somebody is." if constant else ""
    text = (
        f"Do several rows belong to one person? {found.repeated:.0%} of the rows share their values of "
        f"{named}{more} with others ({found.patterns:,} patterns of {found.rows_each:.3g} rows each, "
        f"where chance would let {found.by_chance:.0%} share them).{own} Name the column that says whose "
        "a row is in prepare.person."
    )
    return [text]


def _grown(start: tuple[str, ...], columns: Mapping[str, Codes]) -> tuple[list[str], Codes] | None:
    """Return a pattern grown from some columns by every column that is stable within it."""
    pattern = _joined([columns[name] for name in start])
    if not _like_persons(pattern):
        return None
    names = list(start)
    for name in columns:
        if name not in start:
            finer = _joined([pattern, columns[name]])
            if finer.max() + 1 <= GROWTH * (pattern.max() + 1) and _like_persons(finer):
                names, pattern = [*names, name], finer
    return (names, pattern) if len(names) >= COLUMNS else None


def _like_persons(pattern: Codes) -> bool:
    patterns = int(pattern.max(initial=-1)) + 1
    return patterns >= LEAST and len(pattern) <= ROWS_EACH * patterns and _repeated(pattern) >= REPEATED


def _repeated(pattern: Codes) -> float:
    """Return the share of rows that share their pattern with another row."""
    return float((np.bincount(pattern)[pattern] > 1).mean())


def _joined(codes: Sequence[Codes]) -> Codes:
    pattern = np.zeros(len(codes[0]), dtype=np.int64)
    for code in codes:
        pattern = pd.factorize(pattern * (int(code.max(initial=0)) + 1) + code)[0].astype(np.int64)
    return pattern


def _shuffled(codes: Sequence[Codes], seed: int) -> Codes:
    draw = np.random.default_rng([seed, 3])
    return _joined([draw.permutation(code) for code in codes])

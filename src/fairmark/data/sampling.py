"""A stratified sample of a parted table: for work whose answer needs no more rows than so many.

What the gate reads is never sampled. What looks at a sample states how many rows of how many it saw.
"""

from collections.abc import Collection
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from fairmark.data.roles import LABEL, PERSON
from fairmark.data.split import PARTS, Parts
from fairmark.data.summaries import SampledPart


def sampled(parts: Parts, most: int | None, seed: int, of: Collection[str] = PARTS) -> Parts:
    """Return a stratified sample without replacement of each part in `of` that has more than `most` rows.

    Strata are label and groups. Rows are sorted by stratum, in an order drawn within each, and taken at even
    distances (systematic sampling, Madow 1949): each stratum keeps its share to within one row. Where persons
    have several rows, persons are drawn instead, each with all rows, as many as fit into `most`. Other parts
    are kept whole; `parts` itself is returned where none has more.
    """
    numbers = {name: np.flatnonzero((parts.belongs == name).to_numpy()) for name in PARTS}
    if most is None or all(len(numbers[name]) <= most for name in of):
        return parts
    kept = []
    for k, (name, rows) in enumerate(numbers.items()):
        draw = np.random.default_rng([seed, 7, k])
        if name not in of or len(rows) <= most:
            kept.append(rows)
        elif PERSON in parts.table:
            kept.append(rows[_drawn_persons(parts.table[PERSON].iloc[rows], most, draw)])
        else:
            order = np.lexsort((draw.random(len(rows)), _strata(parts, rows)))
            kept.append(rows[order[np.arange(most) * len(rows) // most]])
    chosen = np.sort(np.concatenate(kept))
    return replace(
        parts,
        table=parts.table.iloc[chosen].reset_index(drop=True),
        evidence=parts.evidence.iloc[chosen].reset_index(drop=True),
        belongs=parts.belongs.iloc[chosen].reset_index(drop=True),
    )


def sizes(fewer: Parts, parts: Parts) -> dict[str, SampledPart]:
    """Return how many rows of each part a sample holds, and of how many."""
    counts = [each.belongs.value_counts() for each in (fewer, parts)]
    return {
        name: SampledPart(rows=int(counts[0][name]), of=int(counts[1][name]))
        for name in PARTS
        if name in counts[1]
    }


def _strata(parts: Parts, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.int64]:
    stratum = parts.table[LABEL].to_numpy(np.int64)[rows]
    for name in sorted(parts.schema.singles):
        codes, groups = pd.factorize(parts.evidence[name].iloc[rows], sort=True)
        stratum = stratum * len(groups) + codes
    return stratum


def _drawn_persons(persons: "pd.Series[str]", most: int, draw: np.random.Generator) -> npt.NDArray[np.bool_]:
    codes, different = pd.factorize(persons)
    order = draw.permutation(len(different))
    rows = np.cumsum(np.bincount(codes, minlength=len(different))[order])
    # One person at least, however many rows that one has.
    return np.isin(codes, order[: max(1, int(np.searchsorted(rows, most, side="right")))])

"""Are part and label independent given the strata? An exact permutation test among rows that are alike.

Among rows alike in features and groups, which part a row came to must say nothing of its label. In each
such stratum the labels are dealt out anew to the same parts (the hypergeometric distribution, as in Fisher's
exact test), and Pearson's chi-squares are added up over the strata: a part that draws rows of one label in
one stratum and of the other in the next shows too, which a Cochran-Mantel-Haenszel test would miss.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from fairmark.data.summaries import IndependenceTest
from fairmark.stats.arrays import Ints

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

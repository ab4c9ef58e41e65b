"""Conditional disparity of two groups within strata (Cochran-Mantel-Haenszel), and of their mean scores.

A difference between groups can be one of the strata that they stand in: who applies for what, with which
schooling. Within strata the two groups are compared among rows alike. Whether a stratum is a lawful reason
is no matter of statistics: a feature that stands for a group explains any difference away.
"""

from dataclasses import dataclass

import numpy as np

from fairmark.stats.arrays import Floats


@dataclass(frozen=True)
class MantelHaenszel:
    """Two groups compared within strata, the first being the reference.

    Parameters
    ----------
    strata, rows
        Those in which both groups stand, and the rows of both groups there.
    odds_ratio, odds_low, odds_high
        Common odds ratio of being selected, second over first; 1 = alike, 0 = nobody of the second. With
        one stratum it is the plain odds ratio. None where it is 0 / 0 or infinite, bounds where one of
        their sums is 0.
    difference, difference_low, difference_high
        Difference of selection rates, second - first, -1..1; 0 = alike, averaged over strata.
    p
        Of conditional independence, 0..1, two-sided; None where no stratum can tell.
    """

    strata: int
    rows: int
    odds_ratio: float | None
    odds_low: float | None
    odds_high: float | None
    difference: float | None
    difference_low: float | None
    difference_high: float | None
    p: float | None


def mantel_haenszel(tables: Floats, tail: float) -> MantelHaenszel:
    """Return the Cochran-Mantel-Haenszel comparison of two groups over strata.

    The odds ratio is that of Mantel and Haenszel (1959), its bounds those of Robins, Breslow and Greenland
    (1986); the difference is that of Greenland and Robins (1985), with the variance of Sato (1989); the test
    is that of Mantel and Haenszel without a correction for continuity. All are approximate, and of rows that
    are independent.

    Parameters
    ----------
    tables
        Rows, [strata, 2, 2]: by group (the reference first) and decision (0 first).
    tail
        Chance of error of each bound.
    """
    from scipy.special import chdtrc, ndtri

    both = (tables.sum(axis=2) > 0).all(axis=1)
    kept = tables[both]
    (d, c), (b, a) = kept[:, 0].T, kept[:, 1].T  # a: selected of the second group, c: of the reference
    size, first, second = kept.sum(axis=(1, 2)), c + d, a + b
    if not len(kept):
        return MantelHaenszel(0, 0, None, None, None, None, None, None, None)
    z = float(-ndtri(tail))
    hits, misses = a * d / size, b * c / size
    odds: tuple[float | None, float | None, float | None] = (None, None, None)
    if misses.sum() > 0:
        ratio = float(hits.sum() / misses.sum())
        odds = (ratio, None, None)
        if hits.sum() > 0:
            agree, other = (a + d) / size, (b + c) / size
            variance = (
                (agree * hits).sum() / (2 * hits.sum() ** 2)
                + (agree * misses + other * hits).sum() / (2 * hits.sum() * misses.sum())
                + (other * misses).sum() / (2 * misses.sum() ** 2)
            )
            spread = float(np.exp(z * np.sqrt(variance)))
            odds = (ratio, ratio / spread, ratio * spread)
    total = float((first * second / size).sum())
    gap = float(((a * first - c * second) / size).sum()) / total
    shares = first * second / size**2
    of_gap = c * (second / size) ** 2 - a * (first / size) ** 2 + shares * (first - second) / 2
    beside = (a * d + c * b) / (2 * size)
    # A rounding error below 0 is no variance.
    half = z * float(np.sqrt(max(gap * of_gap.sum() + beside.sum(), 0.0))) / total
    selected = a + c
    tests = size > 1
    variance = (first * second * selected * (size - selected))[tests] / (size**2 * (size - 1))[tests]
    above = float((a - second * selected / size).sum())
    p = float(chdtrc(1, above**2 / variance.sum())) if variance.sum() > 0 else None
    return MantelHaenszel(
        strata=len(kept),
        rows=int(size.sum()),
        odds_ratio=odds[0],
        odds_low=odds[1],
        odds_high=odds[2],
        difference=gap,
        difference_low=max(gap - half, -1.0),
        difference_high=min(gap + half, 1.0),
        p=p,
    )


def standardised(tables: Floats) -> tuple[float, float] | None:
    """Return the selection rates that two groups would have with the strata of both together, 0..1 each.

    Direct standardisation (Fleiss, Levin and Paik 2003, chapter 19): the mean of a group's rates in strata,
    each weighed by the share of all rows there. Strata in which a group has no rows are left out of both;
    None where none is left.

    Parameters
    ----------
    tables
        Weights or rows, [strata, 2, 2], as in `mantel_haenszel`.
    """
    groups = tables.sum(axis=2)  # [strata, 2]
    kept = (groups > 0).all(axis=1)
    if not kept.any():
        return None
    # One set of weights for both groups: what is left of the difference is not how they fill the strata.
    share = groups[kept].sum(axis=1) / groups[kept].sum()
    first, second = share @ (tables[kept][:, :, 1] / groups[kept])
    return float(first), float(second)


def mean_difference(
    reference: Floats, other: Floats, tail: float, weights: tuple[Floats, Floats] | None = None
) -> tuple[float, float | None, float | None] | None:
    """Return the standardised mean difference of scores, other - reference, and its bounds.

    The difference of means over the root of the mean of the two variances (Austin 2009): 0 = the same mean,
    1 = one standard deviation apart. Its bounds are of large samples (Hedges and Olkin 1985, equation 5.14),
    and are not given for weighted rows. None where the scores of both groups have no spread.

    Parameters
    ----------
    reference, other
        Scores, [m] and [n].
    weights
        Of both, where rows weigh.
    """
    from scipy.special import ndtri

    if not len(reference) or not len(other):
        return None
    heavy = weights or (np.ones(len(reference)), np.ones(len(other)))
    means, variances = [], []
    for score, weight in zip((reference, other), heavy, strict=True):
        if weight.sum() <= 0:
            return None
        mean = float(np.average(score, weights=weight))
        means.append(mean)
        variances.append(float(np.average((score - mean) ** 2, weights=weight)))
    spread = float(np.sqrt(sum(variances) / 2))
    if spread == 0:
        return None
    value = (means[1] - means[0]) / spread
    if weights is not None:
        return value, None, None
    m, n = len(reference), len(other)
    # The first part is the error of the means, the second that of the spread they are divided by.
    half = float(-ndtri(tail)) * float(np.sqrt((m + n) / (m * n) + value**2 / (2 * (m + n))))
    return value, value - half, value + half


def ratio_by_share(
    scores: Floats, second: "np.ndarray[tuple[int], np.dtype[np.bool_]]", weight: Floats, shares: Floats
) -> list[float | None]:
    """Return the adverse impact ratio, second over first group, were the best-scored share selected, each.

    1 = parity, 0 = nobody of the second; None where nobody of the first is selected. Rows with the score at
    the edge are all selected, so that more than the share may be.

    Parameters
    ----------
    scores, second, weight
        Of the rows of both groups, [n].
    shares
        Of the rows by weight, 0..1.
    """
    order = np.argsort(-scores, kind="stable")
    passed = np.cumsum(weight[order]) / weight.sum()
    found: list[float | None] = []
    for share in shares:
        # A sum of weights may miss the share by a last digit.
        edge = scores[order][min(int(np.searchsorted(passed, share - 1e-12)), len(scores) - 1)]
        rates = [
            float(weight[(scores >= edge) & here].sum() / weight[here].sum()) for here in (~second, second)
        ]
        found.append(rates[1] / rates[0] if rates[0] > 0 else None)
    return found

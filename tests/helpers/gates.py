"""Chances that a gate passes or fails, summed over both binomials: no simulation, no luck.

A rule on two groups says of every table (hits 1, hits 2) whether it passes. Every rule here passes more
readily with more hits in group 1 and with fewer in group 2, so one number for each count of hits in group 1
describes it: the most hits in group 2 with which it passes. The chance to pass is then one sum.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, norm

from fairmark.stats.exact_test import Sample, rejects
from fairmark.stats.score_test import Kind, difference_statistic, ratio_statistic

Floats = NDArray[np.float64]
Rule = Callable[[Floats, int, Floats, int], NDArray[np.bool_]]
"""Whether each table `(hits 1, rows 1, hits 2, rows 2)` passes."""


def window(rows: int, share: float, left_out: float = 1e-6) -> NDArray[np.int64]:
    """Return the counts of hits that hold all but `left_out` of the chance."""
    return np.arange(
        binom.ppf(left_out / 2, rows, share), binom.isf(left_out / 2, rows, share) + 1, dtype=np.int64
    )


def chance(
    hits: NDArray[np.int64], edge: Floats, rows: tuple[int, int], shares: tuple[float, float]
) -> float:
    """Return P(hits 2 <= edge(hits 1)); hits 1 above the window count as passing, for an upper bound."""
    inside = binom.pmf(hits, rows[0], shares[0]) @ binom.cdf(edge, rows[1], shares[1])
    return float(inside + binom.sf(hits[-1], rows[0], shares[0]))


def edges(rule: Rule, hits: NDArray[np.int64], rows: tuple[int, int]) -> Floats:
    """Return the most hits in group 2 with which a vectorised rule passes, -1 for none."""
    low, high = np.full(len(hits), -1.0), np.full(len(hits), rows[1] + 1.0)
    while (high - low > 1).any():
        middle = np.floor((low + high) / 2)
        tried = np.clip(middle, 0, rows[1])
        passes = (middle < 0) | ((middle <= rows[1]) & rule(hits.astype(float), rows[0], tried, rows[1]))
        low, high = np.where(passes, middle, low), np.where(passes, high, middle)
    return low


def walked(passes: Callable[[int, int], bool], hits: NDArray[np.int64], most: int, likely: Floats) -> Floats:
    """Return the same for a rule that is tried table by table, searching outwards from `likely`."""
    found, shift = [], 0
    for count, guess in zip(hits.tolist(), likely.astype(int).tolist(), strict=True):
        low, high = -1, most + 1  # passes at low, not at high
        middle, step = int(np.clip(guess + shift, -1, most)), 1
        while high - low > 1:
            if middle < 0 or passes(count, middle):
                low, middle = middle, middle + step
            else:
                high, middle = middle, middle - step
            step *= 2
            if not low < middle < high:
                middle = (low + high) // 2
        shift = low - guess
        found.append(float(low))
    return np.array(found)


def sparsely(
    passes: Callable[[int, int], bool], hits: NDArray[np.int64], most: int, likely: Floats, tried: int | None
) -> Floats:
    """Return `walked` at every count of hits, or at about `tried` of them with straight lines between."""
    step = 1 if tried is None else max(1, len(hits) // tried)
    at = np.unique(np.append(np.arange(0, len(hits), step), len(hits) - 1))
    found = walked(passes, hits[at], most, likely[at])
    return np.floor(np.interp(hits, hits[at], found) + 1e-9)


@dataclass(frozen=True)
class Boundary:
    """Which tables fairmark's test passes: `most` hits 2 for each of `hits` 1, or with misses if `turned`."""

    rows: tuple[int, int]
    hits: NDArray[np.int64]
    most: Floats
    turned: bool

    def passes(self, hits1: NDArray[np.int64], hits2: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return whether each table passes; far out, more readily than in truth."""
        first, second = (self.rows[1] - hits2, self.rows[0] - hits1) if self.turned else (hits1, hits2)
        at = np.clip(first - self.hits[0], 0, len(self.hits) - 1)
        inside = (first >= self.hits[0]) & (second <= self.most[at])
        return np.asarray(inside | (first > self.hits[-1]), dtype=bool)

    def chance(self, shares: tuple[float, float]) -> float:
        """Return the chance to pass."""
        if self.turned:
            return chance(self.hits, self.most, self.rows[::-1], (1 - shares[1], 1 - shares[0]))
        return chance(self.hits, self.most, self.rows, shares)


def boundary(
    rows: tuple[int, int],
    shares: tuple[float, float],
    kind: Kind,
    margin: float,
    tail: float,
    *,
    tried: int | None = None,
) -> Boundary:
    """Return the tables near these shares of which fairmark's test says that share 1 is above the margin.

    With `tried`, the boundary is walked at about so many counts of hits 1 and a straight line between them.
    """
    rule = score_rule(kind, margin, tail)

    def shown(hits1: int, hits2: int) -> bool:
        return rejects(Sample(hits1, rows[0]), Sample(hits2, rows[1]), kind, margin, tail)

    if rows[0] <= rows[1]:
        hits = window(rows[0], shares[0])
        likely = edges(rule, hits, rows)
        return Boundary(rows, hits, sparsely(shown, hits, rows[1], likely, tried), turned=False)
    # Over the smaller group, with misses for hits: more misses in group 2 pass more readily too.
    misses = window(rows[1], 1 - shares[1])
    likely = edges(lambda y2, n2, y1, n1: rule(n1 - y1, n1, n2 - y2, n2), misses, rows[::-1])
    found = sparsely(lambda y2, y1: shown(rows[0] - y1, rows[1] - y2), misses, rows[0], likely, tried)
    return Boundary(rows, misses, found, turned=True)


def score_rule(kind: Kind, margin: float, tail: float) -> Rule:
    """Return the score test's rule: pass when its statistic is beyond the normal quantile."""
    statistic = ratio_statistic if kind == "ratio" else difference_statistic
    goal = -norm.ppf(tail)
    return lambda x1, n1, x2, n2: np.asarray(statistic(x1, n1, x2, n2, margin) >= goal)


def point_rule(margin: float) -> Rule:
    """Return the rule of most gates: pass when the observed ratio is at or above the limit."""
    return lambda x1, n1, x2, n2: np.asarray(x1 / n1 >= margin * x2 / n2 - 1e-12, dtype=bool)


def katz_rule(margin: float, tail: float) -> Rule:
    """Return the log-ratio (Katz) bound's rule; with no hits it has no bound and does not pass."""
    goal = -norm.ppf(tail)

    def rule(x1: Floats, n1: int, x2: Floats, n2: int) -> NDArray[np.bool_]:
        with np.errstate(divide="ignore", invalid="ignore"):
            error = np.sqrt(1 / x1 - 1 / n1 + 1 / x2 - 1 / n2)
            log_bound = np.log(x1 / n1) - np.log(x2 / n2) - goal * error
        return np.where(x2 == 0, x1 > 0, (x1 > 0) & (log_bound >= np.log(margin)))

    return rule


def percentile_rule(margin: float, tail: float) -> Rule:
    """Return the rule of the percentile bootstrap with endless replicates, on share 1 / share 2.

    Pass when at most `tail` of the resampled ratios are below the limit; 0 / 0 counts as no replicate.
    """

    def rule(x1: Floats, n1: int, x2: Floats, n2: int) -> NDArray[np.bool_]:
        below = [
            _resampled_below(a, n1, b, n2, margin) for a, b in zip(x1.tolist(), x2.tolist(), strict=True)
        ]
        return np.array(below) <= tail

    return rule


def _resampled_below(x1: float, n1: int, x2: float, n2: int, margin: float) -> float:
    """Return P(resampled share 1 < margin x resampled share 2)."""
    drawn = window(n1, x1 / n1, 1e-5)
    mass = binom.pmf(drawn, n1, x1 / n1)
    low = binom.sf(np.floor(drawn / n1 / margin * n2 + 1e-9), n2, x2 / n2)
    nothing = (drawn == 0) * binom.pmf(0, n2, x2 / n2)
    kept = 1 - float(mass @ nothing)
    return float(mass @ low) / kept if kept > 0 else 1.0


def share_chance(passes: NDArray[np.bool_], share: float) -> float:
    """Return the chance to pass of a rule on one share; `passes` for 0, 1, ... hits, up to all rows."""
    return float(binom.pmf(np.arange(len(passes)), len(passes) - 1, share)[passes].sum())


def table(title: str, heads: list[str], lines: list[list[str]]) -> None:
    """Print a table for the reader of the proof."""
    widths = [max(map(len, column)) for column in zip(heads, *lines, strict=True)]
    print(f"\n{title}")
    for line in [heads, *lines]:
        print("  " + "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))

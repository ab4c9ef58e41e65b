"""What the test rows of a table could prove of a limit on groups, in numbers, before anything is trained.

A verdict wants the exact bound of each pair of groups on the good side of its limit. How far the measured
value has to lie beyond the limit for that follows from the rows of the two groups alone, once a rate is
assumed: the label's rate for selection, one half (at which a difference is hardest to show) for rates among
the positive. Where not even perfectly equal rates would do, it follows how many rows are missing.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from fairmark.judge.comparisons import Comparison, Difference, Part, Pooled, Ratio
from fairmark.judge.limits import Aim, rows_needed, shown
from fairmark.stats.rates import MANY

HARDEST = 0.5
"""The share at which a difference of two shares is hardest to show."""

PAIRS = 300
"""Pairs of groups that are looked at: those with the fewest rows of an attribute with more."""


COUNTED = 4
"""Pairs of a limit, the hardest ones, of which the rows that are missing are counted."""

Pair = tuple[tuple[str, int], tuple[str, int]]
"""Two groups with their rows, the smaller first."""


@dataclass(frozen=True)
class GroupRows:
    """The test rows of a group that are to be expected, and those of them with a positive label."""

    name: str
    rows: int
    positives: int


@dataclass(frozen=True)
class Provable:
    """What one pair of groups could show of one limit.

    Parameters
    ----------
    limit
        Its name.
    kind
        `ratio` or `difference`.
    groups, rows
        The pair, and the rows of each that count.
    at
        The limit.
    rate
        The share that is assumed of the higher group.
    needed
        The worst value that, when measured, would still show the limit to be met; None where none would.
    more
        Where none would: how many more test rows of which group ("" for all) equal rates would need; empty
        where it was not counted, or no number would do.
    """

    limit: str
    kind: str
    groups: tuple[str, str]
    rows: tuple[int, int]
    at: float
    rate: float
    needed: float | None
    more: Mapping[str, int]

    def text(self, test_share: float) -> str:
        """Return it in words; rows that are missing are those of the whole table."""
        pair = f"{self.groups[0]} / {self.groups[1]} ({self.rows[0]:,} and {self.rows[1]:,} test rows)"
        if self.kind == "ratio":
            pair = f"{pair}, if {self.rate:.0%} are selected"
        if self.needed is not None:
            word = "at least" if self.kind == "ratio" else "at most"
            return f"{pair}: met when {self.kind} {word} {self.needed:.2f} is measured"
        more = [
            f"about {math.ceil(count / test_share):,} more rows of {group or 'all groups'}"
            for group, count in self.more.items()
        ]
        return (
            f"{pair}: can't be shown, not even by equal rates; wants {' and '.join(more) or 'far more rows'}"
        )


def of_ratio(limit: str, at: float, groups: Sequence[GroupRows], rate: float, tail: float) -> list[Provable]:
    """Return what each pair could show of "the selection rates' ratio is at least `at`", hardest first.

    Parameters
    ----------
    rate
        The selection rate that is assumed of the higher group.
    tail
        The chance that one bound errs.
    """
    aim, many = Aim(at, at_least=True, clear=tail, miss=tail), len(groups) > MANY

    def comparison(low: Part, high: Part) -> Comparison:
        return Pooled("ratio", low, high) if many else Ratio(low, high)

    pairs = _pairs([(group.name, group.rows) for group in groups])
    question = _Question(limit, aim, comparison, rate, at * rate, lambda share: min(1.0, share / rate))
    return _answers(question, pairs)


def of_difference(limit: str, at: float, groups: Sequence[GroupRows], tail: float) -> list[Provable]:
    """Return what each pair could show of "true positive rates differ by at most `at`", hardest first."""
    aim, many = Aim(at, at_least=False, clear=tail, miss=tail), len(groups) > MANY

    def comparison(low: Part, high: Part) -> Comparison:
        return Pooled("difference", high, low) if many else Difference(high, low)

    pairs = _pairs([(group.name, group.positives) for group in groups])
    question = _Question(
        limit, aim, comparison, HARDEST, HARDEST - at, lambda share: max(0.0, HARDEST - share)
    )
    return _answers(question, pairs)


def _answers(question: "_Question", pairs: list[Pair]) -> list[Provable]:
    """Return the answer for each pair, hardest first; rows that are missing only of the first few."""
    asked = sorted(((question.needed(pair), pair) for pair in pairs), key=question.hardness)
    return [question.answer(needed, pair, counted=k < COUNTED) for k, (needed, pair) in enumerate(asked)]


@dataclass(frozen=True)
class _Question:
    """A limit on pairs of groups: of which the smaller has at least the share `least`, the other `rate`."""

    limit: str
    aim: Aim
    comparison: Callable[[Part, Part], Comparison]
    rate: float
    least: float
    value: Callable[[float], float]

    def needed(self, pair: Pair) -> float | None:
        """Return the worst value that would show the limit to be met by a pair."""
        (one, few), (two, many) = pair
        high = Part(two, self.rate, many, many)

        def holds(hits: int) -> bool:
            return shown(self.comparison(Part(one, hits / few, few, few), high), self.aim, good=True)

        hits = _least(holds, math.floor(self.least * few), math.floor(self.rate * few))
        return None if hits is None else self.value(hits / few)

    def hardness(self, found: tuple[float | None, Pair]) -> tuple[float, int, int]:
        """Return what pairs are ordered by: those that can't be shown first, then by how much is needed."""
        needed, ((_, few), (_, many)) = found
        return (-math.inf if needed is None else -abs(needed - self.aim.at), few, many)

    def answer(self, needed: float | None, pair: Pair, *, counted: bool) -> Provable:
        """Return what is said of a pair; with `counted` the rows that it lacks too, which takes a second."""
        (one, few), (two, many) = pair
        more: Mapping[str, int] = {}
        if needed is None and counted:
            low, high = Part(one, self.rate, few, few), Part(two, self.rate, many, many)
            more = rows_needed(self.comparison(low, high), self.aim) or {}
        kind = "ratio" if self.aim.at_least else "difference"
        return Provable(self.limit, kind, (one, two), (few, many), self.aim.at, self.rate, needed, more)


def _pairs(groups: Sequence[tuple[str, int]]) -> list[Pair]:
    """Return pairs of groups with rows, the smaller first."""
    held = [group for group in groups if group[1] >= 1]
    found = [(low, high) for low, high in combinations(sorted(held, key=lambda group: group[1]), 2)]
    # The smallest groups first, whose bounds are the widest.
    return sorted(found, key=lambda pair: (pair[0][1], pair[1][1]))[:PAIRS]


def _least(holds: Callable[[int], bool], low: int, high: int) -> int | None:
    """Return the least number from `low` to `high` for which `holds` does; None where not even `high`.

    Whoever clears a limit clears it with a value that is nearer to parity too, so that halving finds it.
    """
    if high < 1 or not holds(high):
        return None
    low = max(low, 0) - 1  # not shown there, or below any count
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high

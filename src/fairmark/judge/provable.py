"""What the test rows of a table could prove of a limit on groups, in numbers, before anything is trained.

A verdict wants the exact bound of each pair of groups on the good side of its limit. How far the measured
value has to lie beyond the limit for that follows from the rows of the two groups alone, once a rate is
assumed: the label's rate for selection, one half (at which a difference is hardest to show) for the others.
So does the power: the chance that equal rates, or rates halfway between parity and the limit, are shown to
meet it. Where equal rates would be shown with less than `POWER`, it follows how many rows are missing.

Rows are taken to be independent and of one weight; what persons or weights take away is not known before.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np

from fairmark.judge.comparisons import Comparison, Difference, Part, Pooled, Ratio
from fairmark.judge.limits import POWER, Aim, rows_needed, shown, with_power
from fairmark.judge.verdict import tails
from fairmark.params.policy import Limit, Policy
from fairmark.record import Record
from fairmark.stats.group_names import is_unknown
from fairmark.stats.measures import QUANTITIES, Larger, share
from fairmark.stats.rates import MANY
from fairmark.stats.score_test import difference_statistic, ratio_statistic

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


class Provable(Record):
    """What one pair of groups could show of one limit, whatever model is measured."""

    limit: str
    rate_of: str
    """The rate that is compared, such as `selection_rate`."""
    kind: Literal["ratio", "difference"]
    groups: tuple[str, str]
    rows: tuple[int, int]
    """The test rows of each that the rate counts, the smaller first."""
    at: float
    rate: float
    """The share that is assumed of the higher group, 0..1."""
    needed: float | None
    """The worst value that, when measured, would still show the limit to be met; None where none would."""
    at_parity: float | None
    """Power: the chance that the limit is shown to be met where both rates are the same; None: not known."""
    halfway: float | None
    """The same where the true value lies halfway between parity and the limit."""
    more: dict[str, int]
    """How many more test rows of which group ("" for all) equal rates would need to be shown with `POWER`;
    empty where they have it, where it was not counted, or where no number would do."""

    def text(self, test_share: float) -> str:
        """Return it in words; rows that are missing are those of the whole table."""
        pair = f"{self.groups[0]} / {self.groups[1]} ({self.rows[0]:,} and {self.rows[1]:,} test rows)"
        if self.kind == "ratio":
            pair = f"{pair}, if {self.rate:.0%} are selected"
        if self.needed is not None:
            word = "at least" if self.kind == "ratio" else "at most"
            return f"{pair}: met when {self.kind} {word} {self.needed:.2f} is measured"
        wanted = self.missing(test_share) or "far more rows"
        return f"{pair}: can't be shown, not even by equal rates; wants {wanted}"

    def missing(self, test_share: float = 1.0) -> str:
        """Return the rows that are missing in words: of the table of which the test rows are this share."""
        return " and ".join(
            f"about {math.ceil(count / test_share):,} more rows of {group or 'all groups'}"
            for group, count in self.more.items()
        )


class ProvableLimits(Record):
    """The document provable.json: what the test rows can show of each gated limit on pairs of groups."""

    level: float
    """The chance that one bound errs."""
    label_rate: float
    pairs: tuple[Provable, ...]

    @classmethod
    def of(
        cls, policy: Policy, groups: Mapping[str, Sequence[GroupRows]], label_rate: float
    ) -> "ProvableLimits":
        """Return what test rows can show of the limits that the policy gates.

        Parameters
        ----------
        groups
            The groups of each attribute with their test rows.
        label_rate
            The share of them with a positive label, 0..1.
        """
        gated = [limit for limit in policy.limits if limit.gate]
        return cls(
            level=_tail(gated, policy, groups),
            label_rate=label_rate,
            pairs=tuple(provable(gated, policy, groups, label_rate)),
        )

    @property
    def hopeless(self) -> list[Provable]:
        """The pairs that can't pass, whatever the model, if its rate is the one assumed."""
        return [each for each in self.pairs if each.needed is None]


def provable(
    limits: Sequence[Limit],
    policy: Policy,
    groups: Mapping[str, Sequence[GroupRows]],
    label_rate: float,
) -> list[Provable]:
    """Return what each pair could show of these limits, limit by limit, hardest pair first.

    Limits on all rows and on each group are left out. The limits share the level as the policy says, each
    comparison once and, by Holm, at the first of its steps.
    """
    tail = _tail(limits, policy, groups)
    found: list[Provable] = []
    for limit in limits:
        asked = QUANTITIES.get(limit.measure)
        if asked is None or not asked.over_groups or limit.attribute is None or limit.attribute not in groups:
            continue
        formula = asked.measure.formula
        for rate in formula.rates if isinstance(formula, Larger) else (asked.measure.name,):
            known = _known(groups[limit.attribute], rate, policy.min_group_rows)
            at = float((limit.at_least if asked.how == "ratio" else limit.at_most) or 0.0)
            assumed = min(max(label_rate, 0.01), 0.99) if rate == "selection_rate" else HARDEST
            own = tail / 2 if len(known) > MANY and policy.correction == "intersection-union" else tail
            if asked.how == "ratio":
                found += of_ratio(limit.name, rate, at, known, assumed, own)
            else:
                found += of_difference(limit.name, rate, at, known, max(HARDEST, at), own)
    return found


def _tail(limits: Sequence[Limit], policy: Policy, groups: Mapping[str, Sequence[GroupRows]]) -> float:
    """Return the chance that a bound which has to clear errs, before any comparison is decided."""
    comparisons = 0
    for limit in limits:
        asked = QUANTITIES.get(limit.measure)
        count = len(groups.get(limit.attribute or "", ()))
        pairs = count * (count - 1) // 2
        over = asked is not None and asked.over_groups
        comparisons += (pairs if count <= MANY else 2 * count) if over else max(count, 1)
    correction = "bonferroni" if policy.correction == "holm" else policy.correction
    return tails(comparisons + len(policy.gains), policy.spent_level, correction).clear


def _known(groups: Sequence[GroupRows], rate: str, least: int) -> list[tuple[str, int]]:
    """Return the groups with the rows that a rate counts; a small one not known is left out."""
    rows = {*share(rate).rows}
    positives, negatives = {"tp", "fn"} <= rows, {"tn", "fp"} <= rows
    return [
        (
            group.name,
            # What is selected is not known before there is a model: of such rates every row is counted.
            group.positives if positives and not negatives
            else group.rows - group.positives if negatives and not positives
            else group.rows,
        )
        for group in groups
        if not (is_unknown(group.name) and group.rows < least and len(groups) > 2)
    ]  # fmt: skip


def of_ratio(
    limit: str, rate_of: str, at: float, groups: Sequence[tuple[str, int]], rate: float, tail: float
) -> list[Provable]:
    """Return what each pair could show of "the ratio of a rate is at least `at`", hardest first.

    Parameters
    ----------
    groups
        Each with its rows that count.
    rate
        The rate that is assumed of the higher group.
    tail
        The chance that one bound errs.
    """
    aim, many = Aim(at, at_least=True, clear=tail, miss=tail), len(groups) > MANY

    def comparison(low: Part, high: Part) -> Comparison:
        return Pooled("ratio", low, high) if many else Ratio(low, high)

    question = _Question(
        limit, rate_of, aim, comparison, rate, at * rate, lambda share: min(1.0, share / rate)
    )
    return _answers(question, _pairs(groups))


def of_difference(
    limit: str, rate_of: str, at: float, groups: Sequence[tuple[str, int]], rate: float, tail: float
) -> list[Provable]:
    """Return what each pair could show of "a rate differs by at most `at`", hardest first."""
    aim, many = Aim(at, at_least=False, clear=tail, miss=tail), len(groups) > MANY

    def comparison(low: Part, high: Part) -> Comparison:
        return Pooled("difference", high, low) if many else Difference(high, low)

    question = _Question(
        limit, rate_of, aim, comparison, rate, rate - at, lambda share: max(0.0, rate - share)
    )
    return _answers(question, _pairs(groups))


QUANTILES = 41
"""Points of each group's binomial, at the middle of as many equal parts, that power is averaged over."""


def power(question: "_Question", pair: Pair, low_rate: float) -> float | None:
    """Return the chance, by the score test, that a pair with these true rates is shown to meet the limit.

    None for pairs that rest on bounds of their groups.
    """
    from scipy.special import ndtri
    from scipy.stats import binom

    (one, few), (two, many) = pair
    sample = question.comparison(Part(one, low_rate, few, few), Part(two, question.rate, many, many))
    if isinstance(sample, Pooled):
        return None
    parts = (np.arange(QUANTILES) + 0.5) / QUANTILES
    low, high = binom.ppf(parts, few, low_rate)[:, None], binom.ppf(parts, many, question.rate)[None, :]
    statistic, margin = (
        (ratio_statistic, question.aim.at)
        if question.aim.at_least
        else (difference_statistic, -question.aim.at)
    )
    least = np.minimum(statistic(low, few, high, many, margin), statistic(high, many, low, few, margin))
    return round(float((least >= -float(ndtri(question.aim.clear))).mean()), 4)


def _answers(question: "_Question", pairs: list[Pair]) -> list[Provable]:
    """Return the answer for each pair, hardest first; rows that are missing only of the first few."""
    asked = sorted(((question.needed(pair), pair) for pair in pairs), key=question.hardness)
    return [question.answer(needed, pair, counted=k < COUNTED) for k, (needed, pair) in enumerate(asked)]


@dataclass(frozen=True)
class _Question:
    """A limit on pairs of groups: of which the smaller has at least the share `least`, the other `rate`."""

    limit: str
    rate_of: str
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
        # What the exact test shows by no count up to parity, the score test must not promise.
        parity = 0.0 if needed is None else power(self, pair, self.rate)
        halfway = 0.0 if needed is None else power(self, pair, (self.rate + self.least) / 2)
        more: Mapping[str, int] = {}
        if counted and (parity is None or parity < POWER):
            low, high = Part(one, self.rate, few, few), Part(two, self.rate, many, many)
            tail = with_power(self.aim.clear)
            more = rows_needed(self.comparison(low, high), replace(self.aim, clear=tail)) or {}
        return Provable(
            limit=self.limit,
            rate_of=self.rate_of,
            kind="ratio" if self.aim.at_least else "difference",
            groups=(one, two),
            rows=(few, many),
            at=self.aim.at,
            rate=self.rate,
            needed=needed,
            at_parity=parity,
            halfway=halfway,
            more=dict(more),
        )


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

"""What a limit of the policy compares, in how many comparisons, and how many more rows would decide one.

| measure | attribute | comparisons |
|---|---|---|
| `selection_rate`, ..., `calibration_error` | null | one, over all rows |
| the same | named | one for each group |
| `accuracy_gain`, ..., `pr_auc_gain` | null | one, over all rows (`constant`) |
| `{rate}_ratio`, `{rate}_difference` | named | one for each pair of groups |
| `equalized_odds_difference` | named | two for each pair: true and false positive rate |

An attribute of more than `MANY` groups has its pairs bounded by the bounds of its groups (`Pooled`).

Every pair, because "lowest over highest" is met exactly when every pair meets it, and a pair is two fixed
groups: its bound needs no allowance for having been picked as the worst.

How many more rows would decide is asked as if the rates that were observed persist. The score test, which
costs next to nothing, finds the number; the exact test then has the last word. The rows are asked of one
group where that can be enough (the group that makes the comparison uncertain), else of all.
"""

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import cast

from fairmark.judge.by_probability import ProxyPair, ProxyShare, compared_by_probability
from fairmark.judge.comparisons import (
    Balance,
    Comparison,
    Difference,
    Part,
    Pooled,
    Ratio,
    Scored,
    Share,
    bounded,
)
from fairmark.judge.constant_answer import crossing, gain, profit_gain
from fairmark.judge.measured import Measured
from fairmark.judge.measurements import ConfusionCounts, Evidence, GroupMeasures, by_group
from fairmark.params.policy import Bounds, Limit
from fairmark.stats.bounded_means import Units
from fairmark.stats.confusion import ConfusionMatrix
from fairmark.stats.group_names import is_unknown
from fairmark.stats.measures import QUANTITIES, Composite, Larger, of_rates, share
from fairmark.stats.measures import Share as Rate
from fairmark.stats.rates import MANY, rate_of
from fairmark.stats.score_test import Kind, difference_statistic, ratio_statistic

MOST_TIMES = 4096.0
"""Times the rows at hand, above which no number is named: the value stands practically on the limit."""
_PRECISION = 0.02
Two = Ratio | Difference | Balance


@dataclass(frozen=True)
class Compared:
    """One comparison of a limit: its groups, the test rows in them, and what is compared."""

    limit: Limit
    groups: tuple[str, ...]
    rows: tuple[int, ...]
    comparison: Comparison
    empty: str
    """Why there is no value, where there is none."""
    rate: str

    @property
    def group(self) -> str | None:
        """Return the groups as a reader sees them, or None for all rows."""
        return " / ".join(self.groups) if self.groups else None

    bounds: float = 1.0
    """How many bounds that may err it stands for: of pooled pairs, two a group over the number of pairs."""

    persons: tuple[int, ...] = ()
    """Persons whom the rows of each group are of, where that is known."""

    @property
    def evidence(self) -> tuple[tuple[int, str], ...]:
        """Return how many persons, or else rows, each group has, and which of the two."""
        return tuple((each, "persons" if self.persons else "rows") for each in self.persons or self.rows)

    @property
    def pooled(self) -> bool:
        """Whether it follows from bounds of its groups, each of which may err."""
        return isinstance(self.comparison, Pooled)


PROFIT = "profit_gain"
"""The gain in a profit: params give its numbers, so that it stands in no registry."""


def invalid(limit: Limit, attributes: Collection[str], probable: Collection[str] = ()) -> str | None:
    """Return why a limit can't be judged on these attributes, or None if it can.

    `probable` are those whose groups are known by probability alone.
    """
    quantity = QUANTITIES.get(limit.measure)
    if quantity is None:
        wrong = f"measure must be one of {', '.join(QUANTITIES)}, got {limit.measure!r}"
        return None if limit.measure == PROFIT else wrong
    if limit.attribute in probable and not of_rates(limit.measure):
        return (
            f"measure must be a rate, or a ratio or difference of one, of groups known by probability, got "
            f"{limit.measure}"
        )
    if limit.attribute is not None and limit.attribute not in {*attributes, *probable}:
        return f"attribute must be one that was measured, {sorted(attributes)}, got {limit.attribute!r}"
    return next(limit.misfits(), None)


def compared(
    limit: Limit, evidence: Evidence, least: int = 0, bounds: Bounds | None = None
) -> list[Compared]:
    """Return the comparisons of a limit, as many of them whatever was measured.

    Rows whose group is not known are a group of their own where they are `least` or more; fewer may belong
    to any of the others, and every bound holds wherever they do.
    """
    each = _compared(limit, evidence, least)
    if bounds is not None:
        each = [replace(one, comparison=bounded(one.comparison, bounds)) for one in each]
    if limit.attribute in evidence.by_probability:
        return each
    entries = evidence.groups[limit.attribute] if limit.attribute is not None else {}
    if all(entry.persons is None for entry in entries.values()):
        return each
    number = {name: entry.evidence for name, entry in entries.items()}
    return [replace(one, persons=tuple(number[name] for name in one.groups)) for one in each]


def _compared(limit: Limit, evidence: Evidence, least: int) -> list[Compared]:
    if limit.attribute is None:
        goal, cells = evidence.goal, evidence.cells
        if limit.measure == PROFIT:
            if goal is None or goal.profit is None:
                return []
            gained = profit_gain(goal.profit, cells)
            return [Compared(limit, (), (evidence.cells.rows,), gained, "no rows", PROFIT)]
        one = _plain(limit.measure, None, evidence.overall, cells)
        return [Compared(limit, (), (evidence.cells.rows,), *one, limit.measure)]
    if limit.attribute in evidence.by_probability:
        probable = compared_by_probability(limit.measure, evidence.by_probability[limit.attribute])
        return [
            Compared(limit, groups, rows, cast("Comparison", comparison), why, rate)
            for groups, rows, comparison, why, rate in probable
        ]
    entries = evidence.groups[limit.attribute]
    if QUANTITIES[limit.measure].over_groups:
        whole = evidence.cells.units_of("selection_rate")
        return [*_pairs(limit, entries, whole, least)]
    asked = QUANTITIES[limit.measure].measure
    if isinstance(asked.formula, Rate):
        return [*_shares(limit, entries, least)]
    # No bound of a measure of scores holds wherever rows belong: there those not known are a group.
    lost = [] if asked.scored else _lost(entries, least)
    return [
        Compared(
            limit,
            (group,),
            (entry.rows,),
            *_plain(
                limit.measure,
                group,
                entry.measures,
                entry.cells,
                lambda part, rate: _beside(part, entries, lost, rate),
            ),
            limit.measure,
        )
        for group, entry in entries.items()
        if group not in lost
    ]


def _plain(
    name: str,
    group: str | None,
    entries: Mapping[str, Measured],
    cells: ConfusionCounts,
    beside: Callable[[Part, str], Part] = lambda part, rate: part,  # noqa: ARG005 - all rows are known
) -> tuple[Comparison, str]:
    quantity = QUANTITIES[name]
    if quantity.how == "gain":
        return gain(name, entries, cells)
    formula, tests = quantity.measure.formula, cells.rows
    if quantity.measure.scored:
        entry = entries[name]
        return Scored(name, entry, Part(group, 0.0, float(tests), tests)), entry.why or ""
    if not isinstance(formula, Composite):
        return Share(_part(cells.matrix, name, 0, group, cells)), share(name).empty
    parts = [beside(_part(cells.matrix, each, 0, group, cells), each) for each in formula.shares]
    if formula.read is not None:
        return Share(parts[0], formula.read), share(formula.shares[0]).empty
    without = formula.shares[1 if parts[0].rows else 0]
    return Balance(parts[0], parts[1], crossing(cells)), share(without).empty


def _part(matrix: ConfusionMatrix, rate: str, at: int, group: str | None, cells: ConfusionCounts) -> Part:
    value, _, rows = rate_of(matrix, rate)
    known, tests = float(value[at]) if rows[at] > 0 else 0.0, int(matrix.count[at].sum())
    return Part(group, known, float(rows[at]), tests, cells.units_of(rate))


def _lost(entries: Mapping[str, GroupMeasures], least: int) -> list[str]:
    """Return the groups that are not known and have fewer rows than `least`, beside two or more that are."""
    lost = [name for name, entry in entries.items() if is_unknown(name) and entry.rows < least]
    return lost if len(entries) - len(lost) > 1 else []


def _beside(part: Part, entries: Mapping[str, GroupMeasures], lost: Sequence[str], rate: str) -> Part:
    """Return one side of a rate with the rows of the lost groups, any of which may belong to it."""
    return replace(part, lost=_counts(entries, lost, rate), lost_units=_lost_units(entries, lost, rate))


def _counts(entries: Mapping[str, GroupMeasures], names: Sequence[str], rate: str) -> tuple[float, float]:
    """Return hits and misses of a rate in these groups together."""
    found = [rate_of(entries[name].cells.matrix, rate) for name in names]
    hits, rows = (float(sum(each[k][0] for each in found)) for k in (1, 2))
    return hits, rows - hits


def _lost_units(entries: Mapping[str, GroupMeasures], names: Sequence[str], rate: str) -> Units | None:
    """Return the units of a rate in these groups together; None where rows are units of weight 1."""
    every = [units for name in names if (units := entries[name].cells.units_of(rate)) is not None]
    if not every:
        return None
    return replace(
        every[0],
        weight=sum((one.weight for one in every), ()),
        value=sum((one.value for one in every), ()),
        count=sum((one.count for one in every), ()),
    )


def _shares(limit: Limit, entries: Mapping[str, GroupMeasures], least: int) -> Iterator[Compared]:
    """Yield a share of each group that is known, or is large enough to be one."""
    lost = _lost(entries, least)
    for group, entry in entries.items():
        if group not in lost:
            own = _part(entry.cells.matrix, limit.measure, 0, group, entry.cells)
            part = _beside(own, entries, lost, limit.measure)
            why = share(limit.measure).empty
            yield Compared(limit, (group,), (entry.rows,), Share(part), why, limit.measure)


def _pairs(
    limit: Limit, every: Mapping[str, GroupMeasures], whole: Units | None, least: int
) -> Iterator[Compared]:
    lost = _lost(every, least)
    entries = {name: entry for name, entry in every.items() if name not in lost}
    cells, names, quantity = by_group(entries), list(entries), QUANTITIES[limit.measure]
    sizes = [units.size for one in every.values() if (units := one.cells.units_of("selection_rate"))]
    # More persons in the groups than there are: some have rows in several.
    crossed = whole is not None and sum(sizes) > whole.size * (1 + 1e-9)
    formula, kind = quantity.measure.formula, quantity.how
    for each in formula.rates if isinstance(formula, Larger) else (quantity.measure.name,):
        parts = [
            _beside(_part(cells, each, k, name, entries[name].cells), every, lost, each)
            for k, name in enumerate(names)
        ]
        # 2 n bounds of groups over n (n - 1) / 2 pairs: what each pooled pair costs of the level.
        bounds = 4 / (len(parts) - 1) if len(parts) > MANY else 1.0
        for one, two in combinations(parts, 2):
            low, high = sorted((one, two), key=lambda part: part.share)
            pair: Comparison = Difference(high, low, crossed)
            if kind == "ratio":
                pair = Ratio(low, high, crossed)
            if len(parts) > MANY:
                ratio = kind == "ratio"
                pair = Pooled("ratio", low, high) if ratio else Pooled("difference", high, low)
            ends = pair.parts
            groups = tuple(str(part.group) for part in ends)
            rows = tuple(part.tests for part in ends)
            yield Compared(limit, groups, rows, pair, _why(ends, each), each, bounds)


def _why(parts: tuple[Part, ...], rate: str) -> str:
    empty = [str(part.group) for part in parts if part.rows < 1]
    if empty:
        return f"{share(rate).empty} in {' and '.join(empty)}"
    return "the rate is 0 in both groups"


POWER = 0.8
"""The chance with which the rows that are asked for decide, if the rates that were seen are the true ones."""


def with_power(tail: float) -> float:
    """Return the tail whose test is passed by the value itself when one at `tail` is passed with `POWER`.

    Rows that a value clears by z(1 - tail) standard errors are passed in half of the cases: the value lies on
    either side of what was seen. So many more standard errors as the normal quantile of `POWER` are added.
    """
    from scipy.special import ndtr, ndtri

    return float(ndtr(ndtri(tail) - ndtri(POWER)))


def let_through(each: Compared, tail: float) -> tuple[float, float] | None:
    """Return a true value that misses the limit by far, and the chance that these rows do not show it.

    A difference of twice the limit, or a ratio of its square: by the score test of the rows at hand, with the
    higher share as it was seen. None for other comparisons.
    """
    from scipy.special import ndtr, ndtri

    comparison = each.comparison
    if not isinstance(comparison, Ratio | Difference) or any(part.rows < 1 for part in comparison.parts):
        return None
    ratio = isinstance(comparison, Ratio)
    at = float((each.limit.at_least if ratio else each.limit.at_most) or 0.0)
    one, two = sorted(comparison.parts, key=lambda part: part.share)
    # A higher share below twice the limit has no room for such a difference: it is raised, so that there is.
    high = two.share if ratio else max(two.share, min(1.0, 2 * at))
    low = high * at**2 if ratio else max(0.0, high - 2 * at)
    # Of high - low / at for a ratio, whose second variance has the factor 1 / at^2, else of high - low.
    error = math.sqrt(high * (1 - high) / two.rows + (low * (1 - low) / one.rows) * (at**-2 if ratio else 1))
    room = high - low / at if ratio else high - low - at
    if error <= 0:
        return None
    # The test rejects where the statistic is beyond -ndtri(tail); the true value moves it by room / error.
    return (at**2 if ratio else high - low), float(1 - ndtr(room / error + ndtri(tail)))


@dataclass(frozen=True)
class Aim:
    """The limit, which side of it is good, and the chance of error of a bound that clears or misses it."""

    at: float
    at_least: bool
    clear: float
    miss: float


@dataclass(frozen=True)
class _Way:
    """The one decision that more rows can bring, seen from the value: to meet the limit, or to miss it."""

    at: float
    above: bool
    good: bool
    tail: float


def rows_needed(comparison: Comparison, aim: Aim) -> Mapping[str, int] | None:
    """Return how many more test rows of which group ("" for all rows) would decide, or None."""
    if isinstance(comparison, ProxyShare | ProxyPair):
        return None  # what the proxy leaves open no row closes: the verdict says how far rows could lead
    value = comparison.value
    if value is None or value == aim.at or any(part.rows < 1 for part in comparison.parts):
        return None
    above = value > aim.at
    good = above == aim.at_least
    way = _Way(aim.at, above, good, aim.clear if good else aim.miss)
    for choice in _choices(comparison):
        factor = _least(comparison, choice, way)
        while factor is not None and factor <= MOST_TIMES:
            grown = _grown(comparison, choice, factor)
            if _decided(grown, way):
                return _extra_rows(comparison, grown)
            # The score test is close to the exact one, not the same: a little more where the last word is
            # still no.
            factor *= 1.03
    return None


def shown(comparison: Comparison, aim: Aim, *, good: bool) -> bool:
    """Return whether the limit is shown to be met (`good`), or to be missed, by the rows at hand.

    The same as whether the bound that has to clear is on the good side, or the opposite one on the bad one.
    """
    above = aim.at_least == good
    return _decided(comparison, _Way(aim.at, above, good, aim.clear if good else aim.miss))


def _choices(comparison: Comparison) -> list[tuple[bool, ...]]:
    """Return which parts grow: the less certain one alone, then all."""
    parts = comparison.parts
    whole = (True,) * len(parts)
    if len(parts) == 1 or parts[0].group == parts[1].group:
        return [whole]
    unsure = max(range(2), key=lambda k: _uncertainty(parts[k], relative=isinstance(comparison, Ratio)))
    return [tuple(k == unsure for k in range(2)), whole]


def _uncertainty(part: Part, *, relative: bool) -> float:
    # Half a hit and half a miss more: a share of 0 of few rows is not certain, though its variance says so.
    share = (part.hits + 0.5) / (part.rows + 1)
    variance = share * (1 - share) / part.rows
    # A ratio is as uncertain as the shares are relative to themselves (the delta method on its logarithm).
    return variance / share**2 if relative else variance


def _grown(comparison: Comparison, choice: tuple[bool, ...], factor: float) -> Comparison:
    return comparison.grown(tuple(factor if grows else 1.0 for grows in choice))


def _least(comparison: Comparison, choice: tuple[bool, ...], way: _Way) -> float | None:
    """Return about the least factor that is likely to decide."""
    low, high = 1.0, 1.25
    while not _likely(_grown(comparison, choice, high), way):
        low, high = high, high * 2
        if high > MOST_TIMES:
            return None
    while high / low > 1 + _PRECISION:
        # Geometric: factors run from just above 1 to thousands, and matter by their proportion.
        middle = math.sqrt(low * high)
        low, high = (low, middle) if _likely(_grown(comparison, choice, middle), way) else (middle, high)
    return high


def _likely(comparison: Comparison, way: _Way) -> bool:
    """Return whether the score test decides; for what is no pair, whether its bound does."""
    from scipy.special import ndtri

    if not isinstance(comparison, Two) or comparison.one.units is not None:
        return _decided(comparison, way)
    scores = []
    for one, two, kind, margin in _tests(comparison, way):
        statistic = ratio_statistic if kind == "ratio" else difference_statistic
        scores.append(float(statistic(one.hits, one.rows, two.hits, two.rows, margin)))
    # To meet the limit every test has to reject, to miss it one: the least, or the largest, statistic
    # decides.
    return (min if way.good else max)(scores) >= -float(ndtri(way.tail))


def _decided(comparison: Comparison, way: _Way) -> bool:
    """Return whether the limit is shown to be met, or missed: the tests are those behind the bounds."""
    if not isinstance(comparison, Two):
        return (
            comparison.low(way.tail, way.at) >= way.at
            if way.above
            else comparison.high(way.tail, way.at) <= way.at
        )
    if not way.good and isinstance(comparison, Ratio):
        return comparison.misses("ratio", way.tail, 1 / max(way.at, 1e-9), 1.0)
    if not way.good and isinstance(comparison, Difference):
        return comparison.misses("difference", way.tail, way.at, 0.0)
    return all(
        comparison.rejects(one, two, kind, margin, way.tail)
        for one, two, kind, margin in _tests(comparison, way)
    )


def _tests(comparison: Two, way: _Way) -> list[tuple[Part, Part, Kind, float]]:
    """Return the tests of "share 1 is above ..." that decide: all of them have to, to meet; one, to miss."""
    one, two, at = comparison.one, comparison.two, way.at
    if isinstance(comparison, Balance):
        return [(one, two, "difference", 2 * at - 1)] if way.above else [(two, one, "difference", 1 - 2 * at)]
    kind: Kind = "ratio" if isinstance(comparison, Ratio) else "difference"
    # A ratio meets `at` when both quotients are above it, and misses it when one of them is above 1 / at; a
    # difference when both are above -at, and when one is above at.
    meets, misses = (at, 1 / max(at, 1e-9)) if isinstance(comparison, Ratio) else (-at, at)
    margin = meets if way.good else misses
    return [(one, two, kind, margin), (two, one, kind, margin)]


def _extra_rows(comparison: Comparison, grown: Comparison) -> Mapping[str, int]:
    """Return the extra test rows by group."""
    pairs = zip(comparison.parts, grown.parts, strict=True)
    extra = {(old.group or ""): new.tests - old.tests for old, new in pairs if new.tests > old.tests}
    return extra or {(comparison.parts[0].group or ""): 1}

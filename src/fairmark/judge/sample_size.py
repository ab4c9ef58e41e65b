"""How many more rows would decide, if the rates that were observed persist.

The score test, which costs next to nothing, finds the number; the exact test then has the last word. The
rows are asked of one group where that can be enough (the group that makes the comparison uncertain), else of
all.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from fairmark.judge.comparisons import Balance, Comparison, Difference, Part, Ratio
from fairmark.stats.exact_test import rejects
from fairmark.stats.score_test import Kind, difference_statistic, ratio_statistic

MOST = 4096.0
"""Times the rows at hand, above which no number is named: the value stands practically on the limit."""
_PRECISION = 0.02

Two = Ratio | Difference | Balance


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


def rows_needed(found: Comparison, aim: Aim) -> Mapping[str, int] | None:
    """Return how many more test rows of which group ("" for all rows) would decide, or None."""
    value = found.value
    if value is None or value == aim.at or any(part.rows < 1 for part in found.parts):
        return None
    above = value > aim.at
    good = above == aim.at_least
    way = _Way(aim.at, above, good, aim.clear if good else aim.miss)
    for choice in _choices(found):
        factor = _least(found, choice, way)
        while factor is not None and factor <= MOST:
            grown = _grown(found, choice, factor)
            if _decided(grown, way):
                return _asked(found, grown)
            factor *= 1.03
    return None


def shown(found: Comparison, aim: Aim, *, good: bool) -> bool:
    """Return whether the limit is shown to be met (`good`), or to be missed, by the rows at hand.

    The same as whether the bound that has to clear is on the good side, or the opposite one on the bad one.
    """
    above = aim.at_least == good
    return _decided(found, _Way(aim.at, above, good, aim.clear if good else aim.miss))


def _choices(found: Comparison) -> list[tuple[bool, ...]]:
    """Return which parts grow: the less certain one alone, then all."""
    parts = found.parts
    whole = (True,) * len(parts)
    if len(parts) == 1 or parts[0].group == parts[1].group:
        return [whole]
    unsure = max(range(2), key=lambda k: _uncertainty(parts[k], relative=isinstance(found, Ratio)))
    return [tuple(k == unsure for k in range(2)), whole]


def _uncertainty(part: Part, *, relative: bool) -> float:
    share = (part.hits + 0.5) / (part.rows + 1)
    variance = share * (1 - share) / part.rows
    return variance / share**2 if relative else variance


def _grown(found: Comparison, choice: tuple[bool, ...], factor: float) -> Comparison:
    return found.grown(tuple(factor if grows else 1.0 for grows in choice))


def _least(found: Comparison, choice: tuple[bool, ...], way: _Way) -> float | None:
    """Return about the least factor that is likely to decide."""
    low, high = 1.0, 1.25
    while not _likely(_grown(found, choice, high), way):
        low, high = high, high * 2
        if high > MOST:
            return None
    while high / low > 1 + _PRECISION:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if _likely(_grown(found, choice, middle), way) else (middle, high)
    return high


def _likely(found: Comparison, way: _Way) -> bool:
    """Return whether the score test decides; for what is no pair, whether its bound does."""
    from scipy.special import ndtri

    if not isinstance(found, Two):
        return _decided(found, way)
    scores = []
    for one, two, kind, margin in _tests(found, way):
        statistic = ratio_statistic if kind == "ratio" else difference_statistic
        scores.append(float(statistic(one.hits, one.rows, two.hits, two.rows, margin)))
    return (min if way.good else max)(scores) >= -float(ndtri(way.tail))


def _decided(found: Comparison, way: _Way) -> bool:
    """Return whether the limit is shown to be met, or missed: the tests are those behind the bounds."""
    if not isinstance(found, Two):
        return found.low(way.tail, way.at) >= way.at if way.above else found.high(way.tail, way.at) <= way.at
    shown = (
        rejects(one.sample("above"), two.sample("below"), kind, margin, way.tail)
        for one, two, kind, margin in _tests(found, way)
    )
    return (all if way.good else any)(shown)


def _tests(found: Two, way: _Way) -> list[tuple[Part, Part, Kind, float]]:
    """Return the tests of "share 1 is above ..." that decide: all of them have to, to meet; one, to miss."""
    one, two, at = found.one, found.two, way.at
    if isinstance(found, Balance):
        return [(one, two, "difference", 2 * at - 1)] if way.above else [(two, one, "difference", 1 - 2 * at)]
    kind: Kind = "ratio" if isinstance(found, Ratio) else "difference"
    meets, misses = (at, 1 / max(at, 1e-9)) if isinstance(found, Ratio) else (-at, at)
    margin = meets if way.good else misses
    return [(one, two, kind, margin), (two, one, kind, margin)]


def _asked(found: Comparison, grown: Comparison) -> Mapping[str, int]:
    """Return the extra test rows by group."""
    pairs = zip(found.parts, grown.parts, strict=True)
    extra = {(old.group or ""): new.tests - old.tests for old, new in pairs if new.tests > old.tests}
    return extra or {(found.parts[0].group or ""): 1}

"""What is compared with a limit: a share, a ratio or difference of two, a balance, a measure of scores.

Each comparison has a `value` and bounds at any `tail`, the chance that one bound errs. `low(tail, at)` and
`high(tail, at)` are one-sided bounds; `at` is the limit, so that for the exact ones (everything made of
counts) "the bound clears the limit" and "the test at the limit rejects" are the same sentence.
`grown(factors)` is the same comparison with more rows of the same rates, for the question how many rows
would decide.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import lru_cache
from typing import Any, Literal, Protocol, TypeVar, cast

from fairmark.judge.measured import Measured, ScoreBound
from fairmark.params.policy import Bounds
from fairmark.stats import intervals
from fairmark.stats.bounded_means import Pair, Units
from fairmark.stats.exact_test import MISSED, Sample, lower, rejects
from fairmark.stats.proxy_groups import ProxyRate
from fairmark.stats.score_test import Kind


@dataclass(frozen=True)
class Part:
    """One group's side of a comparison: `share` out of `rows`, from `tests` test rows of the group.

    With weights, `rows` is an effective number and not whole.
    """

    group: str | None
    share: float
    rows: float
    tests: int
    units: Units | None = None
    """Independent units behind the share, where they are not rows of weight 1."""
    lost: tuple[float, float] = (0.0, 0.0)
    """Hits and misses of rows whose group is not known, any of which may belong to this one."""
    lost_units: Units | None = None
    """The same as units, where `units` are given."""

    @property
    def hits(self) -> float:
        """Return share x rows."""
        return self.share * self.rows

    def grown(self, factor: float) -> "Part":
        """Return the same share of `factor` times the rows, in whole rows."""
        units = None if self.units is None else self.units.grown(factor)
        rows, tests = math.ceil(self.rows * factor), math.ceil(self.tests * factor)
        return replace(self, rows=rows, tests=tests, units=units)

    def bounds(self, tail: float) -> tuple[float, float]:
        """Return the lower and the upper bound of the share alone: by its units, or Clopper and Pearson's."""
        return _alone(self, tail)

    def units_if(self, side: Literal["above", "below"]) -> Units | None:
        """Return the units with all that is lost and speaks against the claim that the share is on `side`.

        Of each lost unit the part of its weight that missed, or hit: a unit more at the worst value only ever
        weakens a bound.
        """
        if self.units is None or self.lost_units is None:
            return self.units
        own, lost = self.units, self.lost_units
        worst = own.low if side == "above" else own.high
        parts = [
            (weight * abs(value - (own.high if side == "above" else own.low)) / (own.high - own.low), count)
            for weight, value, count in zip(lost.weight, lost.value, lost.count, strict=True)
        ]
        kept = [(weight, count) for weight, count in parts if weight > 0]
        return replace(
            own,
            weight=(*own.weight, *(weight for weight, _ in kept)),
            value=(*own.value, *(worst for _ in kept)),
            count=(*own.count, *(count for _, count in kept)),
            heaviest=max(own.heaviest, lost.heaviest),
        )

    def sample(self, side: Literal["above", "below"]) -> Sample:
        """Return whole counts; if they aren't, rounded against the claim that the share is on `side`."""
        # Exact tests want whole numbers, and weights leave others. Fewer rows, and hits rounded against the
        # claim, only ever weaken it; the slack is for counts that are off by the rounding of share x rows.
        rows = math.floor(self.rows + 1e-9)
        hits = self.share * rows
        whole = math.floor(hits + 1e-6) if side == "above" else math.ceil(hits - 1e-6)
        found = min(max(whole, 0), rows)
        if side == "above":  # the lost rows that speak against it: misses
            return Sample(found, rows + round(self.lost[1]))
        return Sample(found + round(self.lost[0]), rows + round(self.lost[0]))


class Comparison(Protocol):
    """One value that a limit is laid on."""

    @property
    def value(self) -> float | None:
        """Return what was found, or None where nothing could be."""

    @property
    def parts(self) -> tuple[Part, ...]:
        """Return the sides whose rows count."""

    def low(self, tail: float, at: float) -> float:
        """Return a lower bound that is above the true value with chance at most `tail`."""

    def high(self, tail: float, at: float) -> float:
        """Return an upper bound that is below the true value with chance at most `tail`."""

    def grown(self, factors: tuple[float, ...]) -> "Comparison":
        """Return the comparison with each part's rows multiplied."""


@dataclass(frozen=True)
class Share:
    """A share of rows by Clopper and Pearson; with `read`, a measure that rises with it, such as F1."""

    part: Part
    read: Callable[[float], float] | None = None

    @property
    def value(self) -> float | None:
        """Return the share, or what rises with it."""
        return self._read(self.part.share) if self.part.rows > 0 else None

    @property
    def parts(self) -> tuple[Part, ...]:
        """Return the one side."""
        return (self.part,)

    def low(self, tail: float, at: float) -> float:  # noqa: ARG002 - exact at every limit
        """Return the exact lower bound."""
        return self._read(self.part.bounds(tail)[0])

    def high(self, tail: float, at: float) -> float:  # noqa: ARG002 - the same
        """Return the exact upper bound."""
        return self._read(self.part.bounds(tail)[1])

    def grown(self, factors: tuple[float, ...]) -> "Share":
        """Return the same share of more rows."""
        return replace(self, part=self.part.grown(factors[0]))

    def _read(self, share: float) -> float:
        return share if self.read is None else float(self.read(share))


_SIDE = 0.1
"""Part of a tail that tells which of two shares is the larger one."""


def _side(tail: float) -> float:
    """Return that part of a tail: more of a small one, because no exact p-value is below `MISSED`."""
    return min(max(tail * _SIDE, 2 * MISSED), tail / 2)


@dataclass(frozen=True)
class _Two:
    """Two shares, independent unless they are `crossing`: some units stand in both."""

    one: Part
    two: Part
    crossing: bool = False

    @property
    def parts(self) -> tuple[Part, ...]:
        """Return both sides."""
        return self.one, self.two

    @property
    def known(self) -> bool:
        """Return whether both sides have rows."""
        return self.one.rows >= 1 and self.two.rows >= 1

    def _least(self, kind: Kind, tail: float, at: float) -> float:
        """Return the smaller of the lower bounds of one share against the other, either way round."""
        less, more = sorted(self.parts, key=lambda part: part.share)
        first = self._bound(less, more, kind, tail, at)
        # As a rule the other way round is far from it: one test says so, where its bound would take many.
        if self.rejects(more, less, kind, first, tail):
            return first
        return min(first, self._bound(more, less, kind, tail, at))

    def _most(self, kind: Kind, tail: float, at: float, parity: float) -> float:
        """Return the larger of the lower bounds of one share against the other, but at least `parity`.

        A pair can be apart either way, yet the tail is not halved: which of the two is larger in truth is
        told by a test at parity with a tenth of the tail, and the bound has the rest. If the wrong one is
        told to be larger, that test erred; if the right one, the bound has to (partitioning: Finner and
        Strassburger 2002).
        """
        less, more = sorted(self.parts, key=lambda part: part.share)
        side = _side(tail)
        if not self.rejects(more, less, kind, parity, side):
            return parity
        return self._bound(more, less, kind, tail - side, at, parity)

    def misses(self, kind: Kind, tail: float, at: float, parity: float) -> bool:
        """Return whether `_most` is above `at`, which takes two tests and no bound."""
        less, more = sorted(self.parts, key=lambda part: part.share)
        side = _side(tail)
        larger = self.rejects(more, less, kind, parity, side)
        return larger and self.rejects(more, less, kind, at, tail - side)

    def rejects(self, one: Part, two: Part, kind: Kind, margin: float, tail: float) -> bool:
        """Return whether H: share 1 <= margin x share 2, or share 2 + margin, is rejected at `tail`."""
        above, below = one.units_if("above"), two.units_if("below")
        if above is not None and below is not None:
            return Pair(above, below, self.crossing).p_above(kind, margin) <= tail
        return rejects(one.sample("above"), two.sample("below"), kind, margin, tail)

    def _bound(
        self, one: Part, two: Part, kind: Kind, tail: float, at: float, floor: float | None = None
    ) -> float:
        above, below = one.units_if("above"), two.units_if("below")
        if above is None or below is None:
            return lower(one.sample("above"), two.sample("below"), kind, tail, at, floor)
        least = (0.0 if kind == "ratio" else -1.0) if floor is None else floor
        # No lower bound is above what was seen.
        seen = one.share / max(two.share, 1e-9) if kind == "ratio" else one.share - two.share
        pair = Pair(above, below, self.crossing)
        return pair.lower(kind, tail, at, least, max(seen, least))


@dataclass(frozen=True)
class Ratio(_Two):
    """The smaller of two shares over the larger, whichever that is in truth: 0..1, 1 = parity.

    Below `at` exactly when share 1 / share 2 is outside [at, 1 / at]; so each bound is the worse of two
    exact ones. For the lower one that costs nothing (both must clear, Berger 1982), for the upper one a tenth
    of the tail (`_most`).
    """

    @property
    def value(self) -> float | None:
        """Return smaller / larger; None where both are 0."""
        shares = (self.one.share, self.two.share)
        return min(shares) / max(shares) if self.known and max(shares) > 0 else None

    def low(self, tail: float, at: float) -> float:
        """Return the smaller of the lower bounds of the ratio and of its inverse."""
        return self._least("ratio", tail, at)

    def high(self, tail: float, at: float) -> float:
        """Return the smaller of the upper bounds of the ratio and of its inverse, at most 1."""
        # smaller / larger <= u exactly when larger / smaller >= 1 / u: one lower bound of the inverse serves.
        return 1 / self._most("ratio", tail, 1 / max(at, 1e-9), 1.0)

    def grown(self, factors: tuple[float, ...]) -> "Ratio":
        """Return the same shares of more rows."""
        return replace(self, one=self.one.grown(factors[0]), two=self.two.grown(factors[1]))


@dataclass(frozen=True)
class Difference(_Two):
    """The larger of two shares minus the smaller: 0..1, 0 = parity; bounds as those of `Ratio`, mirrored."""

    @property
    def value(self) -> float | None:
        """Return larger - smaller."""
        return abs(self.one.share - self.two.share) if self.known else None

    def low(self, tail: float, at: float) -> float:
        """Return the larger of the lower bounds of either difference, at least 0."""
        return self._most("difference", tail, at, 0.0)

    def high(self, tail: float, at: float) -> float:
        """Return the larger of the upper bounds of either difference."""
        # larger - smaller <= u exactly when smaller - larger >= -u, whichever group is the larger in truth.
        return -self._least("difference", tail, -at)

    def grown(self, factors: tuple[float, ...]) -> "Difference":
        """Return the same shares of more rows."""
        return replace(self, one=self.one.grown(factors[0]), two=self.two.grown(factors[1]))


@dataclass(frozen=True)
class Pooled:
    """The ratio or the difference of two of many groups, from bounds of each group that hold for all pairs.

    One lower and one upper bound a group, by Clopper and Pearson; while all of them hold, so does what
    follows of every pair. n groups have n (n - 1) / 2 pairs and only 2 n bounds to err, so that the level is
    shared by far fewer, and each costs next to nothing. A pair by itself is wider than by an exact test of
    its own (the bench prints by how much).
    """

    kind: Kind
    one: Part
    two: Part

    @property
    def value(self) -> float | None:
        """Return smaller / larger, or larger - smaller; None without rows, or where both are 0."""
        less, more = sorted((self.one.share, self.two.share))
        if self.one.rows < 1 or self.two.rows < 1 or (self.kind == "ratio" and more == 0):
            return None
        return less / more if self.kind == "ratio" else more - less

    @property
    def parts(self) -> tuple[Part, ...]:
        """Return both groups."""
        return self.one, self.two

    def low(self, tail: float, at: float) -> float:  # noqa: ARG002 - the same at every limit
        """Return the lower bound while each group's bounds, which err with chance `tail`, hold."""
        (low1, high1), (low2, high2) = (part.bounds(tail) for part in self.parts)
        if self.kind == "ratio":
            return min(low1 / high2, low2 / high1)
        return max(0.0, low1 - high2, low2 - high1)

    def high(self, tail: float, at: float) -> float:  # noqa: ARG002 - the same
        """Return the upper bound while each group's bounds hold."""
        (low1, high1), (low2, high2) = (part.bounds(tail) for part in self.parts)
        if self.kind == "ratio":
            # A lower bound of 0 bounds no ratio; the quotient is huge then, and 1 is what is left.
            return min(1.0, high1 / max(low2, 1e-12), high2 / max(low1, 1e-12))
        return max(high1 - low2, high2 - low1)

    def grown(self, factors: tuple[float, ...]) -> "Pooled":
        """Return the same shares of more rows."""
        return Pooled(self.kind, self.one.grown(factors[0]), self.two.grown(factors[1]))


# Each group stands in n - 1 pairs, and every pair is asked for at the same few tails.
@lru_cache(maxsize=65536)
def _alone(part: Part, tail: float) -> tuple[float, float]:
    above, below = part.units_if("above"), part.units_if("below")
    if above is not None and below is not None:
        return above.lower(tail), below.upper(tail)
    low = intervals.clopper_pearson(part.hits, part.rows + part.lost[1], tail)[0]
    high = intervals.clopper_pearson(part.hits + part.lost[0], part.rows + part.lost[0], tail)[1]
    return float(low), float(high)


@dataclass(frozen=True)
class Balance(_Two):
    """Balanced accuracy, (1 + TPR - FPR) / 2: half of an exact difference of two independent shares."""

    @property
    def value(self) -> float | None:
        """Return the balanced accuracy."""
        return (1 + self.one.share - self.two.share) / 2 if self.known else None

    def low(self, tail: float, at: float) -> float:
        """Return the exact lower bound."""
        # (1 + d) / 2 >= at exactly when d >= 2 at - 1: so the test at the limit is made there, and the bound
        # clears the limit exactly when it rejects.
        return (1 + self._bound(self.one, self.two, "difference", tail, 2 * at - 1)) / 2

    def high(self, tail: float, at: float) -> float:
        """Return the exact upper bound."""
        return (1 - self._bound(self.two, self.one, "difference", tail, 1 - 2 * at)) / 2

    def grown(self, factors: tuple[float, ...]) -> "Balance":
        """Return the same shares of more rows."""
        return replace(self, one=self.one.grown(factors[0]), two=self.two.grown(factors[1]))


@dataclass(frozen=True)
class Scored:
    """A measure of scores, from its stored value, standard error and degrees of freedom.

    Its bounds are those of `Measured`.
    """

    name: str
    entry: Measured
    part: Part
    by: ScoreBound = "gaffke"

    @property
    def value(self) -> float | None:
        """Return the stored value."""
        return self.entry.value

    @property
    def parts(self) -> tuple[Part, ...]:
        """Return the rows that were scored."""
        return (self.part,)

    def low(self, tail: float, at: float) -> float:  # noqa: ARG002 - one formula for every limit
        """Return the lower bound."""
        return self.entry.lower(tail, self.by)

    def high(self, tail: float, at: float) -> float:  # noqa: ARG002 - the same
        """Return the upper bound."""
        return self.entry.upper(tail, self.by)

    def grown(self, factors: tuple[float, ...]) -> "Scored":
        """Return the same value with the errors of more rows."""
        return replace(self, entry=self.entry.grown(factors[0]), part=self.part.grown(factors[0]))


_Part = TypeVar("_Part")


def bounded(comparison: _Part, bounds: Bounds) -> _Part:
    """Return the same comparison with its means bounded as the policy says."""
    found: Any = comparison
    if isinstance(found, Units | ProxyRate):
        found = replace(found, by=bounds.rates)
    elif isinstance(found, Scored):
        found = replace(found, by=bounds.auc if found.name == "roc_auc" else bounds.losses)
    elif is_dataclass(found) and not isinstance(found, type):
        parts = {each.name: bounded(getattr(found, each.name), bounds) for each in fields(found)}
        found = replace(found, **parts)
    return cast("_Part", found)

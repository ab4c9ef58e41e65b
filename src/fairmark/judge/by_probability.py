"""Groups that are known by probability alone: what measurements hold of them, and how limits are judged.

The value of a comparison is that of the weighted estimator; its bounds are those of the identified interval
(`stats.proxy_groups`), which hold whoever belongs to a group. The weighted estimator's own bounds are shown
and never gated: they rest on decisions that say nothing more of the group than the proxy does, and no row
can show that.

Both rates of a pair come from the same rows, so that nothing is said of how they hang together: a bound that
errs with chance `tail` is made of bounds that share it (Boole's inequality). Two rates stand behind each of
the two claims that a pair needs to clear its limit, and all four where either claim would miss it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Annotated, Any, Self

import numpy as np
from pydantic import Field

from fairmark.record import Record
from fairmark.stats.measures import QUANTITIES, Larger, share
from fairmark.stats.proxy_groups import CELLS, ProxyRate
from fairmark.stats.score_test import Kind

Sum = Annotated[float, Field(ge=0, lt=2**53)]


class GroupNodes(Record):
    """The rows of one group that is known by probability: by bin of it, cell, and edge of the bin."""

    nodes: tuple[tuple[tuple[Sum, Sum], ...], ...]
    """Bins of equal width over 0..1; in each tn, fp, fn and tp; of these rows at the lower and upper edge."""

    @property
    def expected(self) -> float:
        """How many rows of the group are expected."""
        return ProxyRate(self.nodes, CELLS, CELLS).expected()[1]


class AttributeByProbability(Record):
    """An attribute that no row states: whose probabilities they are, and the rows by them."""

    columns: tuple[str, ...]
    """Where they come from: the columns of the table, sorted; none of probabilities given in a program."""
    proxy: str
    version: str
    error: Annotated[float, Field(ge=0, lt=1)]
    bins: Annotated[int, Field(ge=1, le=100)]
    groups: Annotated[dict[str, GroupNodes], Field(min_length=2)]

    @property
    def about(self) -> dict[str, Any]:
        """What is said of the proxy, and which columns it gave."""
        return {
            "columns": sorted(self.columns),
            "proxy": self.proxy,
            "version": self.version,
            "error": self.error,
            "bins": self.bins,
        }

    @property
    def named(self) -> str:
        """The proxy as a reader knows it."""
        return f"{self.proxy}, {self.version}"

    def rate(self, group: str, name: str) -> ProxyRate:
        """Return a rate of one group."""
        return ProxyRate.of(self.groups[group].nodes, share(name), self.error)

    def faults(self, cells: Mapping[str, int], where: str) -> Iterator[str]:
        """Yield what is at odds with all rows: each group is a chance of every one of them."""
        rows = sum(cells.values())
        for group, entry in self.groups.items():
            spot = f"{where}.{group}"
            if {len(each) for each in entry.nodes} != {len(CELLS)} or len(entry.nodes) != self.bins:
                yield f"{spot}.nodes: must be {self.bins} bins of {len(CELLS)} cells, got another shape"
                continue
            found = np.array(entry.nodes).sum(axis=(0, 2))
            for cell, total in zip(CELLS, found, strict=True):
                if abs(total - cells[cell]) > 1e-6 * max(rows, 1):
                    yield f"{spot}: must add up to the {cell} of all rows, {cells[cell]}, got {total:.10g}"
        total = sum(entry.expected for entry in self.groups.values())
        if abs(total - rows) > LOOSE * max(rows, 1):
            yield f"{where}: must be chances that add up to 1 in each row, got {total:.10g} of {rows} rows"


LOOSE = 1e-3
"""How far from 1 the probabilities of a row may add up, as published tables round them."""


@dataclass(frozen=True)
class ProxyPart:
    """One group's side: the rate, and how many rows are expected of the group and of the rate."""

    group: str | None
    rate: ProxyRate
    tests: int

    lost: tuple[float, float] = (0.0, 0.0)
    """Rows without a group: none, for each has a chance of every one."""

    @property
    def rows(self) -> float:
        """Return how many rows the rate is of, as expected."""
        return self.rate.expected()[1]

    @property
    def share(self) -> float:
        """Return the weighted estimator; 0 without rows."""
        return self.rate.weighted or 0.0

    @property
    def hits(self) -> float:
        """Return how many hits are expected."""
        return self.rate.expected()[0]


@dataclass(frozen=True)
class ProxyShare:
    """A rate of one group that is known by probability."""

    part: ProxyPart
    proxy: str

    @property
    def value(self) -> float | None:
        """Return the weighted estimator."""
        return self.part.rate.weighted

    @property
    def parts(self) -> tuple[ProxyPart, ...]:
        """Return the one side."""
        return (self.part,)

    @property
    def identified(self) -> tuple[float, float]:
        """Return what rows and probabilities leave possible, as observed."""
        return self.part.rate.identified()

    def low(self, tail: float, at: float) -> float:  # noqa: ARG002 - the same at every limit
        """Return the lower bound, whoever belongs to the group."""
        return self.part.rate.bounds(tail)[0]

    def high(self, tail: float, at: float) -> float:  # noqa: ARG002 - the same
        """Return the upper bound, whoever belongs to the group."""
        return self.part.rate.bounds(tail)[1]

    def grown(self, factors: tuple[float, ...]) -> Self:
        """Return the same of more rows."""
        return replace(self, part=_grown(self.part, factors[0]))


@dataclass(frozen=True)
class ProxyPair:
    """The ratio (smaller over larger, 1 = parity) or the difference (0 = parity) of rates of two groups."""

    kind: Kind
    one: ProxyPart
    two: ProxyPart
    proxy: str

    @property
    def value(self) -> float | None:
        """Return that of both weighted estimators; None where it is not defined."""
        less, more = sorted((self.one.share, self.two.share))
        if min(self.one.rows, self.two.rows) <= 0 or (self.kind == "ratio" and more == 0):
            return None
        return less / more if self.kind == "ratio" else more - less

    @property
    def parts(self) -> tuple[ProxyPart, ...]:
        """Return both sides."""
        return self.one, self.two

    @property
    def identified(self) -> tuple[float, float]:
        """Return what rows and probabilities leave possible, as observed; an outer interval."""
        both = self.one.rate.identified(), self.two.rate.identified()
        return self._least(*both), self._most(*both)

    def low(self, tail: float, at: float) -> float:  # noqa: ARG002 - the same at every limit
        """Return the lower bound."""
        # The quotient that is the ratio needs its own two bounds to hold; the larger of both orders of a
        # difference needs all four.
        part = tail / 2 if self.kind == "ratio" else tail / 4
        return self._least(self.one.rate.bounds(part), self.two.rate.bounds(part))

    def high(self, tail: float, at: float) -> float:  # noqa: ARG002 - the same
        """Return the upper bound."""
        # The other way round: the smaller of both quotients is the ratio only where all four hold.
        part = tail / 4 if self.kind == "ratio" else tail / 2
        return self._most(self.one.rate.bounds(part), self.two.rate.bounds(part))

    def grown(self, factors: tuple[float, ...]) -> Self:
        """Return the same of more rows; these are rows of both."""
        return replace(self, one=_grown(self.one, factors[0]), two=_grown(self.two, factors[-1]))

    def _least(self, one: tuple[float, float], two: tuple[float, float]) -> float:
        if self.kind == "ratio":
            return min(_quotient(one[0], two[1]), _quotient(two[0], one[1]))
        return max(0.0, one[0] - two[1], two[0] - one[1])

    def _most(self, one: tuple[float, float], two: tuple[float, float]) -> float:
        if self.kind == "ratio":
            return min(1.0, _quotient(one[1], two[0]), _quotient(two[1], one[0]))
        return max(one[1] - two[0], two[1] - one[0])


def _quotient(part: float, whole: float) -> float:
    # Both may be 0, where nothing is known of their quotient: a lower bound of 0, and an upper one of 1.
    return part / whole if whole > 0 else float(part > 0)


def _grown(part: ProxyPart, factor: float) -> ProxyPart:
    return replace(part, rate=part.rate.grown(factor), tests=round(part.tests * factor))


Comparable = tuple[tuple[str, ...], tuple[int, ...], ProxyShare | ProxyPair, str, str]
"""Groups, expected rows of each, what is compared, why there is no value where there is none, the rate."""


def compared_by_probability(measure: str, attribute: AttributeByProbability) -> Iterator[Comparable]:
    """Yield each comparison of a limit on a rate, or on a ratio or difference of rates."""
    quantity = QUANTITIES[measure]
    formula = quantity.measure.formula
    rates = formula.rates if isinstance(formula, Larger) else (quantity.measure.name,)
    for name in rates:
        parts = [_part(attribute, group, name) for group in attribute.groups]
        if not quantity.over_groups:
            for part in parts:
                yield _said((part,), ProxyShare(part, attribute.named), name)
            continue
        kind: Kind = "ratio" if quantity.how == "ratio" else "difference"
        for one, two in combinations(parts, 2):
            yield _said((one, two), ProxyPair(kind, one, two, attribute.named), name)


def _part(attribute: AttributeByProbability, group: str, name: str) -> ProxyPart:
    return ProxyPart(group, attribute.rate(group, name), round(attribute.groups[group].expected))


def _said(parts: Sequence[ProxyPart], comparison: ProxyShare | ProxyPair, name: str) -> Comparable:
    groups = tuple(str(part.group) for part in parts)
    # Each row counts for every group by its chance of it, so that these are expected rows and no count.
    return groups, tuple(part.tests for part in parts), comparison, share(name).empty, name

r"""Assurance: how far inside a limit on groups held-out rows must be, so that the gate's bound clears it.

The gate passes a limit when a bound from test rows clears it. What it will find there is not known: rates of
test rows scatter around the true ones, and those of held-out rows do so too. A trial meets a limit here when
the bound clears it with the wanted chance (O'Hagan, Stevens and Campbell 2005), which is when its value is
inside the limit by at least the margin

.. math:: m = \left(z_{level} + z_{chance} \sqrt{1 + v_{held} / v_{test}}\right) s_{test}

where s is the standard error that the gate's own score test has on as many test rows as there are (of a ratio
Koopman's, of a difference Miettinen and Nurminen's), v the variance on held-out and on test rows, and z the
normal quantiles of the policy's level and of the chance. So the margin follows from the rows that exist: it
is small where they are many, and six selected people meet nothing.

Where even equal rates would be shown with less than that, the margin is at most `room` of what equal rates at
the rows' own base rate would give: such a limit steers, and the verdict will find too few rows for it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, permutations

import numpy as np

from fairmark.params.learn import Assurance
from fairmark.params.policy import Limit
from fairmark.stats.arrays import Floats, Places
from fairmark.stats.measures import COUNTS, QUANTITIES, Composite, How, Larger, Share, share, summed
from fairmark.stats.rates import MANY
from fairmark.stats.score_test import difference_statistic, koopman, miettinen_nurminen, ratio_statistic

HALF = 0.5
"""Share at which the errors of rates of one label are worked out in advance: there they are largest."""


@dataclass(frozen=True)
class Sizes:
    """Effective numbers of rows of each group, [groups]: held out, and in the test part."""

    held: Floats
    tests: Floats
    base: float
    """Share of positive labels of the held-out rows, 0..1."""


@dataclass(frozen=True)
class Side:
    """A rate of one group at each cut, with the rows that it is of."""

    share: Floats
    held: Floats
    tests: Floats
    usual: float
    """The share of all groups at which errors are worked out in advance."""

    @property
    def variance(self) -> tuple[Floats, Floats]:
        """Return that of the share on held-out and on test rows."""
        with np.errstate(divide="ignore", invalid="ignore"):
            spread = self.share * (1 - self.share)
            return np.asarray(spread / self.held), np.asarray(spread / self.tests)


@dataclass(frozen=True)
class _Scored:
    """A comparison at each cut: its room to the limit, its score on test rows, and the usual one."""

    room: Floats
    score: Floats
    inflation: Floats
    """sqrt(1 + variance on held-out rows / variance on test rows)."""
    usual: Floats
    """The statistic of equal rates at the base rate; infinite where there is nothing to compare it with."""
    pooled: bool = False


@dataclass(frozen=True)
class Bar:
    """What assurance asks of the comparisons of one policy.

    Parameters
    ----------
    assurance
        The wanted chance, and the most that is asked.
    tail
        The chance of error of one bound of the gate.
    """

    assurance: Assurance
    tail: float

    def slack(self, limit: Limit, table: Floats, sizes: Sizes) -> Floats:
        """Return how far inside a limit on groups each cut is, margin taken off, in its own unit, [cuts].

        The least over all comparisons that have a value; NaN where none has one, as when nobody is selected.

        Parameters
        ----------
        limit
            One on a counted measure of an attribute's groups.
        table
            Confusion matrices of weights, [cuts, groups, 2, 2].
        """
        each = [self._room_left(one) for one in _comparisons(limit, table, sizes)]
        return np.asarray(np.fmin.reduce(each)) if each else np.full(len(table), np.nan)

    def required(self, found: "_Scored") -> Floats:
        """Return the score that a comparison must have at each cut."""
        from scipy.special import ndtri

        # The gate bounds the two rates of such a pair apart, and each bound takes half of the chance of
        # error.
        tail = self.tail / 2 if found.pooled else self.tail
        chance = float(ndtri(self.assurance.chance))
        # z_level + z_chance sqrt(1 + v_held / v_test) of the module's formula, in standard errors of test
        # rows.
        asked = -float(ndtri(tail)) + chance * found.inflation
        # Equal rates are the most that fairness can reach: to ask for more than a part of their score would
        # rule out every model where test rows are few.
        return np.asarray(np.minimum(asked, np.maximum(self.assurance.room * found.usual, 0.0)))

    def _room_left(self, found: "_Scored") -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            # Room over score is the standard error at this cut: what a step of one in the score is worth in
            # the limit's own unit.
            error = np.where(np.abs(found.score) > 1e-9, found.room / found.score, 0.0)
        asked = self.required(found)
        left = found.room - asked * np.where(np.isfinite(error), error, 0.0)
        # At the limit itself the score is 0, and no multiple of nothing is a margin. So it is where neither
        # group has a hit, but a ratio of nothing to nothing is not known, and stays so.
        at_limit = (np.abs(found.score) <= 1e-9) & (asked > 0) & ~np.isnan(found.room)
        return np.where(at_limit, -1e-6, left)

    def between(self, how: How, at: float, one: Side, two: Side) -> Floats:
        """Return how far inside a limit `at` on their ratio or difference two rates are, margin taken off."""
        return self._room_left(_ratio(one, two, at) if how == "ratio" else _difference(one, two, at))

    def bound(self, limit: Limit, table: Floats, sizes: Sizes) -> float | None:
        """Return the gate's bound of a ratio or difference, if test rows had the rates of one table.

        `table` is [groups, 2, 2]. By the score test behind the gate's exact one; None for other measures.
        """
        asked = QUANTITIES[limit.measure]
        if not asked.over_groups:
            return None
        found: list[float] = []
        for pair in _pairs(limit, table, sizes):
            if asked.how == "ratio":
                found += koopman(*pair, self.tail)[0].tolist()
            else:
                found += (-miettinen_nurminen(*pair, self.tail)[0]).tolist()
        if not found:
            return None
        return min(found) if asked.how == "ratio" else max(found)


def is_missed(limit: Limit, table: Floats, sizes: Sizes, tail: float) -> bool:
    """Return whether rows show that a limit on a ratio or difference is missed, by more than chance.

    So they do where the score bound of some pair of groups on the far side, with the chance of error `tail`,
    is still beyond the limit.

    Parameters
    ----------
    table
        Confusion matrices of weights, [groups, 2, 2].
    """
    ratio, at = QUANTITIES[limit.measure].how == "ratio", _at(limit)[0]
    for pair in _pairs(limit, table, sizes):
        if ratio and (koopman(*pair, tail)[1] < at).any():
            return True
        if not ratio and (miettinen_nurminen(*pair, tail)[0] > at).any():
            return True
    return False


def _pairs(limit: Limit, table: Floats, sizes: Sizes) -> Iterator[tuple[Floats, Floats, Floats, Floats]]:
    """Yield, of each rate that a limit compares, hits and rows of all ordered pairs of groups with rows."""
    measure = QUANTITIES[limit.measure].measure
    formula = measure.formula
    for rate in formula.rates if isinstance(formula, Larger) else (measure.name,):
        sides = [side for side in sides_of(rate, table[None], sizes) if side.tests[0] > 0]
        # The gate bounds a pair both ways round: near equal rates either may be the worse.
        pairs = list(permutations(sides, 2))
        if not pairs:
            continue
        low, high = (
            (
                np.concatenate([each.share * each.tests for each in side]),
                np.concatenate([each.tests for each in side]),
            )
            for side in zip(*pairs, strict=True)
        )
        yield *low, *high


def sides_of(rate: str, table: Floats, sizes: Sizes) -> list[Side]:
    """Return a rate of each group at each cut."""
    formula = share(rate)
    rows, hits = summed(table, formula.rows), summed(table, formula.hits)
    with np.errstate(divide="ignore", invalid="ignore"):
        value, part = hits / rows, rows / table.sum(axis=(-2, -1))
    # A rate is known from the rows of its own denominator alone: that part of the group's effective rows.
    return [
        Side(value[:, k], part[:, k] * sizes.held[k], part[:, k] * sizes.tests[k], _usual(formula, sizes))
        for k in range(table.shape[1])
    ]


def _usual(formula: Share, sizes: Sizes) -> float:
    """Return the share at which the errors of a rate are worked out in advance.

    The base rate says it of rates over rows of both labels alone: as many are selected as are positive, and
    the better constant answer is right as often. It says nothing of rates within one label.
    """
    if {*formula.rows} != {*COUNTS}:
        return HALF
    return sizes.base if formula.rises else max(sizes.base, 1 - sizes.base)


def _comparisons(limit: Limit, table: Floats, sizes: Sizes) -> Iterator[_Scored]:
    asked = QUANTITIES[limit.measure]
    formula = asked.measure.formula
    if asked.over_groups:
        for rate in formula.rates if isinstance(formula, Larger) else (asked.measure.name,):
            sides = sides_of(rate, table, sizes)
            if len(sides) > MANY:
                yield _farthest(sides, limit)
                continue
            for one, two in combinations(sides, 2):
                at = _at(limit)[0]
                yield _ratio(one, two, at) if asked.how == "ratio" else _difference(one, two, at)
        return
    if isinstance(formula, Share):
        yield from (_alone(side, limit, *_at(limit)) for side in sides_of(limit.measure, table, sizes))
    elif isinstance(formula, Composite) and formula.read is not None:
        at, least = _at(limit)
        # F1 = 2 J / (1 + J) rises with the share J.
        for side in sides_of(formula.shares[0], table, sizes):
            yield _alone(side, limit, at / (2 - at), least)
    elif isinstance(formula, Composite):
        for one, two in zip(*(sides_of(name, table, sizes) for name in formula.shares), strict=True):
            yield _balance(one, two, limit)


def _at(limit: Limit) -> tuple[float, bool]:
    return (limit.at_least, True) if limit.at_least is not None else (float(limit.at_most or 0.0), False)


def _inflation(one: Side, two: Side, factor: float = 1.0) -> Floats:
    """Return sqrt(1 + held / tests), the variances of the first share less `factor` times the second."""
    (held1, tests1), (held2, tests2) = one.variance, two.variance
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (held1 + factor**2 * held2) / (tests1 + factor**2 * tests2)
        # Where both shares are 0 or 1 their variances vanish, and the numbers of rows alone say how the parts
        # compare.
        whole = (1 / one.held + 1 / two.held) / (1 / one.tests + 1 / two.tests)
    return np.asarray(np.sqrt(1 + np.where(np.isfinite(ratio), ratio, whole)))


def _ordered(one: Side, two: Side) -> tuple[Side, Side]:
    """Return the lower side and the higher one at each cut; of equals the lower has fewer rows."""
    # Of equal rates the order of groups must not decide: the one with fewer rows, whose bound is wider, is
    # the lower.
    turned = one.share > two.share
    tied = one.share == two.share
    turned |= tied & (one.tests > two.tests)
    turned |= tied & (one.tests == two.tests) & (one.held > two.held)

    def picked(first: Side, second: Side) -> Side:
        return Side(
            np.where(turned, second.share, first.share),
            np.where(turned, second.held, first.held),
            np.where(turned, second.tests, first.tests),
            first.usual,
        )

    return picked(one, two), picked(two, one)


def _ratio(one: Side, two: Side, at: float) -> _Scored:
    low, high = _ordered(one, two)
    with np.errstate(divide="ignore", invalid="ignore"):
        room = low.share / high.share - at
        score = ratio_statistic(low.share * low.tests, low.tests, high.share * high.tests, high.tests, at)
        usual = ratio_statistic(low.usual * low.tests, low.tests, high.usual * high.tests, high.tests, at)
    return _Scored(room, score, _inflation(low, high, at), usual)


def _difference(one: Side, two: Side, at: float) -> _Scored:
    low, high = _ordered(one, two)
    hits = [side.share * side.tests for side in (low, high)]
    even = [side.usual * side.tests for side in (low, high)]
    with np.errstate(divide="ignore", invalid="ignore"):
        # The statistic is of low - high, whose limit is -at.
        score = difference_statistic(hits[0], low.tests, hits[1], high.tests, -at)
        usual = difference_statistic(even[0], low.tests, even[1], high.tests, -at)
    return _Scored(at - (high.share - low.share), score, _inflation(low, high), usual)


def _alone(side: Side, limit: Limit, at: float, least: bool) -> _Scored:  # noqa: ARG001
    sign = 1.0 if least else -1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        # The error of a share that stands at the limit, as a score test has it, not of the share that was
        # found.
        error = np.sqrt(at * (1 - at) / side.tests)
        room = sign * (side.share - at)
        best = (1 - at) if least else at
        inflation = np.sqrt(1 + side.tests / side.held)
        return _Scored(room, room / error, np.where(np.isfinite(inflation), inflation, 1.0), best / error)


def _balance(one: Side, two: Side, limit: Limit) -> _Scored:
    at, least = _at(limit)
    sides = (one, two) if least else (two, one)
    # Balanced accuracy is (1 + TPR - FPR) / 2, so "at least b" is TPR - FPR >= 2 b - 1: a limit on a
    # difference of two independent shares.
    gap = 2 * at - 1 if least else 1 - 2 * at
    counts = [value for side in sides for value in (side.share * side.tests, side.tests)]
    with np.errstate(divide="ignore", invalid="ignore"):
        room = (sides[0].share - sides[1].share - gap) / 2
        score = difference_statistic(counts[0], counts[1], counts[2], counts[3], gap)
    # Infinite: equal rates say nothing of balanced accuracy, so that they cap nothing.
    return _Scored(room, score, _inflation(one, two), np.full(len(score), np.inf))


def _farthest(sides: list[Side], limit: Limit) -> _Scored:
    """Return the farthest pair of many groups: bounds of groups stand for pairs, so that errors add up."""
    asked = QUANTITIES[limit.measure]
    shares = np.stack([side.share for side in sides], axis=-1)
    held, tests = (
        np.sqrt(np.stack(each, axis=-1)) for each in zip(*(s.variance for s in sides), strict=True)
    )
    rows = np.stack([side.tests for side in sides], axis=-1)
    # The pair whose bounds are farthest apart: three standard errors beyond the shares.
    low = np.nanargmin(np.where(rows > 0, shares - 3 * tests, np.inf), axis=-1)
    high = np.nanargmax(np.where(rows > 0, shares + 3 * tests, -np.inf), axis=-1)

    def at(values: Floats, place: Places) -> Floats:
        return np.asarray(np.take_along_axis(values, place[:, None], axis=-1)[:, 0])

    one, two = at(shares, low), at(shares, high)
    limit_at = _at(limit)[0]
    factor = limit_at if asked.how == "ratio" else 1.0
    # Errors add up, not their squares: the gate bounds each rate by itself, and the pair by both bounds.
    error = at(tests, low) + factor * at(tests, high)
    usual = sides[0].usual
    spread = np.sqrt(usual * (1 - usual)) * (1 / np.sqrt(at(rows, low)) + factor / np.sqrt(at(rows, high)))
    with np.errstate(divide="ignore", invalid="ignore"):
        top = one - limit_at * two if asked.how == "ratio" else limit_at - (two - one)
        room = one / two - limit_at if asked.how == "ratio" else top
        inflation = np.sqrt(1 + ((at(held, low) + factor * at(held, high)) / error) ** 2)
        # The room that equal rates would have, in the same unit.
        parity = (1 - limit_at) * usual if asked.how == "ratio" else limit_at
        return _Scored(
            room, top / error, np.where(np.isfinite(inflation), inflation, 1.0), parity / spread, pooled=True
        )

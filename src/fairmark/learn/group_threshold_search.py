"""Thresholds by group that equalize rates (equality of opportunity; Hardt et al. 2016).

Hardt, Price and Srebro, "Equality of opportunity in supervised learning", take one threshold for each group
and, where no threshold gives the wanted rate, lots between two. Here nobody draws lots: of all ways to give
each group one threshold that keep the policy's limits on the attribute, with the margin of the search, the
best in quality is taken. With one rate to be drawn together it is the best there is; with two (equalized
odds) or three, the lowest rate of any group is tried on a grid.

Rates rise as a threshold falls, so that "no rate below l, none above h" allows each group one stretch of its
thresholds. The lowest rate of the best way is that of some threshold: trying each of them, and taking the
best of each stretch, finds the best way without trying all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from fairmark.data.schema import is_unknown
from fairmark.errors import ParamsError
from fairmark.learn.assurance import Bar, Side, Sizes, sides_of
from fairmark.learn.policy_limits import Limits, Rows
from fairmark.learn.threshold import Goal, cuts
from fairmark.params.learn import Assurance, ByGroup
from fairmark.params.policy import Limit, Policy
from fairmark.stats.arrays import Floats
from fairmark.stats.measures import COMPARED, ODDS, QUANTITIES, How, Larger, share
from fairmark.stats.rates import values_of

TRIED = 100_000
"""How many lowest rates, or combinations of them, are tried at most."""
SLIP = 1e-12
HALVINGS = 30
"""Of the rates that one group may have: 1e-9 is less than one row of any table."""
NONE = np.iinfo(np.int64).max

Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Assured:
    """The rows that a rate of each group is known from, for limits that are held by assurance."""

    bar: Bar
    sides: Sequence[Side]
    """One a group; their shares are not looked at."""

    def room(self, how: How, at: float, group: int, lowest: Floats, highest: Floats) -> Floats:
        """Return the room between this group's rate, the highest, and the lowest of the others."""
        others = [side for place, side in enumerate(self.sides) if place != group and side.tests[0] > 0]
        one, shape = self.sides[group], lowest.shape
        if not others or not one.tests[0] > 0:
            return np.full(shape, np.inf)  # nothing to be compared with, as in `Limits`
        # Of several others the fewest rows: any of them may have the lowest rate.
        held, tests = (min(float(getattr(side, name)[0]) for side in others) for name in ("held", "tests"))
        low = Side(lowest, np.full(shape, held), np.full(shape, tests), one.usual)
        high = Side(highest, np.full(shape, one.held[0]), np.full(shape, one.tests[0]), one.usual)
        return self.bar.between(how, at, low, high)


@dataclass(frozen=True)
class Reach:
    """How far above the lowest rate of any group another group's rate may be.

    Parameters
    ----------
    margin
        How far inside both limits it must stay, where that is a constant.
    ratio
        The least that lowest / highest may be; None for no such limit.
    difference
        The most that highest - lowest may be; None for no such limit.
    assured
        What the margin follows from, where it is no constant.
    """

    margin: float
    ratio: float | None = None
    difference: float | None = None
    assured: Assured | None = None

    def highest(self, lowest: Floats, group: int) -> Floats:
        """Return about the highest rate that a group is allowed beside each lowest one, never too low."""
        if self.assured is not None:
            each, place = np.unique(lowest, return_inverse=True)
            return self._highest_assured(each, group)[place]
        high = np.full(len(lowest), 2.0)
        if self.difference is not None:
            # SLIP lets a rate that stands at the limit itself pass: a sum or quotient of floats may be a bit
            # too small. What it lets through wrongly, `_stretch` takes out again.
            high = np.minimum(high, lowest + self.difference - self.margin + SLIP)
        # A ratio of 0 asks for nothing, and can't be divided by.
        if self.ratio is not None and self.ratio + self.margin > 0:
            high = np.minimum(high, lowest / (self.ratio + self.margin) * (1 + SLIP))
        return np.asarray(np.maximum(high, lowest))

    def _highest_assured(self, lowest: Floats, group: int) -> Floats:
        """Return the highest rate by halving: room only falls as the higher rate rises."""
        low, width = lowest.copy(), 1 - lowest
        # Bisection from below: `low` is always a rate that is kept, so that the end is within one width of
        # the highest.
        for _ in range(HALVINGS):
            width = width / 2
            low = np.where(self.kept(lowest, low + width, group), low + width, low)
        # One width more than is known to be kept: "never too low" is the promise, and `_stretch` looks at the
        # top again.
        return np.minimum(low + width, 1.0)

    def kept(self, lowest: Floats, highest: Floats, group: int) -> npt.NDArray[np.bool_]:
        """Return whether the limits are kept by these rates, by the same arithmetic as `Limits`."""
        kept = np.ones(len(lowest), dtype=bool)
        if self.assured is not None:
            for how, at in (("ratio", self.ratio), ("difference", self.difference)):
                if at is not None:
                    kept &= self.assured.room(how, at, group, lowest, highest) >= 0  # type: ignore[arg-type]
            return kept
        if self.difference is not None:
            kept &= self.difference - (highest - lowest) - self.margin >= 0
        if self.ratio is not None:
            with np.errstate(divide="ignore", invalid="ignore"):
                kept &= lowest / highest - self.ratio - self.margin >= 0
        return kept


@dataclass(frozen=True)
class Candidates:
    """The thresholds that a group may have, from the highest down, and what each does, [k]."""

    cut: Floats
    hit: Floats
    false: Floats
    rates: Mapping[str, Floats]
    allowed: npt.NDArray[np.bool_]
    """Whether the policy's limits on the group alone are kept."""
    table: Floats
    """The confusion matrix at each, [k, 2, 2] of weights."""


def best(
    each: Sequence[Candidates],
    limits: Mapping[str, Reach],
    goal: Goal,
    total: tuple[float, float],
    fixed: tuple[float, float],
) -> Places | None:
    """Return the place of each group's threshold among its candidates, [groups]; None if none is allowed.

    Parameters
    ----------
    limits
        How far apart the groups may be, for each rate that rises.
    total
        Weight of all negative and of all positive rows.
    fixed
        Weight of the negative and of the positive rows that are decided 1 by the common threshold.
    """
    negative, positive = (value or 1.0 for value in total)
    # Which places each lowest rate allows hangs on no quality: it is worked out once, though F1 asks several
    # times.
    spans = _spans(each, limits)
    if goal.measure != "f1":
        # Each of these is, up to a constant, a weighted sum of hits and false positives, so that the best
        # place of each group can be found without the others.
        hit, false = (1 / (positive + negative),) * 2
        if goal.measure == "balanced_accuracy":
            hit, false = 1 / (2 * positive), 1 / (2 * negative)
        elif goal.profit is not None:
            hit, false = hit * (goal.profit.tp - goal.profit.fn), false * (goal.profit.tn - goal.profit.fp)
        return _sought(each, [one.hit * hit - one.false * false for one in each], spans)
    return _best_f1(each, spans, positive, fixed)


def _best_f1(
    each: Sequence[Candidates],
    spans: Sequence[tuple[Places, Places]],
    positive: float,
    fixed: tuple[float, float],
) -> Places | None:
    """Return the places with the best F1 = 2 hits / (positives + hits + false ones) of all rows.

    The best of a ratio of sums is found in a few steps by asking which places have the most hits beyond a
    level of it (Dinkelbach 1967).
    """
    level, kept = -1.0, None
    while True:
        # A charge below 0 would pay for false positives; the first level, -1, only says that nothing was
        # found yet.
        charge = max(level, 0.0)
        worth = [(2 * one.hit - charge * (one.hit + one.false)) / positive for one in each]
        found = _sought(each, worth, spans)
        if found is None:
            return None
        false, hit = (
            start + sum(float(values[k]) for values, k in zip(columns, found, strict=True))
            for start, columns in zip(
                fixed, ([one.false for one in each], [one.hit for one in each]), strict=True
            )
        )
        reached = 2 * hit / (positive + hit + false)
        # Dinkelbach's levels rise until the best ratio is reached; without SLIP the last two may differ in
        # the last bit, and the loop would not end.
        if reached <= level + SLIP:
            return kept
        level, kept = reached, found


def _spans(each: Sequence[Candidates], limits: Mapping[str, Reach]) -> list[tuple[Places, Places]]:
    """Return, for each group, the first and the last place + 1 that each lowest rate allows, [tried]."""
    # The grid is a product over the rates that are drawn together: three of them have 46 values each.
    most = int(TRIED ** (1 / len(limits)))
    tried = [_thinned(np.concatenate([one.rates[name] for one in each]), most) for name in limits]
    lowest = [grid.ravel() for grid in np.meshgrid(*tried)]
    found = []
    for place, one in enumerate(each):
        start, stop = np.zeros(len(lowest[0]), np.int64), np.full(len(lowest[0]), len(one.cut), np.int64)
        for (name, reach), low in zip(limits.items(), lowest, strict=True):
            if not np.isnan(one.rates[name]).any():  # a group in which nobody has the rate is left out of it
                first, last = _stretch(one.rates[name], low, reach, place)
                start, stop = np.maximum(start, first), np.minimum(stop, last)
        found.append((start, stop))
    return found


def _stretch(rates: Floats, low: Floats, reach: Reach, group: int) -> tuple[Places, Places]:
    """Return the first and the last place + 1 whose rate is allowed beside each lowest rate, [tried]."""
    # Candidates stand from the highest threshold down, so that rates rise and a stretch is found by
    # bisection.
    first = np.searchsorted(rates, low, side="left")
    last = np.searchsorted(rates, reach.highest(low, group), side="right")
    top = rates[np.maximum(last - 1, 0)]
    # `highest` may be too high by its rounding. Where the top rate breaks the limit by the arithmetic of
    # `Limits`, all places of that rate go.
    beyond = (last > first) & ~reach.kept(low, top, group)
    return first, np.where(beyond, np.searchsorted(rates, top, side="left"), last)


def _thinned(values: Floats, most: int) -> Floats:
    known = np.unique(values[~np.isnan(values)])
    # By rank and not by value: where rates crowd, more of them are tried.
    if len(known) <= most:
        return known
    return known[np.linspace(0, len(known) - 1, most).round().astype(np.int64)]


def _sought(
    each: Sequence[Candidates], worth: Sequence[Floats], spans: Sequence[tuple[Places, Places]]
) -> Places | None:
    """Return the places with the most worth in all; ties go to cuts near one half, then to lower ones."""
    tried = len(spans[0][0])
    picks, sums, far, low = [], np.zeros(tried), np.zeros(tried), np.zeros(tried)
    for one, value, (start, stop) in zip(each, worth, spans, strict=True):
        # Rounded before they are ranked: which of two equal thresholds comes first must not hang on the last
        # bit of a sum, which another processor adds up otherwise.
        near = np.round(np.abs(one.cut - 0.5), 12)
        order = np.lexsort((one.cut, near, -np.round(value, 12)))
        rank = np.full(len(order) + 1, NONE)
        rank[order] = np.arange(len(order))
        rank[:-1][~one.allowed] = NONE
        best = _least(rank, start, stop)
        kept = best < NONE
        pick = order[np.where(kept, best, 0)]
        # A lowest rate for which one group has no place drops out as a whole: -inf stays -inf in the sum.
        sums = sums + np.where(kept, value[pick], -np.inf)
        far, low = far + near[pick], low + one.cut[pick]
        picks.append(pick)
    sums = np.round(sums, 12)
    if not np.isfinite(sums).any():
        return None
    ties = np.flatnonzero(sums == sums.max())
    first = ties[np.lexsort((low[ties], np.round(far[ties], 12)))[0]]
    return np.array([pick[first] for pick in picks])


def _least(rank: Places, start: Places, stop: Places) -> Places:
    """Return the least rank from `start` to before `stop`, [tried]; `NONE` where there is none."""
    # Least of every stretch of 1, 2, 4, ... places: any stretch is two of them that overlap.
    levels = [rank]
    while 2 ** len(levels) <= len(rank):
        half, last = 2 ** (len(levels) - 1), levels[-1]
        levels.append(np.minimum(last[:-half], last[half:]))
    size = np.maximum(stop - start, 1)
    step = np.floor(np.log2(size)).astype(np.int64)
    found = np.full(len(start), NONE)
    for level, table in enumerate(levels):
        mine = (step == level) & (stop > start)
        left, right = start[mine], stop[mine] - 2**level
        found[mine] = np.minimum(table[left], table[right])
    return found


DRAWN: Mapping[str, tuple[str, ...]] = {
    "demographic_parity": ("selection_rate",),
    "true_positive_rate_parity": ("true_positive_rate",),
    "false_positive_rate_parity": ("false_positive_rate",),
    "equalized_odds": ODDS,
}
"""The rates that each constraint draws together."""
RISING = tuple(name for name in COMPARED if share(name).rises)
"""Rates that can only rise as a threshold falls; limits on how far groups are apart in them are kept here."""


def reaches(by: ByGroup, policy: Policy, margin: float = 0.0) -> dict[str, Reach]:
    """Return how far the gated limits on the attribute let groups be apart, for each rate they speak of.

    Raises
    ------
    ParamsError
        When none of them is about a rate that the constraint draws together.
    """
    found: dict[str, Reach] = {}
    for limit in _gates(policy, by.attribute):
        asked = QUANTITIES[limit.measure]
        formula, how = asked.measure.formula, asked.how
        for each in formula.rates if isinstance(formula, Larger) else (asked.measure.name,):
            known = found.get(each, Reach(margin))
            if each in RISING and how == "ratio" and limit.at_least is not None:
                found[each] = replace(known, ratio=max(known.ratio or 0.0, limit.at_least))
            elif each in RISING and how == "difference" and limit.at_most is not None:
                found[each] = replace(
                    known,
                    difference=min(np.inf if known.difference is None else known.difference, limit.at_most),
                )
    drawn = DRAWN[by.constraint]
    if not set(drawn) & set(found):
        raise ParamsError(
            f"params.yaml: policy.limits: must gate a ratio or a difference of {' or '.join(drawn)} by "
            f"{by.attribute}, which train.threshold.by draws together, got none"
        )
    return found


def together(
    by: ByGroup, limits: Limits, goal: Goal, score: Floats, common: float
) -> dict[str, float] | None:
    """Return the threshold of each group that is large enough, the best in quality that keeps the limits.

    None when fewer than two groups are, or when no thresholds keep the limits: all have the common one then.

    Parameters
    ----------
    by
        The attribute, and what is drawn together.
    limits
        The policy's, with their margin, on rows that were held out and never are test rows.
    goal
        What the quality is; that of all rows, those with the common threshold included.
    score
        The scores of these rows, [n].
    common
        The threshold of rows whose group is too small or not known.
    """
    rows, policy = limits.rows, limits.policy
    group = rows.groups[by.attribute]
    names = large(group, policy.min_group_rows)
    if len(names) < 2:
        return None
    code = pd.Index(names, dtype=object).get_indexer(pd.Index(group.astype(object)))
    sizes = rows.sizes(by.attribute, code, names)
    each = []
    for place in range(len(names)):
        mine = code == place
        alone = Sizes(sizes.held[[place]], sizes.tests[[place]], sizes.base)
        each.append(_candidates(score[mine], rows.label[mine], rows.weight[mine], by, limits, alone))
    # Rows of groups too small for a threshold of their own are decided by the common one, and count in the
    # quality of all rows.
    rest = (code < 0) & (score >= common)
    everybody = np.ones(len(rest), dtype=bool)
    allowed = _allowed(by, limits, each, sizes)
    found = best(each, allowed, goal, _weights(rows, everybody), _weights(rows, rest))
    return (
        None
        if found is None
        else {name: float(one.cut[k]) for name, one, k in zip(names, each, found, strict=True)}
    )


def _allowed(by: ByGroup, limits: Limits, each: Sequence[Candidates], sizes: Sizes) -> dict[str, Reach]:
    """Return how far apart the groups may be in each rate, with the margin of the limits."""
    if not isinstance(limits.margin, Assurance):
        return reaches(by, limits.policy, limits.margin)
    # Rates that rise are shares of whole labels: how many rows they are of is the same at any threshold.
    table = np.stack([one.table[0] for one in each])[None]
    return {
        name: replace(reach, assured=Assured(limits.bar, sides_of(name, table, sizes)))
        for name, reach in reaches(by, limits.policy).items()
    }


def none_found(by: ByGroup, policy: Policy, margin: float | Assurance | None, rows: Rows) -> str:
    """Return in words why no group has a threshold of its own."""
    if margin is None:
        return "the chosen trial looks at quality alone"
    names = large(rows.groups[by.attribute], policy.min_group_rows)
    if len(names) < 2:
        return f"fewer than two groups of {by.attribute} have {policy.min_group_rows} rows that were held out"
    return f"no thresholds of groups keep the policy's limits by {by.attribute} on rows that were held out"


def large(group: pd.Series, least: int) -> list[str]:
    """Return the groups that are known and have at least `least` rows, sorted."""
    counts = group.value_counts()
    return sorted(str(name) for name in counts.index[counts >= least] if not is_unknown(str(name)))


def _weights(rows: Rows, chosen: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Return the weight of the negative and of the positive rows among the chosen ones."""
    negative, positive = (float(rows.weight[chosen & (rows.label == value)].sum()) for value in (0, 1))
    return negative, positive


def _gates(policy: Policy, attribute: str) -> list[Limit]:
    return [limit for limit in policy.limits if limit.gate and limit.attribute == attribute]


def _candidates(
    score: Floats, label: npt.NDArray[np.int8], weight: Floats, by: ByGroup, limits: Limits, sizes: Sizes
) -> Candidates:
    cut, hit, false = cuts(score, label, weight)
    negative, positive = (float(weight[label == value].sum()) for value in (0, 1))
    table = np.stack([negative - false, false, positive - hit, hit], axis=-1).reshape(-1, 2, 2)
    allowed = np.ones(len(cut), dtype=bool)
    for limit in _gates(limits.policy, by.attribute):
        asked = QUANTITIES[limit.measure]
        if asked.how != "value" or not asked.measure.counted:
            continue
        if isinstance(limits.margin, Assurance):
            slack = limits.bar.slack(limit, table[:, None], sizes)
        else:
            value = values_of(table, limit.measure)
            slack = value - limit.at_least if limit.at_least is not None else (limit.at_most or 0.0) - value
            slack = slack - limits.margin
        # Not known is not kept: a measure that is NaN, as precision when nobody is selected.
        allowed &= np.nan_to_num(slack, nan=-1.0) >= 0
    return Candidates(cut, hit, false, {name: values_of(table, name) for name in RISING}, allowed, table)

"""Proven bounds of a bounded mean by betting: an e-value for every mean that is asked about.

Whoever bets a fraction of what he has on each unit lying on one side of a mean can't expect to gain where the
mean is that one: the capital after all units is an e-value, and 1 / capital a p-value (Ville; Waudby-Smith
and Ramdas 2024, proposition 2). It holds for every variable within a known range, independent units, weighted
or not, and whatever their number: also when more units come and it is looked at again.

The bets here are constant and mixed over a few sizes (a universal portfolio: Orabona and Jun 2024), so that
the capital is a product over units: their order changes nothing, and units that are written on a grid
(`bounded_means.spread`) only make it smaller, because a logarithm is concave. The sizes hang on the number of
units and on the mean that is asked about, never on the values.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fairmark.stats.arrays import Floats, Places

_AIM = 0.02
"""The chance of error that the sizes of bets are best for; at others they are a little less good."""
_SIZES = 5
"""Bets from the best one for values of 0 and 1 up to sixteen times it, the best one where the standard
deviation is a sixteenth of theirs."""
_MORE_SIZES = 4
"""Further doublings where weights differ: most units then weigh far less than the heaviest."""
_LEAST = 1e-12
_LOST = -1e100


@dataclass(frozen=True)
class Good:
    """Units by how far their value is on the good side, 0..1, and their weight as part of the heaviest.

    Parameters
    ----------
    good, part, count
        [nodes], with `part` in 0..1 and `count` >= 0.
    """

    good: Floats
    part: Floats
    count: Floats

    def sizes(self) -> Floats:
        """Return the sizes of bets, [sizes], as a fraction of the largest at a mean of one half."""
        # Of n units with a variance of 1/4 the best bet is sqrt(2 log(1 / level) / n) in units of their
        # standard deviation (Waudby-Smith and Ramdas 2024, equation 26).
        base = np.sqrt(2 * np.log(1 / _AIM) / max(float(self.count.sum()), 1.0))
        more = 0 if bool((self.part >= 1).all()) else _MORE_SIZES
        return np.asarray(base * 2.0 ** np.arange(_SIZES + more))

    def fractions(self, mean: Floats) -> Floats:
        """Return what part of the largest bet is laid at each mean, [means, sizes], 0..1.

        It rises with the mean no faster than mean / (1 - mean), so that the capital at a higher mean is
        never larger: the means that are not rejected have no gaps.
        """
        odds = np.sqrt(mean / np.maximum(1 - mean, _LEAST))
        return np.asarray(np.minimum(odds[..., None] * self.sizes(), 1.0), dtype=np.float64)


def log_capital(units: Good, mean: Floats) -> Floats:
    """Return the logarithm of the e-value of H: E[weight x good] <= mean x E[weight], like `mean`.

    Large where the units are better than that. 0 says nothing; it falls with the mean.
    """
    mean = np.clip(np.asarray(mean, dtype=np.float64), _LEAST, 1.0)
    gain = units.part * (units.good / mean[..., None] - 1)  # [means, nodes], >= -1
    bets = units.fractions(mean)
    with np.errstate(divide="ignore"):
        logs = np.log1p(bets[..., None] * gain[..., None, :])  # [means, sizes, nodes]
    return _mixed(np.asarray((logs * units.count).sum(axis=-1), dtype=np.float64))


def _mixed(each: Floats) -> Floats:
    """Return the logarithm of the mean over the last axis of exp."""
    most = np.maximum(
        each.max(axis=-1, keepdims=True), _LOST
    )  # where every bet lost all, it is -inf less -inf
    with np.errstate(divide="ignore"):
        return np.asarray(most[..., 0] + np.log(np.exp(each - most).mean(axis=-1)))


def p_value(log_capital: Floats) -> Floats:
    """Return the p-value that goes with a capital: 1 over it, at most 1 (Markov)."""
    return np.asarray(np.exp(-np.maximum(np.nan_to_num(log_capital, nan=0.0), 0.0)))


@dataclass(frozen=True)
class Gaps:
    """Units of several bins with values within -1..1, of which each bin's mean may have either sign."""

    value: Floats
    part: Floats
    count: Floats
    bin: Places

    def log_capital(self, total: float, *, below: bool) -> float:
        """Return the log e-value of H: the sum of |gaps| is at least `total` (`below`), or at most `total`.

        The sum of gaps is the largest mean over all ways to give the bins signs. To show it is below, every
        such mean has to be: the least capital over the signs counts, taken bin by bin for each size of bet.
        To show it is above, any of these means will do: the capital is the average over all signs, so that
        nobody chooses them.
        """
        mean = np.array([(1 - total) / 2 if below else (1 + total) / 2])
        sums = []
        for sign in (-1.0, 1.0) if below else (1.0, -1.0):
            units = Good((1 + sign * self.value) / 2, self.part, self.count)
            bet = units.fractions(mean)[0]  # [sizes]
            gain = units.part * (units.good / mean[0] - 1)
            with np.errstate(divide="ignore"):
                each = np.log1p(bet[:, None] * gain) * units.count  # [sizes, nodes]
            sums.append(np.array([np.bincount(self.bin, weights=row) for row in each]))  # [sizes, bins]
        one, two = sums
        joined = np.minimum(one, two) if below else np.logaddexp(one, two) - np.log(2)
        return float(_mixed(joined.sum(axis=-1)))

    def bound(self, tail: float, *, upper: bool) -> float:
        """Return the upper or the lower bound of the sum of |gaps|, 0..1, which errs with chance `tail`."""
        low, high = 0.0, 1.0
        while high - low > 1e-6:
            middle = (low + high) / 2
            shown = self.log_capital(middle, below=upper) >= -np.log(tail)
            # The least total that is shown to be too large, or the largest that is shown to be too small.
            low, high = (low, middle) if shown == upper else (middle, high)
        return high if upper else low


_STEPS = 65
_ROUNDS = 4
_ABSTAIN = 0.25
"""Part of what is had that is laid on nothing, where two samples are compared: of one that is far the larger
only little has to be shown, and the sizes of its bets are too large for that."""


def least_of_pair(
    one: Good,
    two: Good,
    edge: Callable[[Floats], tuple[Floats, Floats]],
    span: tuple[float, float],
    *,
    crossing: bool,
) -> float:
    """Return the log e-value of H that two means are on the wrong side of an edge: the least along it.

    Of independent units the product of both capitals is an e-value, and with units that stand on both sides
    (`crossing`) the mean of both (Vovk and Wang 2021).

    Parameters
    ----------
    one, two
        Units of both sides, each by what is good for the claim.
    edge
        From points along the edge to what the mean of either is at most under H, both in 0..1.
    span
        From where to where the edge runs.
    """

    def along(points: Floats) -> Floats:
        each = [
            np.logaddexp(np.log(_ABSTAIN), np.log(1 - _ABSTAIN) + log_capital(units, mean))
            for units, mean in zip((one, two), edge(points), strict=True)
        ]
        return np.asarray(np.logaddexp(*each) - np.log(2) if crossing else each[0] + each[1])

    low, high = span
    least = np.inf
    # The capital of one falls along the edge and that of the other rises: there is one valley.
    for _ in range(_ROUNDS):
        points = np.linspace(low, high, _STEPS)
        found = along(points)
        at = int(found.argmin())
        least = min(least, float(found[at]))
        low, high = float(points[max(at - 1, 0)]), float(points[min(at + 1, _STEPS - 1)])
    return least


def auc_bound(value: float, pairs: float, scale: float, tail: float) -> float:
    """Return the lower bound of an AUC from so many pairs of rows without a row in common; 0..value.

    An AUC is a mean over all pairs, and no farther from the truth than the mean over `pairs` pairs that share
    no row (Hoeffding 1963, section 5), which has Chernoff's bound. It is wide, because it knows nothing of
    how scores spread, and proven for any scores and any numbers of rows.

    Parameters
    ----------
    pairs
        The number of units of the rarer label.
    scale
        The mean weight of a pair over that of the heaviest pair there can be, 0..1; 1 without weights.
    """
    from scipy.special import xlogy

    def rejected(auc: float) -> bool:
        # With uneven weights a pair counts for `scale` of the heaviest: the mean moves by so much less.
        above = auc + scale * (value - auc)
        divergence = xlogy(above, above / auc) + xlogy(1 - above, (1 - above) / (1 - auc))
        return bool(pairs * divergence >= np.log(1 / tail))

    low, high = _LEAST, value
    if not (pairs > 0 and low < high and rejected(low)):
        return 0.0
    while high - low > 1e-7:
        middle = (low + high) / 2
        low, high = (middle, high) if rejected(middle) else (low, middle)
    return low

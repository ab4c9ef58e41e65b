"""E-processes: evidence about rates that may be looked at after every decision.

An e-process is at most 1 on average under its null hypothesis, at every stopping time. So the chance that it
ever reaches 1 / level is at most `level`, however often it is looked at (Ville's inequality). Everything here
is the natural logarithm of one: 0 is no evidence, log(20) = 3.0 rejects at level 0.05.

Rows come in blocks. Before each block a bet is laid on the rates, the posterior mean of the blocks before;
the block's e-value is the likelihood ratio of the bet and of its projection, the point of the null with the
smallest Kullback-Leibler divergence from it (the reverse information projection: Turner, Ly and Grünwald,
"Generic e-variables for exact sequential k-sample tests that allow for optional stopping", 2024, theorem 1;
Turner and Grünwald, "Safe sequential testing and effect size estimation in stratified count data", 2023).

Why a block is an e-value for every convex null: a row of group k multiplies it by 1 + (p_k - p*_k) g_k on
average, where g_k = (q_k - p*_k) / (p*_k (1 - p*_k)). As log(1 + u) <= u, the logarithm of the block's mean
is at most sum n_k (p_k - p*_k) g_k, which is at most 0 because p* minimises sum n_k KL(q_k, p_k) over the
convex null. So rates may even move, as long as their means over each block stay within the null.

Shapes: `hits` and `rows` are (..., blocks, groups) and may be real numbers, results (..., blocks).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from fairmark.stats.arrays import Floats
from fairmark.stats.score_test import Kind

_HALVINGS = 38
_TINY = 1e-12


@dataclass(frozen=True)
class Margin:
    """How far below another rate a rate may be.

    Parameters
    ----------
    kind
        `ratio`: lower rate >= limit x higher rate. `difference`: lower rate >= higher rate - limit.
    limit
        Parity is 1 for a ratio and 0 for a difference. A ratio above 1 or a difference below 0 asks the lower
        rate to be above the other (`reversed`).
    """

    kind: Kind
    limit: float

    def __post_init__(self) -> None:
        if self.kind == "ratio" and not 0 < self.limit < np.inf:
            raise ValueError(f"margin: must be a ratio above 0, got {self.limit}")
        if self.kind == "difference" and not -1 < self.limit < 1:
            raise ValueError(f"margin: must be a difference in -1..1, got {self.limit}")

    @property
    def reversed(self) -> "Margin":
        """The margin of the higher rate below the lower one: beyond it is just what is within this one."""
        return Margin(self.kind, 1 / self.limit if self.kind == "ratio" else -self.limit)

    @property
    def holds_parity(self) -> bool:
        """Whether two equal rates are within it."""
        return self.limit <= 1 if self.kind == "ratio" else self.limit >= 0

    def below(self, rate: ArrayLike) -> Floats:
        """Return the smallest rate that is within the margin of `rate`."""
        r = np.asarray(rate, dtype=np.float64)
        return self.limit * r if self.kind == "ratio" else r - self.limit

    def above(self, rate: ArrayLike) -> Floats:
        """Return the rate of which `rate` is the smallest within the margin."""
        r = np.asarray(rate, dtype=np.float64)
        return r / self.limit if self.kind == "ratio" else r + self.limit

    @property
    def slope(self) -> float:
        """The derivative of `below`."""
        return self.limit if self.kind == "ratio" else 1.0


@dataclass(frozen=True)
class Prior:
    """What is taken for likely before the first row: Beta(weight x rate, weight x (1 - rate)) for each group.

    Any choice keeps the level; a good one, such as the rates on test rows, saves rows.

    Parameters
    ----------
    rates
        One a group, strictly within 0..1.
    weight
        Rows that the prior counts for; one a group, or one for all.
    """

    rates: Floats
    weight: Floats | float

    @classmethod
    def at(cls, rates: ArrayLike, hits: float = 1.0) -> "Prior":
        """Return the prior at these rates that counts for so many hits or misses, whichever is rarer."""
        r = np.clip(np.asarray(rates, dtype=np.float64), 1e-4, 1 - 1e-4)
        return cls(r, hits / np.minimum(r, 1 - r))

    def of(self, groups: Sequence[int]) -> "Prior":
        """Return the prior of some of the groups."""
        at = list(groups)
        return Prior(self.rates[at], np.broadcast_to(self.weight, self.rates.shape)[at])

    @property
    def hits(self) -> Floats:
        """Hits that the prior counts for."""
        return np.asarray(self.weight * self.rates)

    @property
    def misses(self) -> Floats:
        """Misses that the prior counts for."""
        return np.asarray(self.weight * (1 - self.rates))


def bets(hits: ArrayLike, rows: ArrayLike, prior: Prior) -> Floats:
    """Return the posterior mean of each group's rate before each block: strictly within 0..1."""
    x, n = _arrays(hits, rows)
    # Less the block itself: a bet that had seen its own block would be no e-value.
    before_x, before_n = np.cumsum(x, axis=-2) - x, np.cumsum(n, axis=-2) - n
    return np.asarray((before_x + prior.hits) / (before_n + prior.hits + prior.misses))


def projection_within(rates: ArrayLike, rows: ArrayLike, margin: Margin) -> Floats:
    """Return the KL projection of the rates on: every group is within the margin of every other.

    It is the rates clipped to margin.below(m)..m, with the m that minimises sum n_k KL(q_k, p_k).

    Raises
    ------
    ValueError
        When the margin does not hold parity: no rates would be within it of each other.
    """
    if not margin.holds_parity:
        raise ValueError(f"margin: must hold parity, got a {margin.kind} of {margin.limit}")
    q, n = _arrays(rates, rows)

    def slope(m: Floats) -> Floats:
        top = m[..., None]
        low = margin.below(top)
        # The derivative in m of sum n_k KL(q_k, p_k): rates below the range are lifted to its lower end,
        # which moves with `margin.slope`, those above are let down to m; within it nothing moves.
        up = n * np.where(q < low, margin.slope * (low - q) / _variance(low), 0.0)
        down = n * np.where(q > top, (top - q) / _variance(top), 0.0)
        return np.asarray((up + down).sum(axis=-1))

    top = q.max(axis=-1)
    # Between the m whose range begins at the least rate, so that nothing is lifted, and the largest rate, so
    # that nothing is let down: the sum is convex in m.
    m = _root(slope, np.minimum(margin.above(q.min(axis=-1)), top), top)[..., None]
    inside = margin.below(top)[..., None] <= q.min(axis=-1, keepdims=True)
    return np.where(inside, q, np.clip(q, margin.below(m), m))


def projection_beyond(rates: ArrayLike, rows: ArrayLike, margin: Margin) -> Floats:
    """Return the KL projection of pairs of rates on: the first is at or below the margin of the second.

    The last axis is the pair. The boundary is that of the restricted likelihoods of `score_test`.
    """
    q, n = _arrays(rates, rows)
    q1, q2, n1, n2 = q[..., 0], q[..., 1], n[..., 0], n[..., 1]

    def slope(m: Floats) -> Floats:
        low = margin.below(m)
        return np.asarray(n2 * (m - q2) / _variance(m) + margin.slope * n1 * (low - q1) / _variance(low))

    # Both move towards each other until the first stands at the margin of the second. So m lies above the
    # second rate, where the first rate's place is above 0, and below where the first would stand still.
    start = np.maximum(q2, margin.above(0.0) + _TINY)
    stop = np.minimum(margin.above(q1), 1 - _TINY)
    m = _root(slope, np.minimum(start, stop), stop)
    met = q1 <= margin.below(q2)
    return np.stack([np.where(met, q1, margin.below(m)), np.where(met, q2, m)], axis=-1)


def against_within(hits: ArrayLike, rows: ArrayLike, margin: Margin, prior: Prior) -> Floats:
    """Return the e-process against: each group's rate is within the margin of every other's.

    One null for all pairs of groups at once, so nothing is to be corrected for their number.
    """
    x, n = _arrays(hits, rows)
    q = bets(x, n, prior)
    return np.cumsum(_log_ratio(x, n, q, projection_within(q, n, margin)), axis=-1)


def against_beyond(hits: ArrayLike, rows: ArrayLike, margin: Margin, prior: Prior) -> Floats:
    """Return the e-process against: the first of two rates is at or below the margin of the second.

    To reject it is to show that the first is within the margin: non-inferiority. With the pair swapped and
    the margin `reversed`, the null is that the first is within the margin. The last axis is the pair.
    """
    x, n = _arrays(hits, rows)
    q = bets(x, n, prior)
    return np.cumsum(_log_ratio(x, n, q, projection_beyond(q, n, margin)), axis=-1)


def against_rate(
    hits: ArrayLike, rows: ArrayLike, limit: ArrayLike, side: Literal["at_most", "at_least"], prior: Prior
) -> Floats:
    """Return the e-process of each group against: its rate is at most (at least) the limit.

    The result has the shape of `hits`: groups are not put together.
    """
    x, n = _arrays(hits, rows)
    q, c = bets(x, n, prior), np.asarray(limit, dtype=np.float64)
    p = np.minimum(q, c) if side == "at_most" else np.maximum(q, c)
    return np.cumsum(_log_terms(x, n, q, p), axis=-2)


def against_within_counts(hits: ArrayLike, rows: ArrayLike, margin: Margin, prior: Prior) -> Floats:
    """Return the e-process of `against_within` from total counts alone: the order of rows is not needed.

    For labels that come late and in any order: the likelihood averaged over the prior, divided by its largest
    value under the null (universal inference: Wasserman, Ramdas and Balakrishnan 2020, section 7). Valid at
    any time, and slower than betting in blocks. `hits` and `rows` are (..., groups), the result (...).
    """
    x, n = _arrays(hits, rows)
    return np.asarray(
        (_marginal(x, n, prior) - _likelihood(x, n, projection_within(*_mle(x, n), margin))).sum(-1)
    )


def against_beyond_counts(hits: ArrayLike, rows: ArrayLike, margin: Margin, prior: Prior) -> Floats:
    """Return the e-process of `against_beyond` from total counts alone, as `against_within_counts` does."""
    x, n = _arrays(hits, rows)
    return np.asarray(
        (_marginal(x, n, prior) - _likelihood(x, n, projection_beyond(*_mle(x, n), margin))).sum(-1)
    )


def against_rate_counts(
    hits: ArrayLike, rows: ArrayLike, limit: ArrayLike, side: Literal["at_most", "at_least"], prior: Prior
) -> Floats:
    """Return the e-process of `against_rate` from total counts alone, of each group."""
    x, n = _arrays(hits, rows)
    q, _ = _mle(x, n)
    p = np.minimum(q, limit) if side == "at_most" else np.maximum(q, limit)
    return np.asarray(_marginal(x, n, prior) - _likelihood(x, n, p))


def against_paired(counts: ArrayLike, margin: ArrayLike, prior: ArrayLike) -> Floats:
    """Return the e-process against: the mean of a score of -1, 0 or 1 a row is at most the margin.

    Two models decide on the same rows: 1 where only the first of them has the property, -1 where only the
    second has it, 0 where they agree. Then the mean is the difference of their two rates, and rows on which
    they agree cost little. The null is convex among the distributions over -1, 0 and 1, and the ratio of the
    bet and its projection is 1 + b (score - margin) for one b: a bet on a bounded mean (Waudby-Smith and
    Ramdas, "Estimating means of bounded random variables by betting", 2024).

    Parameters
    ----------
    counts
        (..., blocks, 3): rows with -1, 0 and 1.
    margin
        Within -1..1, exclusive. To show that the mean is *below* a margin, swap the outer two columns and
        give its negative.
    prior
        Rows that count before the first for -1, 0 and 1, each above 0.
    """
    x = np.asarray(counts, dtype=np.float64)
    d = np.asarray(margin, dtype=np.float64)
    start = np.asarray(prior, dtype=np.float64)
    posterior = np.cumsum(x, axis=-2) - x + start
    q = posterior / posterior.sum(axis=-1, keepdims=True)
    gain = np.array([-1.0, 0.0, 1.0]) - d[..., None]

    def slope(b: Floats) -> Floats:
        return np.asarray(-(q * gain / (1 + b[..., None] * gain)).sum(axis=-1))

    # The largest bet loses almost all on a row with -1, whose gain is -(1 + d): beyond it, more than all.
    most = np.broadcast_to((1 - _TINY) / (1 + d), q.shape[:-1])
    # The slope is of minus the expected growth, which is convex in b: its root is the bet that grows fastest.
    b = _root(slope, np.zeros(q.shape[:-1]), most)
    # Where the bet's own distribution lies within the null no growth is to be had, and nothing is laid.
    b = np.where(slope(np.zeros_like(b)) >= 0, 0.0, b)
    return np.cumsum((x * np.log1p(b[..., None] * gain)).sum(axis=-1), axis=-1)


def average(log_e: ArrayLike, axis: int = -1) -> Floats:
    """Return the mean of e-processes, which is one against: all of their nulls hold.

    Never below what Bonferroni's correction makes of the largest of them.
    """
    from scipy.special import logsumexp

    values = np.asarray(log_e, dtype=np.float64)
    return np.asarray(logsumexp(values, axis=axis) - np.log(values.shape[axis]))


def shiryaev_roberts(log_e: ArrayLike) -> Floats:
    """Return the e-detector of a change at a time not known: R_t = (R_{t-1} + 1) e_t, R_0 = 0, as logarithms.

    Until the change, the average number of looks before it reaches c is at least c: the average run length
    (Shin, Ramdas and Rinaldo, "E-detectors", 2024, definition 2.2 and theorem 2.4). The mean of several
    detectors (`average`) is a detector again, over all their streams together and without a correction.

    Parameters
    ----------
    log_e
        (looks, ...): of each look, an e-value given all looks before it.
    """
    values = np.asarray(log_e, dtype=np.float64)
    found, total = np.empty_like(values), np.full(values.shape[1:], -np.inf)
    for look, each in enumerate(values):
        # log(R + 1) + log e, where the 1 is the detector that begins at this look.
        total = np.logaddexp(total, 0.0) + each
        found[look] = total
    return found


SPREADS = (3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
"""Rows that the alternatives of `against_reference` are worth: few for large moves, many for small ones."""
MASSES = (0.5, 0.1, 0.02, 0.004)
"""Rows that the null of `against_reference` adds to each bin: 1/2 where bins are rare, less where empty."""


def against_reference(window: ArrayLike, reference: ArrayLike, earlier: ArrayLike | None = None) -> Floats:
    """Return the e-value of a window's counts by bin against: drawn from what the reference was drawn from.

    The null is the reference's posterior predictive, Dirichlet-multinomial with the reference's counts and a
    prior mass more a bin, so its own sampling error is inside: over both, the mean is at most 1 by each of
    the priors `MASSES`, the largest probability of which is taken. With Jeffreys' prior (1/2) alone, bins in
    which nothing ever falls, such as all but one of a constant column, would be evidence of a change by
    themselves: (1 + window / reference) ^ (bins / 2). The alternatives are centred on the same shares and
    worth fewer rows (`SPREADS`), averaged.

    Parameters
    ----------
    window, reference
        (..., bins): whole numbers.
    earlier
        Counts of all windows before this one. With them successive e-values multiply to an e-process, and the
        run length of a detector is exact, but a slow drift is learned as normal. Without them each window is
        held to the reference alone: exact where the reference is much larger than what is watched.
    """
    x = np.asarray(window, dtype=np.float64)
    seen = np.asarray(reference, dtype=np.float64)
    seen = seen if earlier is None else seen + np.asarray(earlier, dtype=np.float64)
    # The alternatives keep Jeffreys' mass in every bin, so that a row in one that was empty has a chance.
    alpha = seen + 0.5
    share, worth = alpha / alpha.sum(axis=-1, keepdims=True), alpha.sum(axis=-1, keepdims=True)
    spreads = np.array(SPREADS).reshape(-1, *[1] * alpha.ndim)
    masses = np.array(MASSES).reshape(-1, *[1] * alpha.ndim)
    null = _dirichlet(x, seen + masses).max(axis=0)
    # No alternative is worth more rows than the reference: its variance would be below the null's own.
    return np.asarray(average(_dirichlet(x, share * np.minimum(spreads, worth)), axis=0) - null)


def _dirichlet(counts: Floats, alpha: Floats) -> Floats:
    """Return the log probability of counts in one order of their rows: Dirichlet-multinomial."""
    from scipy.special import gammaln

    total, worth = counts.sum(axis=-1), alpha.sum(axis=-1)
    ways = (gammaln(alpha + counts) - gammaln(alpha)).sum(axis=-1)
    return np.asarray(gammaln(worth) - gammaln(worth + total) + ways)


def _arrays(hits: ArrayLike, rows: ArrayLike) -> tuple[Floats, Floats]:
    x, n = np.broadcast_arrays(np.asarray(hits, dtype=np.float64), np.asarray(rows, dtype=np.float64))
    return x, n


def _variance(rate: Floats) -> Floats:
    # Never 0, so that a slope at a rate of 0 or 1 is huge and has its sign, and no NaN.
    return np.maximum(rate * (1 - rate), _TINY * _TINY)


def _log_terms(x: Floats, n: Floats, q: Floats, p: Floats) -> Floats:
    """Return the log likelihood ratio of q and p; 0 without rows, minus infinity where q excludes a row."""
    from scipy.special import xlogy

    # xlogy(0, anything) is 0: a rate of 0 or 1 under the null says nothing as long as no row contradicts it.
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(xlogy(x, q / p) + xlogy(n - x, (1 - q) / (1 - p)))


def _log_ratio(x: Floats, n: Floats, q: Floats, p: Floats) -> Floats:
    return np.asarray(_log_terms(x, n, q, p).sum(axis=-1))


def _mle(x: Floats, n: Floats) -> tuple[Floats, Floats]:
    return np.clip(x / np.maximum(n, _TINY), _TINY, 1 - _TINY), n


def _likelihood(x: Floats, n: Floats, p: Floats) -> Floats:
    from scipy.special import xlog1py, xlogy

    return np.asarray(xlogy(x, p) + xlog1py(n - x, -p))


def _marginal(x: Floats, n: Floats, prior: Prior) -> Floats:
    """Return the log likelihood averaged over the prior: a ratio of beta functions."""
    from scipy.special import betaln

    return np.asarray(betaln(x + prior.hits, n - x + prior.misses) - betaln(prior.hits, prior.misses))


def _root(rising: Callable[[Floats], Floats], low: Floats, high: Floats) -> Floats:
    """Return where a rising function crosses 0 between `low` and `high`, by halving."""
    # Of all elements at once, each in its own interval; 38 halvings leave 4e-12 of it.
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        below = rising(middle) < 0
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return np.asarray((low + high) / 2)

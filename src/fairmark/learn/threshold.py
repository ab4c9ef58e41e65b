"""What a threshold is for: the quality of decisions, of constant decisions, and the standard error of it.

| `train.threshold.maximise` | threshold | quality |
|---|---|---|
| a measure of decisions | where it is largest | the measure |
| `youden` | where recall + specificity - 1 is largest (Youden 1950) | balanced accuracy, half of it + 1/2 |
| `{tp, fp, tn, fn}` | where the profit is largest (Elkan 2001) | mean profit of a row |
| `{select: s}` | the lowest that selects at most the share s | balanced accuracy |
| `{at: t}` | t | balanced accuracy |

Among decisions that select as many, balanced accuracy is the higher the more positive rows are selected, so
it is the quality where the number of the selected is given. The threshold is chosen on validation rows alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np

from fairmark.errors import ParamsError
from fairmark.files import SIGNIFICANT_DIGITS
from fairmark.params.learn import ByBaseRate, Capacity, Fixed, Maximise, Profit, measure_of
from fairmark.stats.arrays import Floats, Labels, Mask
from fairmark.stats.measures import spoken
from fairmark.stats.rates import values_of


@dataclass(frozen=True)
class Goal:
    """A goal of decisions, the choice by base rate made.

    Parameters
    ----------
    measure
        The measure that the quality is, or `profit`.
    profit
        What each decision brings, where the quality is a profit.
    select
        The largest share of rows that may be selected; None for any.
    at
        The threshold, where it is given.
    """

    measure: str
    profit: Profit | None = None
    select: float | None = None
    at: float | None = None

    @classmethod
    def of(cls, maximise: Maximise) -> Self:
        """Return the goal of `train.threshold.maximise`.

        Raises
        ------
        ParamsError
            When the choice by base rate is still to be made.
        """
        match maximise:
            case Profit():
                return cls("profit", profit=maximise)
            case Capacity(select=share):
                return cls("balanced_accuracy", select=share)
            case Fixed(at=threshold):
                return cls("balanced_accuracy", at=threshold)
            case ByBaseRate():
                raise ParamsError("params.yaml: train.threshold.maximise: must be chosen by base rate first")
            case _:
                return cls(measure_of(maximise))

    @property
    def spoken(self) -> str:
        """What a sentence calls the quality."""
        return "profit of a row" if self.profit is not None else spoken(self.measure)

    def reached(self, table: Floats) -> Floats:
        """Return the quality of confusion matrices of weights, `[..., 2, 2]` to `[...]`; 0 if undefined."""
        if self.profit is not None:
            return np.asarray((table * self._worth).sum(axis=(-2, -1)) / table.sum(axis=(-2, -1)))
        by_label = table.sum(axis=-1)
        if self.measure == "balanced_accuracy" and not by_label.all():
            # The rate of the label that no row has counts as 1.
            return np.asarray((1 + values_of(table, "accuracy")) / 2)
        return np.asarray(np.nan_to_num(values_of(table, self.measure)))

    def constant(self, positives: float) -> float:
        """Return the quality of the better of yes and no to everybody, at a share of positive labels."""
        share = np.array([1 - positives, positives])
        nobody, everybody = np.zeros((2, 2)), np.zeros((2, 2))
        nobody[:, 0], everybody[:, 1] = share, share
        return float(max(self.reached(nobody), self.reached(everybody)))

    def span(self, positives: float) -> float:
        """Return the quality of decisions that are all right, less that of decisions that are all wrong."""
        if self.profit is None:
            return 1.0
        return positives * (self.profit.tp - self.profit.fn) + (1 - positives) * (
            self.profit.tn - self.profit.fp
        )

    def error(self, table: Floats, rows: float) -> float:
        """Return the standard error of the quality of one confusion matrix `[2, 2]`, from so many rows.

        Of a mean over rows, exact; of balanced accuracy, of two independent shares; of F1 by the delta method
        from the share of hits among rows that are positive or selected.
        """
        part = table / table.sum()
        if self.profit is not None:
            mean = float((part * self._worth).sum())
            # E[w^2] - E[w]^2; rounding can take it below 0 where all rows bring the same.
            return float(np.sqrt(max(0.0, float((part * self._worth**2).sum()) - mean**2) / rows))
        if self.measure == "accuracy":
            right = part[0, 0] + part[1, 1]
            return float(np.sqrt(right * (1 - right) / rows))
        if self.measure == "f1":
            one = part[1, 1] + part[0, 1] + part[1, 0]
            if not one:
                return 0.0
            hits = part[1, 1] / one
            # F1 = 2 J / (1 + J) of the share J of hits, whose derivative is 2 / (1 + J)^2.
            return float(2 / (1 + hits) ** 2 * np.sqrt(hits * (1 - hits) / (one * rows)))
        by_label = part.sum(axis=-1)
        if not by_label.all():
            return 0.0
        share = part[:, 1] / by_label
        # Half the difference of two shares of different rows: variances add up, and the root is halved.
        return float(np.sqrt((share * (1 - share) / (by_label * rows)).sum()) / 2)

    def lead_error(self, table: Floats, rows: float) -> float:
        """Return the standard error of the quality beyond the better constant answer, from so many rows.

        Of a mean over rows, that of the paired differences: only rows that are decided otherwise than by the
        constant answer count. A rate of each label moves against a constant that is known.
        """
        if self.profit is None and self.measure != "accuracy":
            return self.error(table, rows)
        part = table / table.sum()
        worth = np.eye(2) if self.profit is None else self._worth
        # The better of no and yes to everybody: the column of decisions that brings most at these labels.
        constant = int(np.argmax(part.sum(axis=1) @ worth))
        apart = worth - worth[:, [constant]]
        mean = float((part * apart).sum())
        return float(np.sqrt(max(0.0, float((part * apart**2).sum()) - mean**2) / rows))

    @property
    def _worth(self) -> Floats:
        """The profit of a row by label and decision, [2, 2]."""
        known = self.profit
        assert known is not None  # noqa: S101 - a profit's own
        return np.array([[known.tn, known.fp], [known.fn, known.tp]])

    def log_odds(self, base: float) -> float:
        """Return the log-odds around which rows are decided.

        Accuracy is best at even odds, a profit where the mean gain of a yes is that of a no (Elkan 2001,
        equation 2); balanced accuracy at the log-odds of the base rate, `base`.
        """
        if self.at is not None:
            return float(np.log(self.at / (1 - self.at)))
        if self.profit is not None:
            known = self.profit
            # A yes is worth it from p with p (tp - fn) = (1 - p) (tn - fp) on: these are the odds of that p.
            return float(np.log((known.tn - known.fp) / (known.tp - known.fn)))
        return 0.0 if self.measure == "accuracy" else base


Violation = Callable[[Floats], Floats]
"""Says of each cut, [k], how much is missing to the limits in all; 0 keeps them."""

SAME = 1e-8
"""Scores nearer than this are never parted: a cut between them would not survive being written down."""
EVERYBODY, NOBODY = 0.0, 1.000001


@dataclass(frozen=True)
class Threshold:
    """A cut, what it reaches of its goal, and whether it was admissible."""

    cut: float
    quality: float
    admissible: bool
    spent: float
    """How much less the quality is than that of the best cut without limits."""


def choose(
    score: Floats,
    label: Labels,
    weight: Floats,
    goal: Goal,
    violation: Violation | None = None,
    selected: tuple[float, float] | None = None,
    price: float | None = None,
) -> Threshold:
    """Return the best of all cuts that part the rows in different ways.

    A cut lies midway between two neighbouring scores, or takes everybody or nobody. Of equally good cuts the
    one nearest to 0.5 is chosen, then the lower. Cuts that select too few or too many, or violate a limit,
    are left out. Where that leaves none, those that violate limits come back, each with its quality less the
    price of its violation; then all. Under a capacity no cut may select more, and the best is the one that
    selects most.

    Parameters
    ----------
    score
        Probabilities of validation rows, [n], 0..1.
    label, weight
        Labels and weights of the same rows, [n].
    goal
        What is to be as large as can be.
    selected
        The least and the largest share of rows that may be selected.
    price
        What a unit of violation costs, as a share of the quality's span; None: nothing.
    """
    cut, hit, false = cuts(score, label, weight)
    if goal.at is not None:
        taken = score >= goal.at
        cut = np.array([goal.at])
        hit, false = (np.array([float(weight[taken & (label == value)].sum())]) for value in (1, 0))
    positive, negative = (float(weight[label == value].sum()) for value in (1, 0))
    table = np.stack([negative - false, false, positive - hit, hit], axis=-1).reshape(-1, 2, 2)
    # Equal up to the last bits of a weighted sum counts as equal, so that ties are broken by rule.
    reached = np.round(goal.reached(table), 12)
    share = (hit + false) / (positive + negative)
    # 1e-12 lets a share that stands at the capacity itself pass, whose sum of weights may round above it.
    kept = np.ones(len(cut), dtype=bool) if goal.select is None else share <= goal.select + 1e-12
    within = kept if selected is None else kept & (share >= selected[0]) & (share <= selected[1])
    missing = np.zeros(len(cut)) if violation is None else violation(cut)
    allowed = missing <= 0
    asked = reached if goal.select is None else np.round(share, 12)
    # What the best cut would reach that looks at no limit: the difference is what limits cost.
    free = _best(cut, asked, within, kept)
    if price is not None and goal.select is None and not (allowed & within).any():
        asked = np.round(reached - price * goal.span(positive / (positive + negative)) * missing, 12)
    best = _best(cut, asked, allowed & within, within, kept)
    spent = max(0.0, float(reached[free] - reached[best]))
    return Threshold(float(cut[best]), float(reached[best]), bool(allowed[best]), spent)


def _best(cut: Floats, asked: Floats, *pools: Mask) -> int:
    """Return the place of the best cut of the first pool that holds one; of all, where none does."""
    pool = np.flatnonzero(next((each for each in pools if each.any()), np.ones(len(cut), dtype=bool)))
    return int(pool[np.lexsort((cut[pool], np.round(np.abs(cut[pool] - 0.5), 12), -asked[pool]))[0]])


def cuts(score: Floats, label: Labels, weight: Floats) -> tuple[Floats, Floats, Floats]:
    """Return all cuts from the highest down, and the weight of true and of false positives at each, [k]."""
    order = np.argsort(-score, kind="stable")
    down, heavy = score[order], weight[order]
    last = np.flatnonzero(down[:-1] - down[1:] > SAME)  # the last row above each cut
    middle = [_short((down[i] + down[i + 1]) / 2) for i in last]
    hit = np.cumsum(heavy * (label[order] == 1))
    false = np.cumsum(heavy * (label[order] == 0))
    ends = [0.0], [hit[-1]], [false[-1]]
    return (
        np.array([NOBODY, *middle, EVERYBODY]),
        np.concatenate([ends[0], hit[last], ends[1]]),
        np.concatenate([ends[0], false[last], ends[2]]),
    )


def _short(value: float) -> float:
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")

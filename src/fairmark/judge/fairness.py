"""How far groups are apart: ratios and differences of rates, with intervals that hold for the worst pair.

The worst pair is found on the same rows, so an interval for it as if it had been named beforehand would lie.
With every ordered pair of groups bounded from below at `tail`, and from above at `tail` / number of such
pairs:

* the smallest of the lower bounds is a lower bound of the smallest ratio, and errs with chance <= `tail`: the
  truly smallest ratio is that of one fixed pair, whose own lower bound would have to err;
* the smallest of the upper bounds is an upper bound of it: it errs only if some pair's upper bound does, and
  their chances add up to at most `tail` (Bonferroni).

Differences are the same with the sides exchanged. No bootstrap: it never covers parity.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fairmark.judge.cells import Cells
from fairmark.judge.metrics import RATES, portion
from fairmark.judge.score import koopman, miettinen_nurminen

COMPARED = ("selection_rate", "true_positive_rate", "false_positive_rate", "accuracy", "precision")
"""Rates whose ratio and difference between groups are measured."""
EQUALIZED_ODDS = "equalized_odds_difference"
"""The larger of the true and the false positive rate difference (Hardt, Price and Srebro 2016)."""


@dataclass(frozen=True)
class Disparity:
    """A ratio or difference over groups. `lowest` and `highest` number the groups that make it."""

    value: float
    low: float
    high: float
    lowest: int
    highest: int


def apart(cells: Cells, name: str, tail: float, claims: int = 1) -> tuple[Disparity, Disparity] | str:
    """Return the ratio and the difference of a rate over groups, or why there is none.

    Ratio = lowest rate / highest rate, 0..1, 1 = parity; difference = highest - lowest, 0..1, 0 = parity.
    A group without rows in the rate's denominator could have any rate: it leaves the value to the others, and
    takes the bound on the unfair side to its end. `claims` divides the tail of the bound on the fair side
    further, where the largest of several disparities is looked for.
    """
    value, hits, rows = portion(cells, name)
    held = np.flatnonzero(rows > 0)
    if len(held) < 2:
        return f"fewer than two groups to compare: {RATES[name].empty} in the others"
    lowest, highest = (int(held[pick(value[held])]) for pick in (np.argmin, np.argmax))
    one, two = (side.ravel() for side in np.meshgrid(held, held, indexing="ij"))
    one, two = one[one != two], two[one != two]
    counts = (hits[one], rows[one], hits[two], rows[two])
    shared = tail / (len(one) * claims)
    unknown = len(held) < len(value)
    gap = Disparity(
        float(value[highest] - value[lowest]),
        max(0.0, float(miettinen_nurminen(*counts, shared)[0].max())),
        1.0 if unknown else min(1.0, float(miettinen_nurminen(*counts, tail)[1].max())),
        lowest,
        highest,
    )
    quotient = Disparity(
        float(value[lowest] / value[highest]) if value[highest] > 0 else float("nan"),
        0.0 if unknown else float(koopman(*counts, tail)[0].min()),
        min(1.0, float(koopman(*counts, shared)[1].min())),
        lowest,
        highest,
    )
    return quotient, gap


def equalized_odds(parts: Sequence[tuple[Disparity, Disparity] | str]) -> Disparity | str:
    """Return the larger of the differences of the true and the false positive rate, or why there is none.

    Takes what `apart` says of the two rates with `claims` 2. The larger of the upper bounds is an upper bound
    at the tail itself, and the larger of the lower ones needs the tail shared, as for the worst pair.
    """
    gaps = []
    for part in parts:
        if isinstance(part, str):
            return part
        gaps.append(part[1])
    worse = max(gaps, key=lambda gap: gap.value)
    low, high = max(gap.low for gap in gaps), max(gap.high for gap in gaps)
    return Disparity(worse.value, low, high, worse.lowest, worse.highest)

"""The weight of a row: how many cases it stands for, on a scale where rows weigh 1 on average.

One rule holds for weights: each is given, a number above 0, and at most `SPREAD` times the smallest. A row of
weight 0 stands for nobody: params.yaml leaves it out, or it is a fault.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fairmark.data.faults import Faults

SPREAD = 1e9
"""The largest weight over the smallest. Beyond it a sum of squares would lose the small ones altogether."""

Floats = npt.NDArray[np.float64]


def note_zeros(name: str, weights: Floats, numbers: npt.NDArray[np.int64], faults: Faults) -> None:
    """Note rows of weight 0; the schema sees to each weight being given and not negative."""
    rule = f"prepare.drop_rows: [{{column: {name}, when: [0], reason: ...}}] leaves such rows out"
    faults.rows(numbers[weights == 0], f"column {name}: the weight must be above 0 ({rule}), got 0")


def note_spread(name: str, weights: Sequence[Floats], faults: Faults) -> None:
    """Note weights that differ by more than `SPREAD` over all files."""
    known = np.concatenate([np.empty(0), *weights])
    known = known[known > 0]
    if len(known) and known.min() < known.max() / SPREAD:
        must = f"the largest weight must be at most {SPREAD:g} times the smallest"
        faults.add(f"column {name}: {must}, got {known.min():g} to {known.max():g}")


def normalised(weights: Floats) -> Floats:
    """Return the weights over their mean, [n]: they sum to the number of rows, and equal ones are all 1."""
    if (weights == weights[0]).all():
        return np.ones_like(weights)
    # The largest is taken out first, so that no sum of finite weights is infinite.
    share = weights / weights.max()
    return np.asarray(share * (len(share) / share.sum()))

"""Small nudges: the least change of one number that turns a decision near the threshold."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from fairmark.judge.cells import Floats
from fairmark.judge.rig import Rig, spread


def nudges(rig: Rig, sizes: Sequence[float], sample: int) -> dict[str, Any]:
    """Return the smallest change of one number that turns each of the decisions nearest to the threshold.

    A greedy attack: one number at a time, down and up, the `sizes` (in spreads) from small to large.

    Returns
    -------
    dict
        `{"rows" (attacked), "farthest" (largest distance of their scores from the threshold), "turned":
        [{"size", "share"}] (by any number), "features": {name: {"spread", "turned", "median"}}}`.
        Shares are of attacked rows and rise with the size; `median` is the median smallest size over all
        attacked rows, None when half of them can't be turned.
    """
    distance = np.abs(rig.base - rig.cut)
    nearest = np.argsort(distance, kind="stable")[:sample]
    near = replace(rig, rows=rig.rows.take(nearest), matrix=rig.matrix[nearest])
    steps = sorted(set(sizes))
    least = {name: _least(near, column, steps) for name, column in near.numbers.items()}
    return {
        "rows": len(nearest),
        "farthest": float(distance[nearest].max()),
        "turned": _shares(np.min([np.full(len(nearest), np.inf), *least.values()], axis=0), steps),
        "features": {
            name: {
                "spread": spread(rig.train[:, rig.columns[name]]),
                "turned": _shares(found, steps),
                "median": _median(found),
            }
            for name, found in least.items()
        },
    }


def _least(near: Rig, column: int, steps: Sequence[float]) -> Floats:
    """Return the smallest step that turns each row's decision, [n], infinite where none does."""
    least = np.full(len(near.matrix), np.inf)
    for step in reversed(steps):
        for signed in (-step, step):
            least[near.changed(near.score(near.moved(near.matrix, column, signed)))] = step
    return least


def _median(least: Floats) -> float | None:
    # The higher of two middle rows: half of the rows are turned by no less.
    middle = float(np.sort(least)[len(least) // 2])
    return middle if np.isfinite(middle) else None


def _shares(least: Floats, steps: Sequence[float]) -> list[dict[str, float]]:
    return [{"size": step, "share": float((least <= step).mean())} for step in steps]

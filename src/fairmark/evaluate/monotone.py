"""The monotone constraints of params, held against the model that was made: nobody has to trust the fit.

Each is checked in two ways that share no code. From the model itself: every cut of every tree, or the
sign of the coefficient, which speaks of any row there could be (`model.monotone`). And by nudging:
sampled test rows are given every value of the feature that the trees tell apart (for a scorecard, values
of train rows from the lowest to the highest), and the score has to follow. What fails either ends the
stage.
"""

from collections.abc import Mapping

import numpy as np

from fairmark.errors import InputError
from fairmark.evaluate.documents import MonotoneFeature
from fairmark.model.model import Model
from fairmark.model.monotone import SIGNS, cuts, is_monotone
from fairmark.params.learn import Direction
from fairmark.stats.arrays import Floats

VALUES = 256
"""Values of a train column at most, spread over its ranks, where no cuts say which there are."""
BATCH = 50_000
"""Rows that are scored at once: 500 rows by 255 values are four of these."""


def monotone_features(
    model: Model, monotone: Mapping[str, Direction], rows: Floats, train: Floats, sample: int, seed: int
) -> list[MonotoneFeature]:
    """Return what was found of each constraint, in the order of the features.

    Parameters
    ----------
    monotone
        Features of the model, and which way the score is to follow them.
    rows, train
        Encoded test and train rows, [n, p] and [m, p].
    sample, seed
        How many of the rows are nudged, and how they are drawn.

    Raises
    ------
    InputError
        When a constraint is not kept, one line for each.
    """
    chosen = np.random.default_rng([seed, 6]).permutation(len(rows))[:sample]
    found = [
        _feature(model, place, monotone[name], rows[np.sort(chosen)], train[:, place])
        for place, name in enumerate(model.features)
        if name in monotone
    ]
    faults = [_fault(each) for each in found if each.violations or not each.proved]
    if faults:
        raise InputError(*faults)
    return found


def _fault(each: MonotoneFeature) -> str:
    way = "fall" if each.direction == "increasing" else "rise"
    seen = (
        f"{each.violations} of {each.rows} test rows where it does, by up to {each.largest:.3g} of log-odds"
    )
    allowed = "" if each.proved else ", and cuts or a coefficient that allow it"
    return f"model: must never {way} as {each.feature} grows, as train.monotone says, got {seen}{allowed}"


def _feature(model: Model, place: int, direction: Direction, rows: Floats, train: Floats) -> MonotoneFeature:
    values = _values(cuts(model.scorer, place), train)
    falls = np.zeros(len(rows))
    step = max(1, BATCH // max(1, len(values)))
    for start in range(0, len(rows), step):
        some = rows[start : start + step]
        nudged = np.repeat(some, len(values), axis=0)
        nudged[:, place] = np.tile(values, len(some))
        margin = model.margin_of(nudged).reshape(len(some), len(values))
        against = -SIGNS[direction] * np.diff(margin, axis=1)
        # From one value to the next: a fall over many steps holds one between neighbours.
        falls[start : start + step] = against.max(axis=1, initial=0.0)
    return MonotoneFeature(
        feature=model.features[place],
        direction=direction,
        proved=is_monotone(model.scorer, place, direction),
        rows=len(rows),
        values=len(values),
        violations=int((falls > 0).sum()),
        largest=float(falls.max(initial=0.0)) + 0.0,  # never -0.0
    )


def _values(cut: Floats, train: Floats) -> Floats:
    """Return values of a feature in rising order, one in each stretch that trees tell apart."""
    cut = cut[np.isfinite(cut)]
    if len(cut):
        # A value at a cut goes left: the cuts, and one value above the last, lie in a stretch each.
        return np.append(cut, np.nextafter(cut[-1], np.inf))
    known = np.unique(train[~np.isnan(train)])
    places = np.linspace(0, len(known) - 1, min(len(known), VALUES)).round().astype(np.intp)
    return known[places]

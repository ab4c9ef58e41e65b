"""Rates and disparities of many cuts at once, from cells indexed `[cut, group, label, decision]`."""

import numpy as np
import numpy.typing as npt

from fairmark.model.encoder import Floats
from fairmark.model.sample import Labels

RATES = ("selection_rate", "true_positive_rate", "false_positive_rate", "accuracy", "precision")
"""The rates whose ratio (lowest / highest) and difference (highest - lowest) over groups are known."""
SINGLE = (*RATES, "recall", "base_rate", "balanced_accuracy", "f1")
"""The measures of one set of cells."""


def cells(
    score: Floats, label: Labels, weight: Floats, code: npt.NDArray[np.intp], groups: int, cut: Floats
) -> Floats:
    """Return the weighted confusion cells of each group at each cut, [k, groups, 2, 2]."""
    table = np.zeros((len(cut), groups, 2, 2))
    for group in range(groups):
        for value in (0, 1):
            rows = (code == group) & (label == value)
            order = np.argsort(score[rows], kind="stable")
            below = np.r_[0.0, np.cumsum(weight[rows][order])]
            under = below[np.searchsorted(score[rows][order], cut, side="left")]
            table[:, group, value] = np.stack([under, below[-1] - under], axis=-1)
    return table


def marks(score: Floats, threshold: float | Floats) -> tuple[Floats, Floats]:
    """Return what `cells` takes to decide by one threshold or by that of each row: marks [n] and a cut."""
    if np.ndim(threshold) == 0:
        return score, np.array([threshold], dtype=np.float64)
    return (score >= threshold).astype(np.float64), np.array([0.5])


def rate(table: Floats, measure: str) -> Floats:
    """Return a measure of `SINGLE` for each set of cells, [..., groups]; NaN where it divides by nothing."""
    tn, fp, fn, tp = (table[..., y, d] for y in (0, 1) for d in (0, 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        match measure:
            case "selection_rate":
                return np.asarray((tp + fp) / (tn + fp + fn + tp))
            case "base_rate":
                return np.asarray((tp + fn) / (tn + fp + fn + tp))
            case "accuracy":
                return np.asarray((tp + tn) / (tn + fp + fn + tp))
            case "true_positive_rate" | "recall":
                return np.asarray(tp / (tp + fn))
            case "false_positive_rate":
                return np.asarray(fp / (fp + tn))
            case "precision":
                return np.asarray(tp / (tp + fp))
            case "balanced_accuracy":
                return np.asarray((tp / (tp + fn) + tn / (tn + fp)) / 2)
            case "f1":
                return np.asarray(2 * tp / (2 * tp + fp + fn))
    raise KeyError(measure)


def disparity(table: Floats, measure: str) -> Floats:
    """Return a disparity over the groups of each set of cells, [...].

    `{rate}_ratio` is the lowest rate over the highest (1 = alike), `{rate}_difference` the highest less the
    lowest (0 = alike), `equalized_odds_difference` the larger of the differences of true and false positive
    rates. Groups without a rate are left out; NaN where fewer than one is left or nobody has any.
    """
    if measure == "equalized_odds_difference":
        both = [disparity(table, f"{kind}_positive_rate_difference") for kind in ("true", "false")]
        return np.fmax(*both)
    name, _, how = measure.rpartition("_")
    if name not in RATES or how not in {"ratio", "difference"}:
        raise KeyError(measure)
    each = rate(table, name)
    # NaN first, so that no group at all gives NaN too.
    low = np.fmin.reduce(each, axis=-1, initial=np.nan)
    high = np.fmax.reduce(each, axis=-1, initial=np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(low / high if how == "ratio" else high - low)

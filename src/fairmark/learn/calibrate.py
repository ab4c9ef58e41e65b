"""Turn raw log-odds into those of the label itself, by Platt scaling on validation rows."""

import numpy as np

from fairmark.files import steady
from fairmark.learn.encode import Floats
from fairmark.learn.model import Calibration, probability
from fairmark.learn.sample import Labels

STEPS = 100


def platt(raw: Floats, label: Labels, weight: Floats) -> Calibration:
    """Return the a and b whose log-odds `a * raw + b` have the least weighted log loss.

    Targets are drawn in from 0 and 1 by one row each, so that labels which the raw log-odds part without a
    fault still have a finite best (Platt 1999, section 2.2). Where a would not be above 0, and so would turn
    the ranking round or lose it, a is 1 and b is 0.
    """
    target = np.where(label == 1, _drawn_in(label == 1), 1 - _drawn_in(label == 0))
    centre, spread = float(np.average(raw, weights=weight)), float(raw.std()) or 1.0
    a, b = _newton((raw - centre) / spread, target, weight / weight.sum())
    if not a / spread > 0:
        return Calibration(a=1.0, b=0.0)
    return Calibration(a=steady(a / spread), b=steady(b - a * centre / spread))


def _drawn_in(chosen: np.typing.NDArray[np.bool_]) -> float:
    rows = int(chosen.sum())
    return (rows + 1) / (rows + 2)


def _newton(x: Floats, target: Floats, weight: Floats) -> tuple[float, float]:
    design = np.column_stack([x, np.ones(len(x))])
    point = np.zeros(2)

    def loss(at: Floats) -> float:
        z = design @ at
        return float(weight @ (np.logaddexp(0, z) - target * z))

    for _ in range(STEPS):
        risk = probability(design @ point)
        slope = design.T @ (weight * (risk - target))
        curve = (design * (weight * risk * (1 - risk))[:, None]).T @ design + 1e-12 * np.eye(2)
        step = np.linalg.solve(curve, slope)
        while loss(point - step) > loss(point) and np.abs(step).max() > 1e-14:
            step /= 2  # a full Newton step may overshoot far from the minimum
        point = point - step
        if np.abs(step).max() < 1e-12:
            break
    return float(point[0]), float(point[1])

"""Each two-sided interval at nominal 95% covers the truth in 93% of the cases or more.

Shares and pairs of shares are summed exactly; areas, losses, calibration and disparities over many groups are
simulated with a fixed seed. Run with `make prove`, which prints the tables; nothing is written.
"""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from gates import Floats, share_chance, table, window
from numpy.typing import NDArray
from scipy.stats import binom, norm

from fairmark.evaluate import measure
from fairmark.stats import intervals
from fairmark.stats.confusion import ConfusionMatrix
from fairmark.stats.measures import SCORED
from fairmark.stats.rates import disparity, values_of
from fairmark.stats.score_test import koopman, miettinen_nurminen

pytestmark = pytest.mark.proof

TAIL = 0.025
LEAST = 0.93
SIZES = (30, 100, 300, 1000, 3000, 10_000)
BASES = (0.02, 0.05, 0.1, 0.2, 0.35, 0.5)


def test_an_interval_of_a_share_covers_it() -> None:
    lines, least = [], 1.0
    for rows, share in product(SIZES, BASES):
        hits = np.arange(rows + 1)
        covered = {
            bounds.__name__: share_chance(_covers(bounds(hits, rows, TAIL), share), share)
            for bounds in (intervals.clopper_pearson, intervals.wilson)
        }
        lines.append([f"{rows:,}", f"{share}", *(f"{c:.4f}" for c in covered.values())])
        least = min(least, covered["clopper_pearson"])
    table(
        "Coverage of 95% intervals of a share", ["rows", "share", "Clopper-Pearson (ours)", "Wilson"], lines
    )

    assert least >= 0.95


def _covers(bounds: tuple[Floats, Floats], truth: float) -> NDArray[np.bool_]:
    return np.asarray((bounds[0] <= truth) & (truth <= bounds[1]))


def test_intervals_of_ratios_and_differences_cover_them() -> None:
    lines, least = [], {"Koopman": 1.0, "Miettinen-Nurminen": 1.0}
    for rows, base in product(((30, 30), (30, 300), (300, 300), (300, 3000), (3000, 10_000)), BASES):
        shares = (0.8 * base, base)
        x1, x2 = (window(n, p).astype(float) for n, p in zip(rows, shares, strict=True))
        chance = np.outer(binom.pmf(x1, rows[0], shares[0]), binom.pmf(x2, rows[1], shares[1]))
        one, two = (grid.ravel() for grid in np.meshgrid(x1, x2, indexing="ij"))
        counts = (one, rows[0], two, rows[1])
        gap = shares[0] - shares[1]
        covered = {
            "Koopman": _both_sides(koopman, counts, 0.8, chance),
            "Miettinen-Nurminen": _both_sides(miettinen_nurminen, counts, gap, chance),
            "Newcombe": _both_sides(intervals.newcombe, counts, gap, chance),
        }
        least = {name: min(least[name], covered[name]) for name in least}
        lines.append([f"{rows[0]:,}", f"{rows[1]:,}", f"{base}", *(f"{c:.4f}" for c in covered.values())])
    heads = ["rows 1", "rows 2", "base", "ratio: Koopman (ours)", "difference: MN (ours)", "Newcombe"]
    table("Coverage of 95% intervals of a ratio of 0.8 and of its difference", heads, lines)

    assert min(least.values()) >= LEAST


def _both_sides(
    bounds: Callable[..., tuple[Floats, Floats]], counts: Any, truth: float, chance: Floats
) -> float:
    likely = chance.ravel() > 1e-9
    x1, n1, x2, n2 = counts
    low, high = bounds(x1[likely], n1, x2[likely], n2, TAIL)
    return float(chance.ravel()[likely][(low <= truth + 1e-12) & (truth <= high + 1e-12)].sum()) + float(
        chance.ravel()[~likely].sum()
    )


def _scored(rows: int, base: float, rng: np.random.Generator) -> tuple[NDArray[np.int8], Floats]:
    """Return labels and probabilities of a binormal model of AUC 0.85 that is a little overconfident."""
    label = (rng.random(rows) < base).astype(np.int8)
    apart_by = np.sqrt(2) * norm.ppf(0.85)
    raw = rng.standard_normal(rows) + apart_by * label
    log_odds = apart_by * (raw - apart_by / 2) + np.log(base / (1 - base))
    return label, np.asarray(1 / (1 + np.exp(-1.2 * log_odds)))


@pytest.mark.parametrize("base", [0.1, 0.5])
def test_intervals_of_measures_of_scores_cover_them(base: float) -> None:
    rng = np.random.default_rng(1)
    label, score = _scored(1_000_000, base, rng)
    truth = _bounds(label, score)
    lines, least = [], 1.0
    for rows in (30, 100, 300, 1000, 10_000):
        runs = 150 if rows < 10_000 else 60
        held, known = dict.fromkeys(truth, 0), dict.fromkeys(truth, 0)
        for _ in range(runs):
            for name, (_, low, high) in _bounds(*_scored(rows, base, rng)).items():
                known[name] += 1
                held[name] += low <= truth[name][0] <= high
        covered = {name: held[name] / max(known[name], 1) for name in truth}
        lines.append([f"{rows:,}", *(f"{c:.3f}" for c in covered.values())])
        least = min(least, *(c + 3 * np.sqrt(0.05 * 0.95 / runs) for c in covered.values()))
    table(f"Coverage of 95% intervals of measures of scores, base rate {base}", ["rows", *truth], lines)

    assert least >= LEAST


def _bounds(label: NDArray[np.int8], score: Floats) -> dict[str, tuple[float, float, float]]:
    """Return each measure of scores with its bounds, as the measurements document has them."""
    rows = measure.EvaluationRows.of(
        label, score, np.ones(len(label)), None, None, bins=10, tail=TAIL, replicates=200, seed=1
    )
    found = {name: measure.scored(rows, name) for name in SCORED}
    ends = {name: (entry.value, entry.low, entry.high) for name, entry in found.items()}
    return {name: (v, a, b) for name, (v, a, b) in ends.items() if None not in (v, a, b)}  # type: ignore[misc]


@pytest.mark.parametrize("shares", [(0.3,) * 2, (0.3,) * 5, (0.24, 0.3, 0.3), (0.2, 0.25, 0.3, 0.35)])
def test_intervals_of_a_disparity_cover_it_where_the_percentile_bootstrap_does_not(
    shares: tuple[float, ...],
) -> None:
    rng = np.random.default_rng(2)
    truth = (min(shares) / max(shares), max(shares) - min(shares))
    lines = []
    for rows in (100, 1000):
        runs = 150
        ours, theirs = np.zeros(2), np.zeros(2)
        for k in range(runs):
            count = np.zeros((len(shares), 2, 2), dtype=np.int64)
            count[:, 1, 1] = rng.binomial(rows, shares)
            count[:, 1, 0] = rows - count[:, 1, 1]
            cells = ConfusionMatrix(count, count.astype(float), count.astype(float))
            found = disparity(cells, "selection_rate", TAIL)
            assert not isinstance(found, str)
            drawn = values_of(intervals.draw(cells, 500, np.random.default_rng(k)), "selection_rate")
            for side, resampled in enumerate((intervals.ratio(drawn), intervals.difference(drawn))):
                ours[side] += (
                    found[side].low <= truth[side] + 1e-12 and truth[side] - 1e-12 <= found[side].high
                )
                low, high = intervals.percentile(resampled, TAIL)
                theirs[side] += low <= truth[side] <= high
        lines.append([f"{rows:,}", *(f"{c:.3f}" for c in (*ours / runs, *theirs / runs))])
        assert (ours / runs + 3 * np.sqrt(0.05 * 0.95 / runs) >= LEAST).all()
        assert len(set(shares)) > 1 or (theirs / runs <= 0.05).all()
    heads = [
        "rows a group",
        "ratio (ours)",
        "difference (ours)",
        "ratio (percentile)",
        "difference (percentile)",
    ]
    table(f"Coverage of 95% intervals of the disparity of groups with rates {shares}", heads, lines)

"""The gate errs as rarely as it says, from 30 to 10,000 rows a group and base rates from 0.02 to 0.5.

Chances with two groups are summed exactly over both binomials; chances with more groups, and with scores, are
simulated with a fixed seed. Run with `make prove`, which prints the tables; nothing is written.
"""

from collections.abc import Callable
from itertools import combinations, product

import numpy as np
import pytest
from gates import (
    Boundary,
    Floats,
    boundary,
    chance,
    edges,
    katz_rule,
    percentile_rule,
    point_rule,
    score_rule,
    share_chance,
    table,
    window,
)
from numpy.typing import NDArray
from scipy.stats import norm

from fairmark.evaluate.units import RowUnits, of_placements
from fairmark.judge.verdict import Correction, tails
from fairmark.stats.bounded_means import Bound, Pair, Units
from fairmark.stats.intervals import clopper_pearson, wilson

pytestmark = pytest.mark.proof

LEVEL = 0.05
SIZES = (30, 100, 1000, 10_000)
BASES = (0.02, 0.1, 0.5)
FOUR_FIFTHS = 0.8


def test_a_model_exactly_at_four_fifths_passes_with_chance_at_most_the_level() -> None:
    lines, worst = [], 0.0
    for rows, base in product(product(SIZES, SIZES), BASES):
        shares = (FOUR_FIFTHS * base, base)
        ours = boundary(rows, shares, "ratio", FOUR_FIFTHS, LEVEL).chance(shares)
        hits = window(rows[0], shares[0])
        rules = [
            score_rule("ratio", FOUR_FIFTHS, LEVEL),
            katz_rule(FOUR_FIFTHS, LEVEL),
            point_rule(FOUR_FIFTHS),
        ]
        if max(rows) <= 100:
            rules.append(percentile_rule(FOUR_FIFTHS, LEVEL))
        others = [chance(hits, edges(rule, hits, rows), rows, shares) for rule in rules]
        lines.append([f"{rows[0]:,}", f"{rows[1]:,}", f"{base}", *(f"{c:.4f}" for c in (ours, *others))])
        worst = max(worst, ours)
    table(
        "Chance that a model exactly at the four-fifths limit passes (level 0.05)",
        ["rows 1", "rows 2", "base", "fairmark", "score", "Katz", "point", "percentile"],
        [line + [""] * (8 - len(line)) for line in lines],
    )

    assert worst <= LEVEL


FEW = tuple(product((30, 300, 3000), (30, 300, 3000)))


def test_a_corrected_gate_keeps_its_smaller_level_too() -> None:
    tail = LEVEL / 4  # the default policy has four gated comparisons
    worst = 0.0
    for rows, base in product(FEW, BASES):
        shares = (FOUR_FIFTHS * base, base)
        worst = max(worst, boundary(rows, shares, "ratio", FOUR_FIFTHS, tail).chance(shares))
    print(f"\nlargest chance at level 0.05 / 4 = {tail}: {worst:.5f}")

    assert worst <= tail


def test_a_model_exactly_at_a_difference_limit_passes_with_chance_at_most_the_level() -> None:
    worst = 0.0
    for rows, base in product(FEW, (0.1, 0.2, 0.5)):
        shares = (base - 0.08, base)
        worst = max(worst, boundary(rows, shares, "difference", -0.08, LEVEL).chance(shares))
    print(f"\nlargest chance that a difference exactly at its limit passes: {worst:.5f}")

    assert worst <= LEVEL


def test_a_model_that_just_meets_four_fifths_is_failed_with_chance_at_most_the_level() -> None:
    tail = tails(1, LEVEL, "bonferroni").miss * 0.9
    worst = 0.0
    for rows, base in product(FEW, (0.02, 0.5)):
        low, high = FOUR_FIFTHS * base, base
        apart = boundary(rows, (high, low), "ratio", 1 / FOUR_FIFTHS, tail).chance((high, low))
        turned = boundary(rows[::-1], (low, high), "ratio", 1 / FOUR_FIFTHS, tail).chance((low, high))
        worst = max(worst, apart + turned)
    print(f"\nlargest chance that a model exactly at the limit is failed: {worst:.5f}")

    assert worst <= LEVEL


def test_a_share_exactly_at_its_limit_passes_with_chance_at_most_the_level() -> None:
    shares = np.linspace(0.02, 0.98, 97)
    lines = []
    for rows in (30, 100, 300, 1000, 3000, 10_000):
        found = {
            "Clopper-Pearson": _share_errors(rows, shares, clopper_pearson),
            "Wilson": _share_errors(rows, shares, wilson),
            "point": np.array(
                [share_chance(np.arange(rows + 1) >= rows * p - 1e-9, p) for p in shares.tolist()]
            ),
        }
        lines.append([f"{rows:,}", *(f"{each.max():.4f}" for each in found.values())])
        assert found["Clopper-Pearson"].max() <= LEVEL
    table("Largest chance that a share exactly at its limit passes", ["rows", *found], lines)


def _share_errors(rows: int, shares: Floats, bounds: Callable[..., tuple[Floats, Floats]]) -> Floats:
    low = bounds(np.arange(rows + 1), rows, LEVEL)[0]
    return np.array([share_chance(low >= share, share) for share in shares.tolist()])


CORRECTIONS: tuple[Correction, ...] = ("bonferroni", "intersection-union")
GROUPS = (30, 100, 300, 1000, 3000)


@pytest.mark.parametrize("base", [0.05, 0.5])
def test_over_all_pairs_of_five_groups_the_gate_keeps_its_level(base: float) -> None:
    shares = [base * (FOUR_FIFTHS if k % 2 else 1.0) for k in range(len(GROUPS))]
    rng = np.random.default_rng(1)
    drawn = [rng.binomial(rows, share, size=100_000) for rows, share in zip(GROUPS, shares, strict=True)]
    at_limit = [(i, j) for i, j in combinations(range(5), 2) if i % 2 != j % 2]
    pairs = [(i, j) if i % 2 else (j, i) for i, j in at_limit]  # the lower share first
    count = len(GROUPS) * (len(GROUPS) - 1) // 2
    found = {}
    for correction in CORRECTIONS:
        tail = tails(count, LEVEL, correction).clear
        cleared = np.array([_cleared(pair, shares, tail).passes(*(drawn[k] for k in pair)) for pair in pairs])
        found[correction] = (cleared.any(axis=0).mean(), cleared.all(axis=0).mean())
    points = np.array([_point(drawn, i, j) for i, j in combinations(range(5), 2)]).all(axis=0).mean()
    table(
        f"Five groups of {GROUPS} rows, base rate {base}, 6 of 10 pairs exactly at the limit",
        ["gate", "any pair wrongly cleared", "model passes"],
        [
            ["bonferroni", f"{found['bonferroni'][0]:.4f}", f"{found['bonferroni'][1]:.4f}"],
            [
                "intersection-union",
                f"{found['intersection-union'][0]:.4f}",
                f"{found['intersection-union'][1]:.4f}",
            ],
            ["point", "", f"{points:.4f}"],
        ],
    )

    noise = 3 * np.sqrt(LEVEL * (1 - LEVEL) / 100_000)
    assert found["bonferroni"][0] <= LEVEL + noise
    assert found["intersection-union"][1] <= LEVEL + noise


def _cleared(pair: tuple[int, int], shares: list[float], tail: float) -> Boundary:
    rows = (GROUPS[pair[0]], GROUPS[pair[1]])
    return boundary(rows, (shares[pair[0]], shares[pair[1]]), "ratio", FOUR_FIFTHS, tail)


def _point(drawn: list[NDArray[np.int64]], i: int, j: int) -> NDArray[np.bool_]:
    one, two = drawn[i] / GROUPS[i], drawn[j] / GROUPS[j]
    return np.asarray(np.minimum(one, two) >= FOUR_FIFTHS * np.maximum(one, two) - 1e-12)


def test_the_power_curve_is_printed_and_rises_with_rows_and_with_fairness() -> None:
    lines, passing = [], {}
    clear = {"intersection-union": LEVEL, "bonferroni of 4": LEVEL / 4}
    rng = np.random.default_rng(2)
    for rows, ratio in product((100, 300, 1000, 3000, 10_000), (0.6, 0.7, 0.8, 0.9, 1.0)):
        shares = (0.2 * ratio, 0.2)
        x1, x2 = (rng.binomial(rows, share, size=20_000) for share in shares)
        missed = _both(rows, shares, 1 / FOUR_FIFTHS, LEVEL / 5, x1, x2, any)
        cells = [f"{rows:,}", f"{ratio}"]
        for name, tail in clear.items():
            passed = _both(rows, shares, FOUR_FIFTHS, tail, x1, x2, all)
            passing[name, rows, ratio] = float(passed.mean())
            cells += [f"{passed.mean():.3f}", f"{(~passed & ~missed).mean():.3f}"]
        point = (x1 >= FOUR_FIFTHS * x2) & (x2 >= FOUR_FIFTHS * x1)
        lines.append([*cells, f"{missed.mean():.3f}", f"{point.mean():.3f}"])
    heads = [
        "rows a group",
        "true ratio",
        "union: pass",
        "unsure",
        "bonferroni: pass",
        "unsure",
        "fail",
        "point gate: pass",
    ]
    table("Power at a selection rate of 0.2 in the larger-rate group", heads, lines)

    assert passing["intersection-union", 10_000, 0.9] > passing["intersection-union", 1000, 0.9] > LEVEL
    assert passing["intersection-union", 10_000, 1.0] > 0.99


def _both(
    rows: int,
    shares: tuple[float, float],
    margin: float,
    tail: float,
    x1: NDArray[np.int64],
    x2: NDArray[np.int64],
    join: object,
) -> NDArray[np.bool_]:
    one = boundary((rows, rows), shares, "ratio", margin, tail, tried=25).passes(x1, x2)
    two = boundary((rows, rows), shares[::-1], "ratio", margin, tail, tried=25).passes(x2, x1)
    return one & two if join is all else one | two


@pytest.mark.parametrize("truth", [0.7, 0.9, 0.97])
def test_an_auc_exactly_at_its_limit_passes_with_chance_about_the_level_at_most(truth: float) -> None:
    rng = np.random.default_rng(3)
    apart = np.sqrt(2) * norm.ppf(truth)
    lines = []
    for rows, base in product((30, 100, 300, 1000, 10_000), (0.1, 0.5)):
        runs = 300 if rows < 10_000 else 100
        floor, ceiling = _auc_errors(rows, base, float(apart), truth, runs, rng)
        lines.append([f"{rows:,}", f"{base}", f"{floor:.4f}", f"{ceiling:.4f}"])
        noise = 3 * np.sqrt(LEVEL * (1 - LEVEL) / runs)
        assert max(floor, ceiling) <= LEVEL + noise
    table(
        f"Chance that a model of AUC {truth} passes that floor, or that ceiling",
        ["rows", "base", "floor", "ceiling"],
        lines,
    )


def _auc_errors(
    rows: int, base: float, apart: float, truth: float, runs: int, rng: np.random.Generator
) -> tuple[float, float]:
    """Return how often the bounds of placements are on the wrong side: one test at the truth, no bound."""
    above = below = 0
    for _ in range(runs):
        label = (rng.random(rows) < base).astype(np.int8)
        if label.min() == label.max():
            continue
        score = norm.cdf(rng.standard_normal(rows) + apart * label)
        units = RowUnits(np.ones(rows), None, None, 1.0)
        one, two = (each.units for each in of_placements(label, score, units))
        value = one.mean
        above += Pair(one, two).p_above("sum", truth + value) <= LEVEL
        below += Pair(one.turned(), two.turned()).p_above("sum", 2 - truth - value) <= LEVEL
    return above / runs, below / runs


def test_a_mean_loss_exactly_at_its_limit_passes_with_chance_at_most_the_level() -> None:
    """Losses that are small but for wrong labels, as those of a strong model; by bets and by Gaffke."""
    rng, lines, runs = np.random.default_rng(4), [], 2000
    for rows, wrong, most in product((60, 100, 1000), (0.01, 0.03, 0.1), (1.0, 0.9)):
        truth = (1 - wrong) * 0.02 + wrong * most
        mistakes = rng.binomial(rows, wrong, runs)
        found = {}
        for by in BOUNDS:
            passes = {
                k: float(_losses(rows, k, most, by).p_below(np.array([truth]))[0]) <= LEVEL
                for k in np.unique(mistakes).tolist()
            }
            found[by] = float(np.mean([passes[k] for k in mistakes.tolist()]))
            assert found[by] <= LEVEL + 3 * np.sqrt(LEVEL * (1 - LEVEL) / runs)
        lines.append([f"{rows:,}", f"{wrong}", f"{most}", *(f"{c:.4f}" for c in found.values())])
    table("Chance that a mean loss exactly at its limit passes", ["rows", "wrong", "loss", *BOUNDS], lines)


BOUNDS: tuple[Bound, ...] = ("betting", "gaffke")


def _losses(rows: int, mistakes: int, most: float, by: Bound) -> Units:
    each = [(0.02, float(rows - mistakes)), (most, float(mistakes))]
    kept = [(value, count) for value, count in each if count > 0]
    values, counts = (tuple(part) for part in zip(*kept, strict=True))
    return Units((1.0,) * len(kept), values, counts, 1.0, 0.0, 1.0, by)

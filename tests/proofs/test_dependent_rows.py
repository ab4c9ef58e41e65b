"""The gate keeps its level where rows hang together: clusters with several rows, weights, many looks.

Simulated with a fixed seed, a unit and not a row at a time, through the bounds of the gate. Run with `make
prove`, which prints the tables; nothing is written.
"""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from gates import table
from numpy.typing import NDArray
from scipy.stats import binom, norm

from fairmark.params.policy import Budget
from fairmark.stats.bounded_means import Bound, Pair, Units, spread, weight_nodes
from fairmark.stats.intervals import clopper_pearson

pytestmark = pytest.mark.proof

LEVEL = 0.05
Floats = NDArray[np.float64]
NODES = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
RATES = (0.4, 0.5)
RATIO, GAP = 0.8, 0.1


def noise(runs: int) -> float:
    """Return three standard errors of a chance of LEVEL that is counted in so many runs."""
    return float(3 * np.sqrt(LEVEL * (1 - LEVEL) / runs))


def units(weight: Floats, share: Floats, heaviest: float) -> Units:
    """Return units by their weights and shares of hits, on the grid of the gate."""
    found = spread(weight, share, weights=weight_nodes(weight), values=NODES)
    weights, values, counts = (tuple(part.tolist()) for part in found)
    return Units(weights, values, counts, heaviest, 0.0, 1.0)


def clusters(
    draw: np.random.Generator, count: int, size: int, alike: float, rate: float
) -> tuple[Floats, Floats]:
    """Return rows and share of hits of each cluster of 1 to 2 size - 1 rows.

    A row follows its cluster with chance sqrt(alike), else it is drawn anew.
    """
    rows = draw.integers(1, 2 * size, count)
    follow = draw.binomial(rows, np.sqrt(alike))
    hits = (draw.random(count) < rate) * follow + draw.binomial(rows - follow, rate)
    return rows.astype(np.float64), hits / rows


def errors(one: Units, two: Units, by: Bound) -> list[bool]:
    """Return whether each of four claims is made of rates that are exactly at their limits."""
    one, two = replace(one, by=by), replace(two, by=by)
    pair = Pair(one, two)
    return [
        float(two.p_above(np.array([RATES[1]]))[0]) <= LEVEL,
        float(two.p_below(np.array([RATES[1]]))[0]) <= LEVEL,
        pair.p_above("ratio", RATIO) <= LEVEL,
        pair.p_above("difference", -GAP) <= LEVEL,
    ]


@pytest.mark.parametrize(
    # Betting is proven, and takes long: what is simulated is that its code does as the proof says.
    ("by", "counts", "sizes", "runs"),
    [("gaffke", (20, 60, 200, 2000), (2, 10, 50), 300), ("betting", (20, 200), (2, 50), 100)],
)
def test_a_model_at_its_limits_passes_at_most_at_the_level_whatever_rows_a_cluster_has(
    by: Bound, counts: tuple[int, ...], sizes: tuple[int, ...], runs: int
) -> None:
    lines = []
    for count, size, alike in product(counts, sizes, (0.0, 0.5, 1.0)):
        draw = np.random.default_rng([count, size, int(10 * alike)])
        passed = np.zeros(4)
        for _ in range(runs):
            sides = [clusters(draw, count // 2, size, alike, rate) for rate in RATES]
            one, two = (units(*side, 2.0 * size - 1) for side in sides)
            passed += errors(one, two, by)
        lines.append([f"{count:,}", f"{size}", f"{alike}", *(f"{c:.3f}" for c in passed / runs)])
        assert passed.max() / runs <= LEVEL + noise(runs)
    heads = ["clusters", "rows each", "alike", "floor", "ceiling", "ratio", "difference"]
    table(f"Chance that a model exactly at its limits passes, by clusters ({by})", heads, lines)


def test_whoever_does_not_say_which_rows_hang_together_passes_far_too_often() -> None:
    draw, runs, lines = np.random.default_rng(5), 4000, []
    for size in (2, 5, 10, 50):
        rows = 2000
        hits = size * draw.binomial(rows // size, RATES[1], runs)
        wrong = (clopper_pearson(hits, rows, LEVEL)[0] >= RATES[1]).mean()
        lines.append([f"{size}", f"{wrong:.3f}"])
        assert wrong > LEVEL
    table("The same where each row is repeated, and taken for another's", ["rows each", "floor"], lines)


@pytest.mark.parametrize("by", ["gaffke", "betting"])
def test_a_model_at_its_limits_passes_at_most_at_the_level_whatever_rows_weigh(by: Bound) -> None:
    """2% of the rows weigh 50, and are decided otherwise than the others."""
    runs, lines = 300 if by == "gaffke" else 100, []
    for rows, (light, heavy) in product((100, 400, 2000), ((0.45, 0.45), (0.1, 0.8), (0.8, 0.1), (0.3, 0.6))):
        draw = np.random.default_rng([rows, int(100 * light)])
        rate = (0.98 * light + heavy) / 1.98  # 0.02 x 50 = 1
        passed = np.zeros(4)
        for _ in range(runs):
            sides = []
            for scale in (RATIO, 1.0):
                big = draw.random(rows // 2) < 0.02
                hit = draw.random(rows // 2) < scale * np.where(big, heavy, light)
                sides.append(units(np.where(big, 50.0, 1.0), hit.astype(np.float64), 50.0))
            one, two = (replace(side, by=by) for side in sides)
            pair = Pair(one, two)
            passed += [
                float(two.p_above(np.array([rate]))[0]) <= LEVEL,
                float(two.p_below(np.array([rate]))[0]) <= LEVEL,
                pair.p_above("ratio", RATIO) <= LEVEL,
                pair.p_above("difference", (RATIO - 1) * rate) <= LEVEL,
            ]
        lines.append([f"{rows:,}", f"{light}", f"{heavy}", *(f"{c:.3f}" for c in passed / runs)])
        assert passed.max() / runs <= LEVEL + noise(runs)
    heads = ["rows", "light", "heavy", "floor", "ceiling", "ratio", "difference"]
    table(f"The same with weights that go with the decision ({by})", heads, lines)


SHARE, ROWS = 0.8, 2000


def _least(budget: Budget, k: int, rows: int) -> float:
    """Return the hits from which on the k-th verdict passes a share of 0.8, by its exact lower bound."""
    return float(binom.isf(LEVEL * budget.part(k), rows, SHARE) + 1)


@pytest.mark.parametrize("alike", [0.0, 0.95])
def test_of_a_year_of_weekly_candidates_at_the_limit_any_goes_out_with_chance_at_most_the_level(
    alike: float,
) -> None:
    """52 models of one test set, alike as far as `alike` says, each with a share at its limit."""
    draw, runs = np.random.default_rng(int(100 * alike)), 2000
    plans = {
        "each at the level": Budget(test_set="t", verdicts=1),
        "equal parts": Budget(test_set="t", verdicts=52),
        "half for the first": Budget(test_set="t", verdicts=52, first=0.5),
    }
    least = {name: np.array([_least(plan, k, ROWS) for k in range(52)]) for name, plan in plans.items()}
    out = dict.fromkeys(plans, 0.0)
    for _ in range(runs):
        common = draw.standard_normal(ROWS, dtype=np.float32)
        noises = draw.standard_normal((52, ROWS), dtype=np.float32)
        right = (np.sqrt(alike) * common + np.sqrt(1 - alike) * noises < norm.ppf(SHARE)).sum(axis=1)
        for name, hits in least.items():
            out[name] += bool((right >= hits).any()) / runs
    table(
        f"52 candidates at the limit, alike {alike}: any goes out",
        [*out],
        [[f"{c:.3f}" for c in out.values()]],
    )

    assert max(out["equal parts"], out["half for the first"]) <= LEVEL + noise(runs)
    assert out["each at the level"] > 0.1


@pytest.mark.parametrize("looks", [6, 21])
def test_looking_again_with_more_rows_passes_a_model_at_the_limit_with_chance_at_most_the_level(
    looks: int,
) -> None:
    """The rows grow by a half from look to look, or by a tenth where there are many."""
    draw, runs = np.random.default_rng(looks), 100_000
    sizes = np.round(300 * (1.5 if looks == 6 else 1.1) ** np.arange(looks)).astype(int)
    hits = np.cumsum([draw.binomial(n, SHARE, runs) for n in np.diff(sizes, prepend=0)], axis=0)
    plans = {
        "each at the level": Budget(test_set="t", verdicts=1),
        "equal parts": Budget(test_set="t", verdicts=looks),
        "half for the first": Budget(test_set="t", verdicts=looks, first=0.5),
    }
    out = {
        name: float((hits >= [[_least(plan, k, n)] for k, n in enumerate(sizes)]).any(axis=0).mean())
        for name, plan in plans.items()
    }
    table(
        f"{looks} looks at more and more rows: it passes at one", [*out], [[f"{c:.4f}" for c in out.values()]]
    )

    assert max(out["equal parts"], out["half for the first"]) <= LEVEL
    assert out["each at the level"] > 0.1

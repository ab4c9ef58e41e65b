"""How many test rows a policy needs for a power of 0.8, by how its comparisons share the level.

The true positive rate of five races may differ by 0.2 and is 0.6 in all of them; the selection rates of the
sexes are 0.2 and 0.19, and their ratio must be 0.8. Every pair is judged by the score test, which is close to
the exact one. Then the exact test by itself: the fewest hits of a small group that show it to differ by at
most 0.2 from a large one at one half, by how the unknown share is searched. Run: python bench/rows_needed.py
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from fairmark.stats import exact_test
from fairmark.stats.exact_test import Sample, rejects
from fairmark.stats.score_test import difference_statistic, ratio_statistic

Floats = NDArray[np.float64]
RUNS, POWER, LEVEL = 4000, 0.8, 0.05
RATE, GAP, SELECTED, RATIO = 0.6, 0.2, (0.19, 0.2), 0.8
SHARES: Mapping[str, tuple[Mapping[str, float], float]] = {
    # Parts of all rows that are of a race and have the positive label, and the share of women.
    "default table": (dict(zip("AOPBW", (0.00117, 0.00154, 0.00817, 0.01099, 0.21436), strict=True)), 0.333),
    "US census 2020": (dict(zip("AOPBW", (0.0027, 0.0150, 0.0145, 0.0302, 0.1480), strict=True)), 0.505),
    "equal shares": (dict.fromkeys("AOPBW", 0.048), 0.5),
}


def p_values(rows: int, positives: Mapping[str, float], women: float) -> Floats:
    """Return the p-value of each comparison in each run, [comparisons, runs]."""
    draw = np.random.default_rng(1)
    sizes = {name: max(round(rows * part), 1) for name, part in positives.items()}
    hits = {name: draw.binomial(n, RATE, RUNS).astype(float) for name, n in sizes.items()}
    found = [
        np.minimum(
            difference_statistic(hits[a], sizes[a], hits[b], sizes[b], -GAP),
            difference_statistic(hits[b], sizes[b], hits[a], sizes[a], -GAP),
        )
        for a, b in combinations(sizes, 2)
    ]
    n = (round(rows * women), round(rows * (1 - women)))
    one, two = (draw.binomial(size, rate, RUNS).astype(float) for size, rate in zip(n, SELECTED, strict=True))
    found.append(
        np.minimum(ratio_statistic(one, n[0], two, n[1], RATIO), ratio_statistic(two, n[1], one, n[0], RATIO))
    )
    return np.asarray(norm.sf(np.array(found)))


def _holm(p: Floats, level: float) -> NDArray[np.bool_]:
    steps = level / np.arange(len(p), 0, -1)
    return np.asarray((np.sort(p, axis=0) <= steps[:, None]).all(axis=0))


PASSES: Mapping[str, Callable[[Floats, float], NDArray[np.bool_]]] = {
    "bonferroni": lambda p, level: (p <= level / len(p)).all(axis=0),
    "holm": _holm,
    "intersection-union": lambda p, level: (p <= level).all(axis=0),
}


def needed(of: str, correction: str, level: float) -> int:
    """Return about the fewest rows with which all comparisons clear in 0.8 of the runs."""
    low, high = 500, 4_000_000
    while high / low > 1.01:
        middle = round((low * high) ** 0.5)
        enough = PASSES[correction](p_values(middle, *SHARES[of]), level).mean() >= POWER
        low, high = (low, middle) if enough else (middle, high)
    return high


@contextmanager
def _missed(chance: float) -> Iterator[None]:
    """Let the confidence set of the unknown share miss it with this chance; 0 searches all shares."""
    kept = exact_test.MISSED
    exact_test._plausible.cache_clear()  # noqa: SLF001 - it holds sets of the chance before
    exact_test.MISSED = chance or 1e-300
    try:
        yield
    finally:
        exact_test.MISSED = kept
        exact_test._plausible.cache_clear()  # noqa: SLF001


def fewest(rows: int, passes: Callable[[Sample], bool]) -> str:
    """Return the fewest hits of `rows` with which a group passes; - where no number does."""
    hits = next((x for x in range(rows // 2 + 1) if passes(Sample(x, rows))), None)
    return "-" if hits is None else f"{hits}"


OTHER = Sample(500, 1000)


def by_score(one: Sample, tail: float) -> bool:
    """Return whether the score test shows a group to be at most 0.2 below the other."""
    found = difference_statistic(one.hits, one.rows, OTHER.hits, OTHER.rows, -GAP)
    return float(found) >= norm.isf(tail)


def by_exact(one: Sample, tail: float, missed: float) -> bool:
    """Return the same by the exact test whose confidence set of the unknown share misses it so often."""
    with _missed(missed):
        return rejects(one, OTHER, "difference", -GAP, tail)


def main() -> None:
    """Print both tables."""
    print(f"test rows for a power of {POWER}, all limits at a true parity of {RATE} and {SELECTED}")
    print(f"{'':18}{'level':>8}" + "".join(f"{name:>20}" for name in PASSES))
    for of in SHARES:
        for level in (LEVEL, LEVEL / 2, LEVEL / 4):
            rows = "".join(f"{needed(of, name, level):>20,}" for name in PASSES)
            print(f"{of:18}{level:>8}{rows}")
    print("\nfewest hits of a group that show it to be at most 0.2 below 500 of 1,000 (- : no number does)")
    print(
        f"{'rows':>6}{'tail':>8}{'all shares':>14}{'set 1e-3':>12}{'set 1e-5 (ours)':>18}{'score test':>12}"
    )
    for rows, tail in product((19, 25, 36, 50, 100, 250), (0.05, 0.025, 0.0125)):
        rules = [partial(by_exact, tail=tail, missed=missed) for missed in (0.0, 1e-3, 1e-5)]
        cells = [fewest(rows, rule) for rule in (*rules, partial(by_score, tail=tail))]
        print(f"{rows:>6}{tail:>8}{cells[0]:>14}{cells[1]:>12}{cells[2]:>18}{cells[3]:>12}")


if __name__ == "__main__":
    main()

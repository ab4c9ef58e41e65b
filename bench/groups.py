"""How long judging takes with many groups, and what bounds of groups cost in width against exact tests.

`python bench/groups.py` prints a line for each number of groups: processor seconds of measuring and of
judging once and again, and the number of comparisons; then the lower bounds of one ratio.
"""

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))

from confusion_rows import NOTHING, limit, policy

from fairmark.evaluate.measure import measure
from fairmark.judge.comparisons import Part, Pooled, Ratio
from fairmark.judge.verdict import judge

ROWS = 400
"""Test rows of each group."""


def document(groups: int) -> dict[str, Any]:
    """Return measurements of groups that are selected at rates of 0.25 to 0.35."""
    rng = np.random.default_rng(groups)
    names = [f"g{k:03d}" for k in range(groups)]
    group = np.repeat(names, ROWS)
    rates = np.repeat(rng.uniform(0.25, 0.35, groups), ROWS)
    decision = (rng.random(len(group)) < rates).astype(np.int8)
    label = np.where(rng.random(len(group)) < 0.8, decision, 1 - decision).astype(np.int8)
    score = np.clip(decision / 2 + rng.random(len(group)) / 2, 0, 1)
    found = measure(
        label, score, decision, None, pd.DataFrame({"state": group}), {"state": names},
        confidence=0.95, replicates=200, seed=1, bins=10,
    )  # fmt: skip
    data = {"rows": len(label), "positives": int(label.sum()), "part": "test", "rows_sha256": "b" * 64}
    return found | {
        "findings": NOTHING,
        "confidence": 0.95,
        "model": {"sha256": "a" * 64, "threshold": 0.5},
        "data": data | {"weighted": False},
    }


def main() -> None:
    """Print the figures."""
    rules = policy(
        limit("selection_rate_ratio", "state", at_least=0.6),
        limit("equalized_odds_difference", "state", at_most=0.3),
    )
    print(f"{'groups':>6} {'comparisons':>11} {'measure s':>9} {'judge s':>8} {'again s':>8}  outcome")
    for groups in (5, 10, 16, 17, 60, 100, 200):
        start = time.process_time()
        found = document(groups)
        measured = time.process_time()
        verdict = judge(found, rules, None)
        judged = time.process_time()
        judge(found, rules, None)
        again = time.process_time()
        spent = (measured - start, judged - measured, again - judged)
        seconds = f"{spent[0]:9.2f} {spent[1]:8.2f} {spent[2]:8.2f}"
        print(f"{groups:6} {verdict.comparisons:11} {seconds}  {verdict.outcome}")
    print("\ngroups  lower bound of a ratio of 0.28 / 0.32: exact pair, pooled")
    for groups in (17, 60):
        one, two = Part("a", 0.28, ROWS, ROWS), Part("b", 0.32, ROWS, ROWS)
        pairs = groups * (groups - 1) / 2
        exact, pooled = (
            Ratio(one, two).low(0.05 / pairs, 0.8),
            Pooled("ratio", one, two).low(0.025 / groups, 0.8),
        )
        print(f"{groups:6}  {exact:.4f}  {pooled:.4f}")


if __name__ == "__main__":
    main()

"""What canaries err and how soon they see harm, beside a z-test at every look and one at the end.

    python bench/canary.py [RUNS]
    python bench/canary.py waiting [RUNS]   # what it costs to wait for outcomes, for the model of this folder

Simulated canaries of 20,000 decisions, looked at every 50, at the limit of 0.80 and beyond it. `all` is what
fairmark decides by: every limit and margin of a policy at once. `one` is the e-process of the one limit.
The z-tests are two-sided for a return, as point-threshold canaries are, on the same rows. No figure here is a
promise but those of fairmark's own levels; `make prove` holds them.
"""

import datetime as dt
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))

from canaries import cells, rules, terms

from fairmark.files import read_json
from fairmark.judge.measurements import read_measurements
from fairmark.params.read import read_params
from fairmark.serve.canary.evidence import ALL, Counts, Terms, families, total_evidence
from fairmark.serve.canary.plan import Truth, course, draw
from fairmark.stats.arrays import Mask
from fairmark.stats.score_test import ratio_statistic

DECISIONS, BLOCK, LEVEL = 20_000, 50, 0.05
Z = 1.6448536269514722


@dataclass(frozen=True)
class Scene:
    """A canary: the selection rates of its groups, what share of the rows they are, and what it is of."""

    name: str
    rates: tuple[float, ...]
    shares: tuple[float, ...]


SCENES = (
    Scene("at the limit, 20/16%, 1:2", (0.16, 0.20), (1, 2)),
    Scene("at the limit, 5/4%, 1:2", (0.04, 0.05), (1, 2)),
    Scene("at the limit, 2/1.6%, 1:2", (0.016, 0.02), (1, 2)),
    Scene("at the limit, 50/40%, 1:1", (0.40, 0.50), (1, 1)),
    Scene("at the limit, 50/40%, 1:20", (0.40, 0.50), (1, 20)),
    Scene("at the limit, 20/16%, 6 of 12 groups", (0.16,) * 6 + (0.20,) * 6, (1,) * 12),
    Scene("ratio 0.65, 20/13%, 1:2", (0.13, 0.20), (1, 2)),
    Scene("ratio 0.50, 20/10%, 1:2", (0.10, 0.20), (1, 2)),
    Scene("ratio 0.50, 5/2.5%, 1:2", (0.025, 0.05), (1, 2)),
    Scene("ratio 0.50, 20/10%, 1:20", (0.10, 0.20), (1, 20)),
    Scene("ratio 0.50, 1 of 12 groups", (0.10,) + (0.20,) * 11, (1,) * 12),
    Scene("parity, 20%, 1:2", (0.20, 0.20), (1, 2)),
    Scene("parity, 50%, 1:1", (0.50, 0.50), (1, 1)),
    Scene("parity, 5%, 1:2", (0.05, 0.05), (1, 2)),
)


def canary_of(scene: Scene) -> tuple[Terms, Truth]:
    """Return the terms of a release whose test rows had parity, and what is true instead."""
    names = {f"group {k}": scene.rates[-1] for k in range(len(scene.rates))}
    held = terms(rates=names, rules=rules(most=DECISIONS, block=BLOCK, shadow=1000, group_margin=0.05))
    pairs = zip(scene.rates, scene.shares, strict=True)
    table = np.stack([cells(rate, 0.9) * share for rate, share in pairs])
    table = table / table.sum()
    return held, Truth({ALL: table.sum(axis=0)[None], "sex": table}, table.sum(axis=0))


def z_tests(counts: Counts) -> tuple[Mask, Mask]:
    """Return at each look whether some pair is below the limit, and whether every pair is above it, by z."""
    decided = counts.decisions["sex"]
    x, n = decided.selected.cumsum(axis=0), decided.rows.cumsum(axis=0)
    one, two = np.nonzero(~np.eye(x.shape[1], dtype=bool))
    with np.errstate(invalid="ignore", divide="ignore"):
        z = np.nan_to_num(ratio_statistic(x[:, one], n[:, one], x[:, two], n[:, two], 0.8))
    return (z <= -Z).any(axis=1), (z >= Z).all(axis=1)


def first(reached: Mask) -> float:
    """Return the decisions until a look reaches something; infinity where none does."""
    return float(reached.argmax() + 1) * BLOCK if reached.any() else np.inf


def measure(scene: Scene, runs: int) -> dict[str, list[float]]:
    """Return, by test, the decisions until each canary was returned or shown."""
    held, truth = canary_of(scene)
    rng = np.random.default_rng(20_261_128)
    found: dict[str, list[float]] = {}
    for _ in range(runs):
        counts = draw(held, truth, DECISIONS // BLOCK, rng)
        each, _ = families(counts, held)
        needed = -np.log(LEVEL)
        ratio = next(one for one in each if one.of_groups)
        parts = [part.shown for one in each if one.required for part in one.parts]
        shown = np.min([np.maximum.accumulate(part) for part in parts], axis=0) >= needed
        below, above = z_tests(counts)
        for name, reached in {
            "returned, all": total_evidence(each) >= needed,
            "returned, one": ratio.missed >= needed,
            "returned, z each look": below,
            "returned, z at the end": np.concatenate([np.zeros(len(below) - 1, dtype=bool), below[-1:]]),
            "shown, all": shown,
            "shown, z each look": above,
        }.items():
            found.setdefault(name, []).append(first(reached))
    return found


def cell(times: list[float]) -> str:
    """Return the share that was reached, and the median of the decisions until then."""
    middle = float(np.median(times))
    share = np.mean(np.isfinite(times))
    return f"{share:.1%}" + (f" ({middle:,.0f})" if np.isfinite(middle) else "")


def waiting(runs: int) -> None:
    """Print how soon a canary of the model in artifacts/ is promoted, by whether it waits for outcomes."""
    root = Path(__file__).parents[1]
    measured = read_measurements(read_json(root / "artifacts/evaluate/measurements.json"))
    held = Terms.of(read_params(root / "params.yaml"), measured, dt.datetime.now(tz=dt.UTC).date())
    most = held.rules.most
    looks = 100
    print(f"{runs} canaries a row, at most {most:,} decisions in {looks} looks, as on the test rows")
    for share in (1.0, 0.5, 0.1):
        for waits in (False, True):
            rules_ = held.rules.model_copy(
                update={"block": most // looks, "wait_for_outcomes": waits, "outcomes_from": 10**9}
            )
            terms_ = replace(held, rules=rules_)
            rng = np.random.default_rng(1)
            truth = Truth.of(terms_, outcomes=share)
            found = [course(draw(terms_, truth, looks, rng), terms_) for _ in range(runs)]
            ends = sorted(each.shown or 10**9 for each in found)
            middle = ends[(runs - 1) // 2]
            when = f"{middle:,} decisions" if middle <= most else "not within"
            done = sum(each.action == "promote" for each in found) / runs
            print(f"outcomes of {share:.0%}, waits {waits}: promoted {done:.0%}, median {when}", flush=True)


def main() -> None:
    """Print the table."""
    if sys.argv[1:2] == ["waiting"]:
        waiting(int(sys.argv[2]) if len(sys.argv) > 2 else 20)
        return
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    print(
        f"{runs} canaries a row, {DECISIONS:,} decisions, a look every {BLOCK}, limit 0.80, level {LEVEL:.0%}"
    )
    print("share of canaries (median decisions until then)")
    head = None
    for scene in SCENES:
        # A dozen groups have 132 ordered pairs: a third of the canaries takes as long.
        found = measure(scene, runs if len(scene.rates) < 3 else -(-runs // 3))
        if head is None:
            head = list(found)
            print("\n| canary | " + " | ".join(head) + " |")
            print("|---" * (len(head) + 1) + "|")
        print(f"| {scene.name} | " + " | ".join(cell(found[name]) for name in head) + " |", flush=True)


if __name__ == "__main__":
    main()

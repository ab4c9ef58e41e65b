"""The gate keeps its level where rows hang together: persons with several rows, weights, many looks.

Simulated with a fixed seed through the units and the comparisons of the gate. Run with `make prove`, which
prints the tables; nothing is written.
"""

from itertools import product

import numpy as np
import pytest
from confusion_rows import limit
from gates import table
from numpy.typing import NDArray

from fairmark.evaluate.measure import EvaluationRows
from fairmark.evaluate.units import of_rates
from fairmark.judge.limits import Aim, compared, shown
from fairmark.judge.measurements import ConfusionCounts, Evidence, GroupMeasures
from fairmark.stats.confusion import confusion_matrix

pytestmark = pytest.mark.proof

LEVEL = 0.05
Rows = tuple[NDArray[np.int8], NDArray[np.intp], NDArray[np.str_]]


def evidence_of(
    decision: NDArray[np.int8],
    person: NDArray[np.intp] | None,
    sex: NDArray[np.str_],
    weight: NDArray[np.float64] | None = None,
    heaviest: float | None = None,
) -> Evidence:
    """Return as much of measurements as limits on selection rates read."""
    label, heavy = np.ones(len(decision), np.int8), np.ones(len(decision)) if weight is None else weight
    rows = EvaluationRows.of(label, heavy, heavy, person, heaviest, bins=2, tail=LEVEL, replicates=2, seed=0)
    code = (sex == "M").astype(np.intp)

    def counts(kept: NDArray[np.bool_]) -> ConfusionCounts:
        cells = confusion_matrix(
            label[kept], decision[kept], np.zeros(kept.sum()), 1, heavy[kept],
            None if rows.heft is None else rows.heft[kept],
        )  # fmt: skip
        return ConfusionCounts.of(cells, 0, of_rates(label, decision, rows.units, kept))

    groups = {}
    for k, name in enumerate(("F", "M")):
        one = counts(code == k)
        groups[name] = GroupMeasures(rows=one.rows, positives=one.positives, cells=one, measures={})
    return Evidence({}, counts(np.ones(len(label), dtype=bool)), {"sex": groups}, {})


def passes(evidence: Evidence) -> dict[str, bool]:
    """Return which limits are shown to be met: a floor, a ceiling, a ratio and a difference, all on it."""
    asked = {
        "floor": (limit("selection_rate", at_least=FLOOR), FLOOR, True),
        "ceiling": (limit("selection_rate", at_most=FLOOR), FLOOR, False),
        "ratio": (limit("selection_rate_ratio", "sex", at_least=RATIO), RATIO, True),
        "difference": (limit("selection_rate_difference", "sex", at_most=GAP), GAP, False),
    }
    return {
        name: shown(compared(each, evidence)[0].comparison, Aim(at, least, LEVEL, LEVEL), good=True)
        for name, (each, at, least) in asked.items()
    }


RATES = {"F": 0.4, "M": 0.5}
RATIO, GAP, FLOOR = 0.8, 0.1, 0.45


def persons(draw: np.random.Generator, count: int, size: int, alike: float, *, told: bool) -> Rows:
    """Draw persons of both sexes in turn, with 1 to 2 size - 1 rows each; whose a row is, is `told` or not.

    A row follows its person with chance sqrt(alike), else it is drawn anew.
    """
    sex = np.where(np.arange(count) % 2, "M", "F")
    rate = np.where(sex == "M", RATES["M"], RATES["F"])
    own = draw.random(count) < rate
    rows = draw.integers(1, 2 * size, count)
    person = np.repeat(np.arange(count), rows)
    follows = draw.random(len(person)) < np.sqrt(alike)
    decision = np.where(follows, own[person], draw.random(len(person)) < rate[person])
    return decision.astype(np.int8), (person if told else np.arange(len(person))), sex[person]


@pytest.mark.parametrize("count", [20, 60, 200, 2000])
def test_a_model_at_its_limits_passes_at_most_at_the_level_whatever_rows_a_person_has(count: int) -> None:
    runs = 150 if count < 2000 else 50
    lines = []
    for size, alike in product((2, 10, 50), (0.0, 0.5, 1.0)):
        if count * size > 20_000:
            continue
        names = ("floor", "ceiling", "ratio", "difference")
        by = {told: dict.fromkeys(names, 0.0) for told in (True, False)}
        for told, passed_by in by.items():
            if not told and (size, alike) != (10, 1.0):
                continue  # what happens to whoever does not say whose a row is: one case shows it
            draw = np.random.default_rng([count, size, int(10 * alike)])
            for _ in range(runs):
                decision, person, sex = persons(draw, count, size, alike, told=told)
                for name, passed in passes(evidence_of(decision, person, sex)).items():
                    passed_by[name] += passed / runs
        lines.append([f"{count:,}", f"{size}", f"{alike}", *(f"{c:.3f}" for c in by[True].values()),
                      f"{max(by[False].values()):.3f}"])  # fmt: skip
        assert max(by[True].values()) <= LEVEL + 3 * np.sqrt(LEVEL * (1 - LEVEL) / runs)
    heads = ["persons", "rows each", "alike", "floor", "ceiling", "ratio", "difference", "worst by rows"]
    table("Chance that a model exactly at its limits passes, by persons", heads, lines)


@pytest.mark.parametrize("rows", [100, 400, 2000])
def test_a_model_at_its_limits_passes_at_most_at_the_level_whatever_rows_weigh(rows: int) -> None:
    """2% of the rows weigh 50, and are decided otherwise than the others."""
    runs, lines = 150, []
    for light, heavy in ((0.45, 0.45), (0.1, 0.8), (0.8, 0.1), (0.3, 0.6)):
        draw = np.random.default_rng([rows, int(100 * light)])
        rate = {"F": 0.0, "M": 0.0}
        scale = {"F": 0.8, "M": 1.0}
        for each in rate:
            rate[each] = scale[each] * (0.98 * light + 0.02 * 50 * heavy) / 1.98
        count = dict.fromkeys(("ratio", "difference"), 0.0)
        for _ in range(runs):
            sex = draw.choice(["F", "M"], rows)
            big = draw.random(rows) < 0.02
            chance = np.where(big, heavy, light) * np.where(sex == "F", 0.8, 1.0)
            decision = (draw.random(rows) < chance).astype(np.int8)
            evidence = evidence_of(decision, None, sex, np.where(big, 50.0, 1.0), 50.0)
            gap = rate["M"] - rate["F"]
            for name, asked, aim in (
                ("ratio", limit("selection_rate_ratio", "sex", at_least=0.8), Aim(0.8, True, LEVEL, LEVEL)),
                ("difference", limit("selection_rate_difference", "sex", at_most=gap),
                 Aim(gap, False, LEVEL, LEVEL)),
            ):  # fmt: skip
                count[name] += shown(compared(asked, evidence)[0].comparison, aim, good=True) / runs
        lines.append([f"{rows:,}", f"{light}", f"{heavy}", *(f"{c:.3f}" for c in count.values())])
        assert max(count.values()) <= LEVEL + 3 * np.sqrt(LEVEL * (1 - LEVEL) / runs)
    table(
        "The same with weights that go with the decision",
        ["rows", "light", "heavy", "ratio", "difference"],
        lines,
    )


@pytest.mark.parametrize("alike", [0.0, 0.95])
def test_of_a_year_of_weekly_candidates_at_the_limit_any_goes_out_with_chance_at_most_the_level(
    alike: float,
) -> None:
    """52 models of one test set, alike as far as `alike` says, each with a share at its limit."""
    from scipy.stats import binom, norm

    draw, runs, rows, share = np.random.default_rng(int(100 * alike)), 2000, 2000, 0.8
    least = {part: binom.isf(LEVEL / part, rows, share) + 1 for part in (1, 52)}
    any_out = dict.fromkeys(least, 0)
    for _ in range(runs):
        common = draw.standard_normal(rows, dtype=np.float32)
        noise = draw.standard_normal((52, rows), dtype=np.float32)
        right = (np.sqrt(alike) * common + np.sqrt(1 - alike) * noise < norm.ppf(share)).sum(axis=1)
        for part, hits in least.items():
            any_out[part] += bool((right >= hits).any())
    out = {part: number / runs for part, number in any_out.items()}
    table(f"52 candidates at the limit, alike {alike}: any goes out", ["each at the level", "with a budget"],
          [[f"{out[1]:.3f}", f"{out[52]:.3f}"]])  # fmt: skip

    assert out[52] <= LEVEL + 3 * np.sqrt(LEVEL * (1 - LEVEL) / runs)
    assert out[1] > 0.1

"""A waiver reaches as far as it says, rows are asked for with power, and a lost row stops nobody."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from confusion_rows import document, limit, policy

from fairmark.judge.comparisons import Difference, Part
from fairmark.judge.limits import Aim, compared, rows_needed, shown, with_power
from fairmark.judge.measurements import ConfusionCounts, Evidence, GroupMeasures
from fairmark.judge.verdict import judge
from fairmark.params.policy import Waiver
from fairmark.stats.bounded_means import Bound, Units

DAY = dt.date(2026, 11, 28)
GAP = limit("true_positive_rate_difference", "race", at_most=0.2)
BALANCE = limit("balanced_accuracy", "race", at_least=0.5)
NEAR = limit("selection_rate_ratio", "sex", at_least=0.99)


def _waiver(up_to: float | None) -> Waiver:
    return Waiver(
        limit=NEAR.name,
        groups=None,
        decided_by="A. Person",
        reason="Few rows.",
        decided=DAY,
        expires=DAY,
        up_to=up_to,
    )


# ------------------------------------------------------------------ waivers


@pytest.mark.parametrize(
    ("day", "state"),
    [
        (1, "pass with waiver"),
        (5, "pass with waiver"),
        (6, "insufficient evidence"),
        (40, "insufficient evidence"),
    ],
)
def test_a_waiver_falls_when_the_rows_that_decide_are_due(day: int, state: str) -> None:
    waiver = Waiver.model_validate(
        _waiver(None).model_dump() | {"due": DAY + dt.timedelta(5), "expires": DAY + dt.timedelta(30)}
    )
    found = judge(document(), policy(NEAR, waivers=(waiver,)), DAY + dt.timedelta(day))

    assert found.state == state
    assert ("the rows that would decide were due on 2026-12-03" in found.findings[0].text) == (day == 6)


def test_no_gate_rests_on_a_bound_that_keeps_no_level() -> None:
    with pytest.raises(ValueError, match="gate must be false for pr_auc"):
        limit("pr_auc", at_least=0.2)

    assert not limit("pr_auc", at_least=0.2, gate=False).gate


@pytest.mark.parametrize(("up_to", "state"), [(None, "pass with waiver"), (0.1, "pass with waiver"),
                                              (0.98, "insufficient evidence")])  # fmt: skip
def test_a_waiver_stands_while_the_bound_is_within_it(up_to: float | None, state: str) -> None:
    found = judge(document(), policy(NEAR, waivers=(_waiver(up_to),)), DAY)

    assert found.state == state


def test_a_waiver_says_what_it_lets_through() -> None:
    loose, bounded, short = (
        judge(document(), policy(NEAR, waivers=(_waiver(up_to),)), DAY).findings[0].text
        for up_to in (None, 0.1, 0.98)
    )

    assert "It lets a true value of 0.98 through with chance about" in loose
    assert "worse than 0.1 through with chance at most 0.05" in bounded
    assert "reaches to a bound of 0.98 only" in short


# ------------------------------------------------------------------ rows that would decide


def test_the_rows_that_are_asked_for_decide_with_the_stated_chance() -> None:
    """Drawn anew at the rates that were seen: 0.8 of the tables decide, where half did before."""
    seen = Difference(Part("B", 0.6, 100.0, 100), Part("A", 0.52, 100.0, 100))
    asked = rows_needed(seen, Aim(0.2, at_least=False, clear=with_power(0.05), miss=0.05)) or {}
    rows = {name: 100 + asked.get(name, 0) for name in ("A", "B")}
    draw, decided = np.random.default_rng(4), 0
    for _ in range(300):
        one, two = (draw.binomial(rows[name], p) / rows[name] for name, p in (("A", 0.52), ("B", 0.6)))
        parts = Part("A", one, float(rows["A"]), rows["A"]), Part("B", two, float(rows["B"]), rows["B"])
        high, low = sorted(parts, key=lambda part: -part.share)
        decided += shown(Difference(high, low), Aim(0.2, at_least=False, clear=0.05, miss=0.05), good=True)

    assert 0.72 <= decided / 300 <= 0.9


# ------------------------------------------------------------------ rows whose group is not known


def _evidence(**lost: Any) -> Evidence:
    counts = {"A": (40, 60), "B": (80, 120), "missing": lost.get("missing", (1, 0))}
    groups = {
        name: GroupMeasures(
            rows=sum(each),
            positives=sum(each),
            cells=ConfusionCounts(tn=0, fp=0, fn=each[1], tp=each[0]),
            measures={},
        )
        for name, each in counts.items()
        if each is not None
    }
    return Evidence({}, ConfusionCounts(tn=0, fp=0, fn=180, tp=121), {"race": groups}, {})


def test_one_row_without_a_group_is_no_group() -> None:
    assert [{*each.groups} for each in compared(GAP, _evidence(), 100)] == [{"A", "B"}]
    assert len(compared(GAP, _evidence(), 1)) == 3


@pytest.mark.parametrize("belongs", ["A", "B"])
@pytest.mark.parametrize("lost", [(3, 0), (0, 3), (2, 2)])
def test_the_bounds_hold_wherever_lost_rows_belong(belongs: str, lost: tuple[int, int]) -> None:
    """Law: no wider place is left out: the bound is at least that of any way to give the rows a group."""
    counts = {"A": [40, 60], "B": [80, 120]}
    counts[belongs] = [a + b for a, b in zip(counts[belongs], lost, strict=True)]
    known = {name: Part(name, x[0] / sum(x), float(sum(x)), sum(x)) for name, x in counts.items()}
    high, low = sorted(known.values(), key=lambda part: -part.share)
    wide = compared(GAP, _evidence(missing=lost), 100)[0].comparison

    assert wide.high(0.05, 0.2) >= Difference(high, low).high(0.05, 0.2) - 1e-3
    assert wide.low(0.05, 0.2) <= Difference(high, low).low(0.05, 0.2) + 1e-3


@pytest.mark.parametrize("belongs", ["A", "B"])
def test_the_bounds_of_a_balance_hold_wherever_lost_rows_belong(belongs: str) -> None:
    """The same of a share of both labels: of each lost row the part that hurts counts."""
    counts = {"A": [50, 10, 12, 40], "B": [70, 9, 11, 60], "missing": [1, 2, 2, 1]}
    joined = {**counts, belongs: [a + b for a, b in zip(counts[belongs], counts["missing"], strict=True)]}
    wide, true = (
        {each.group: each.comparison for each in compared(BALANCE, _balances(of), least)}
        for of, least in ((counts, 100), ({name: joined[name] for name in ("A", "B")}, 0))
    )

    assert wide.keys() == {"A", "B"}
    assert wide[belongs].low(0.05, 0.5) <= true[belongs].low(0.05, 0.5) + 1e-6
    assert wide[belongs].high(0.05, 0.5) >= true[belongs].high(0.05, 0.5) - 1e-6


def _balances(counts: Mapping[str, Sequence[int]]) -> Evidence:
    cells = {name: ConfusionCounts(tn=tn, fp=fp, fn=fn, tp=tp) for name, (tn, fp, fn, tp) in counts.items()}
    groups = {
        name: GroupMeasures(rows=of.rows, positives=of.positives, cells=of, measures={})
        for name, of in cells.items()
    }
    return Evidence({}, ConfusionCounts(tn=1, fp=1, fn=1, tp=1), {"race": groups}, {})


@pytest.mark.parametrize("belongs", ["A", "B"])
@pytest.mark.parametrize("by", ["gaffke", "betting"])
def test_bounds_of_units_hold_wherever_lost_units_belong(belongs: str, by: Bound) -> None:
    """The same of weighted rows and persons: no unit more is worse than the worst part of it."""
    own = {
        "A": Units((1.0, 2.0), (0.0, 1.0), (30.0, 20.0), 3.0, 0.0, 1.0, by),
        "B": Units((1.0, 2.0), (0.25, 1.0), (40.0, 60.0), 3.0, 0.0, 1.0, by),
    }
    lost = Units((3.0, 1.0), (0.5, 1.0), (1.0, 2.0), 3.0, 0.0, 1.0, by)
    parts = {name: Part(name, one.mean, 50.0, 50, one, (2.0, 1.0), lost) for name, one in own.items()}
    wide = Difference(parts["B"], parts["A"])
    one = own[belongs]
    joined = replace(
        one,
        weight=(*one.weight, *lost.weight),
        value=(*one.value, *lost.value),
        count=(*one.count, *lost.count),
    )
    known = {name: Part(name, of.mean, 50.0, 50, of) for name, of in {**own, belongs: joined}.items()}
    true = Difference(known["B"], known["A"])

    assert wide.high(0.05, 0.5) >= true.high(0.05, 0.5) - 1e-3
    assert parts[belongs].bounds(0.05)[0] <= joined.lower(0.05) + 1e-6
    assert parts[belongs].bounds(0.05)[1] >= joined.upper(0.05) - 1e-6


def test_lost_rows_are_told_where_there_are_any() -> None:
    assert "may belong" not in judge(document(), policy(), None).findings[0].text

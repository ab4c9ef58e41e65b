"""Two statements: may it go out, and what may be said of all lines; each errs as rarely as it says."""

from typing import Any

import numpy as np
import pytest
from confusion_rows import document, limit, policy
from gates import Boundary, boundary

from fairmark.judge.comparisons import Difference, Part, Ratio
from fairmark.judge.limits import Aim, Compared, shown
from fairmark.judge.verdict import Verdict, judge, step_down
from fairmark.stats.exact_test import Sample, p_value, rejects

LEVEL = 0.05
AT = 0.2


def _part(group: str, hits: int, rows: int) -> Part:
    return Part(group, hits / rows, float(rows), rows)


def _gap(hits: int, rows: int = 100) -> Compared:
    """Compare a group's share with one of 50 in 100, by the limit that they differ by at most 0.2."""
    one, two = _part("B", 50, 100), _part("A", hits, rows)
    high, low = (one, two) if one.share >= two.share else (two, one)
    given = limit("true_positive_rate_difference", "sex", at_most=AT)
    return Compared(given, ("A", "B"), (rows, 100), Difference(high, low), "", "true_positive_rate")


def _worst_p(hits: int) -> float:
    one, two = Sample(hits, 100), Sample(50, 100)
    return max(p_value(one, two, "difference", -AT), p_value(two, one, "difference", -AT))


def _holm(chances: list[float]) -> list[bool]:
    """Holm's steps (1979) as his paper writes them."""
    order, said = np.argsort(chances), [False] * len(chances)
    for step, k in enumerate(order):
        if chances[k] > LEVEL / (len(chances) - step):
            break
        said[k] = True
    return said


@pytest.mark.parametrize("hits", [(50, 45, 40, 36), (50, 43, 42, 20), (44, 43, 42, 41), (30, 30, 30, 30)])
def test_what_is_said_together_is_what_holm_rejects(hits: tuple[int, ...]) -> None:
    each = [_gap(x) for x in hits]
    tail = step_down(each, LEVEL, good=True)
    said = [shown(one.comparison, Aim(AT, at_least=False, clear=tail, miss=tail), good=True) for one in each]

    assert said == _holm([_worst_p(x) for x in hits])


def test_a_ratio_is_shown_to_miss_with_nine_tenths_of_its_tail() -> None:
    """A ratio of 0.56 at p below 0.0032 is decided at a level of 0.05 / 14, which half of it left open."""
    low, high = Sample(86, 1000), Sample(153, 1000)
    p = p_value(high, low, "ratio", 1.25)
    found = Ratio(_part("A", low.hits, 1000), _part("B", high.hits, 1000))

    assert LEVEL / 28 < p < 0.9 * LEVEL / 14
    assert found.high(LEVEL / 14, 0.8) < 0.8
    assert shown(found, Aim(0.8, at_least=True, clear=LEVEL, miss=LEVEL / 14), good=False)


@pytest.mark.parametrize("rows", [(30, 30), (40, 300)])
@pytest.mark.parametrize("base", [0.1, 0.5])
def test_a_pair_exactly_at_its_limit_is_failed_with_chance_at_most_the_level(
    rows: tuple[int, int], base: float
) -> None:
    """Law: by the sum over all tables, of either way to be apart, each with its test of the side."""
    shares = (0.8 * base, base)
    apart = _missing(rows, shares, 1.25)
    turned = _missing(rows[::-1], shares[::-1], 1.25)

    assert apart.chance(shares[::-1]) + turned.chance(shares) <= LEVEL


def _missing(rows: tuple[int, int], shares: tuple[float, float], margin: float) -> Boundary:
    """Return the tables in which group 2's share is told to be above; the test at the side is left out."""
    return boundary(rows[::-1], shares[::-1], "ratio", margin, 0.9 * LEVEL)


def test_the_side_costs_a_tenth_and_is_asked_first() -> None:
    one, two = _part("A", 10, 40), _part("B", 12, 40)

    assert not rejects(two.sample("above"), one.sample("below"), "ratio", 1.0, 0.1 * LEVEL)
    assert Ratio(one, two).high(LEVEL, 0.8) == 1.0


def test_the_verdict_tells_both_statements_apart() -> None:
    from confusion_rows import document

    from fairmark.judge.verdict import judge

    found = judge(document(), policy(limit("selection_rate_ratio", "sex", at_least=0.1)), None)

    assert found.findings[0].together is True
    assert found.findings[0].joint_bound == 0.1
    assert "(Holm)" in found.guarantee


# ------------------------------------------------------------------ gatekeeping


def _chain(first: float, second: float, **changes: Any) -> Verdict:
    one = limit("selection_rate_ratio", "sex", at_least=first)
    two = limit("accuracy", at_least=second, **changes)
    return judge(document(), policy(one, two, correction="holm"), None)


def test_a_limit_after_another_is_said_only_once_that_one_is_shown() -> None:
    after = {"after": ["selection-rate-ratio"]}
    shown, not_yet = _chain(0.5, 0.5, **after), _chain(0.999, 0.5, **after)

    assert [each.together for each in shown.findings] == [True, True]
    assert [each.together for each in not_yet.findings] == [False, False]
    assert not_yet.findings[1].outcome == "insufficient evidence"


def test_a_limit_after_another_has_the_whole_level_then() -> None:
    alone = judge(document(), policy(limit("accuracy", at_least=0.99), correction="holm"), None)
    last = _chain(0.5, 0.99, after=["selection-rate-ratio"])

    assert last.findings[1].opposite == pytest.approx(alone.findings[0].opposite or 0, abs=0.01)


def test_a_heavier_limit_has_more_of_the_level() -> None:
    light, heavy = (_chain(0.999, 0.999, weight=w) for w in (1.0, 9.0))

    assert (heavy.findings[1].bound or 0) > (light.findings[1].bound or 0)
    assert (heavy.findings[0].bound or 0) < (light.findings[0].bound or 0)


def test_limits_in_a_circle_are_refused() -> None:
    one = limit("accuracy", at_least=0.5, after=["selection-rate-ratio"])
    two = limit("selection_rate_ratio", "sex", at_least=0.5, after=["accuracy"])

    with pytest.raises(ValueError, match=r"must not stand after themselves"):
        policy(one, two)

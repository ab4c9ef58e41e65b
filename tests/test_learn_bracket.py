"""Strengths climb to where decisions within the limits are best, and the bracket stands around them."""

from collections.abc import Callable
from dataclasses import dataclass

from people_table import limit, policy
from search_formula import outcome, tune

from fairmark.learn.bracket import Bracket
from fairmark.learn.space import Space
from fairmark.learn.trial import Outcome

AUTO = [{"attribute": "side", "constraint": "demographic_parity", "strength": "auto"}]
FAMILY = {"logistic": {"c": {"type": "float", "low": 0.01, "high": 100, "log": True, "grid": 3}}}


@dataclass(frozen=True)
class Rung:
    """A tried strength, as much of it as a bracket looks at."""

    outcome: Outcome


def climbed(at: Callable[[float], Outcome]) -> tuple[list[float], tuple[float, float]]:
    """Return the strengths that are tried, and the bracket, where a strength comes to what `at` says."""
    space = Space(tune(mitigation=AUTO, families=FAMILY))
    bracket = Bracket(space, policy(limit("selection_rate_ratio", "side", at_least=0.8)), 40)
    tried: list[float] = []
    for points in bracket.batches():
        strengths = [float(point["strength.0"]) for point in points]
        tried += strengths
        bracket.tell(points, [Rung(at(strength)) for strength in strengths])
    return tried, bracket.found()["logistic", 0]


def useful_from(least: float) -> Callable[[float], Outcome]:
    """Return outcomes where a weaker mitigation selects nearly everybody."""
    return lambda s: outcome(0.8, 0.01).model_copy(update={"useless": [] if s >= least else ["selected"]})


def test_a_limit_that_only_useless_decisions_keep_is_met_by_a_stronger_mitigation() -> None:
    tried, (low, high) = climbed(useful_from(2.5))

    assert max(tried) == 4.0  # 0, 1, 2 select nearly everybody; 4 is of use
    assert low < 2.5 < high <= 4.4


def test_where_no_strength_is_of_use_the_climb_ends() -> None:
    tried, _ = climbed(useful_from(1000))

    assert max(tried) <= 16
    assert len(tried) == len(set(tried)) <= 12


def test_where_a_threshold_keeps_the_limit_at_a_cost_more_strength_is_tried_while_it_pays() -> None:
    """By selecting nearly everybody any strength keeps it; with 3 the quality is best."""
    tried, (low, high) = climbed(
        lambda s: outcome(0.7 - 0.05 * abs(s - 3), 0.0).model_copy(update={"spent": 0.2})
    )

    assert {0.0, 1.0, 2.0, 4.0, 3.0} <= set(tried)
    assert 2 <= low < 3 < high <= 4
    assert len(tried) <= 7


def test_where_limits_cost_nothing_the_least_strength_that_keeps_them_is_looked_for() -> None:
    tried, (low, high) = climbed(lambda s: outcome(0.8 - 0.01 * s, s - 1.3))

    kept = min(strength for strength in tried if strength >= 1.3)
    assert max(tried) == 2.0
    assert kept <= 1.15 * low
    assert low < 1.3 < kept < high <= 1.1 * kept

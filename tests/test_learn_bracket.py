"""Strengths climb while all that "keeps" a limit is of no use, and the bracket stands where decisions are."""

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


def climbed(useful_from: float) -> tuple[list[float], tuple[float, float]]:
    """Return the strengths that are tried, and the bracket, where a weaker one selects nearly everybody."""
    space = Space(tune(mitigation=AUTO, families=FAMILY))
    bracket = Bracket(space, policy(limit("selection_rate_ratio", "side", at_least=0.8)), 40)
    tried: list[float] = []
    for points in bracket.batches():
        strengths = [float(point["strength.0"]) for point in points]
        tried += strengths
        rungs = [
            Rung(outcome(0.8, 0.01).model_copy(update={"useless": [] if s >= useful_from else ["selected"]}))
            for s in strengths
        ]
        bracket.tell(points, rungs)
    return tried, bracket.found()["logistic", 0]


def test_a_limit_that_only_useless_decisions_keep_is_met_by_a_stronger_mitigation() -> None:
    tried, (low, high) = climbed(useful_from=2.5)

    assert max(tried) == 4.0  # 0, 1, 2 select nearly everybody; 4 is of use
    assert low < 2.5 < high <= 4.4


def test_where_no_strength_is_of_use_the_climb_ends() -> None:
    tried, _ = climbed(useful_from=1000)

    assert max(tried) <= 16
    assert len(tried) == len(set(tried)) <= 12

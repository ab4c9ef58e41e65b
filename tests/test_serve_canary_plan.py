"""The plan of a canary is what canaries do: levels kept at every look, harm caught, parity shown."""

from dataclasses import replace

import numpy as np
import pytest
from canaries import cells, limit, rules, terms

from fairmark.serve.canary_evidence import ALL, Terms
from fairmark.serve.canary_plan import Course, Foresight, Truth, course, draw, harmed, lines, plan
from fairmark.stats.measures import MEASURES, summed


def scene(
    rates: list[float], shares: list[float], accuracy: float = 0.9, **changes: object
) -> tuple[Terms, Truth]:
    """Return terms that expect parity at the last rate, and what is true instead."""
    names = {f"g{k}": rates[-1] for k in range(len(rates))}
    held = terms(rates=names, rules=rules(**changes))
    table = np.stack([cells(rate, accuracy) * share for rate, share in zip(rates, shares, strict=True)])
    table = table / table.sum()
    whole = cells(rates[-1], 0.9, 1.0)
    return held, Truth({ALL: table.sum(axis=0)[None], "sex": table}, whole)


def canaries(held: Terms, truth: Truth, runs: int, seed: int = 1) -> list[Course]:
    rng = np.random.default_rng(seed)
    looks = held.rules.most // held.rules.block
    return [course(draw(held, truth, looks, rng), held) for _ in range(runs)]


def allowed(runs: int, level: float = 0.05) -> int:
    """Return how many of so many come at the level with probability 0.999 at most."""
    from scipy.stats import binom

    return int(binom.ppf(0.999, runs, level))


@pytest.mark.parametrize(("rates", "shares"), [([0.16, 0.2], [1, 2]), ([0.4, 0.5], [1, 20])])
def test_at_the_limit_few_are_returned_and_few_promoted(rates: list[float], shares: list[float]) -> None:
    found = canaries(*scene(rates, shares, most=6000), runs=120)

    assert sum(each.returned is not None for each in found) <= allowed(120)
    assert sum(each.action == "promote" for each in found) <= allowed(120)


def test_a_large_harm_is_caught_and_parity_is_promoted() -> None:
    harm = canaries(*scene([0.15, 0.3], [1, 1], most=6000), runs=30)
    parity = canaries(*scene([0.3, 0.3], [1, 1], most=6000), runs=30)

    assert sum(each.action == "return" for each in harm) >= 28
    assert sum(each.action == "promote" for each in parity) >= 28


def test_outcomes_show_a_worse_model() -> None:
    held, truth = scene([0.3, 0.3], [1, 1], accuracy=0.75, most=6000, outcomes_from=200)
    found = canaries(held, replace(truth, outcomes=0.8, delay=10), runs=20)

    assert sum(each.action == "return" for each in found) >= 18


@pytest.mark.parametrize(
    ("measure", "at", "words", "rate"),
    [
        ("selection_rate_ratio", 0.8, "0.65 of the highest rate", 0.65 * 0.4),
        ("true_positive_rate_difference", 0.1, "0.25 below the highest rate", None),
        ("selection_rate", 0.2, "a rate of 0.05", 0.05),
    ],
)
def test_the_stated_harm_is_beyond_the_limit_by_so_much(
    measure: str, at: float, words: str, rate: float | None
) -> None:
    sides = {"at_least": at, "at_most": None} if measure == "selection_rate" else {}
    held = terms([limit(measure, at, **sides)], rates={"Female": 0.3, "Male": 0.4})
    first = next(each for each in plan(replace(held, rules=rules(most=1000))) if isinstance(each, Foresight))
    assert words in first.harm
    if rate is not None:
        from fairmark.serve.canary_evidence import families

        family = families(draw(held, Truth.of(held), 1, np.random.default_rng(0)), held)[0][0]
        _, table = harmed(held, family, "sex")
        formula = MEASURES["selection_rate"].formula
        found = summed(table["sex"], formula.hits) / summed(table["sex"], formula.rows)  # type: ignore[union-attr]
        assert found.min() == pytest.approx(rate, rel=0.01)


def test_the_same_release_has_the_same_plan_in_words() -> None:
    held = terms([limit(), limit("roc_auc", 0.8, attribute=None)], rules=rules(most=2000))
    one, two = list(lines(held)), list(lines(held))

    assert one == two
    assert one[0] == "roc-auc: not judged by a canary: ROC AUC is no share of decisions"
    assert "is caught in" in one[1]
    assert "it is shown to be met in" in one[1]

"""The plan of a canary is what canaries do: levels kept at every look, harm caught, parity shown."""

from dataclasses import replace

import numpy as np
import pytest
from canaries import cells, limit, rules, terms

from fairmark.serve.canary.evidence import ALL, Terms
from fairmark.serve.canary.plan import Course, Foresight, Truth, course, draw, harmed, lines, plan
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
    held, truth = scene(
        [0.3, 0.3], [1, 1], accuracy=0.75, most=6000, outcomes_from=200, wait_for_outcomes=True
    )
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
        from fairmark.serve.canary.evidence import families

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


# The whole proof: over the whole canary, however often it is looked at


GROUPS = {"1:1": [1, 1], "1:5": [1, 5], "1:20": [1, 20], "6 of 12": [1] * 12}


@pytest.mark.proof
@pytest.mark.parametrize("base", [0.02, 0.05, 0.2, 0.5])
@pytest.mark.parametrize("groups", GROUPS)
def test_the_levels_hold_at_every_base_rate_and_for_every_size_of_groups(base: float, groups: str) -> None:
    shares = GROUPS[groups]
    low = len(shares) // 2
    rates = [0.8 * base] * low + [base] * (len(shares) - low)
    runs = 300 if len(shares) == 2 else 100
    found = canaries(*scene(rates, [float(each) for each in shares], most=20_000), runs=runs)
    returned = sum(each.returned is not None for each in found)
    promoted = sum(each.shown is not None for each in found)

    print(f"{base:.0%} {groups}: returned {returned / runs:.1%}, shown {promoted / runs:.1%} of {runs}")
    assert returned <= allowed(runs)
    assert promoted <= allowed(runs)


@pytest.mark.proof
@pytest.mark.parametrize("delay", [0, 40, 120])
def test_the_levels_hold_with_late_labels_on_several_limits_at_once(delay: int) -> None:
    held, truth = scene([0.24, 0.3], [1, 2], accuracy=0.9, most=20_000, outcomes_from=500, group_margin=0.05)
    gated = (
        limit(),
        limit("true_positive_rate_difference", 0.1),
        limit("false_positive_rate_difference", 0.1),
    )
    at_limits = replace(truth, outcomes=0.6, delay=delay)
    found = canaries(replace(held, limits=gated), at_limits, runs=200)

    assert sum(each.returned is not None for each in found) <= allowed(200)
    assert sum(each.shown is not None for each in found) <= allowed(200)


@pytest.mark.proof
@pytest.mark.parametrize("wrong", [0.13, 0.25])
def test_quality_at_its_margin_is_kept_to_the_level_and_far_beyond_it_is_caught(wrong: float) -> None:
    held, truth = scene(
        [0.3, 0.3], [1, 1], accuracy=1 - wrong, most=20_000, outcomes_from=500, quality_margin=0.03
    )
    found = canaries(held, replace(truth, outcomes=0.6, delay=20), runs=200)
    returned = sum(each.returned is not None for each in found)

    assert sum(each.shown is not None for each in found) <= allowed(200)
    assert returned <= allowed(200) if wrong == 0.13 else returned >= 190


@pytest.mark.proof
def test_faults_and_latency_at_their_limits_are_kept_to_the_level() -> None:
    held, truth = scene([0.3, 0.3], [1, 1], most=20_000)
    found = canaries(held, replace(truth, faults=0.05, slow=0.05), runs=300)

    assert sum(each.returned is not None for each in found) <= allowed(300)
    assert sum(each.shown is not None for each in found) <= allowed(300)

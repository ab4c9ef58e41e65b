"""The power of a canary before it starts: how soon a stated harm is caught, how soon parity is shown.

By simulation from the rates that the release has on its own test rows, with the same code that will decide.
The seed is fixed, so the same release and params print the same plan.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from fairmark.serve.canary.evidence import (
    ALL,
    Counts,
    Decisions,
    Family,
    Terms,
    Unjudged,
    families,
    of_limit,
    total_evidence,
)
from fairmark.stats.arrays import Floats, Ints, Mask
from fairmark.stats.measures import MEASURES, PLACE, Share, summed

RUNS = 60
LOOKS = 150
"""Looks of a simulated canary, at most: fewer than the real one has, so the delays are rounded up."""


@dataclass(frozen=True)
class Truth:
    """What the challenger is like in a simulated canary.

    Parameters
    ----------
    cells
        By attribute, `ALL` among them, the probabilities [groups, label, decision]; they sum to 1.
    champion
        The same of the champion on all rows, [label, decision].
    faults, slow
        Chance of each request.
    changed
        Chance that a row that both models decide changes for the better, and for the worse; by group.
    outcomes
        Chance that a decision's outcome comes within the canary.
    delay
        Looks until it comes.
    """

    cells: Mapping[str, Floats]
    champion: Floats
    faults: float = 0.0005
    slow: float = 0.001
    changed: Mapping[str, Floats] | None = None
    outcomes: float = 0.0
    delay: int = 0

    @classmethod
    def of(cls, terms: Terms, **changes: float) -> "Truth":
        """Return a challenger, and a champion, that are as the challenger was on its test rows."""
        cells = {name: (table + 0.5) / (table + 0.5).sum() for name, table in terms.expected.items()}
        return cls(cells, cells[ALL][0], **changes)  # type: ignore[arg-type]


def draw(terms: Terms, truth: Truth, looks: int, rng: np.random.Generator, *, shadow: bool = True) -> Counts:
    """Return the counts of a canary of `looks` blocks, the attributes drawn one by one.

    Parameters
    ----------
    shadow
        Whether the first `params.serve.canary.shadow` decisions have the champion's beside them.
    """
    rules = terms.rules
    paired = np.arange(looks) * rules.block < (rules.shadow if shadow else 0)
    decisions, outcomes = {}, {}
    for name, cells in truth.cells.items():
        table = rng.multinomial(rules.block, cells.ravel(), size=looks).reshape(looks, *cells.shape)
        rows = table.sum(axis=(2, 3)).astype(np.float64)
        decisions[name] = Decisions(
            terms.groups[name],
            rows,
            table[..., 1].sum(axis=2).astype(np.float64),
            _paired(rows * paired[:, None], truth, name, rng),
        )
        outcomes[name] = _late(table, truth, rng)
    champion = rng.multinomial(rules.block, truth.champion.ravel(), size=looks).reshape(looks, 2, 2)
    arms = np.stack([outcomes[ALL][:, 0], _late(champion, truth, rng)], axis=1)
    slow = rng.binomial(rules.block, [truth.faults, truth.slow], size=(looks, 2))
    operation = np.column_stack([np.full(looks, rules.block), slow]).astype(np.float64)
    return Counts(decisions, outcomes, arms, operation)


def _paired(rows: Floats, truth: Truth, name: str, rng: np.random.Generator) -> Floats:
    changed = (truth.changed or {}).get(name, np.full((rows.shape[1], 2), 0.01))
    chances = np.column_stack([changed[:, 0], 1 - changed.sum(axis=1), changed[:, 1]])
    drawn = [rng.multinomial(rows[:, k].astype(int), chances[k]) for k in range(rows.shape[1])]
    return np.stack(drawn, axis=1).astype(np.float64)


def _late(table: Floats | Ints, truth: Truth, rng: np.random.Generator) -> Floats:
    came = rng.binomial(table.astype(int), truth.outcomes).astype(np.float64)
    return np.concatenate([np.zeros_like(came[: truth.delay]), came[: len(came) - truth.delay]])


@dataclass(frozen=True)
class Course:
    """How a simulated canary went: decisions until it was returned, and until all was shown; None: never."""

    returned: int | None
    shown: int | None

    @property
    def action(self) -> Literal["return", "promote", "insufficient evidence"]:
        """What became of it when each look counts."""
        if self.returned is not None and (self.shown is None or self.returned <= self.shown):
            return "return"
        return "promote" if self.shown is not None else "insufficient evidence"


def course(counts: Counts, terms: Terms) -> Course:
    """Return how a canary goes that is looked at after each block: what `decide` would do at each of them."""
    found, _ = families(counts, terms)
    return _course(total_evidence(found), found, terms)


def _course(missed: Floats, found: list[Family], terms: Terms) -> Course:
    needed, block = -np.log(terms.rules.level), terms.rules.block
    harmed = missed >= needed
    required = [part.shown for each in found if each.required for part in each.parts if not part.waived]
    if required:
        peaks = np.min([np.maximum.accumulate(each) for each in required], axis=0)
        shown = peaks >= needed
    else:
        shown = np.ones_like(harmed)
    return Course(_first(harmed, block), _first(shown, block))


def _first(reached: Mask, block: int) -> int | None:
    return (int(reached.argmax()) + 1) * block if reached.any() else None


@dataclass(frozen=True)
class Foresight:
    """What a canary is worth on one limit.

    Parameters
    ----------
    name
        Of the limit.
    harm
        The harm that was simulated, in words.
    caught
        Chance that it is returned within the most decisions, 0..1.
    decisions
        Until then, in the median; None when fewer than half are.
    shown
        Chance that the limit is shown to be met when the release is as on its test rows.
    until
        Decisions until then, in the median; None when fewer than half are.
    """

    name: str
    harm: str
    caught: float
    decisions: int | None
    shown: float
    until: int | None

    def line(self, most: int) -> str:
        """Return it in words."""
        soon = f"after {self.decisions:,} decisions in the median" if self.decisions else "mostly not in time"
        met = f"after {self.until:,} in the median" if self.until else f"mostly not within {most:,}"
        return (
            f"{self.name}: {self.harm} is caught in {self.caught:.0%} of canaries, {soon}; as on the test "
            f"rows, it is shown to be met in {self.shown:.0%}, {met}"
        )


def plan(terms: Terms, *, outcomes: float = 0.0) -> Iterator[Foresight | Unjudged]:
    """Yield what a canary is worth on each gated limit on groups, in their order; seconds for each.

    Parameters
    ----------
    outcomes
        Chance that the outcome of a decision comes within the canary: limits on errors are nothing without.
    """
    looks = min(LOOKS, max(1, terms.rules.most // terms.rules.block))
    coarse = terms.rules.model_copy(update={"block": -(-terms.rules.most // looks)})
    terms = replace(terms, rules=coarse)
    everything, left = families(draw(terms, Truth.of(terms), 1, np.random.default_rng(0)), terms)
    yield from left
    of_groups = [each for each in everything if each.of_groups]
    for each in of_groups:
        alone = replace(
            terms,
            limits=tuple(one for one in terms.limits if one.name == each.name),
            rules=coarse.model_copy(update={"outcomes_from": 1 if outcomes else None}),
        )
        yield _foresight(each, alone, looks, len(of_groups), outcomes)


def lines(terms: Terms, *, outcomes: float = 0.0) -> Iterator[str]:
    """Yield what `plan` does, in words."""
    for each in plan(terms, outcomes=outcomes):
        if isinstance(each, Foresight):
            yield each.line(terms.rules.most)
        else:
            yield f"{each.name}: not judged by a canary: {each.why}"


def _foresight(each: Family, terms: Terms, looks: int, limits: int, outcomes: float) -> Foresight:
    attribute = terms.limits[0].attribute or ALL
    harm, harmful = harmed(terms, each, attribute)
    usual = Truth.of(terms, outcomes=outcomes)
    returned: list[int | None] = []
    shown: list[int | None] = []
    rng = np.random.default_rng(20_261_128)
    for _ in range(RUNS):
        bad = _same(each, draw(terms, replace(usual, cells=harmful), looks, rng), terms)
        # The limits on groups share half of the weight.
        returned.append(_course(bad.missed - np.log(2 * limits), [bad], terms).returned)
        good = _same(each, draw(terms, usual, looks, rng), terms)
        shown.append(_course(good.missed, [replace(good, required=True)], terms).shown)
    return Foresight(each.name, harm, _share(returned), _median(returned), _share(shown), _median(shown))


def _same(each: Family, counts: Counts, terms: Terms) -> Family:
    """Return the evidence on the one limit of `terms`, on the rate of `each`."""
    found = of_limit(terms.limits[0], counts, terms)
    return next(one for one in found if isinstance(one, Family) and one.rate == each.rate)


def harmed(terms: Terms, each: Family, attribute: str) -> tuple[str, dict[str, Floats]]:
    """Return in words, and as probabilities, the test rows with one group beyond the limit by `harm`.

    It is the group with the lowest rate (the highest, where a limit is one from above).
    """
    cells = {name: table.copy() for name, table in Truth.of(terms).cells.items()}
    table, formula = cells[attribute], MEASURES[each.rate].formula
    assert isinstance(formula, Share)  # noqa: S101 - what is judged is a share
    rates = summed(table, formula.hits) / summed(table, formula.rows)
    down = each.kind != "rate" or each.at_least
    group = int(rates.argmin() if down else rates.argmax())
    by = terms.rules.harm
    goal = {
        "ratio": max(each.limit - by, 0.01) * rates.max(),
        "difference": rates.max() - each.limit - by,
        "rate": each.limit - by if each.at_least else each.limit + by,
    }[each.kind]
    goal = float(np.clip(goal, 1e-3, 1 - 1e-3))
    for cell, place in PLACE.items():
        if cell in formula.rows:
            hit = cell in formula.hits
            old = rates[group] if hit else 1 - rates[group]
            table[group][place] *= (goal if hit else 1 - goal) / old
    name = terms.groups[attribute][group]
    far = {
        "ratio": f"{goal / rates.max():.2f} of the highest rate",
        "difference": f"{rates.max() - goal:.2f} below the highest rate",
        "rate": f"a rate of {goal:.2f}",
    }[each.kind]
    return f"{name} at {far} ({each.what})", cells


def _share(found: list[int | None]) -> float:
    return sum(one is not None for one in found) / len(found)


def _median(found: list[int | None]) -> int | None:
    times = sorted(one if one is not None else 2**62 for one in found)
    middle = times[(len(times) - 1) // 2]
    return middle if middle < 2**62 else None

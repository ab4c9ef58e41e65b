"""Stress: what missing values, shifted numbers, unseen categories and small nudges do to quality and verdict.

Every scenario changes test rows, never the model. Those that change all features at once come with a document
of measurements that `judge` reads like that of the test rows themselves, so a later call can say whether the
verdict moves; those that change one feature come with the verdict itself. Stressed is what the model sees,
the encoded matrix; unseen categories go through the encoder, which is what that scenario is about.

Beside the scenarios stand the smallest changes of one number that turn decisions near the threshold, and
whether scores stay the same when protected attributes are swapped.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fairmark.data.roles import WEIGHT
from fairmark.data.split import Parts
from fairmark.evaluate.documents import (
    NudgedFeature,
    Nudges,
    QuickVerdict,
    ShiftedDecisions,
    Stress,
    StressScenario,
    SwappedDecisions,
    SwappedEvidence,
    TurnedShare,
)
from fairmark.evaluate.summary_metrics import Rows, summary_metrics
from fairmark.judge.measurements import Measurements
from fairmark.model.model import Model, probability
from fairmark.params.evaluate import Checks
from fairmark.stats.arrays import Floats

Measuring = Callable[[Floats], Measurements]
"""Returns the measurements document of scores, [n]."""
Judging = Callable[[Floats], QuickVerdict]
"""Says how scores, [n], would be judged."""


@dataclass(frozen=True)
class StressHarness:
    """A model with test rows that can be changed and scored again: what every scenario works on.

    Parameters
    ----------
    model
        The model.
    rows
        Test rows, [n].
    matrix
        The same rows, encoded, [n, p].
    train
        Encoded train rows, whose spread is the unit of shifts and whose range bounds them, [m, p].
    leading
        The features that are stressed one by one.
    """

    model: Model
    rows: Rows
    matrix: Floats
    train: Floats
    leading: Sequence[str]

    @cached_property
    def base(self) -> Floats:
        """The scores of the rows as they are, [n]."""
        return probability(self.model.margin_of(self.matrix))

    def score(self, matrix: Floats) -> Floats:
        """Return the scores of the rows after a change, [n]; only rows that changed are scored again."""
        same = (matrix == self.matrix) | (np.isnan(matrix) & np.isnan(self.matrix))
        # Scoring is what costs, and most scenarios change few rows; a missing value stays what it is.
        changed = ~same.all(axis=1)
        scores = self.base.copy()
        scores[changed] = probability(self.model.margin_of(matrix[changed]))
        return scores

    def changed(self, score: Floats) -> NDArray[np.bool_]:
        """Return which rows are decided otherwise by these scores, [n]."""
        return np.asarray(self.decide(score) != self.decide(self.base))

    def decide(self, score: Floats) -> NDArray[np.bool_]:
        """Return which scores are decided 1, [n]."""
        return np.asarray(score >= self.threshold)

    @cached_property
    def threshold(self) -> float | Floats:
        """The threshold, or that of each row, [n], where groups have thresholds of their own."""
        return self.model.cut(self.rows.groups)

    @property
    def columns(self) -> dict[str, int]:
        """The leading features' places in the matrix."""
        return {name: self.model.features.index(name) for name in self.leading}

    @property
    def numbers(self) -> dict[str, int]:
        """The leading numeric features that vary over train rows, and their places in the matrix."""
        kinds = self.model.encoder.kinds
        return {
            name: k
            for name, k in self.columns.items()
            if kinds[k] == "numeric" and spread(self.train[:, k]) > 0
        }

    def moved(self, matrix: Floats, column: int, spreads: float) -> Floats:
        """Return a copy with one number moved by so many spreads, and kept in the range of train rows."""
        values, seen = matrix[:, column], self.train[:, column]
        # A value that lies outside the range of train rows already stays where it is, and is not pulled in.
        low, high = np.fmin(np.nanmin(seen), values), np.fmax(np.nanmax(seen), values)
        other = matrix.copy()
        other[:, column] = np.clip(values + spreads * spread(seen), low, high)
        return other


def spread(values: Floats) -> float:
    """Return the standard deviation of the values that are not missing; 0 when all are."""
    known = values[~np.isnan(values)]
    return float(known.std()) if len(known) else 0.0


def stress(
    harness: StressHarness, params: Checks, measuring: Measuring, judging: Judging, swapped: SwappedEvidence
) -> Stress:
    """Return every scenario beside the test rows as they are, and how little it takes to turn a decision.

    Parameters
    ----------
    harness
        The model on its test rows.
    params
        Shares, sizes and seed of the scenarios.
    measuring, judging
        What scenarios of all features, and of one feature, come with.
    swapped
        What `swapped_evidence` says of the same model.
    """
    shifts = list(shifted_numbers(harness, params.shift))
    scenarios = [
        *missing_values(harness, sorted(set(params.missing_shares)), params.seed),
        *shifts,
        *unseen_categories(harness, max(params.missing_shares), params.seed),
        *worst_nudges(harness, shifts),
    ]
    return Stress(
        base=summary_metrics(harness.rows, harness.base, harness.threshold),
        scenarios=[scenario_effect(harness, one, measuring, judging) for one in scenarios],
        turned=ShiftedDecisions(amount=params.shift, share=turned_share(harness, shifts)),
        nudges=nudges(harness, params.nudges, params.sample),
        swapped=swapped,
    )


@dataclass(frozen=True)
class Scenario:
    """One way in which test rows change: kind, feature (None for all) and size, and the new scores, [n]."""

    kind: str
    feature: str | None
    amount: float
    score: Floats


def missing_values(harness: StressHarness, shares: Sequence[float], seed: int) -> Iterator[Scenario]:
    """Yield each leading feature, and then all features at once, with a share of values set missing."""
    for share in shares:
        for name, column in harness.columns.items():
            other = harness.matrix.copy()
            other[_drawn(len(other), share, seed, column), column] = np.nan
            yield Scenario("missing", name, share, harness.score(other))
        holes = np.random.default_rng([seed, 3]).random(harness.matrix.shape) < share
        yield Scenario("missing", None, share, harness.score(np.where(holes, np.nan, harness.matrix)))


def shifted_numbers(harness: StressHarness, shift: float) -> Iterator[Scenario]:
    """Yield each leading number, and then all of them at once, moved down and up by `shift` spreads."""
    for amount in (-shift, shift):
        together = harness.matrix
        for name, column in harness.numbers.items():
            yield Scenario(
                "shift", name, amount, harness.score(harness.moved(harness.matrix, column, amount))
            )
            together = harness.moved(together, column, amount)
        if harness.numbers:
            yield Scenario("shift", None, amount, harness.score(together))


def unseen_categories(harness: StressHarness, share: float, seed: int) -> Iterator[Scenario]:
    """Yield each leading categorical or ordinal feature, and then all, with a share of values never seen."""
    together = table = harness.rows.table
    for name, column in harness.columns.items():
        known = harness.model.encoder.columns[column].categories
        if known is not None:
            values = table[name].astype(object).to_numpy(copy=True)
            # Longer than any known category, so none of them.
            values[_drawn(len(values), share, seed, column)] = "unseen" + "".join(known)
            yield Scenario("unseen", name, share, harness.model.score(table.assign(**{name: values})))
            together = together.assign(**{name: values})
    if together is not table:
        yield Scenario("unseen", None, share, harness.model.score(together))


def worst_nudges(harness: StressHarness, shifts: Sequence[Scenario]) -> Iterator[Scenario]:
    """Yield the worst case of one nudge a row: of the scores under one shifted number, the one most wrong."""
    single = [one for one in shifts if one.feature is not None]
    if single:
        scores = np.vstack([harness.base, *(one.score for one in single)])  # [1 + shifts, n]
        # An adversary who may shift one number, another one in each row: the least score for a positive row,
        # the highest for a negative one. No scenario of one shift does worse.
        worst = np.where(harness.rows.label == 1, scores.min(axis=0), scores.max(axis=0))
        yield Scenario("nudge", None, single[-1].amount, worst)


def scenario_effect(
    harness: StressHarness, scenario: Scenario, measuring: Measuring, judging: Judging
) -> StressScenario:
    """Return what one scenario does to decisions and quality, and what it is judged by."""
    whole = scenario.feature is None
    return StressScenario(
        kind=scenario.kind,
        feature=scenario.feature,
        amount=scenario.amount,
        changed=float(np.average(harness.changed(scenario.score), weights=harness.rows.weight)),
        measurements=measuring(scenario.score) if whole else None,
        verdict=None if whole else judging(scenario.score),
        **dict(summary_metrics(harness.rows, scenario.score, harness.threshold)),
    )


def turned_share(harness: StressHarness, shifts: Sequence[Scenario]) -> float | None:
    """Return the share of decisions (by weight) that a shift of one number turns; None without numbers."""
    single = [harness.changed(one.score) for one in shifts if one.feature is not None]
    return float(np.average(np.any(single, axis=0), weights=harness.rows.weight)) if single else None


def _drawn(rows: int, share: float, seed: int, column: int) -> NDArray[np.bool_]:
    """Return a mask of a share of rows, drawn without replacement, [rows]."""
    chosen = np.zeros(rows, dtype=bool)
    order = np.random.default_rng([seed, 4, column]).permutation(rows)
    chosen[order[: round(share * rows)]] = True
    return chosen


def nudges(harness: StressHarness, sizes: Sequence[float], sample: int) -> Nudges:
    """Return the smallest change of one number that turns decisions, of those nearest to the threshold.

    A greedy attack: one number at a time, down and up, the `sizes` (in spreads) from small to large, on
    the `sample` nearest rows. Shares are of these rows and rise with the size.
    """
    distance = np.abs(harness.base - harness.threshold)
    nearest = np.argsort(distance, kind="stable")[:sample]
    near = replace(harness, rows=harness.rows.take(nearest), matrix=harness.matrix[nearest])
    steps = sorted(set(sizes))
    least = {name: _least(near, column, steps) for name, column in near.numbers.items()}
    by_any = np.min([np.full(len(nearest), np.inf), *least.values()], axis=0)
    return Nudges(
        rows=len(nearest),
        farthest=float(distance[nearest].max()),
        turned=_shares(by_any, steps),
        features={
            name: NudgedFeature(
                spread=spread(harness.train[:, harness.columns[name]]),
                turned=_shares(smallest, steps),
                median=_median(smallest),
            )
            for name, smallest in least.items()
        },
    )


def _least(near: StressHarness, column: int, steps: Sequence[float]) -> Floats:
    """Return the smallest step that turns each row's decision, [n], infinite where none does."""
    least = np.full(len(near.matrix), np.inf)
    # From large to small, so that the smallest step that turns a row is the last to be written.
    for step in reversed(steps):
        for signed in (-step, step):
            least[near.changed(near.score(near.moved(near.matrix, column, signed)))] = step
    return least


def _median(least: Floats) -> float | None:
    # The higher of two middle rows: half of the rows are turned by no less.
    middle = float(np.sort(least)[len(least) // 2])
    return middle if np.isfinite(middle) else None


def _shares(least: Floats, steps: Sequence[float]) -> list[TurnedShare]:
    return [TurnedShare(size=step, share=float((least <= step).mean())) for step in steps]


def swapped_evidence(parts: Parts, model: Model) -> SwappedEvidence:
    """Return whether test scores stay the same to the last bit when the evidence is swapped.

    The model is given every protected attribute and excluded column beside the table, once as they are and
    once with groups renamed in a circle and excluded values in reverse order of rows. Where groups have
    thresholds of their own, decisions must move with the group: how many of them do is measured too.
    """
    table, evidence = parts.part("test")
    groups = parts.schema.groups
    before, after = {}, {}
    for name in evidence.columns.astype(str):
        raw = name.removeprefix("withheld:")
        if raw != name:
            # A model that reads a column by its name finds it here: it gets the chance to cheat, and is
            # caught by it.
            before[raw], after[raw] = evidence[name], evidence[name].iloc[::-1].reset_index(drop=True)
        elif name in groups and name not in table:
            before[name], after[name] = evidence[name], evidence[name].map(_circle(groups[name]))
    as_is, swapped = (model.score(table.assign(**one)) for one in (before, after))
    columns, same = sorted(before), bool(np.array_equal(as_is, swapped))
    if model.own is None:
        return SwappedEvidence(columns=columns, same=same)
    attribute = model.own.attribute
    other = evidence.assign(**{attribute: evidence[attribute].map(_circle(groups[attribute]))})
    turned = (as_is >= model.cut(evidence)) != (as_is >= model.cut(other))
    moved = float(np.average(turned, weights=table[WEIGHT].to_numpy(np.float64)))
    decisions = SwappedDecisions(attribute=attribute, moved=moved)
    return SwappedEvidence(columns=columns, same=same, decisions=decisions)


def _circle(names: Sequence[str]) -> dict[str, str]:
    """Return each name's next one, the first after the last."""
    return dict(zip(names, [*names[1:], names[0]], strict=True))

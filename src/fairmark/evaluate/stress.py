"""Stress: what missing values, shifted numbers, unseen categories and small nudges do to quality and verdict.

Every scenario changes test rows, never the model. Those that change all features at once come with a document
of measurements that `judge` reads like that of the test rows themselves, so a later call can say whether the
verdict moves; those that change one feature come with the verdict itself. Stressed is what the model sees,
the encoded matrix; unseen categories go through the encoder, which is what that scenario is about.

A model on test rows that can be changed and scored again: what every scenario of stress works on.

Small nudges: the least change of one number that turns a decision near the threshold.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairmark.data.dataset import Parts
from fairmark.evaluate.summary_metrics import Rows, glance
from fairmark.model.model import Model, probability
from fairmark.params.evaluate import Checks
from fairmark.stats.arrays import Floats


@dataclass(frozen=True)
class Rig:
    """A model with test rows to stress it on.

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
        changed = ~same.all(axis=1)
        scores = self.base.copy()
        scores[changed] = probability(self.model.margin_of(matrix[changed]))
        return scores

    def changed(self, score: Floats) -> NDArray[np.bool_]:
        """Return which rows are decided otherwise by these scores, [n]."""
        return np.asarray(self.decide(score) != self.decide(self.base))

    def decide(self, score: Floats) -> NDArray[np.bool_]:
        """Return which scores are decided 1, [n]."""
        return np.asarray(score >= self.cut)

    @cached_property
    def cut(self) -> float | Floats:
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
        low, high = np.fmin(np.nanmin(seen), values), np.fmax(np.nanmax(seen), values)
        other = matrix.copy()
        other[:, column] = np.clip(values + spreads * spread(seen), low, high)
        return other


def spread(values: Floats) -> float:
    """Return the standard deviation of the values that are not missing; 0 when all are."""
    known = values[~np.isnan(values)]
    return float(known.std()) if len(known) else 0.0


# ------------------------------------------------------------------ nudge


def nudges(rig: Rig, sizes: Sequence[float], sample: int) -> dict[str, Any]:
    """Return the smallest change of one number that turns each of the decisions nearest to the threshold.

    A greedy attack: one number at a time, down and up, the `sizes` (in spreads) from small to large.

    Returns
    -------
    dict
        `{"rows" (attacked), "farthest" (largest distance of their scores from the threshold), "turned":
        [{"size", "share"}] (by any number), "features": {name: {"spread", "turned", "median"}}}`.
        Shares are of attacked rows and rise with the size; `median` is the median smallest size over all
        attacked rows, None when half of them can't be turned.
    """
    distance = np.abs(rig.base - rig.cut)
    nearest = np.argsort(distance, kind="stable")[:sample]
    near = replace(rig, rows=rig.rows.take(nearest), matrix=rig.matrix[nearest])
    steps = sorted(set(sizes))
    least = {name: _least(near, column, steps) for name, column in near.numbers.items()}
    return {
        "rows": len(nearest),
        "farthest": float(distance[nearest].max()),
        "turned": _shares(np.min([np.full(len(nearest), np.inf), *least.values()], axis=0), steps),
        "features": {
            name: {
                "spread": spread(rig.train[:, rig.columns[name]]),
                "turned": _shares(found, steps),
                "median": _median(found),
            }
            for name, found in least.items()
        },
    }


def _least(near: Rig, column: int, steps: Sequence[float]) -> Floats:
    """Return the smallest step that turns each row's decision, [n], infinite where none does."""
    least = np.full(len(near.matrix), np.inf)
    for step in reversed(steps):
        for signed in (-step, step):
            least[near.changed(near.score(near.moved(near.matrix, column, signed)))] = step
    return least


def _median(least: Floats) -> float | None:
    # The higher of two middle rows: half of the rows are turned by no less.
    middle = float(np.sort(least)[len(least) // 2])
    return middle if np.isfinite(middle) else None


def _shares(least: Floats, steps: Sequence[float]) -> list[dict[str, float]]:
    return [{"size": step, "share": float((least <= step).mean())} for step in steps]


# ------------------------------------------------------------------ stress


Document = Callable[[Floats], dict[str, Any]]
"""Makes the measurements document of scores, or says how they would be judged."""


@dataclass(frozen=True)
class Scenario:
    """One way in which test rows change: kind, feature (None for all) and size, and the new scores, [n]."""

    kind: str
    feature: str | None
    amount: float | None
    score: Floats


def missing(rig: Rig, shares: Sequence[float], seed: int) -> Iterator[Scenario]:
    """Yield each leading feature, and then all features at once, with a share of values set missing."""
    for share in shares:
        for name, column in rig.columns.items():
            other = rig.matrix.copy()
            other[_drawn(len(other), share, seed, column), column] = np.nan
            yield Scenario("missing", name, share, rig.score(other))
        holes = np.random.default_rng([seed, 3]).random(rig.matrix.shape) < share
        yield Scenario("missing", None, share, rig.score(np.where(holes, np.nan, rig.matrix)))


def shifted(rig: Rig, shift: float) -> Iterator[Scenario]:
    """Yield each leading number, and then all of them at once, moved down and up by `shift` spreads."""
    for amount in (-shift, shift):
        together = rig.matrix
        for name, column in rig.numbers.items():
            yield Scenario("shift", name, amount, rig.score(rig.moved(rig.matrix, column, amount)))
            together = rig.moved(together, column, amount)
        if rig.numbers:
            yield Scenario("shift", None, amount, rig.score(together))


def unseen(rig: Rig, share: float, seed: int) -> Iterator[Scenario]:
    """Yield each leading categorical or ordinal feature, and then all, with a share of values never seen."""
    together = table = rig.rows.table
    for name, column in rig.columns.items():
        known = rig.model.encoder.columns[column].categories
        if known is not None:
            values = table[name].astype(object).to_numpy(copy=True)
            # Longer than any known category, so none of them.
            values[_drawn(len(values), share, seed, column)] = "unseen" + "".join(known)
            yield Scenario("unseen", name, share, rig.model.score(table.assign(**{name: values})))
            together = together.assign(**{name: values})
    if together is not table:
        yield Scenario("unseen", None, share, rig.model.score(together))


def against(rig: Rig, shifts: Sequence[Scenario]) -> Iterator[Scenario]:
    """Yield the worst case of one nudge a row: of the scores under one shifted number, the one most wrong."""
    single = [one for one in shifts if one.feature is not None]
    if single:
        scores = np.vstack([rig.base, *(one.score for one in single)])
        worst = np.where(rig.rows.label == 1, scores.min(axis=0), scores.max(axis=0))
        yield Scenario("nudge", None, single[-1].amount, worst)


def tell(rig: Rig, found: Scenario, document: Document, verdict: Document) -> dict[str, Any]:
    """Return what one scenario does.

    Returns
    -------
    dict
        `{"kind", "feature", "amount", "changed", ...}` with what `glance` says, "measurements" (None for one
        feature alone) and "verdict" (what `outlook` says; None for all features, whose measurements are
        judged); `changed` is the share of rows (by weight) that are decided otherwise, 0..1.
    """
    whole = found.feature is None
    return {
        "kind": found.kind,
        "feature": found.feature,
        "amount": found.amount,
        "changed": float(np.average(rig.changed(found.score), weights=rig.rows.weight)),
        **glance(rig.rows, found.score, rig.cut),
        "measurements": document(found.score) if whole else None,
        "verdict": None if whole else verdict(found.score),
    }


def stress(rig: Rig, params: Checks, document: Document, verdict: Document) -> dict[str, Any]:
    """Return every scenario beside the test rows as they are, and how little it takes to turn a decision.

    Returns
    -------
    dict
        `{"base": glance, "scenarios": [as in tell], "turned": {"amount", "share"}, "nudges": as in nudges}`.
    """
    shifts = list(shifted(rig, params.shift))
    found = [
        *missing(rig, sorted(set(params.missing_shares)), params.seed),
        *shifts,
        *unseen(rig, max(params.missing_shares), params.seed),
        *against(rig, shifts),
    ]
    return {
        "base": glance(rig.rows, rig.base, rig.cut),
        "scenarios": [tell(rig, one, document, verdict) for one in found],
        "turned": {"amount": params.shift, "share": turned(rig, shifts)},
        "nudges": nudges(rig, params.nudges, params.sample),
    }


def turned(rig: Rig, shifts: Sequence[Scenario]) -> float | None:
    """Return the share of decisions (by weight) that a shift of one number turns; None without numbers."""
    single = [rig.changed(one.score) for one in shifts if one.feature is not None]
    return float(np.average(np.any(single, axis=0), weights=rig.rows.weight)) if single else None


def swapped(parts: Parts, model: Model) -> dict[str, Any]:
    """Return whether test scores stay the same to the last bit when the evidence is swapped.

    Where groups have thresholds of their own, decisions must move with the group: how many of them do is
    told too.

    The model is given every protected attribute and withheld column beside the table, once as they are and
    once with groups renamed in a circle and withheld values in reverse order of rows.

    Returns
    -------
    dict
        `{"columns" (swapped), "same": bool}`; `same` false says that the score reads what it must not. With
        thresholds of groups' own also `"decisions": {"attribute", "moved"}`: the share of test rows (by
        weight) that would be decided otherwise had they been of the next group.
    """
    table, evidence = parts.part("test")
    groups = {name: parts.schema["attributes"][name]["groups"] for name in parts.attributes}
    before, after = {}, {}
    for name in evidence.columns.astype(str):
        raw = name.removeprefix("withheld:")
        if raw != name:
            before[raw], after[raw] = evidence[name], evidence[name].iloc[::-1].reset_index(drop=True)
        elif name in groups and name not in table:
            before[name], after[name] = evidence[name], evidence[name].map(_circle(groups[name]))
    as_is, turned_round = (model.score(table.assign(**one)) for one in (before, after))
    found = {"columns": sorted(before), "same": bool(np.array_equal(as_is, turned_round))}
    return found | _moved(model, as_is, evidence, groups, table["_weight"].to_numpy(np.float64))


def _moved(
    model: Model, score: Floats, evidence: pd.DataFrame, groups: Mapping[str, Sequence[str]], weight: Floats
) -> dict[str, Any]:
    if model.own is None:
        return {}
    name = model.own.attribute
    other = evidence.assign(**{name: evidence[name].map(_circle(groups[name]))})
    moved = (score >= model.cut(evidence)) != (score >= model.cut(other))
    return {"decisions": {"attribute": name, "moved": float(np.average(moved, weights=weight))}}


def _circle(names: Sequence[str]) -> dict[str, str]:
    return dict(zip(names, [*names[1:], names[0]], strict=True))


def _drawn(rows: int, share: float, seed: int, column: int) -> NDArray[np.bool_]:
    """Return a mask of a share of rows, drawn without replacement, [rows]."""
    chosen = np.zeros(rows, dtype=bool)
    order = np.random.default_rng([seed, 4, column]).permutation(rows)
    chosen[order[: round(share * rows)]] = True
    return chosen

"""Stress: what missing values, shifted numbers, unseen categories and small nudges do to quality and verdict.

Every scenario changes test rows, never the model. Those that change all features at once come with a document
of measurements that `judge` reads like that of the test rows themselves, so a later call can say whether the
verdict moves; those that change one feature come with the verdict itself. Stressed is what the model sees,
the encoded matrix; unseen categories go through the encoder, which is what that scenario is about.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairmark.judge.cells import Floats
from fairmark.judge.glance import glance
from fairmark.judge.nudge import nudges
from fairmark.judge.rig import Rig
from fairmark.learn.model import Model
from fairmark.learn.parts import Parts
from fairmark.sections.evidence import Checks

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

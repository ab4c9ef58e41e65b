"""Counterfactuals of one decision: the least changes, of what a person can change, that would turn it.

They say what the model would answer to another row, not that the change can be made or would cause anything
(Wachter, Mittelstadt and Russell 2018; Barocas, Selbst and Raghavan 2020). Only features that
`explain.mutable` names are changed, each in the direction that it allows, to values that `prepare` takes.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from fairmark.data.cells import Kind
from fairmark.errors import UsageError
from fairmark.model.estimator import Estimator
from fairmark.params.prepare import Numeric

Direction = Literal["either", "increasing", "decreasing"]
Cell = float | str

STEPS = 200
"""Values of a number that are tried alone; whole numbers of a shorter range are all tried."""
COARSE = 12
"""Values of each of two features that are tried together."""


@dataclass(frozen=True)
class Counterfactual:
    """Another row, and the decision on it.

    Parameters
    ----------
    changes
        What the row has and would have, by feature.
    score
        The score of the changed row, 0 to 1.
    decision
        The decision on it: the other one.
    cost
        Of each change the share of the feature's range, for a category 1; together.
    """

    changes: Mapping[str, tuple[Cell | None, Cell]]
    score: float
    decision: int
    cost: float


@dataclass(frozen=True)
class _Step:
    feature: str
    value: Cell
    cost: float


def counterfactuals(
    model: Estimator, row: pd.DataFrame, mutable: Mapping[str, Direction], *, most: int = 3
) -> list[Counterfactual]:
    """Return the nearest rows that are decided otherwise, the least change first.

    One feature is changed where that suffices; two together only where no single one does. Of one feature the
    nearest value that turns the decision is returned, so that each names a feature once.

    Parameters
    ----------
    row
        One raw row, as `Estimator.read` takes it.
    mutable
        The features that may be changed, and which way a number or a rank may move.
    most
        How many are returned at most.

    Raises
    ------
    UsageError
        When `row` is not one row, or a mutable feature is none that the model reads.
    InputError
        When `prepare` would refuse the row.
    """
    if len(row) != 1:
        raise UsageError(f"row: must be one row, got {len(row)}")
    if unknown := sorted(set(mutable) - set(model.model.features)):
        raise UsageError(f"mutable: must be features of the model, got {', '.join(unknown)}")
    now = int(model.scored(row)["decision"].iloc[0])
    steps = {name: [*_steps(model, row, name, way)] for name, way in mutable.items()}
    single = _turned(model, row, [(step,) for name in steps for step in steps[name]], now)
    if single:
        return single[:most]
    # Thinned first: 200 values of each of two features would be 40,000 rows to score.
    coarse = {name: _thinned(found) for name, found in steps.items()}
    pairs = [
        both
        for one, two in itertools.combinations(coarse, 2)
        for both in itertools.product(coarse[one], coarse[two])
    ]
    return _turned(model, row, pairs, now)[:most]


def _turned(
    model: Estimator, row: pd.DataFrame, tried: Sequence[tuple[_Step, ...]], now: int
) -> list[Counterfactual]:
    """Return what turns the decision: of each set of features the cheapest, cheapest first."""
    if not tried:
        return []
    # All that is tried in one table, so that the model is called once.
    changed = pd.concat([row] * len(tried), ignore_index=True).astype(object)
    for at, steps in enumerate(tried):
        for step in steps:
            changed.loc[at, step.feature] = step.value
    scored = model.scored(changed)
    best: dict[tuple[str, ...], Counterfactual] = {}
    for at in np.flatnonzero(scored["decision"].to_numpy() != now):
        steps = tried[int(at)]
        cost = sum(step.cost for step in steps)
        names = tuple(step.feature for step in steps)
        if names not in best or cost < best[names].cost:
            best[names] = Counterfactual(
                changes={step.feature: (_cell(row[step.feature].iloc[0]), step.value) for step in steps},
                score=float(scored["score"].iloc[at]),
                decision=1 - now,
                cost=cost,
            )
    return sorted(best.values(), key=lambda each: (each.cost, *each.changes))


def _steps(model: Estimator, row: pd.DataFrame, name: str, way: Direction) -> Iterator[_Step]:
    """Yield every value that a feature may be given, with what it costs."""
    kind, value = model.reader.kinds[name], row[name].iloc[0]
    if kind.name == "numeric":
        yield from _numbers(model, name, value, way)
    elif kind.name in ("categorical", "ordinal", "boolean"):
        yield from _values(name, kind, value, way)


def _numbers(model: Estimator, name: str, value: Any, way: Direction) -> Iterator[_Step]:
    rule = model.reader.params.columns.get(name)
    if not isinstance(rule, Numeric) or rule.min is None or rule.max is None or pd.isna(value):
        return  # without bounds nobody said which values are possible
    low, high, at = float(rule.min), float(rule.max), float(str(value))
    low, high = (at if way == "increasing" else low), (at if way == "decreasing" else high)
    # Whole numbers where both bounds and the value are whole: 2.5 children is no advice.
    whole = all(each.is_integer() for each in (float(rule.min), float(rule.max), at))
    count = int(min(high - low + 1, STEPS)) if whole else STEPS
    grid = np.linspace(low, high, max(count, 2))
    for each in dict.fromkeys(np.round(grid) if whole else grid):
        if each != at:
            yield _Step(name, float(each), abs(float(each) - at) / (float(rule.max) - float(rule.min)))


def _values(name: str, kind: Kind, value: object, way: Direction) -> Iterator[_Step]:
    # Of a boolean's pair true comes first, and false is below it.
    order = [*reversed(kind.pair or ())] if kind.name == "boolean" else [*(kind.categories or ())]
    at = order.index(str(value)) if str(value) in order else None
    for rank, each in enumerate(order):
        # Of a value that stands nowhere in the order nobody can say what is more or less.
        if rank == at or (at is None and way != "either"):
            continue
        if kind.name != "categorical" and at is not None:
            if (way == "increasing" and rank < at) or (way == "decreasing" and rank > at):
                continue
            yield _Step(name, each, abs(rank - at) / max(len(order) - 1, 1))
        else:
            yield _Step(name, each, 1.0)


def _thinned(steps: Sequence[_Step]) -> list[_Step]:
    """Return a few of many steps, the last of each direction among them."""
    if len(steps) <= COARSE:
        return list(steps)
    return [steps[int(at)] for at in np.unique(np.linspace(0, len(steps) - 1, COARSE).round())]


def _cell(value: Any) -> Cell | None:
    if pd.isna(value):
        return None
    return float(value) if isinstance(value, int | float | np.number) else str(value)

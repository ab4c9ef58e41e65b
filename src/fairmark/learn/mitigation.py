r"""One deterministic model that treats groups more alike, and never sees a group when it decides.

Two ways, which may be joined. *Reweighing* (Kamiran and Calders 2012, section 4.2) weighs train rows so that
label and group look independent. *Costs* charge or credit each train row for being decided 1, by the Lagrange
multipliers of a fairness constraint (Agarwal et al. 2018, section 3.2; Fairlearn's `UtilityParity`):

.. math:: c_i = \frac{\sum_g \lambda_{e, g}}{P(e)} - \frac{\lambda_{e, g_i}}{P(e, g_i)}

for a row of group :math:`g_i` in event e: any row for demographic parity, a row with label 1 for true
positive rate parity, a row with label 1 or one with label 0 for equalized odds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from fairmark.data.groups import crossed
from fairmark.params.learn import Step
from fairmark.stats.arrays import Floats, Labels

Table = Mapping[tuple[str, str], float]
"""A number for each event and group."""

STEADY_ROWS = 50
"""A group of so many train rows counts half: the rate of a handful of rows says little."""
NO_EVENT = ""


def events(step: Step, label: Labels) -> list[str]:
    """Return the event of each row under the step's constraint, [n], named as Fairlearn does."""
    if step.constraint == "demographic_parity":
        return ["all"] * len(label)
    negative = NO_EVENT if step.constraint == "true_positive_rate_parity" else "label=0"
    return ["label=1" if value == 1 else negative for value in label]


def multipliers(step: Step, label: Labels, group: pd.Series, weight: Floats) -> Table:
    r"""Return lambda of each event and group, which together draw decisions together; all 0 at strength 0.

    A group whose label rate stands above the others' is decided 1 more often, so it gets a lambda above 0,
    which pushes its decisions towards 0: :math:`\lambda_{e, g} = s P(e, g) d_{e, g} / \max |d|`, where d is
    the group's label rate (drawn to the overall rate as by `STEADY_ROWS` more rows of it) less the mean of
    these rates in the event. So the group furthest off is charged or credited `strength` mistakes.
    """
    share = _shares(step, label, group, weight)
    overall = float(np.average(label, weights=weight))
    rows, positive = _sums_of(group, weight), _sums_of(group, weight * label)
    drawn = STEADY_ROWS * overall
    rate = {name: (positive.get(name, 0.0) + drawn) / (rows[name] + STEADY_ROWS) for name in rows}
    gap = {}
    for event, name in share:
        own = {other: part for (found, other), part in share.items() if found == event}
        gap[event, name] = rate[name] - sum(own[g] * rate[g] for g in own) / sum(own.values())
    largest = max((abs(value) for value in gap.values()), default=0.0) or 1.0
    return {key: step.strength * share[key] * gap[key] / largest for key in share}


@dataclass(frozen=True)
class Costs:
    """What deciding 1 gains, in mistakes, by event and group: learnt from train rows for one step."""

    step: Step
    table: Table

    def of(self, label: Labels, group: pd.Series) -> Floats:
        """Return each row's cost, [n]; 0 for an event or a group that train rows don't hold."""
        return _looked_up(self.table, 0.0, events(self.step, label), group)


def costs(step: Step, label: Labels, group: pd.Series, weight: Floats) -> Costs:
    """Return the costs of one step, learnt from train rows."""
    return Costs(step, charged(multipliers(step, label, group, weight), _shares(step, label, group, weight)))


def charged(multiplier: Table, share: Table) -> Table:
    """Return the cost of each event and group from the multipliers and the shares P(event, group)."""
    table = {}
    for event, name in share:
        own = [key for key in share if key[0] == event]
        total = sum(multiplier[key] for key in own) / sum(share[key] for key in own)
        table[event, name] = total - multiplier[event, name] / share[event, name]
    return table


def relabel(label: Labels, weight: Floats, cost: Floats) -> tuple[Labels, Floats]:
    """Return the labels and weights, [n] each, whose weighted error is the Lagrangian, up to a constant.

    With W = weight * (2 label - 1 + cost): label 1 where W > 0, and weight abs(W). Law: costs of 0 give the
    labels and weights back.
    """
    signed = weight * (2.0 * label - 1.0 + cost)
    return (signed > 0).astype(np.int8), np.abs(signed)


def reweighing(label: Labels, group: pd.Series, weight: Floats) -> Mapping[tuple[str, int], float]:
    """Return the factor P(group) P(label) / P(group, label) of each group and label found in train rows."""
    share = weight / weight.sum()
    joint = _sums((group, label), share)
    by_group, by_label = _sums_of(group, share), _sums_of(label, share)
    return {(name, value): by_group[name] * by_label[value] / part for (name, value), part in joint.items()}


def factors(table: Mapping[tuple[str, int], float], label: Labels, group: pd.Series) -> Floats:
    """Return each row's factor of `reweighing`, [n]; 1 for what train rows don't hold."""
    return _looked_up(table, 1.0, group, label)


def joined(evidence: pd.DataFrame, attributes: Sequence[str]) -> pd.Series:
    """Return one group a row: the crossing of all these attributes."""
    return crossed([evidence[name].astype(str) for name in attributes])


def _shares(step: Step, label: Labels, group: pd.Series, weight: Floats) -> Table:
    sums = _sums((events(step, label), group), weight / weight.sum())
    return {key: part for key, part in sums.items() if key[0] != NO_EVENT}


def _sums_of(keys: Any, weight: Floats) -> Mapping[Any, float]:
    return {key: total for (key,), total in _sums((keys,), weight).items()}


def _sums(keys: Sequence[Any], weight: Floats) -> Mapping[tuple[Any, ...], float]:
    """Return the weight of each combination of keys, in their order; those without weight are left out."""
    place, names = _places(keys)
    sums = np.bincount(place, weight, minlength=len(names)).tolist()
    return {name: total for name, total in zip(names, sums, strict=True) if total > 0}


def _looked_up(table: Mapping[Any, float], otherwise: float, *keys: Any) -> Floats:
    """Return the number of each row's combination of keys, [n]."""
    place, names = _places(keys)
    return np.array([table.get(name, otherwise) for name in names], dtype=np.float64)[place]


def _places(keys: Sequence[Any]) -> tuple[npt.NDArray[np.intp], list[tuple[Any, ...]]]:
    """Return the place of each row's combination of keys, [n], among all combinations, sorted."""
    pairs = [pd.factorize(pd.Series(each), sort=True) for each in keys]
    shape = [len(names) for _, names in pairs]
    place = np.ravel_multi_index([codes for codes, _ in pairs], shape)
    return place, [*product(*(names.tolist() for _, names in pairs))]

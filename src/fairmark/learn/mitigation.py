r"""Mitigation of disparities in training: reweighing, and costs by group from Fairlearn's moments.

One deterministic model comes of it, which never sees a group when it decides, and two ways lead there, which
may be joined. *Reweighing* (Kamiran and Calders 2012, section 4.2) weighs train rows so that
label and group look independent. *Costs* charge or credit each train row for being decided 1, by the Lagrange
multipliers of a fairness constraint (Agarwal et al. 2018, section 3.2), which is one of Fairlearn's moments:

.. math:: c_i = \frac{\sum_g \lambda_{e, g}}{P(e)} - \frac{\lambda_{e, g_i}}{P(e, g_i)}

for a row of group :math:`g_i` in event e: any row for demographic parity, a row with label 1 for true
positive rate parity, one with label 0 for false positive rate parity, one or the other for equalized odds.
For error rate parity, any row again, it is :math:`(1 - 2 y_i) c_i`: deciding 1 is wrong where the label is 0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from fairmark.data.groups import crossed
from fairmark.params.learn import Step
from fairmark.stats.arrays import Floats, Labels

if TYPE_CHECKING:
    from fairlearn.reductions import UtilityParity

Table = Mapping[tuple[str, str], float]
"""A number for each event and group."""
Keys = pd.Series | Labels | Sequence[str]
"""Something to count rows by: a value for each of n rows."""
Named = Mapping[Any, float]
"""A number for each value that rows were counted by, or for each combination of several."""

PRIOR_ROWS = 50
"""A group of so many train rows counts half: the rate of a handful of rows says little."""
NO_EVENT = ""


MOMENTS: Mapping[str, str] = {
    "demographic_parity": "DemographicParity",
    "true_positive_rate_parity": "TruePositiveRateParity",
    "false_positive_rate_parity": "FalsePositiveRateParity",
    "equalized_odds": "EqualizedOdds",
    "error_rate_parity": "ErrorRateParity",
}
"""Fairlearn's moment of each constraint of params.yaml."""


@dataclass(frozen=True)
class Constraint:
    """A parity constraint on weighted rows: a moment of Fairlearn, and the weight of its events and groups.

    A moment reads the label and the group of a row, and counts rows: it takes no weights. So it is loaded
    with one row for each label and group, however many rows there are, and what it says of a mean over its
    rows is brought to the weights here.

    Parameters
    ----------
    moment
        One of `MOMENTS`, with its rows loaded.
    events
        The event of a row of each label, named as Fairlearn does; a label of no event is left out.
    share
        P(event, group) by weight, indexed by both.
    positives
        The share of positive labels of each group, where the moment counts mistakes; else None.
    """

    moment: "UtilityParity"
    events: Mapping[int, str]
    share: "pd.Series[float]"
    positives: Mapping[str, float] | None = None

    @classmethod
    def of(cls, name: str, label: Labels, group: pd.Series, weight: Floats) -> Self:
        """Return the constraint `name` of params.yaml on rows, [n]; a row of weight 0 counts as none."""
        from fairlearn import reductions

        moment = getattr(reductions, MOMENTS[name])()
        part = weight / weight.sum()
        labels, groups = (pd.Series(names) for names in zip(*_sums((label, group), part), strict=True))
        moment.load_data(labels.to_frame(), labels, sensitive_features=groups)
        tags = moment.tags.dropna()
        events = dict(zip(tags["label"].tolist(), tags["event"].tolist(), strict=True))
        sums = _sums((_named(events, label), group), part)
        index = moment.prob_group_event.index
        # Aligned by the moment's own index, whose order is Fairlearn's.
        share = pd.Series([sums[key] for key in index], index, dtype=np.float64)
        if name != "error_rate_parity":
            return cls(moment, events, share)
        by_group, positive = _sums_of(group, part), _sums_of(group, part * label)
        return cls(
            moment, events, share, {each: positive.get(each, 0.0) / by_group[each] for each in by_group}
        )

    def violation(self, rate: Mapping[str, float]) -> "pd.Series[float]":
        """Return the rate of each group less the mean rate of its event, by event and group; 0 = parity.

        It is the moment's `gamma` of a classifier that decides 1 at these rates; of mistakes, where it counts
        these.
        """
        if self.positives is not None:
            # P(wrong) when a group is decided 1 at a rate r, whatever the label: p (1 - r) + (1 - p) r.
            wrong = {name: p + rate[name] - 2 * p * rate[name] for name, p in self.positives.items()}
            each = pd.Series([wrong[name] for _, name in self.share.index], self.share.index)
            return each - (self.share * each).sum() / self.share.sum()
        # The moment's gamma is a mean over the few rows that it was loaded with; the weighted mean is taken
        # off here.
        chance = self.moment.tags["group_id"].map(rate).to_numpy(dtype=np.float64)
        gamma = self.moment.gamma(lambda _: chance)["+"]
        by_event = (self.share * gamma).groupby(level=0), self.share.groupby(level=0)
        total, whole = (part.transform("sum") for part in by_event)
        gap: pd.Series[float] = gamma - total / whole
        return gap

    def costs(self, multiplier: "pd.Series[float]") -> Table:
        """Return what deciding 1 gains in each event and group, in mistakes: the moment's `signed_weights`.

        Where the moment counts mistakes, it is what a mistake gains: of a row with label 1, deciding 0.

        Parameters
        ----------
        multiplier
            Lambda by event and group, above 0 against too high a rate and below 0 against too low a one; they
            add up to 0 in each event.
        """
        # Fairlearn has a multiplier of each side of the constraint, both >= 0, where ours has a sign.
        sides = pd.concat({"+": multiplier.clip(lower=0), "-": (-multiplier).clip(lower=0)})
        signed = self.moment.signed_weights(sides.reindex(self.moment.index))
        if self.positives is not None:
            signed = signed * (1 - 2 * self.moment.tags["label"])
        each = signed.groupby([self.moment.tags["event"], self.moment.tags["group_id"]]).first()
        # Fairlearn divides by probabilities of its loaded rows; these are by weight.
        table: Table = (each * self.moment.prob_group_event / self.share).to_dict()
        return table


def multipliers(
    constraint: Constraint, strength: float, label: Labels, group: pd.Series, weight: Floats
) -> "pd.Series[float]":
    r"""Return lambda by event and group, which together equalise decisions; all 0 at strength 0.

    A group whose label rate stands above the others' is decided 1 more often, so it gets a lambda above 0,
    which pushes its decisions towards 0: :math:`\lambda_{e, g} = s P(e, g) d_{e, g} / \max |d|`, where d is
    the violation of the constraint by the groups' label rates (shrunk to the overall rate as by `PRIOR_ROWS`
    more rows of it). So the group furthest off is charged or credited `strength` mistakes.
    """
    overall = float(np.average(label, weights=weight))
    rows, positive = _sums_of(group, weight), _sums_of(group, weight * label)
    prior = PRIOR_ROWS * overall
    # Shrunk as if each group had PRIOR_ROWS more rows of the overall rate.
    rate = {name: (positive.get(name, 0.0) + prior) / (rows[name] + PRIOR_ROWS) for name in rows}
    gap = constraint.violation(rate)
    return strength * constraint.share * gap / (gap.abs().max() or 1.0)


@dataclass(frozen=True)
class Costs:
    """What deciding 1 gains, in mistakes, by event and group: learnt from train rows for one step."""

    events: Mapping[int, str]
    """The event of each label; a label of no event has no cost."""
    table: Table
    mistakes: bool = False
    """Whether the table is of mistakes: of a row with label 1 it is what deciding 0 gains."""

    def of(self, label: Labels, group: pd.Series) -> Floats:
        """Return each row's cost, [n]; 0 for an event or a group that train rows don't hold."""
        each = _looked_up(self.table, 0.0, _named(self.events, label), group)
        # A row with label 1 is wrong when it is decided 0: what a mistake gains there, deciding 1 loses.
        return np.where(label == 1, -each, each) if self.mistakes else each


def costs(step: Step, label: Labels, group: pd.Series, weight: Floats) -> Costs:
    """Return the costs of one step, learnt from train rows; none where fewer than two groups have weight."""
    if len(_sums_of(group, weight)) < 2:
        return Costs({}, {})
    constraint = Constraint.of(step.constraint, label, group, weight)
    if not constraint.events:
        return Costs({}, {})
    chosen = multipliers(constraint, step.strength, label, group, weight)
    return Costs(constraint.events, constraint.costs(chosen), constraint.positives is not None)


def relabel(label: Labels, weight: Floats, cost: Floats) -> tuple[Labels, Floats]:
    """Return the labels and weights, [n] each, whose weighted error is the Lagrangian, up to a constant.

    With W = weight * (2 label - 1 + cost): label 1 where W > 0, and weight abs(W). Law: costs of 0 give the
    labels and weights back.
    """
    # A cost above 1 in size turns the label, which is the point: the Lagrangian wants the other decision of
    # this row.
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


def _sums_of(keys: Keys, weight: Floats) -> Named:
    return {key: total for (key,), total in _sums((keys,), weight).items()}


def _sums(keys: Sequence[Keys], weight: Floats) -> Named:
    """Return the weight of each combination of keys, in their order; those without weight are left out."""
    place, names = _places(keys)
    sums = np.bincount(place, weight, minlength=len(names)).tolist()
    # What has no weight has no probability, and would be divided by.
    return {name: total for name, total in zip(names, sums, strict=True) if total > 0}


def _looked_up(table: Named, otherwise: float, *keys: Keys) -> Floats:
    """Return the number of each row's combination of keys, [n]."""
    place, names = _places(keys)
    return np.array([table.get(name, otherwise) for name in names], dtype=np.float64)[place]


def _places(keys: Sequence[Keys]) -> tuple[npt.NDArray[np.intp], list[tuple[Any, ...]]]:
    """Return the place of each row's combination of keys, [n], among all combinations, sorted."""
    pairs = [pd.factorize(pd.Series(each), sort=True) for each in keys]
    shape = [len(names) for _, names in pairs]
    place = np.ravel_multi_index([codes for codes, _ in pairs], shape)
    return place, [*product(*(names.tolist() for _, names in pairs))]


def _named(events: Mapping[int, str], label: Labels) -> list[str]:
    """Return the event of each row, [n]."""
    return [events.get(value, NO_EVENT) for value in label.tolist()]

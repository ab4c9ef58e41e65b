"""The policy's limits on validation rows: what the search aims for, and which thresholds keep them.

These are point values with a margin, to steer by. The verdict on test rows rests on confidence bounds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from fairmark.learn.threshold import Admissible
from fairmark.params.policy import Limit, Policy
from fairmark.stats.arrays import Floats, Labels, Mask
from fairmark.stats.confusion import as_one_threshold, matrices_by_threshold
from fairmark.stats.measures import QUANTITIES, Measure, OfScores
from fairmark.stats.rates import values_of, values_over_groups

WORST = -1.0
"""The slack of a limit that a model leaves undefined, such as a ratio when nobody is selected."""


@dataclass(frozen=True)
class Rows:
    """Labels, weights and groups of validation rows."""

    label: Labels
    weight: Floats
    groups: pd.DataFrame
    """[n, attributes], a column of group names for each protected attribute."""


@dataclass(frozen=True)
class Limits:
    """The limits of a policy that validation rows can be held against.

    Parameters
    ----------
    policy
        Limits, and the number of rows under which a group is left out here (never in the verdict).
    rows
        The validation rows.
    margin
        How far inside each limit on groups a model must stay, in the measure's own unit. A limit on all rows
        has no margin: it is known far better than the rates of a group.
    """

    policy: Policy
    rows: Rows
    margin: float

    @property
    def known(self) -> list[Limit]:
        """The limits whose measure is known here, in the policy's order."""
        return [limit for limit in self.policy.limits if _is_known(limit)]

    @property
    def gates(self) -> list[Limit]:
        """The gated limits that these rows can be held against; the others are not measured.

        Whether there are groups enough hangs on the rows alone, never on a model: a limit that no trial could
        keep would make all of them equally bad, and the least accurate of them the nearest.
        """
        return [limit for limit in self.known if limit.gate and self._has_groups(limit)]

    def _has_groups(self, limit: Limit) -> bool:
        """Return whether as many groups as a limit compares have enough rows here."""
        needed = 2 if QUANTITIES[limit.measure].over_groups else 1
        return limit.attribute is None or len(self._codes(limit.attribute)[1]) >= needed

    def values(self, score: Floats, threshold: float | Floats) -> dict[str, float | None]:
        """Return the value of each known limit's measure, by the limit's name; None where there is none.

        `threshold` is one for all rows, or that of each row, [n].
        """
        return self.measured(score, threshold)[1]

    def slacks(self, score: Floats, threshold: float | Floats) -> dict[str, float]:
        """Return how far inside each gated limit the rows are, margin taken off; >= 0 keeps it.

        `threshold` is one for all rows, or that of each row, [n].
        """
        return self.measured(score, threshold)[0]

    def measured(
        self, score: Floats, threshold: float | Floats
    ) -> tuple[dict[str, float], dict[str, float | None]]:
        """Return `slacks` and `values`, each measure worked out once."""
        at, each, overall = as_one_threshold(score, threshold), dict[str, Floats](), dict[str, Floats]()
        for limit in self.known:
            if limit.attribute is not None:
                each[limit.name] = self._value(limit, score, *at)
                continue
            if limit.measure not in overall:  # a floor and a ceiling often share one
                overall[limit.measure] = self._value(limit, score, *at)
            each[limit.name] = overall[limit.measure]
        slacks = {limit.name: float(self._room(limit, each[limit.name])[0]) for limit in self.gates}
        numbers = {name: float(value[0]) for name, value in each.items()}
        return slacks, {name: value if np.isfinite(value) else None for name, value in numbers.items()}

    def admissible(self, score: Floats) -> Admissible | None:
        """Return a judge of cuts of this score: those that keep every gated limit that a cut can move.

        None when there is no such limit.
        """
        movable = [limit for limit in self.gates if not QUANTITIES[limit.measure].measure.scored]
        if not movable:
            return None

        def keeps(cut: Floats) -> Mask:
            return np.asarray(
                np.all(
                    [self._room(limit, self._value(limit, score, score, cut)) >= 0 for limit in movable],
                    axis=0,
                )
            )

        return keeps

    def _room(self, limit: Limit, value: Floats) -> Floats:
        slack = value - limit.at_least if limit.at_least is not None else (limit.at_most or 0.0) - value
        slack = slack - (self.margin if limit.attribute is not None else 0.0)
        return np.where(np.isnan(slack), WORST, slack)

    def _value(self, limit: Limit, score: Floats, marked: Floats, cut: Floats) -> Floats:
        code, names = self._codes(limit.attribute)
        asked = QUANTITIES[limit.measure]
        if asked.measure.scored:
            each = [self._scored(asked.measure, score, code == group) for group in range(len(names))]
            return np.full(len(cut), _worst(np.array(each), limit))
        table = matrices_by_threshold(marked, self.rows.label, self.rows.weight, code, len(names), cut)
        if asked.over_groups:
            return values_over_groups(table, limit.measure)
        return _worst(values_of(table, limit.measure), limit)

    def _codes(self, attribute: str | None) -> tuple[npt.NDArray[np.intp], Sequence[Any]]:
        """Return the number of each row's group, -1 for one that is too small, and the groups' names."""
        if attribute is None:
            return np.zeros(len(self.rows.label), dtype=np.intp), ["all"]
        group = self.rows.groups[attribute]
        counts = group.value_counts()
        names = sorted(counts.index[counts >= self.policy.min_group_rows])
        return pd.Index(names, dtype=object).get_indexer(pd.Index(group.astype(object))), names

    def _scored(self, measure: Measure, score: Floats, chosen: Mask) -> float:
        label, weight = self.rows.label[chosen], self.rows.weight[chosen]
        if len(np.unique(label)) < 2 or not isinstance(measure.formula, OfScores):
            return float("nan")
        return measure.formula(label, score[chosen], weight)


def _is_known(limit: Limit) -> bool:
    asked = QUANTITIES[limit.measure]
    return asked.searched and (limit.attribute is not None or not asked.over_groups)


def _worst(each: Floats, limit: Limit) -> Floats:
    """Return the value of the group nearest to breaking the limit, over the last axis."""
    # NaN first, so that no group at all gives NaN too.
    worst = np.fmin if limit.at_least is not None else np.fmax
    return np.asarray(worst.reduce(each, axis=-1, initial=np.nan))

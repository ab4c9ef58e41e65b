"""The policy's limits on held-out rows: what the search aims for, and which thresholds keep them.

A limit on groups is kept with a margin: one that follows from the number of held-out and of test rows
(`assurance`), or a constant. The verdict on test rows rests on confidence bounds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd

from fairmark.learn.assurance import Bar, Sizes, is_missed
from fairmark.learn.summaries import OverTime
from fairmark.learn.threshold import Violation
from fairmark.params.learn import Assurance
from fairmark.params.policy import Limit, Policy
from fairmark.stats.arrays import Floats, Labels, Mask, Places
from fairmark.stats.confusion import as_one_threshold, kish, matrices_by_threshold
from fairmark.stats.measures import QUANTITIES, Larger, Measure, OfScores, Share
from fairmark.stats.rates import MANY, values_of, values_over_groups

WORST = -1.0
"""The slack of a limit that a model leaves undefined, such as a ratio when nobody is selected."""
OVER_TIME = 0.05
"""The chance with which a limit that is just kept counts as missed in one stretch of time."""
EVENTS = 10
"""A rate of one label is not known of a group that has fewer held-out rows of this label."""


@dataclass(frozen=True)
class Rows:
    """Labels, weights and groups of validation rows."""

    label: Labels
    weight: Floats
    groups: pd.DataFrame
    """[n, attributes], a column of group names for each protected attribute."""
    tests: Mapping[str, Mapping[str, float]] | None = None
    """Effective number of test rows of each group of each attribute: their labels are not looked at."""
    stretch: Places | None = None
    """[n] number of the stretch of time that each row is of, the earliest 0; None where there are none."""
    _coded: dict[str, tuple[Places, list[str]]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def coded(self, attribute: str) -> tuple[Places, list[str]]:
        """Return the number of each row's group, -1 without one, and the groups' names, sorted.

        Worked out once: comparing the names of all rows costs as much as a round of boosting.
        """
        if attribute not in self._coded:
            code, names = pd.factorize(self.groups[attribute].astype(object), sort=True)
            self._coded[attribute] = code, [*names]
        return self._coded[attribute]

    def sizes(self, attribute: str | None, code: Places, names: Sequence[str]) -> Sizes:
        """Return the effective rows of groups; without a test part, as many as held out.

        `code` is the number of each row's group among `names`, below 0 for one that is left out, [n].
        """
        inside = code >= 0
        sums = [
            np.bincount(code[inside], power[inside], minlength=len(names))
            for power in (self.weight, self.weight**2)
        ]
        # Kish's effective number, (sum w)^2 / sum w^2: how many rows of equal weight would know as much.
        held = np.array([kish(weight, square) for weight, square in zip(*sums, strict=True)])
        known = (self.tests or {}).get(attribute or "")
        tests = held if known is None else np.array([known.get(name, 0.0) for name in names])
        # No label of a test row is read here, so that the base rate is that of held-out rows.
        return Sizes(held, tests, float(np.average(self.label, weights=self.weight)))


class Held(NamedTuple):
    """What decisions come to on held-out rows, each confusion matrix built once."""

    slacks: dict[str, float]
    """How far inside each gated limit the rows are, margin taken off; >= 0 keeps it."""
    measures: dict[str, float | None]
    """The value of each known limit's measure; None where there is none."""
    bounds: dict[str, float]
    """The bound that the gate would have of each ratio and difference, by as many test rows as there are;
    nothing where the margin is a constant."""
    table: Floats
    """The confusion matrix of all rows, [2, 2] of weights."""


@dataclass(frozen=True)
class _Decided:
    """Rows decided by thresholds, and their confusion matrices, each built once for all limits."""

    limits: "Limits"
    score: Floats
    """Of each row, for measures of scores, [n]."""
    marked: Floats
    """What is compared with the thresholds, [n]."""
    cut: Floats
    """Thresholds, [k]."""
    tables: dict[tuple[str | None, frozenset[str]], Floats] = field(default_factory=dict)

    def table(self, limit: Limit | None) -> Floats:
        """Return the confusion matrices of a limit's groups, or of all rows, [k, groups, 2, 2] of weights."""
        key = (None, frozenset[str]()) if limit is None else self.limits.compared(limit)
        if key not in self.tables:
            (code, names), rows = self.limits.codes(*key), self.limits.rows
            shape = (rows.label, rows.weight, code, len(names), self.cut)
            self.tables[key] = matrices_by_threshold(self.marked, *shape)
        return self.tables[key]


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
        How far inside each limit on groups a model must stay: as far as assurance asks, or so much in the
        measure's own unit. A limit on all rows has no margin: it is known far better than the rates of a
        group.
    """

    policy: Policy
    rows: Rows
    margin: float | Assurance
    _codes: dict[tuple[str | None, frozenset[str]], tuple[Places, list[str]]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _known_sizes: dict[tuple[str | None, frozenset[str]], Sizes] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @cached_property
    def known(self) -> list[Limit]:
        """The limits whose measure is known here, in the policy's order."""
        return [limit for limit in self.policy.limits if _is_known(limit)]

    @cached_property
    def gates(self) -> list[Limit]:
        """The gated limits that these rows can be held against; the others are not measured.

        Whether there are groups enough hangs on the rows alone, never on a model: a limit that no trial could
        keep would make all of them equally bad, and the least accurate of them the nearest.
        """
        return [limit for limit in self.known if limit.gate and self._has_groups(limit)]

    def _has_groups(self, limit: Limit) -> bool:
        """Return whether as many groups as a limit compares have enough rows here, of each label it reads."""
        needed = 2 if QUANTITIES[limit.measure].over_groups else 1
        if limit.attribute is None:
            return True
        code, names = self.codes(*self.compared(limit))
        # A true positive rate of a group with three positive rows says nothing, however many rows the group
        # has.
        labels = [value for value in (0, 1) if value in _labels(limit)] if len(names) >= needed else []
        rows = [
            np.bincount(code[(code >= 0) & (self.rows.label == value)], minlength=len(names))
            for value in labels
        ]
        return len(names) >= needed and all(np.count_nonzero(each >= self._events) >= needed for each in rows)

    @property
    def _events(self) -> int:
        return EVENTS if isinstance(self.margin, Assurance) else 0

    @property
    def unknown(self) -> list[Limit]:
        """The gated limits that these rows are too few for; they steer nothing."""
        return [limit for limit in self.known if limit.gate and not self._has_groups(limit)]

    def values(self, score: Floats, threshold: float | Floats) -> dict[str, float | None]:
        """Return the value of each known limit's measure, by the limit's name; None where there is none.

        `threshold` is one for all rows, or that of each row, [n].
        """
        return self.held(score, threshold).measures

    def slacks(self, score: Floats, threshold: float | Floats) -> dict[str, float]:
        """Return how far inside each gated limit the rows are, margin taken off; >= 0 keeps it.

        `threshold` is one for all rows, or that of each row, [n].
        """
        return self.held(score, threshold).slacks

    def held(self, score: Floats, threshold: float | Floats) -> Held:
        """Return all that is known of the limits at one threshold for all rows, or that of each row, [n]."""
        rows = _Decided(self, score, *as_one_threshold(score, threshold))
        each, overall = dict[str, Floats](), dict[str, Floats]()
        for limit in self.known:
            if limit.attribute is not None:
                each[limit.name] = self._value(limit, rows)
                continue
            if limit.measure not in overall:  # a floor and a ceiling often share one
                overall[limit.measure] = self._value(limit, rows)
            each[limit.name] = overall[limit.measure]
        slacks = {limit.name: float(self._room(limit, each[limit.name], rows)[0]) for limit in self.gates}
        numbers = {name: float(value[0]) for name, value in each.items()}
        values = {name: value if np.isfinite(value) else None for name, value in numbers.items()}
        return Held(slacks, values, self._bounds(rows), rows.table(None)[0, 0])

    def over_time(self, score: Floats, threshold: float | Floats) -> dict[str, OverTime]:
        """Return the gated limits on ratios and differences in each stretch of time, by the limit's name.

        Nothing where rows have no stretches, and no limit whose groups a stretch lacks.
        """
        stretch, found = self.rows.stretch, dict[str, OverTime]()
        if stretch is None:
            return found
        decided = _Decided(self, score, *as_one_threshold(score, threshold))
        for limit in self.gates:
            counted = QUANTITIES[limit.measure]
            if limit.attribute is None or not counted.over_groups or counted.measure.scored:
                continue
            code, names = self.codes(*self.compared(limit))
            values, missed = [], 0
            for number in range(int(stretch.max()) + 1):
                own = stretch == number
                part = Rows(self.rows.label[own], self.rows.weight[own], self.rows.groups[own])
                shape = (part.label, part.weight, code[own], len(names), decided.cut)
                table = matrices_by_threshold(decided.marked[own], *shape)
                value = float(values_over_groups(table, limit.measure)[0])
                values.append(value if np.isfinite(value) else None)
                sizes = part.sizes(limit.attribute, code[own], names)
                missed += is_missed(limit, table[0], sizes, OVER_TIME)
            found[limit.name] = OverTime(stretches=values, missed=missed)
        return found

    def violation(self, score: Floats) -> Violation | None:
        """Return what says of cuts of this score how much is missing to the gated limits that a cut can move.

        The sum over limits; 0 keeps them all. None when there is no such limit.
        """
        movable = [limit for limit in self.gates if not QUANTITIES[limit.measure].measure.scored]
        if not movable:
            return None

        def missing(cut: Floats) -> Floats:
            rows = _Decided(self, score, score, cut)
            each = [np.maximum(-self._room(limit, None, rows), 0.0) for limit in movable]
            return np.asarray(np.sum(each, axis=0))

        return missing

    def _bounds(self, rows: _Decided) -> dict[str, float]:
        found = {}
        for limit in self.gates:
            if limit.attribute is None or not isinstance(self.margin, Assurance):
                continue
            bound = self.bar.bound(limit, rows.table(limit)[0], self._sizes(limit))
            if bound is not None:
                found[limit.name] = bound
        return found

    def _room(self, limit: Limit, value: Floats | None, rows: _Decided) -> Floats:
        """Return how far inside a limit each cut is, margin taken off; `value` where it is known already."""
        counted = QUANTITIES[limit.measure].measure
        if limit.attribute is not None and isinstance(self.margin, Assurance) and not counted.scored:
            slack = self.bar.slack(limit, rows.table(limit), self._sizes(limit))
            # Not below WORST: a measured slack of -3 would make a trial that selects nobody, and so leaves a
            # ratio undefined, the nearer one.
            return np.asarray(np.maximum(np.where(np.isnan(slack), WORST, slack), WORST))
        if value is None:
            value = self._value(limit, rows)
        slack = value - limit.at_least if limit.at_least is not None else (limit.at_most or 0.0) - value
        if limit.attribute is not None and not isinstance(self.margin, Assurance):
            slack = slack - self.margin
        return np.where(np.isnan(slack), WORST, slack)

    @cached_property
    def bar(self) -> Bar:
        """What assurance asks of comparisons.

        Raises
        ------
        TypeError
            When the margin is a constant.
        """
        if not isinstance(self.margin, Assurance):
            raise TypeError(self.margin)
        # Where all gated limits must be kept for a pass, each may be tested at the full level
        # (intersection-union, Berger 1982); otherwise they share it.
        shared = 1 if self.policy.correction == "intersection-union" else self._comparisons()
        return Bar(self.margin, self.policy.spent_level / max(shared, 1))

    def _comparisons(self) -> int:
        """Return about how many comparisons share the level: those of the groups that are known here."""
        found = len(self.policy.gains)
        for limit in self.policy.limits:
            if not limit.gate:
                continue
            asked = QUANTITIES[limit.measure]
            groups = 1 if limit.attribute is None else len(self.rows.coded(limit.attribute)[1])
            # As the gate counts: pairs of groups, or beyond MANY groups two bounds of each, whose number
            # grows slower.
            pairs = groups * (groups - 1) // 2 if groups <= MANY else 2 * groups
            rates = len(asked.measure.formula.rates) if isinstance(asked.measure.formula, Larger) else 1
            found += pairs * rates if asked.over_groups else groups
        return found

    def _sizes(self, limit: Limit) -> Sizes:
        key = self.compared(limit)
        if key not in self._known_sizes:
            self._known_sizes[key] = self.rows.sizes(limit.attribute, *self.codes(*key))
        return self._known_sizes[key]

    def _value(self, limit: Limit, rows: _Decided) -> Floats:
        asked = QUANTITIES[limit.measure]
        if asked.measure.scored:
            code, names = self.codes(*self.compared(limit))
            each = [self._scored(asked.measure, rows.score, code == group) for group in range(len(names))]
            # A measure of scores is the same at every cut.
            return np.full(len(rows.cut), _worst(np.array(each), limit))
        table = rows.table(limit)
        if asked.over_groups:
            return values_over_groups(table, limit.measure)
        return _worst(values_of(table, limit.measure), limit)

    def compared(self, limit: Limit) -> tuple[str | None, frozenset[str]]:
        """Return the attribute whose groups a limit looks at, and those of them that it does not.

        By assurance these are what a waiver of the policy lets go on undecided: no margin decides of them.
        """
        waived = self._waived(limit) if isinstance(self.margin, Assurance) else set[str]()
        return limit.attribute, frozenset(waived)

    def codes(self, attribute: str | None, without: frozenset[str]) -> tuple[Places, list[str]]:
        """Return the number of each row's group, -1 for one that is left out, and the groups' names.

        Left out are groups with too few rows, and those `without`.
        """
        if (attribute, without) not in self._codes:
            self._codes[attribute, without] = self._numbered(attribute, without)
        return self._codes[attribute, without]

    def _numbered(self, attribute: str | None, without: frozenset[str]) -> tuple[Places, list[str]]:
        if attribute is None:
            return np.zeros(len(self.rows.label), dtype=np.intp), ["all"]
        code, names = self.rows.coded(attribute)
        counts = np.bincount(code[code >= 0], minlength=len(names))
        kept = [
            name not in without and count >= self.policy.min_group_rows
            for name, count in zip(names, counts, strict=True)
        ]
        place = np.where(kept, np.cumsum(kept) - 1, -1)
        # Rows without a group have code -1, which reads the last entry: -1 again.
        return np.r_[place, -1][code], [name for name, own in zip(names, kept, strict=True) if own]

    def _waived(self, limit: Limit) -> set[str]:
        """Return the groups that a waiver of the policy names for a limit."""
        return {
            name for each in self.policy.waivers if each.limit == limit.name for name in each.groups or ()
        }

    def _scored(self, measure: Measure, score: Floats, chosen: Mask) -> float:
        label, weight = self.rows.label[chosen], self.rows.weight[chosen]
        if len(np.unique(label)) < 2 or not isinstance(measure.formula, OfScores):
            return float("nan")
        return measure.formula(label, score[chosen], weight)


def _labels(limit: Limit) -> set[int]:
    """Return the labels of which a limit's measure needs rows: both, where it is no share of one."""
    formula = QUANTITIES[limit.measure].measure.formula
    if not isinstance(formula, Share):
        return {0, 1}
    of = {int(count in ("fn", "tp")) for count in formula.rows}
    # A share of rows of both labels needs neither label in particular.
    return of if len(of) == 1 else set()


def _is_known(limit: Limit) -> bool:
    asked = QUANTITIES[limit.measure]
    return asked.searched and (limit.attribute is not None or not asked.over_groups)


def _worst(each: Floats, limit: Limit) -> Floats:
    """Return the value of the group nearest to breaking the limit, over the last axis."""
    # NaN first, so that no group at all gives NaN too.
    worst = np.fmin if limit.at_least is not None else np.fmax
    return np.asarray(worst.reduce(each, axis=-1, initial=np.nan))

"""The measurements document: what was found on the test rows, with what `judge` needs to bound it by itself.

Bounds in it are two-sided at `confidence`, one by one, for the reader. The gate does not use them: it makes
its own, one-sided, exact and simultaneous, from the cells and standard errors beside them (`verdict`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairmark.data.groups import places
from fairmark.errors import InputError
from fairmark.evaluate.documents import HeadlineMetrics
from fairmark.evaluate.units import RowUnits, of_bins, of_losses, of_placements, of_rates
from fairmark.judge.constant_answer import gains
from fairmark.judge.measured import Measured
from fairmark.judge.measurements import ConfusionCounts, GroupMeasures, RowMeasures
from fairmark.judge.measurements import Disparity as GroupDisparity
from fairmark.stats import intervals, score_measures
from fairmark.stats.arrays import Floats
from fairmark.stats.confusion import ConfusionMatrix, confusion_matrix, of_people
from fairmark.stats.measures import (
    COMPARED,
    COUNTED,
    EQUALIZED_ODDS,
    HEADLINE,
    MEASURES,
    ODDS,
    SCORED,
    Composite,
    OfScores,
    share,
)
from fairmark.stats.rates import Disparity, disparity, equalized_odds, rate_of, value_of, values_of
from fairmark.stats.score_test import miettinen_nurminen


@dataclass(frozen=True)
class EvaluationRows:
    """Some test rows and how to measure them: bounds at `tail`, standard errors by `replicates`."""

    label: NDArray[np.int8]
    score: Floats
    weight: Floats
    bins: int
    tail: float
    replicates: int
    seed: int
    heft: Floats | None = None
    """The weight of each row's person (`confusion.of_people`), where people have several rows."""
    person: NDArray[np.integer] | None = None
    """The number of each row's person, where people have several rows."""
    heaviest: float = 1.0
    """What no row, or person, weighs more than."""

    @property
    def units(self) -> RowUnits:
        """The rows as independent units."""
        return RowUnits(self.weight, self.person, self.heft, self.heaviest)

    def only(self, kept: NDArray[np.bool_]) -> "EvaluationRows":
        """Return the rows where this is true."""
        parts = (self.label[kept], self.score[kept], self.weight[kept])
        heft = None if self.heft is None else self.heft[kept]
        person = None if self.person is None else self.person[kept]
        return replace(self, label=parts[0], score=parts[1], weight=parts[2], heft=heft, person=person)

    @classmethod
    def of(  # noqa: PLR0913 - the rows' columns, and how to measure them by name
        cls,
        label: NDArray[np.integer],
        score: Floats,
        weight: Floats,
        person: NDArray[np.generic] | None,
        heaviest: float | None,
        *,
        bins: int,
        tail: float,
        replicates: int,
        seed: int,
    ) -> "EvaluationRows":
        """Return rows whose persons are known, or None; `heaviest` None is what is heaviest among them."""
        numbers = None if person is None else np.unique(person, return_inverse=True)[1]
        if numbers is not None and numbers.max(initial=-1) + 1 == len(numbers):
            numbers = None  # each row is somebody else's
        heft = None if numbers is None else of_people(weight, numbers)
        most = float((weight if heft is None else heft).max(initial=0.0)) or 1.0
        most = most if heaviest is None else max(most, heaviest)
        return cls(label.astype(np.int8), score, weight, bins, tail, replicates, seed, heft, numbers, most)


def measure(  # noqa: PLR0913 - the rows' columns, and how to measure them by name
    label: NDArray[np.integer],
    score: Floats,
    decision: NDArray[np.integer],
    weight: Floats | None,
    groups: pd.DataFrame,
    known: Mapping[str, Sequence[str]],
    *,
    confidence: float,
    replicates: int,
    seed: int,
    bins: int,
    person: NDArray[np.generic] | None = None,
    heaviest: float | None = None,
) -> RowMeasures:
    """Return what measurements say of these rows: over all, by group, and between groups.

    Parameters
    ----------
    label, score, decision
        0 or 1, 0..1, and 0 or 1, shape `[rows]`.
    weight
        Row weights > 0, shape `[rows]`, or None. With weights, rates are weighted and their bounds are those
        of bounded means (`bounded_means`).
    groups
        One text column for each protected attribute, rows as above.
    known
        Every group of every attribute; one without rows is measured as null, and says so.
    person
        Whose each row is, shape `[rows]`, or None when each is somebody else's. With several rows a person,
        bounds are made of persons, not of rows.
    heaviest
        The most that a row (or all rows of a person) weighs anywhere, also among rows that are not measured
        on; None where these are all that is known.
    replicates, seed
        For the bootstrap standard errors of the disparities, and for the calibration error.

    Raises
    ------
    InputError
        When the rows are not as above, or hold a group that is not known.
    """
    heavy = np.ones(len(label)) if weight is None else np.asarray(weight, dtype=np.float64)
    _check(label, score, decision, heavy)
    tail = (1 - confidence) / 2
    rows = EvaluationRows.of(
        label, score, heavy, person, heaviest, bins=bins, tail=tail, replicates=replicates, seed=seed
    )
    heft = rows.heft
    codes = {name: _codes(groups[name], names, name) for name, names in known.items()}
    plain = bool((heavy == 1).all())
    cells = {
        name: confusion_matrix(label, decision, code, len(known[name]), None if plain else heavy, heft)
        for name, code in codes.items()
    }
    whole = confusion_matrix(label, decision, np.zeros(len(label)), 1, None if plain else heavy, heft)
    every = ConfusionCounts.of(
        whole, 0, of_rates(label, decision, rows.units, np.ones(len(label), dtype=bool))
    )
    overall = _measures(every, rows)
    return RowMeasures(
        overall=overall | gains(overall, every, rows.tail),
        cells=every,
        groups={
            name: {
                group: _group(
                    ConfusionCounts.of(cells[name].group(k), 0, of_rates(label, decision, rows.units, at)),
                    rows.only(at),
                )
                for k, group in enumerate(names)
                for at in [codes[name] == k]
            }
            for name, names in known.items()
        },
        disparities={
            name: _disparities(cells[name], list(names), rows, k)
            for k, (name, names) in enumerate(known.items())
        },
    )


_LEAST_WEIGHT = 1e-100
UNSEEN = 0.5
"""The tail of bounds that nobody will see, and that are not worked out."""


def _check(label: NDArray[np.integer], score: Floats, decision: NDArray[np.integer], weight: Floats) -> None:
    faults = []
    shapes = {name: np.shape(v) for name, v in (("score", score), ("decision", decision), ("weight", weight))}
    faults += [
        f"{name}: must have the shape of the labels {np.shape(label)}, got {shape}"
        for name, shape in shapes.items()
        if shape != np.shape(label)
    ]
    if not np.size(label):
        faults.append("rows: must be at least one, got none")
    for name, values in (("label", label), ("decision", decision)):
        if not np.isin(values, (0, 1)).all():
            faults.append(f"{name}: must be 0 or 1, got {np.setdiff1d(values, (0, 1))[:3].tolist()}")
    outside = score[~((score >= 0) & (score <= 1))]
    if outside.size:
        more = f" and {outside.size - 3:,} more" if outside.size > 3 else ""
        faults.append(f"score: must be in 0..1, got {', '.join(map(str, outside[:3].tolist()))}{more}")
    # Their squares are summed, and neither may overflow nor vanish.
    odd = weight[~((weight > _LEAST_WEIGHT) & (weight < 1 / _LEAST_WEIGHT))]
    if odd.size:
        faults.append(f"weight: must be a number > 0 of a size that can be squared, got {odd[0]:g}")
    if faults:
        raise InputError(*faults)


def _codes(column: pd.Series, known: Sequence[str], name: str) -> NDArray[np.intp]:
    codes = places(column, known)
    if (codes < 0).any():
        strangers = sorted(set(column[codes < 0].astype(str)))
        raise InputError(f"evidence.{name}: must hold the groups {sorted(known)} alone, got {strangers[:5]}")
    return codes


def _group(counts: ConfusionCounts, rows: EvaluationRows) -> GroupMeasures:
    measures = GroupMeasures(
        rows=counts.rows, positives=counts.positives, cells=counts, measures=_measures(counts, rows)
    )
    persons = counts.rows if rows.person is None else len(np.unique(rows.person))
    # Said only where it is known and fewer than the rows.
    return measures.model_copy(update={"persons": persons}) if persons < counts.rows else measures


def _measures(counts: ConfusionCounts, rows: EvaluationRows) -> dict[str, Measured]:
    return {name: _counted(counts, name, rows.tail) for name in COUNTED} | {
        name: scored(rows, name) for name in SCORED
    }


def _interval(value: float, low: float, high: float) -> Measured:
    return Measured(value=float(value), low=float(low), high=float(high))


def _nothing(why: str) -> Measured:
    return Measured(value=None, low=None, high=None, why=why)


def _counted(counted: ConfusionCounts, name: str, tail: float) -> Measured:
    """Measure the decisions of one group: shares by Clopper-Pearson or their units, the balance by score."""
    cells = counted.matrix
    value, formula = float(value_of(cells, name)[0]), MEASURES[name].formula
    shares = formula.shares if isinstance(formula, Composite) else (name,)
    counts = [rate_of(cells, each)[1:] for each in shares]
    for each, (_, rows) in zip(shares, counts, strict=True):
        if not rows[0] > 0:
            return _nothing(share(each).empty)
    hits, rows = counts[0]
    # Balanced accuracy is (1 + TPR - FPR) / 2: its bounds are those of a difference of two independent
    # shares.
    if len(shares) > 1:
        low, high = miettinen_nurminen(hits[0], rows[0], counts[1][0][0], counts[1][1][0], tail)
        return _interval(value, float(1 + low) / 2, float(1 + high) / 2)
    units = counted.units_of(shares[0])
    ends = [float(end) for end in intervals.clopper_pearson(hits[0], rows[0], tail)]
    if units is not None:
        ends = [units.lower(tail), units.upper(tail)]
    if isinstance(formula, Composite) and formula.read is not None:
        ends = [formula.read(end) for end in ends]
    return _interval(value, *ends)


def scored(rows: EvaluationRows, name: str) -> Measured:
    """Measure the scores of some rows."""
    if not len(rows.label):
        return _nothing("no rows")
    formula = MEASURES[name].formula
    if not isinstance(formula, OfScores):
        return _calibration(rows)
    estimate = formula.estimate(rows.label, rows.score, rows.weight, rows.heft)
    if estimate is None or (formula.both and rows.label.min() == rows.label.max()):
        return _nothing(f"no row has the {'negative' if rows.label[0] else 'positive'} label")
    kept = Measured(value=estimate.value, low=None, high=None, **_stored(estimate, rows, name))
    low, high = _shown(kept, rows.tail)
    return kept.model_copy(update={"low": float(low), "high": float(high)})


def _stored(estimate: score_measures.Estimate, rows: EvaluationRows, name: str) -> dict[str, Any]:
    """Return what the bounds of a measure are made from."""
    if name == "pr_auc":
        return {"se": estimate.se, "df": estimate.df, "without_self": estimate.without_self}
    if name != "roc_auc":
        return {"se": estimate.se, "units": of_losses(rows.label, rows.score, rows.units, name)}
    positives, negatives = of_placements(rows.label, rows.score, rows.units)
    known = {"se": estimate.se, "positives": positives, "negatives": negatives}
    if rows.person is None:
        return known
    both = np.intersect1d(*(rows.person[rows.label == side] for side in (0, 1)))
    return known | ({"crossing": True} if len(both) else {})


def _calibration(rows: EvaluationRows) -> Measured:
    sums = score_measures.bin_scores(rows.label, rows.score, rows.weight, rows.bins)
    each = tuple(of_bins(rows.label, rows.score, rows.units, rows.bins))
    kept = Measured(value=sums.error(), low=None, high=None, gaps=tuple(sums.gaps().tolist()), bins=each)
    low, high = _shown(kept, rows.tail)
    return kept.model_copy(update={"low": low, "high": high})


def _shown(kept: Measured, tail: float) -> tuple[float, float]:
    """Return the bounds, around the value itself; the value alone at `UNSEEN`."""
    value = float(kept.value or 0.0)
    if tail >= UNSEEN:
        return value, value
    return min(kept.lower(tail), value), max(kept.upper(tail), value)


def _disparities(
    cells: ConfusionMatrix, names: list[str], rows: EvaluationRows, stream: int
) -> dict[str, GroupDisparity]:
    """Measure the disparities between the groups of one attribute; `se` is the bootstrap standard error."""
    # A stream for each attribute: another attribute in the policy changes no number of this one.
    drawn = intervals.draw(cells, rows.replicates, np.random.default_rng([rows.seed, stream]))
    resampled = {name: values_of(drawn, name) for name in COMPARED}
    measured: dict[str, GroupDisparity] = {}
    for name in COMPARED:
        both = disparity(cells, name, rows.tail)
        for k, kind in enumerate(("ratio", "difference")):
            one = both if isinstance(both, str) else both[k]
            measured[f"{name}_{kind}"] = _over_groups(one, names, getattr(intervals, kind)(resampled[name]))
    worse = equalized_odds([disparity(cells, name, rows.tail, claims=2) for name in ODDS])
    gaps = np.fmax(*(intervals.difference(resampled[name]) for name in ODDS))
    return measured | {EQUALIZED_ODDS: _over_groups(worse, names, gaps)}


def _over_groups(one: Disparity | str, names: list[str], resampled: Floats) -> GroupDisparity:
    if isinstance(one, str) or np.isnan(one.value):
        why = one if isinstance(one, str) else "the rate is 0 in every group"
        return GroupDisparity(value=None, low=None, high=None, why=why, lowest=None, highest=None)
    return GroupDisparity(
        value=float(one.value),
        low=float(one.low),
        high=float(one.high),
        se=intervals.spread(resampled),
        lowest=names[one.lowest],
        highest=names[one.highest],
    )


def headline(
    measured: RowMeasures, threshold: float, own: Mapping[str, float] | None = None
) -> HeadlineMetrics:
    """Return the values alone: measures of all rows, and disparities by attribute.

    `own` are the thresholds of groups that have one of their own.
    """
    overall = {name: measured.overall[name].value for name in HEADLINE}
    fairness = {
        attribute: {name: entry.value for name, entry in entries.items()}
        for attribute, entries in measured.disparities.items()
    }
    # A key of its own for each measure of all rows: names that no class lists beforehand.
    values: dict[str, object] = {"threshold": threshold, "fairness": fairness, **overall}
    return HeadlineMetrics.model_validate(values if own is None else values | {"thresholds": dict(own)})


def table(measured: RowMeasures) -> pd.DataFrame:
    """Return every measure of all rows (`attribute` and `group` empty) and of every group, a line each."""
    parts = [("", "", measured.overall)]
    parts += [
        (attribute, group, entry.measures)
        for attribute, groups in measured.groups.items()
        for group, entry in groups.items()
    ]
    lines = [
        (attribute, group, name, entry.value, entry.low, entry.high)
        for attribute, group, measures in parts
        for name, entry in measures.items()
    ]
    columns = ["attribute", "group", "measure", "value", "low", "high"]
    return pd.DataFrame(lines, columns=columns).astype(dict.fromkeys(columns[3:], np.float64))

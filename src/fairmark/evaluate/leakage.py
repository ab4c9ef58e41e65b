"""Signs of leakage on test rows, and each sign that the stages found, gathered for `judge.findings`.

Kaufman, Rosset, Perlich and Stitelman (2012), "Leakage in data mining: formulation, detection, and
avoidance": features that give the label away, alone or in pairs; one feature that decides alone; features
that are dated after the decision; duplicates and persons across splits. An AUC that is too good to be true is
one more sign; the policy's ceiling looks at that one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fairmark.data.roles import LABEL, PERSON, ROW_ID, TIME
from fairmark.data.split import Parts
from fairmark.data.summaries import Clusters, DataAudit, Distance, PrepareSummary, SplitSummary
from fairmark.evaluate.documents import (
    Concentration,
    Duplicates,
    DuplicateShares,
    Leakage,
    LookAheadDate,
    LookAheadFeatures,
    PairAuc,
)
from fairmark.evaluate.slices import edges
from fairmark.evaluate.summary_metrics import Rows, summary_metrics, threshold_at
from fairmark.judge.findings import Shown, Strongest
from fairmark.model.model_file import Column
from fairmark.params.policy import LATER
from fairmark.stats.arrays import Floats, Labels
from fairmark.stats.score_measures import roc_auc

FINE_BINS = 50
"""Bins of a number whose AUC alone is measured: few enough to hold rows, enough to lose no power."""
COARSE_BINS = 10
"""Bins of a number in a pair: squared, still few enough to hold rows."""
CONTINUOUS = frozenset({"numeric", "date"})
"""Kinds of columns whose values have distances."""
Train = tuple[Floats, Labels, Floats]
"""Encoded train rows [m, p], their labels and their weights [m]."""
MOST_KEPT = 20
"""Columns, or pairs of them, that are kept of a sign: those that show it most."""
PAIR_EXCESS = 0.01
"""By how much a pair must know more than the better of its columns, to be a sign of its own."""
STANDS_FOR: Mapping[str, str] = {
    "audit.label_power": "column_auc",
    "audit.leakage": "column_auc",
    "audit.clusters": "persons",
    "audit.questions": "persons",
    "prepare.duplicates": "repeated_rows",
    "prepare.files": "repeated_rows",
    "prepare.shared_rows": "shared_rows",
    "split.independence": "part_label",
    "split.shift.valid.label": "label_shift",
    "split.shift.test.label": "label_shift",
    "split.shift.valid.groups": "group_shift",
    "split.shift.test.groups": "group_shift",
    "split.shift.valid.features": "feature_shift",
    "split.shift.test.features": "feature_shift",
    "split.shift.findings": "label_shift",
    "checks.leakage.alone": "column_auc",
    "checks.leakage.together": "pair_auc",
    "checks.leakage.concentration": "one_feature",
    "checks.leakage.later": "late_dates",
    "checks.leakage.shared_persons": "shared_persons",
    "checks.leakage.twins.train": "shared_rows",
    "checks.leakage.twins.valid_in_train": "repeated_valid",
}
"""The sign that stands for each figure of the stages. Every other figure is listed in docs/findings.md, with
the reason why it is reported only: a test holds the two to cover all that the stages measure."""


@dataclass(frozen=True)
class Binned:
    """The bin of each train row, [m], and of each measured row, [n], and how many bins there are."""

    train: NDArray[np.intp]
    measured: NDArray[np.intp]
    size: int

    @classmethod
    def of(cls, column: Column, train: Floats, values: Floats, bins: int) -> "Binned":
        """Return the bins of one feature: quantiles of train rows for numbers and dates, else its values."""
        # Edges come from train rows alone: edges of the measured rows would be a way for them to know
        # themselves.
        continuous = column.kind in CONTINUOUS
        cuts = edges(train, bins) if continuous else np.arange(1, _values(column), dtype=np.float64)
        return cls(_places(train, cuts), _places(values, cuts), len(cuts) + 2)

    def crossed(self, other: "Binned") -> "Binned":
        """Return the bins of two features together."""
        return Binned(
            self.train * other.size + other.train,
            self.measured * other.size + other.measured,
            self.size * other.size,
        )


def single_feature_auc(
    columns: Sequence[Column], train: Train, matrix: Floats, rows: Rows
) -> dict[str, float | None]:
    """Return the AUC of each feature alone, learnt on train rows and measured on `rows`.

    The feature's score is the share of positive train rows with its value (numbers and dates in quantile
    bins), so the AUC sees any shape of relation. 0.5 = it says nothing, 1 = it gives the label away; None
    when `rows` hold one label only.

    Parameters
    ----------
    columns
        The features, [p].
    train
        Encoded train rows [m, p], their labels and their weights [m].
    matrix
        The encoded `rows`, [n, p].
    """
    return {
        column.name: _auc(Binned.of(column, train[0][:, k], matrix[:, k], FINE_BINS), train, rows)
        for k, column in enumerate(columns)
    }


def feature_pair_auc(
    columns: Sequence[Column], leading: Sequence[str], train: Train, matrix: Floats, rows: Rows
) -> list[PairAuc]:
    """Return the AUC of each pair of the leading features, as `single_feature_auc` has it of one.

    The answer may stand in no column and in two of them: a start and an end, an amount and its total. So of
    two numbers, or two dates, the difference and the ratio are tried beside the bins of both, which are too
    coarse for values that lie close together. The highest comes first, and None stands last.
    """
    place = {column.name: k for k, column in enumerate(columns)}
    binned = {
        name: Binned.of(columns[place[name]], train[0][:, place[name]], matrix[:, place[name]], COARSE_BINS)
        for name in leading
    }
    pairs = []
    for one, two in combinations(leading, 2):
        j, k = place[one], place[two]
        tried = [binned[one].crossed(binned[two])]
        if columns[j].kind == columns[k].kind and columns[j].kind in CONTINUOUS:
            joined = zip(
                _joined(train[0][:, j], train[0][:, k]), _joined(matrix[:, j], matrix[:, k]), strict=True
            )
            tried += [Binned.of(columns[j], *each, FINE_BINS) for each in joined]
        known = [auc for bins in tried if (auc := _auc(bins, train, rows)) is not None]
        pairs.append(PairAuc(columns=[one, two], auc=max(known, default=None)))
    return sorted(pairs, key=lambda pair: (-(pair.auc or 0.0), pair.columns))


def _joined(one: Floats, two: Floats) -> tuple[Floats, Floats]:
    """Return the difference and the ratio of two columns, NaN where one is missing or the second is 0."""
    ratio = np.full(len(one), np.nan)
    np.divide(one, two, out=ratio, where=two != 0)
    return one - two, ratio


def _auc(bins: Binned, train: Train, rows: Rows) -> float | None:
    """Return the AUC of the share of positive train rows in each row's bin."""
    _, label, weight = train
    base = float(np.average(label, weights=weight))
    total = np.bincount(bins.train, weight, bins.size)
    # Drawn towards the base rate by one row's worth of doubt: an empty bin scores as the base rate does.
    share = (np.bincount(bins.train, label * weight, bins.size) + base) / (total + 1)
    estimate = roc_auc(rows.label, share[bins.measured], rows.weight)
    return None if estimate is None else estimate.value


def _values(column: Column) -> int:
    return 2 if column.categories is None else len(column.categories)


def _places(values: Floats, cuts: Floats) -> NDArray[np.intp]:
    places = np.searchsorted(cuts, values, side="right")
    return np.where(np.isnan(values), len(cuts) + 1, places)


def concentration(contributions: Floats, names: Sequence[str], weight: Floats) -> Concentration:
    """Return which feature has the largest share of the mean absolute contributions, and its share.

    Share 1 / p = evenly spread, 1 = one feature decides alone; None when no feature moves the score.

    Parameters
    ----------
    contributions
        Shapley values of a sample, the base value in the last column, [n, p + 1].
    names
        The features, [p].
    weight
        Row weights, [n].
    """
    means = weight @ np.abs(contributions[:, :-1])
    # A model that gives everybody the same score moves nothing: shares of 0 are none.
    if not means.sum() > 0:
        return Concentration(rows=len(contributions), feature=None, share=None)
    largest = int(means.argmax())
    share = float(means[largest] / means.sum())
    return Concentration(rows=len(contributions), feature=names[largest], share=share)


def look_ahead_features(parts: Parts) -> LookAheadFeatures:
    """Return, for each date feature, the share of rows where it lies after the row's own time; 0 = none."""
    if TIME not in parts.table:
        return LookAheadFeatures(dates=None, why="no time column")
    time = pd.to_datetime(parts.table[TIME])
    dates = {}
    for feature in parts.schema.features:
        if feature.kind == "date":
            date = pd.to_datetime(parts.table[feature.name])
            both = (date.notna() & time.notna()).to_numpy()
            share = float((date > time).to_numpy()[both].mean()) if both.any() else None
            dates[feature.name] = LookAheadDate(rows=int(both.sum()), share=share)
    return LookAheadFeatures(dates=dates)


def shared_persons(parts: Parts) -> float | None:
    """Return the share of test rows whose person has rows to learn from, or None without `prepare.person`.

    `split` lets none through; what it wrote is looked at anew here, because all rests on it.
    """
    if PERSON not in parts.table:
        return None
    person, part = parts.table[PERSON], parts.belongs
    return float(person[part == "test"].isin(person[part.isin(["train", "valid"])]).mean())


def duplicates(
    parts: Parts, matrix: Floats, rows: Rows, score: Floats, threshold: float | Floats
) -> Duplicates:
    """Return the duplicates across splits: rows that equal, in features and evidence, a row learnt from.

    Parameters
    ----------
    parts
        Table, evidence and split.
    matrix
        The whole table, encoded, [all rows, p].
    rows, score
        Test rows and their scores, [n].
    threshold
        Decide 1 from this score on; one for all rows, or that of each row, [n].
    """
    key, with_label = _keys(parts, matrix)
    part = {name: (parts.belongs == name).to_numpy() for name in ("train", "valid", "test")}

    def shares(among: str, of: str) -> DuplicateShares:
        share, same_label = (
            float(np.isin(code[part[of]], code[part[among]]).mean()) for code in (key, with_label)
        )
        return DuplicateShares(share=share, same_label=same_label)

    # Validation rows chose the threshold and stopped the rounds: the model has seen them too.
    repeated = np.isin(key[part["test"]], key[part["train"] | part["valid"]])
    return Duplicates(
        train=shares("train", "test"),
        valid=shares("valid", "test"),
        valid_in_train=shares("train", "valid"),
        without=summary_metrics(rows.take(~repeated), score[~repeated], threshold_at(threshold, ~repeated)),
    )


def _keys(parts: Parts, matrix: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return a number for each row's features and evidence, and one for these and the label, [all rows]."""
    evidence = [name for name in parts.evidence if name not in {ROW_ID, LABEL}]
    coded = [pd.factorize(parts.evidence[name])[0] for name in evidence]
    code = np.zeros(len(matrix), dtype=np.int64)
    # Column by column, two numbers become one (row-major, as in a grid of both) and are numbered anew from 0:
    # so the number never grows beyond rows x values, however many columns there are.
    for column in (*matrix.T, *coded):
        place, values = pd.factorize(column)  # NaN is -1, like any value of its own
        code = pd.factorize(code * (len(values) + 1) + place + 1)[0].astype(np.int64)
    return code, code * 2 + parts.table[LABEL].to_numpy(np.int64)


def signs(
    audit: DataAudit,
    prepared: PrepareSummary,
    split: SplitSummary,
    leakage: Leakage,
) -> dict[str, Strongest]:
    """Return the entry "findings" of the measurements document.

    Parameters
    ----------
    audit
        What the stage `audit` wrote: how well each column alone knows the label, out of fold.
    prepared
        The summary of `prepare`: the files, and their repeated rows.
    split
        The summary of `split`: how the parts were made, and how they differ.
    leakage
        The signs of leakage on test rows.
    """
    files, valid, test = prepared.files.all, split.shift.valid, split.shift.test
    same = len(files) > 1 and files[0].sha256 == files[1].sha256
    shared, lead, dates = leakage.duplicates, leakage.concentration, leakage.look_ahead.dates or {}
    # What repeats by chance repeats as often among validation rows: the excess over it is the sign.
    beyond = max(0.0, shared.train.same_label - shared.valid_in_train.same_label)
    late = {name: each.share for name, each in dates.items() if each.share is not None}
    return {
        "column_auc": _most(_columns(audit, leakage), "no feature could be measured alone"),
        "pair_auc": _most(_pairs(audit, leakage), ""),
        # A test file that is the train file is known by its bytes, however often rows repeat by chance.
        "shared_rows": _most([((), 1.0 if same else beyond)], ""),
        "repeated_rows": repeated_rows(prepared),
        "late_dates": _most(
            [((name,), share) for name, share in late.items()],
            leakage.look_ahead.why or "no feature is a date",
        ),
        "one_feature": _most(
            [((lead.feature,), lead.share)] if lead.feature is not None and lead.share is not None else [],
            "no feature moves the score",
        ),
        "persons": _most(_persons(audit.clusters), ""),
        # Without a column of persons each row is somebody else's; whether that can be is asked by `persons`.
        "shared_persons": _most([((), leakage.shared_persons or 0.0)], ""),
        "repeated_valid": _most([((), shared.valid_in_train.same_label)], ""),
        "part_label": _most([((), _dependence(split))], ""),
        "label_shift": _most(
            [((part,), _beyond(split, split.shift.later[part].label)) for part in LATER], ""
        ),
        "group_shift": _most(_shifts(split, valid.groups, test.groups), "no attribute"),
        "feature_shift": _most(_shifts(split, valid.features, test.features), "no feature"),
    }


def repeated_rows(prepared: PrepareSummary) -> Strongest:
    """Return the share of rows that repeat an earlier row of their file, which no model is needed for."""
    files = prepared.files.all
    share = sum(entry.duplicates for entry in files) / max(1, sum(entry.rows for entry in files))
    return _most([((), share)], "")


def _persons(clusters: Clusters | None) -> list[tuple[tuple[str, ...], float]]:
    """Return the share of rows with the columns of others among those that chance would leave alone.

    Corrected for chance as Cohen's kappa (1960) is: a difference would be small in a panel of few people,
    where every row is somebody's with others and a third would seem so when shuffled.
    """
    if clusters is None:
        return [((), 0.0)]
    return [(clusters.columns, (clusters.repeated - clusters.by_chance) / (1 - clusters.by_chance))]


def _dependence(split: SplitSummary) -> float:
    """Return 1 - p of the test of part and label.

    Parts by time may differ in their labels, which `label_shift` measures; where no rows are alike, nothing
    but the label itself could know the label, and no key holds it.
    """
    chance = split.independence.p
    return 0.0 if split.order == "time" or chance is None else 1 - chance


def _beyond(split: SplitSummary, between: Distance) -> float:
    """Return a distance where it is beyond chance, else 0."""
    return between.distance if between.p <= split.shift.chance else 0.0


def _shifts(
    split: SplitSummary, valid: Mapping[str, Distance], test: Mapping[str, Distance]
) -> list[tuple[tuple[str, ...], float]]:
    """Return the larger distance of each attribute or feature, of the validation and of the test part."""
    return [((name,), max(_beyond(split, valid[name]), _beyond(split, test[name]))) for name in test]


def _columns(audit: DataAudit, leakage: Leakage) -> list[tuple[tuple[str, ...], float]]:
    """Return the larger of both AUCs of each feature: out of fold, and on test rows."""
    return [((name,), _alone(name, audit, leakage)) for name in leakage.alone]


def _alone(name: str, audit: DataAudit, leakage: Leakage) -> float:
    known = (audit.label_power.get(name), leakage.alone.get(name))
    return max((float(value) for value in known if value is not None), default=0.5)


def _pairs(audit: DataAudit, leakage: Leakage) -> list[tuple[tuple[str, ...], float]]:
    """Return the AUC of each pair that knows more than the better of its columns does by itself."""
    pairs = []
    for pair in leakage.pairs:
        of, value = tuple(pair.columns), pair.auc
        if value is not None and value > max(_alone(name, audit, leakage) for name in of) + PAIR_EXCESS:
            pairs.append((of, float(value)))
    return pairs or [((), 0.5)]


def _most(shown: Sequence[tuple[tuple[str, ...], float]], why: str) -> Strongest:
    if not shown:
        return Strongest(value=None, each=(), why=why)
    each = sorted(shown, key=lambda one: (-one[1], one[0]))[:MOST_KEPT]
    return Strongest(value=each[0][1], each=tuple(Shown(of=of, value=value) for of, value in each))

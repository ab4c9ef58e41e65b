"""The data audit: rows by group, proxies of protected attributes, leakage suspects, personal data.

A proxy is a column that alone predicts a group, a leakage suspect one that alone predicts the label. Both are
measured in one way (`power`): the AUC, out of fold, of a score that is the rate within the column's category
or quantile bin.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fairmark.data.kinds import Cells
from fairmark.data.pii import personal
from fairmark.data.roles import LABEL, PERSON, ROW_ID, TIME, WEIGHT, WITHHELD
from fairmark.data.row_ids import Codes, clusters, joined, question, smallest
from fairmark.data.schema import AttributeSchema, Schema
from fairmark.data.summaries import (
    ClassBalance,
    Clusters,
    DataAudit,
    GroupSummary,
    LeakageSuspect,
    PersonalColumn,
    Proxy,
)
from fairmark.params.prepare import Audit
from fairmark.stats.arrays import Floats, Ints
from fairmark.terminal import silent

BINS = 20
"""Quantile bins of a number or a day."""

SMOOTHING = 10.0
"""Rows that the overall rate counts for beside the rows of one level."""


@dataclass(frozen=True)
class Power:
    """How well a column alone predicts groups: mean AUC (0.5..1), and the best group with its AUC."""

    auc: float
    group: str
    group_auc: float


def levels(cells: Cells, kind: str) -> Codes:
    """Return [n] the level of each cell, counted from 0: its category or quantile bin; missing is one too.

    There are `BINS` bins of about the same size; equal values share one. Where a column holds no more than
    `BINS` different values, each is a level.
    """
    if kind in {"numeric", "date"} and cells.nunique() > BINS:
        # Ranks, not values: bins hold about as many rows each, and one far value takes no bin of its own.
        ranks = cells.rank(method="average", pct=True).to_numpy(np.float64)
        codes = np.where(np.isnan(ranks), -1, np.ceil(np.nan_to_num(ranks) * BINS))
        return smallest(np.unique(codes, return_inverse=True)[1])
    return smallest(pd.factorize(cells, use_na_sentinel=False)[0])


def folds(rows: int, count: int, seed: int) -> Ints:
    """Return [n] the fold of each row: `count` folds of nearly the same size, drawn from the seed."""
    return np.random.default_rng([seed, 0]).permutation(np.arange(rows) % count).astype(np.int64)


def power(level: Codes, fold: Ints, group: Ints, names: list[str], counted: list[int]) -> Power | None:
    """Return how well the levels of a column predict the group, out of fold; None where nothing can be said.

    Each row is scored by the rate of the group among rows of its level in the other folds, drawn towards the
    overall rate by `SMOOTHING` rows. The AUC is taken in each fold and averaged, one group against the rest;
    0.5 says nothing and 1 gives the group away. An AUC below 0.5 counts as 1 - AUC, because it gives away as
    much.

    Parameters
    ----------
    level, fold, group
        [n] level, fold and group of each row, counted from 0.
    names
        The name of each group.
    counted
        The groups whose AUCs are averaged.
    """
    shape = (int(level.max()) + 1, int(fold.max()) + 1, len(names))
    # Counted once for all groups: every AUC below is a matter of levels, not of rows.
    spots = np.ravel_multi_index((level, fold, group), shape)
    cells = (
        np.bincount(spots, minlength=np.prod(shape)).reshape(shape).astype(np.float64)
    )  # [levels, folds, groups]
    aucs = {k: value for k in counted if (value := _one_against_rest(cells, k)) is not None}
    if not aucs:
        return None
    best = max(aucs, key=lambda k: aucs[k])
    return Power(float(np.mean(list(aucs.values()))), names[best], aucs[best])


def _one_against_rest(cells: Floats, k: int) -> float | None:
    ours = cells[:, :, k]  # [levels, folds]
    everyone = cells.sum(axis=2)
    # Out of fold by subtraction: the counts of all folds less those of the own one, so that no row helps to
    # score itself. In fold, a column of unique values would know everything.
    others = ours.sum(axis=1, keepdims=True) - ours
    rows = everyone.sum(axis=1, keepdims=True) - everyone
    prior = others.sum(axis=0) / np.maximum(rows.sum(axis=0), 1)  # [folds]
    # A level seen once would score 0 or 1 and look sure: drawn towards the overall rate, it has to earn it.
    rate = (others + SMOOTHING * prior) / (rows + SMOOTHING)
    aucs = [auc(rate[:, f], ours[:, f], everyone[:, f] - ours[:, f]) for f in range(cells.shape[1])]
    known = [value for value in aucs if value is not None]
    if not known:
        return None
    # Folds are averaged and not pooled: scores of different folds rest on different priors, and can't be
    # ranked together.
    mean = float(np.mean(known))
    return max(mean, 1 - mean)


def auc(score: Floats, positives: Floats, negatives: Floats) -> float | None:
    """Return the area under the ROC curve of scores that many rows share: 0.5 = no order, 1 = all in order.

    The chance that a positive row stands above a negative one, ties counted half (Mann and Whitney 1947).

    Parameters
    ----------
    score
        [m] scores.
    positives, negatives
        [m] rows of each class that have this score.

    Returns
    -------
    float or None
        0..1; None where there are no positive or no negative rows.
    """
    total = positives.sum() * negatives.sum()
    if total == 0:
        return None
    _, place = np.unique(score, return_inverse=True)
    above = np.bincount(place, weights=positives)
    below = np.bincount(place, weights=negatives)
    # Negatives strictly below each score; those level with it count half.
    lower = np.cumsum(below) - below
    return float(np.sum(above * (lower + below / 2)) / total)


@dataclass(frozen=True)
class _Column:
    """One feature or withheld column: its cells [n], its kind, and its level [n] (`levels`)."""

    cells: Cells
    kind: str
    level: Codes
    withheld: bool


def audited(
    table: pd.DataFrame,
    evidence: pd.DataFrame,
    schema: Schema,
    params: Audit,
    step: Callable[[str], None] = silent,
) -> DataAudit:
    """Return the audit of a table: rows by group, associations, proxies, leakage suspects, personal data."""
    step(f"levels of the columns of {len(table):,} rows")
    columns = _columns(table, evidence, schema)
    step("what columns say of groups and label")
    fold = folds(len(table), params.folds, params.seed)
    associated = {
        name: _associations(columns, fold, evidence[name], attribute, params.min_group_rows)
        for name, attribute in schema.attributes.items()
    }
    label = evidence[LABEL].map({0: "negative", 1: "positive"})
    known = _powers(columns, fold, label, least=1, skipped=())
    step("rows of one person")
    clustered = _clusters(table, columns, params.seed)
    step("groups and personal data")
    return DataAudit(
        rows=len(table),
        label_rate=float(table[LABEL].mean()),
        class_balance=_balance(table),
        groups={name: _groups(table, evidence, schema, name, params) for name in schema.attributes},
        associations={name: {c: p.auc for c, p in one.items()} for name, one in associated.items()},
        proxies=tuple(
            row
            for name, powers in associated.items()
            for row in _proxies(name, powers, columns, params.proxy_auc, schema.attributes[name].by)
        ),
        label_power={name: one.auc for name, one in known.items()},
        leakage=tuple(
            LeakageSuspect(column=name, auc=one.auc, withheld=columns[name].withheld)
            for name, one in _strongest(known)
            if one.auc >= params.leakage_auc
        ),
        personal=_personal(table, columns, schema, params.personal_share),
        clusters=clustered,
        questions=tuple(question(clustered)),
        independence=tuple(dependence(table, schema.feature_names)),
    )


REPEATED = 0.01
"""Share of rows alike in every feature from which on the audit tells of them."""
RUNS = 3.0
"""Standard deviations from the number of runs that independent rows have, from which on the audit tells."""


def dependence(table: pd.DataFrame, features: Sequence[str]) -> Iterator[str]:
    """Yield what speaks against rows that are independent, which the verdict's bounds take them for.

    Rows alike in every feature, and whether alike rows share their label more often than rows do; and labels
    that come in runs over time (Wald and Wolfowitz 1940).
    """
    if PERSON in table:
        return
    label, rows = table[LABEL].to_numpy(np.int64), len(table)
    alike = joined([smallest(pd.factorize(table[name], use_na_sentinel=False)[0]) for name in features])
    size = np.bincount(alike)
    positive = np.bincount(alike, weights=label)
    repeated = rows - len(size)
    if repeated >= REPEATED * rows:
        # A row's place among alike rows and its label as one number: how many kinds of both there are.
        with_label = rows - len(np.unique(alike * 2 + label))
        # Ordered pairs of alike rows, and those of them with one label: both positive, or both negative.
        pairs = float((size * (size - 1)).sum())
        same = (positive * (positive - 1) + (size - positive) * (size - positive - 1)).sum() / pairs
        rate = label.mean()
        yield (
            f"{repeated:,} of {rows:,} rows repeat an earlier row in every feature, {with_label:,} of them "
            f"with its label; two alike share it with chance {same:.2f}, any two rows with "
            f"{rate**2 + (1 - rate) ** 2:.2f}. Tables of few codes repeat by chance; copies, or rows of one "
            "person, are no evidence of their own (prepare.drop_rows, prepare.person)."
        )
    if TIME in table and 0 < label.sum() < rows:
        ordered = label[np.argsort(table[TIME].to_numpy(), kind="stable")]
        runs = 1 + int((np.diff(ordered) != 0).sum())
        one, two = float(label.sum()), float(rows - label.sum())
        # Mean and variance of the number of runs, were each order of the labels as likely as any other.
        mean = 1 + 2 * one * two / rows
        spread = np.sqrt((mean - 1) * (mean - 2) / (rows - 1))
        if (far := (mean - runs) / max(spread, 1e-12)) > RUNS:
            yield (
                f"In the order of time labels come in {runs:,} runs where independent rows have about "
                f"{mean:,.0f} ({far:.1f} standard deviations): rows of one time hang together "
                "(evaluate.cluster: {days: N})."
            )


def _clusters(table: pd.DataFrame, columns: dict[str, _Column], seed: int) -> Clusters | None:
    """Return signs of several rows a person, where nobody said whose the rows are."""
    if PERSON in table:
        return None
    codes = {
        name: smallest(pd.factorize(column.cells, use_na_sentinel=False)[0])
        for name, column in columns.items()
    }
    return clusters(codes, table[LABEL].to_numpy(np.int64), seed)


def _columns(table: pd.DataFrame, evidence: pd.DataFrame, schema: Schema) -> dict[str, _Column]:
    seen = [(column, table[column.name], False) for column in schema.features]
    seen += [(column, evidence[WITHHELD + column.name], True) for column in schema.withheld]
    return {
        column.name: _Column(cells, column.kind, levels(cells, column.kind), withheld)
        for column, cells, withheld in seen
    }


def _balance(table: pd.DataFrame) -> ClassBalance:
    """Return the rows of each class, and those of the smaller over those of the larger (1 = balanced)."""
    positives = int(table[LABEL].sum())
    negatives = len(table) - positives
    return ClassBalance(
        positive=positives,
        negative=negatives,
        ratio=min(positives, negatives) / max(positives, negatives),
        weighted_label_rate=float(np.average(table[LABEL], weights=table[WEIGHT])),
    )


def _groups(
    table: pd.DataFrame, evidence: pd.DataFrame, schema: Schema, name: str, params: Audit
) -> dict[str, GroupSummary]:
    """Return rows, share, label rate and share of missing feature cells of each group of an attribute."""
    holes = table[schema.feature_names].isna().mean(axis=1).groupby(evidence[name]).mean()
    labels = table[LABEL].groupby(evidence[name])
    rows, rate = labels.size(), labels.mean()
    # Without persons each row is one.
    persons = table[PERSON].groupby(evidence[name]).nunique() if PERSON in table else rows
    return {
        group: GroupSummary(
            rows=int(rows[group]),
            share=float(rows[group] / len(table)),
            label_rate=float(rate[group]),
            missing=float(holes[group]),
            small=bool(persons[group] < params.min_group_rows),
        )
        for group in schema.attributes[name].groups
    }


def _associations(
    columns: dict[str, _Column], fold: Ints, groups: "pd.Series[str]", attribute: AttributeSchema, least: int
) -> dict[str, Power]:
    """Return what each column gives away of an attribute, save the columns that the attribute comes from."""
    return _powers(columns, fold, groups, least, skipped=attribute.columns)


def _powers(
    columns: dict[str, _Column], fold: Ints, groups: "pd.Series[str]", least: int, skipped: tuple[str, ...]
) -> dict[str, Power]:
    """Return the power of each column over the groups of at least `least` rows, or over all if none is."""
    codes, names = pd.factorize(groups, sort=True)
    group = codes.astype(np.int64)
    rows = np.bincount(group, minlength=len(names))
    counted = [k for k in range(len(names)) if rows[k] >= least]
    if not counted:
        counted = list(range(len(names)))
    listed = [str(name) for name in names]
    return {
        name: one
        for name, column in columns.items()
        if name not in skipped and (one := power(column.level, fold, group, listed, counted)) is not None
    }


def _strongest(powers: dict[str, Power]) -> list[tuple[str, Power]]:
    return sorted(powers.items(), key=lambda pair: (-pair[1].auc, pair[0]))


def _proxies(
    attribute: str, powers: dict[str, Power], columns: dict[str, _Column], least: float, by: str
) -> list[Proxy]:
    """Return the columns that stand for an attribute, strongest first, with the group that each tells best.

    A column stands out by its AUC over all groups, or by that of a single group: a country of birth says
    little of most people and much of some. Crossed attributes repeat their parts, so there only the first
    counts.
    """
    return [
        Proxy(
            attribute=attribute,
            column=name,
            auc=one.auc,
            withheld=columns[name].withheld,
            group=one.group,
            group_auc=one.group_auc,
        )
        for name, one in _strongest(powers)
        if one.auc >= least or (by != "cross" and one.group_auc >= least)
    ]


def _personal(
    table: pd.DataFrame, columns: dict[str, _Column], schema: Schema, least: float
) -> tuple[PersonalColumn, ...]:
    entries = [
        PersonalColumn(column=name, kind=one.kind, share=one.share)
        for name, column in columns.items()
        for one in personal(name, column.cells, column.kind, least)
    ]
    if schema.row_id is None:
        return tuple(entries)
    # A row id tells rows apart by its nature; what else it says is of interest.
    own = personal(schema.row_id, table[ROW_ID], "categorical", least)
    entries += [
        PersonalColumn(column=schema.row_id, kind=one.kind, share=one.share)
        for one in own
        if one.kind != "id-like"
    ]
    return tuple(entries)

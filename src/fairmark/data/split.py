"""Which rows are for training, validation and test, and the table read back with its parts as one whole.

A row's part is decided by its id, not by its position and not by its label. For work whose answer needs no
more rows than so many there is a stratified sample: what the gate reads is never sampled, and what looks at
a sample states how many rows of how many it saw.
"""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from fairmark.data.roles import LABEL, PERSON, ROW_ID, SOURCE, TIME, WEIGHT
from fairmark.data.row_ids import contents, joined, smallest
from fairmark.data.schema import MISSING, Schema
from fairmark.data.summaries import SampledPart
from fairmark.errors import InputError
from fairmark.files import read_coded
from fairmark.params.prepare import ByGroup, Split
from fairmark.stats.arrays import Floats, Ints, Mask, Places

PARTS = ("train", "valid", "test")
UNUSED = "unused"
"""The part of rows that no part may hold: in the gap before a later one, or of a person who is in it."""
MIXED = -1
"""The label or group of rows that are drawn as one and do not share it."""


def parted(table: pd.DataFrame, evidence: pd.DataFrame, schema: Schema, params: Split) -> "pd.Series[str]":
    """Return [n] the part of each row: `train`, `valid`, `test`, or `unused`.

    With a published test file its rows are the test part. The rest is cut by the hash of what is drawn as one
    (`units`: a row as a rule) within each stratum (label and single protected attributes), or by time: the
    latest rows are the test part, the latest of those before them the validation part. No person is in two
    parts, and no row in the gap before a later part: such rows are unused.

    Raises
    ------
    InputError
        When a part holds no rows or one class, or the test part no row of a group.
    """
    fixed = (table[SOURCE] == "test").to_numpy(bool)
    if params.order == "time":
        test, valid = _by_time(table[TIME], fixed, params)
    else:
        test, valid = _by_hash(table, evidence, schema, fixed, params)
    part = pd.Series(np.select([test, valid], ["test", "valid"], "train"), dtype="str")
    part = part.mask(_unusable(table, part, params), UNUSED)
    faults = [*_part_faults(table, part), *_group_faults(evidence, schema, part)]
    if faults:
        raise InputError(*faults)
    return part


def position(keys: "pd.Series[str]", seed: int) -> Floats:
    """Return [n] the place of each key in [0, 1): the first 8 bytes of SHA-256 of `seed:key`, over 2^64."""
    codes, different = pd.factorize(keys)
    digests = (hashlib.sha256(f"{seed}:{key}".encode()).digest() for key in different)
    # 53 bits are what a float64 holds exactly, so the place stays below 1.
    places = np.fromiter(
        ((int.from_bytes(digest[:8], "big") >> 11) / 2**53 for digest in digests), np.float64, len(different)
    )
    return places[codes]


def units(table: pd.DataFrame, schema: Schema, params: Split) -> "pd.Series[str]":
    """Return [n] what is drawn as one: its person, or its own id, or what rows alike in every feature share.

    No key holds the label: an id that is made from content leaves it out (`row_ids.content_ids`).
    """
    if PERSON in table:
        if params.alike == "together":
            raise InputError("split.alike: must be spread where prepare.person is named, got together")
        return table[PERSON]
    if params.alike == "together":
        features = table[schema.feature_names]
        return pd.Series(contents(features.astype("str")), dtype="str", index=table.index)
    return table[ROW_ID]


def strata(evidence: pd.DataFrame, schema: Schema, unit: Ints) -> Ints:
    """Return [n] the number of each row's stratum: rows of the same label and the same groups share one.

    Rows of one unit share a stratum; what differs among them counts as a value of its own.
    """
    codes = {name: pd.Series(pd.factorize(evidence[name], sort=True)[0]) for name in (LABEL, *schema.singles)}
    # Where each row is a unit of its own nothing can differ within one, and the grouping is left out.
    alone = unit.max(initial=-1) + 1 == len(unit)
    shared = (
        codes
        if alone
        else {
            name: code.where(code.groupby(unit).transform("nunique") == 1, MIXED)
            for name, code in codes.items()
        }
    )
    # From 0, where what differs is -1.
    return joined([smallest(code.to_numpy() + 1) for code in shared.values()])


def _by_hash(
    table: pd.DataFrame, evidence: pd.DataFrame, schema: Schema, fixed: Mask, params: Split
) -> tuple[Mask, Mask]:
    keys = units(table, schema, params)
    places = position(keys, params.seed)
    stratum = strata(evidence, schema, pd.factorize(keys)[0].astype(np.int64))
    groups = evidence[schema.singles]
    share = _test_shares(evidence, schema, keys, params)
    test = fixed
    if params.test_share is not None:
        test = _below(places, stratum, ~fixed, share, share, params.tolerance)
        test = _represented(test, places, ~fixed, groups, share)
    # The nominal cut stays where it is even where the test cut of a stratum had to move.
    rest = np.full(len(table), params.valid_share)
    valid = _below(places, stratum, ~test, share + rest * (1 - share), rest, params.tolerance)
    return test, _represented(valid, places, ~test, groups, rest)


def _test_shares(evidence: pd.DataFrame, schema: Schema, keys: "pd.Series[str]", params: Split) -> Floats:
    """Return [n] the share of test rows among rows like each, 0..1."""
    if not isinstance(params.test_share, ByGroup):
        return np.full(len(evidence), params.test_share or 0.0)
    by = params.test_share
    if by.attribute not in schema.singles:
        raise InputError(
            f"split.test_share.attribute: must be one of {sorted(schema.singles)}, got {by.attribute!r}"
        )
    group, known = evidence[by.attribute], schema.groups[by.attribute]
    if strangers := sorted(set(by.groups) - set(known)):
        raise InputError(f"split.test_share.groups: must be groups of {sorted(known)}, got {strangers}")
    if (group.groupby(keys).transform("first") != group).any():
        raise InputError(
            "split.test_share: must be one for all groups where rows that are drawn as one (of a person, or "
            f"alike) are of several groups of {by.attribute}, got shares by group"
        )
    each = {name: by.groups.get(name, by.others) for name in known}
    return np.array([each[name] for name in group], dtype=np.float64)


def design_weights(evidence: pd.DataFrame, part: "pd.Series[str]", attribute: str) -> Floats:
    """Return [n] what a row weighs so that each part has the groups in the shares of all its rows together.

    The group's share of all used rows over its share of the part (inverse probability weights: Horvitz and
    Thompson 1952); 1 in the mean of each part, and of rows in no part.
    """
    weight, code = np.ones(len(evidence)), pd.factorize(evidence[attribute])[0]
    whole = np.bincount(code[(part != UNUSED).to_numpy(bool)])
    for name in PARTS:
        here = (part == name).to_numpy(bool)
        own = np.bincount(code[here], minlength=len(whole))
        weight[here] = whole[code[here]] / own[code[here]]
        weight[here] *= here.sum() / max(weight[here].sum(), 1)
    return weight


def _below(places: Floats, stratum: Ints, of: Mask, cut: Floats, share: Floats, tolerance: float) -> Mask:
    """Return [n] the rows of `of` below the cut of their stratum.

    Law: in each stratum the cut stays at its nominal value while the rows below it are within
    max(1, tolerance * expected) of the expected number; if not, it moves just far enough. Rows that share a
    place are never parted.
    """
    below = of & (places < cut)
    expected = np.bincount(stratum[of], weights=share[of], minlength=stratum.max(initial=-1) + 1)
    got = np.bincount(stratum[below], minlength=len(expected))
    # One row more or less is as near as a small stratum can come.
    slack = np.maximum(1.0, tolerance * expected)
    # A cut at the same place for all keeps a row's part whatever rows come and go beside it; a stratum where
    # chance went too far pays for its share with that, and no other does.
    for k in np.flatnonzero(np.abs(got - expected) > slack):
        inside = np.flatnonzero(of & (stratum == k))
        # The near end of what is allowed, so that the cut moves no farther than it must.
        low, high = np.ceil(expected[k] - slack[k]), np.floor(expected[k] + slack[k])
        below[inside] = places[inside] < moved(places[inside], low if got[k] < low else high)
    return below


def _represented(part: Mask, places: Floats, of: Mask, groups: pd.DataFrame, share: Floats) -> Mask:
    """Return [n] the rows of a part, with the first rows of each group that may expect one and has none.

    A group spread over many small strata could miss a part by chance. A stratum that gives a row here had
    none in the part and expected at most one, so its share still holds.
    """
    for name in groups.columns:
        codes, _ = pd.factorize(groups[name])
        for group in range(codes.max(initial=-1) + 1):
            inside = of & (codes == group)
            # A group that expects less than one row may well have none.
            if share[inside].sum() >= 1 and not part[inside].any():
                # The lowest place is that of the row which a higher cut would take first.
                part = part | (of & (places == places[inside].min()))
    return part


def moved(places: Floats, wanted: float) -> float:
    """Return the cut with the nearest to `wanted` places below it; equal places are never parted."""
    different, rows = np.unique(places, return_counts=True)
    counts = np.concatenate([[0], np.cumsum(rows)])
    # A cut is a place that rows stand on, so that all of one unit fall on one side of it.
    cuts = np.append(different, np.inf)
    return float(cuts[np.argmin(np.abs(counts - wanted))])


def _by_time(time: "pd.Series[pd.Timestamp]", fixed: Mask, params: Split) -> tuple[Mask, Mask]:
    moments = time.to_numpy("datetime64[us]").astype(np.int64).astype(np.float64)
    share = params.test_share  # one for all groups, where the order is time
    test = latest_rows(moments, ~fixed, share) if isinstance(share, float) else fixed
    return test, latest_rows(moments, ~test, params.valid_share)


def latest_rows(moments: Floats, of: Mask, share: float) -> Mask:
    """Return [n] the latest `share` of the rows of `of`; rows of the same time stay together."""
    if not of.any():
        return of
    cut = moved(moments[of], round((1 - share) * of.sum()))
    return of & (moments >= cut)


def _unusable(table: pd.DataFrame, part: "pd.Series[str]", params: Split) -> Mask:
    """Return [n] the rows that a later part keeps out of theirs, by its persons or by the gap before it."""
    out = np.zeros(len(table), dtype=bool)
    # Later parts go first: what is measured on stays whole, and what is learnt from gives way.
    for k, name in enumerate(PARTS[1:], 1):
        later, earlier = (part == name).to_numpy(bool), part.isin(PARTS[:k]).to_numpy(bool)
        if PERSON in table:
            out |= earlier & table[PERSON].isin(table.loc[later, PERSON]).to_numpy(bool)
        if params.gap_days is not None and later.any():
            start = table.loc[later, TIME].min() - pd.Timedelta(days=params.gap_days)
            out |= earlier & (table[TIME] > start).to_numpy(bool)
    return out


def _part_faults(table: pd.DataFrame, part: "pd.Series[str]") -> list[str]:
    faults = []
    unused = int((part == UNUSED).sum())
    persons = table[PERSON].nunique() if PERSON in table else None
    whose = "" if persons is None else f"; the rows are of {persons:,} persons, none of whom is parted"
    why = f"; {unused:,} rows are unused, by their person or the gap before a later part" if unused else ""
    for name in PARTS:
        rows = table[part == name]
        rows = rows[rows[WEIGHT] > 0]
        if rows[LABEL].nunique() < 2:
            got = "no rows" if rows.empty else f"{len(rows):,} rows of label {rows[LABEL].iloc[0]}"
            faults.append(
                f"split: the {name} part must hold both classes (weight above 0), got {got}{why}{whose}"
            )
    return faults


def _group_faults(evidence: pd.DataFrame, schema: Schema, part: "pd.Series[str]") -> list[str]:
    faults = []
    for name in schema.singles:
        everywhere = evidence[name].value_counts()
        here = set(evidence.loc[(part == "test").to_numpy(bool), name])
        absent = [group for group in schema.attributes[name].groups if group not in {*here, MISSING}]
        if absent:
            listed = ", ".join(f"{group!r} ({everywhere[group]:,} in all)" for group in absent[:5])
            more = f" and {len(absent) - 5:,} other groups" if len(absent) > 5 else ""
            faults.append(
                f"split: the test part must hold rows of every group of {name}, got none of {listed}{more}: "
                "merge small groups, or enlarge the test part"
            )
    return faults


"""The part of rows that no part may hold (`data.split`)."""


@dataclass(frozen=True)
class Parts:
    """A table and its evidence, row beside row, and the part that each row belongs to."""

    schema: Schema
    table: pd.DataFrame
    evidence: pd.DataFrame
    belongs: pd.Series
    design: "pd.Series[float] | None" = None
    """What rows weigh by the way in which parts were drawn; it is in the table's weights."""

    @property
    def weighted(self) -> bool:
        """Whether rows weigh differently: by a column of the table, or by the way they were drawn."""
        return self.schema.weighted or self.design is not None

    def part(self, name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return the rows of one part: of the table, and of the evidence in the same order.

        Raises
        ------
        InputError
            When the part is not one of train, valid and test, or holds no row.
        """
        chosen = (self.belongs == name).to_numpy()
        if name not in PARTS or not chosen.any():
            raise InputError(f"rows.parquet: must hold rows of part {name!r}, got none")
        return self.table[chosen].reset_index(drop=True), self.evidence[chosen].reset_index(drop=True)

    @property
    def keys(self) -> "pd.Series[str]":
        """What folds and learning curves keep together: each row's person, or its own id, [n]."""
        return self.table[PERSON if PERSON in self.table else ROW_ID]

    @property
    def attributes(self) -> list[str]:
        """The protected attributes, sorted; each is a column of the evidence."""
        return sorted(self.schema.attributes)


def read_parts(table: Path, evidence: Path, schema: Path, rows: Path) -> Parts:
    """Return what `prepare` and `split` wrote, aligned by row id.

    Raises
    ------
    InputError
        When the files don't speak of the same rows in the same order, when a column is missing, or when a
        withheld column stands in the table, where a model could see it.
    """
    whole = Parts(Schema.read(schema), read_coded(table), read_coded(evidence), pd.Series(dtype=str))
    split = read_coded(rows)
    faults = [*_columns(table.name, whole.table, [ROW_ID, LABEL, WEIGHT, *whole.schema.feature_names])]
    faults += _columns(evidence.name, whole.evidence, [ROW_ID, LABEL, *whole.attributes])
    faults += _columns(rows.name, split, [ROW_ID, "part"])
    if faults:
        raise InputError(*faults)
    _aligned(whole, split, evidence.name, rows.name)
    withheld = {column.name for column in whole.schema.withheld}
    seen = sorted(withheld & set(whole.table.columns))
    if seen:
        raise InputError(f"{table.name}: must not hold a withheld column, got {seen}")
    # The ids are the same: they are kept once.
    design = split.get("weight")
    table_rows = whole.table
    if design is not None:
        table_rows = table_rows.assign(**{WEIGHT: table_rows[WEIGHT] * design})
    evidence_rows = whole.evidence.assign(**{ROW_ID: whole.table[ROW_ID]})
    return Parts(whole.schema, table_rows, evidence_rows, split["part"], design)


def _columns(where: str, frame: pd.DataFrame, wanted: list[str]) -> list[str]:
    absent = [name for name in wanted if name not in frame.columns]
    return [f"{where}: must hold the columns of schema.json, got none of {absent}"] if absent else []


def _aligned(whole: Parts, split: pd.DataFrame, evidence: str, rows: str) -> None:
    ids = whole.table[ROW_ID]
    if ids.nunique() < len(ids):
        raise InputError(f"table: must hold each row id once, got {ids[ids.duplicated()].iloc[0]!r} twice")
    for name, frame in ((evidence, whole.evidence), (rows, split)):
        if not ids.equals(frame[ROW_ID]):
            got = _difference(ids, frame[ROW_ID])
            raise InputError(f"{name}: must hold the table's row ids in the table's order, got {got}")
    if not whole.table[LABEL].equals(whole.evidence[LABEL]):
        got = _difference(whole.table[LABEL], whole.evidence[LABEL])
        raise InputError(f"{evidence}: must hold the table's labels, got {got}")
    strangers = sorted(set(split["part"].dropna().unique()) - {*PARTS, UNUSED})
    if strangers:
        raise InputError(f"{rows}: must part rows into {list(PARTS)}, got {strangers}")


def _difference(wanted: pd.Series, other: pd.Series) -> str:
    """Return how two columns that should be the same differ, without a value of either: ids may be names."""
    if len(wanted) != len(other):
        return f"{len(other):,} rows where the table has {len(wanted):,}"
    odd = (wanted.to_numpy() != other.to_numpy()).nonzero()[0]
    if not len(odd):
        return f"{other.dtype} where the table has {wanted.dtype}"
    return f"{len(odd):,} of {len(wanted):,} rows that differ from the table's, row {odd[0] + 1:,} the first"


def sampled(
    parts: Parts, most: int | None, seed: int, of: Collection[str] = PARTS, *, groups: bool = True
) -> Parts:
    """Return a stratified sample without replacement of each part in `of` that has more than `most` rows.

    Strata are label and groups, or without `groups` the label alone. Rows are sorted by stratum, in an order
    drawn within each, and taken at even distances (systematic sampling, Madow 1949): each stratum keeps its
    share to within one row. Where persons have several rows, persons are drawn instead, each with all rows,
    as many as fit into `most`. Other parts are kept whole; `parts` itself is returned where none has more.
    """
    numbers = {name: np.flatnonzero((parts.belongs == name).to_numpy()) for name in PARTS}
    if most is None or all(len(numbers[name]) <= most for name in of):
        return parts
    kept = []
    for k, (name, rows) in enumerate(numbers.items()):
        draw = np.random.default_rng([seed, 7, k])
        if name not in of or len(rows) <= most:
            kept.append(rows)
        elif PERSON in parts.table:
            kept.append(rows[_drawn_persons(parts.table[PERSON].iloc[rows], most, draw)])
        else:
            order = np.lexsort((draw.random(len(rows)), _strata(parts, rows, groups=groups)))
            kept.append(rows[order[np.arange(most) * len(rows) // most]])
    chosen = np.sort(np.concatenate(kept))
    return replace(
        parts,
        table=parts.table.iloc[chosen].reset_index(drop=True),
        evidence=parts.evidence.iloc[chosen].reset_index(drop=True),
        belongs=parts.belongs.iloc[chosen].reset_index(drop=True),
    )


def sizes(fewer: Parts, parts: Parts) -> dict[str, SampledPart]:
    """Return how many rows of each part a sample holds, and of how many."""
    counts = [each.belongs.value_counts() for each in (fewer, parts)]
    return {
        name: SampledPart(rows=int(counts[0][name]), of=int(counts[1][name]))
        for name in PARTS
        if name in counts[1]
    }


def _strata(parts: Parts, rows: Places, *, groups: bool) -> Ints:
    stratum = parts.table[LABEL].to_numpy(np.int64)[rows]
    for name in sorted(parts.schema.singles) if groups else ():
        codes, names = pd.factorize(parts.evidence[name].iloc[rows], sort=True)
        stratum = stratum * len(names) + codes
    return stratum


def _drawn_persons(persons: "pd.Series[str]", most: int, draw: np.random.Generator) -> Mask:
    codes, different = pd.factorize(persons)
    order = draw.permutation(len(different))
    rows = np.cumsum(np.bincount(codes, minlength=len(different))[order])
    # One person at least, however many rows that one has.
    return np.isin(codes, order[: max(1, int(np.searchsorted(rows, most, side="right")))])

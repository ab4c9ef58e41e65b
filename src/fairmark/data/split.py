"""Which rows are for training, validation and test: decided by row id, not by position."""

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from fairmark.data.evidence import MISSING
from fairmark.errors import InputError
from fairmark.sections.parts import Split

PARTS = ("train", "valid", "test")

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


def parted(
    table: pd.DataFrame, evidence: pd.DataFrame, schema: dict[str, Any], params: Split
) -> "pd.Series[str]":
    """Return [n] the part of each row: `train`, `valid` or `test`.

    With a published test file its rows are the test part. The rest is cut by the hash of the row id within
    each stratum (label and single protected attributes), or by time: the latest rows are the test part, the
    latest of those before them the validation part.

    Raises
    ------
    InputError
        When a part holds no rows or one class, or the test part no row of a group.
    """
    fixed = (table["_source"] == "test").to_numpy(bool)
    if params.order == "time":
        test, valid = _by_time(table["_time"], fixed, params)
    else:
        test, valid = _by_hash(table, evidence, schema, fixed, params)
    part = pd.Series(np.select([test, valid], ["test", "valid"], "train"), dtype="str")
    faults = [*_part_faults(table, part), *_group_faults(evidence, schema, part)]
    if faults:
        raise InputError(*faults)
    return part


# ------------------------------------------------------------------ by row id


def position(keys: "pd.Series[str]", seed: int) -> Floats:
    """Return [n] the place of each key in [0, 1): the first 8 bytes of SHA-256 of `seed:key`, over 2^64."""
    codes, different = pd.factorize(keys)
    digests = (hashlib.sha256(f"{seed}:{key}".encode()).digest() for key in different)
    # 53 bits are what a float64 holds exactly, so the place stays below 1.
    places = np.array([(int.from_bytes(digest[:8], "big") >> 11) / 2**53 for digest in digests])
    return places[codes]


def keys_of(table: pd.DataFrame, schema: dict[str, Any]) -> "pd.Series[str]":
    """Return [n] what is hashed: the id itself, or the content that exact duplicates share."""
    ids = table["_row_id"]
    return ids if schema["row_id"] is not None else ids.str.rsplit("-", n=1).str[0]


def singles(schema: dict[str, Any]) -> list[str]:
    """Return the protected attributes that are no intersection of others."""
    return [name for name, attribute in schema["attributes"].items() if attribute["by"] != "cross"]


def strata(evidence: pd.DataFrame, schema: dict[str, Any]) -> npt.NDArray[np.int64]:
    """Return [n] the number of each row's stratum: rows of the same label and the same groups share one."""
    return evidence.groupby(["_label", *singles(schema)], sort=True).ngroup().to_numpy().astype(np.int64)


def _by_hash(
    table: pd.DataFrame, evidence: pd.DataFrame, schema: dict[str, Any], fixed: Bools, params: Split
) -> tuple[Bools, Bools]:
    places = position(keys_of(table, schema), params.seed)
    stratum = strata(evidence, schema)
    groups = evidence[singles(schema)]
    share = params.test_share or 0.0
    test = fixed
    if params.test_share is not None:
        test = _below(places, stratum, ~fixed, share, share, params.tolerance)
        test = _represented(test, places, ~fixed, groups, share)
    # The nominal cut stays where it is even where the test cut of a stratum had to move.
    cut = share + params.valid_share * (1 - share)
    valid = _below(places, stratum, ~test, cut, params.valid_share, params.tolerance)
    return test, _represented(valid, places, ~test, groups, params.valid_share)


def _below(
    places: Floats, stratum: npt.NDArray[np.int64], of: Bools, cut: float, share: float, tolerance: float
) -> Bools:
    """Return [n] the rows of `of` below the cut of their stratum.

    Law: in each stratum the cut stays at its nominal value while the rows below it are within
    max(1, tolerance * expected) of the expected number; if not, it moves just far enough.
    """
    below = of & (places < cut)
    rows = np.bincount(stratum[of], minlength=stratum.max(initial=-1) + 1)
    got = np.bincount(stratum[below], minlength=len(rows))
    expected = rows * share
    slack = np.maximum(1.0, tolerance * expected)
    for k in np.flatnonzero(np.abs(got - expected) > slack):
        inside = np.flatnonzero(of & (stratum == k))
        low, high = np.ceil(expected[k] - slack[k]), np.floor(expected[k] + slack[k])
        below[inside] = places[inside] < moved(places[inside], low if got[k] < low else high)
    return below


def _represented(part: Bools, places: Floats, of: Bools, groups: pd.DataFrame, share: float) -> Bools:
    """Return [n] the rows of a part, with the first row of each group that may expect one and has none.

    A group spread over many small strata could miss a part by chance. A stratum that gives a row here had
    none in the part and expected at most one, so its share still holds.
    """
    for name in groups.columns:
        codes, _ = pd.factorize(groups[name])
        for group in range(codes.max(initial=-1) + 1):
            inside = of & (codes == group)
            if inside.sum() * share >= 1 and not part[inside].any():
                part = part | (inside & (places == places[inside].min()))
    return part


def moved(places: Floats, wanted: float) -> float:
    """Return the cut with the nearest to `wanted` places below it; equal places are never parted."""
    different, rows = np.unique(places, return_counts=True)
    counts = np.concatenate([[0], np.cumsum(rows)])
    cuts = np.append(different, np.inf)
    return float(cuts[np.argmin(np.abs(counts - wanted))])


# ------------------------------------------------------------------ by time


def _by_time(time: "pd.Series[pd.Timestamp]", fixed: Bools, params: Split) -> tuple[Bools, Bools]:
    moments = time.to_numpy("datetime64[us]").astype(np.int64).astype(np.float64)
    test = fixed if params.test_share is None else _latest(moments, ~fixed, params.test_share)
    return test, _latest(moments, ~test, params.valid_share)


def _latest(moments: Floats, of: Bools, share: float) -> Bools:
    """Return [n] the latest `share` of the rows of `of`; rows of the same time stay together."""
    if not of.any():
        return of
    cut = moved(moments[of], round((1 - share) * of.sum()))
    return of & (moments >= cut)


# ------------------------------------------------------------------ what must hold


def _part_faults(table: pd.DataFrame, part: "pd.Series[str]") -> list[str]:
    faults = []
    for name in PARTS:
        rows = table[part == name]
        rows = rows[rows["_weight"] > 0]
        if rows["_label"].nunique() < 2:
            held = "no rows" if rows.empty else f"{len(rows):,} rows of label {rows['_label'].iloc[0]}"
            faults.append(f"split: the {name} part must hold both classes (weight above 0), got {held}")
    return faults


def _group_faults(evidence: pd.DataFrame, schema: dict[str, Any], part: "pd.Series[str]") -> list[str]:
    faults = []
    for name in singles(schema):
        everywhere = evidence[name].value_counts()
        here = set(evidence.loc[(part == "test").to_numpy(bool), name])
        absent = [group for group in schema["attributes"][name]["groups"] if group not in {*here, MISSING}]
        if absent:
            listed = ", ".join(f"{group!r} ({everywhere[group]:,} in all)" for group in absent[:5])
            more = f" and {len(absent) - 5:,} other groups" if len(absent) > 5 else ""
            faults.append(
                f"split: the test part must hold rows of every group of {name}, got none of {listed}{more}: "
                "merge small groups, or enlarge the test part"
            )
    return faults


def summary(
    table: pd.DataFrame, evidence: pd.DataFrame, schema: dict[str, Any], part: "pd.Series[str]", order: str
) -> dict[str, Any]:
    """Return the rows, the label rate and the rows of each group of every part, groups without rows too."""
    parts: dict[str, Any] = {}
    for name in PARTS:
        inside = (part == name).to_numpy(bool)
        parts[name] = {
            "rows": int(inside.sum()),
            "label_rate": float(table.loc[inside, "_label"].mean()),
            "groups": {
                attribute: {
                    group: int((evidence.loc[inside, attribute] == group).sum()) for group in said["groups"]
                }
                for attribute, said in schema["attributes"].items()
            },
        }
    return {"parts": parts, "test_file": bool(schema["test_file"]), "order": order}

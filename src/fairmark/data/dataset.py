"""Read the table, its evidence and its split as one whole, or refuse them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from fairmark.data.schema import Schema
from fairmark.errors import InputError
from fairmark.files import read_parquet

PARTS = ("train", "valid", "test")

UNUSED = "unused"
"""The part of rows that no part may hold (`data.split`)."""


@dataclass(frozen=True)
class Parts:
    """A table and its evidence, row beside row, and the part that each row belongs to."""

    schema: Schema
    table: pd.DataFrame
    evidence: pd.DataFrame
    belongs: pd.Series

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
        return self.table["_person" if "_person" in self.table else "_row_id"]

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
    whole = Parts(Schema.read(schema), read_parquet(table), read_parquet(evidence), pd.Series(dtype=str))
    split = read_parquet(rows)
    faults = [
        *_columns(table.name, whole.table, ["_row_id", "_label", "_weight", *whole.schema.feature_names])
    ]
    faults += _columns(evidence.name, whole.evidence, ["_row_id", "_label", *whole.attributes])
    faults += _columns(rows.name, split, ["_row_id", "part"])
    if faults:
        raise InputError(*faults)
    _aligned(whole, split, evidence.name, rows.name)
    withheld = {column.name for column in whole.schema.withheld}
    seen = sorted(withheld & set(whole.table.columns))
    if seen:
        raise InputError(f"{table.name}: must not hold a withheld column, got {seen}")
    return Parts(whole.schema, whole.table, whole.evidence, split["part"])


def _columns(where: str, frame: pd.DataFrame, wanted: list[str]) -> list[str]:
    absent = [name for name in wanted if name not in frame.columns]
    return [f"{where}: must hold the columns of schema.json, got none of {absent}"] if absent else []


def _aligned(whole: Parts, split: pd.DataFrame, evidence: str, rows: str) -> None:
    ids = whole.table["_row_id"]
    if ids.duplicated().any():
        raise InputError(f"table: must hold each row id once, got {ids[ids.duplicated()].iloc[0]!r} twice")
    for name, frame in ((evidence, whole.evidence), (rows, split)):
        if not ids.equals(frame["_row_id"]):
            got = _difference(ids, frame["_row_id"])
            raise InputError(f"{name}: must hold the table's row ids in the table's order, got {got}")
    if not whole.table["_label"].equals(whole.evidence["_label"]):
        got = _difference(whole.table["_label"], whole.evidence["_label"])
        raise InputError(f"{evidence}: must hold the table's labels, got {got}")
    strangers = sorted(set(split["part"].astype(str)) - {*PARTS, UNUSED})
    if strangers:
        raise InputError(f"{rows}: must part rows into {list(PARTS)}, got {strangers}")


def _difference(wanted: "pd.Series[Any]", found: "pd.Series[Any]") -> str:
    """Return how two columns that should be one differ, without a value of either."""
    if len(wanted) != len(found):
        return f"{len(found):,} rows where the table has {len(wanted):,}"
    odd = (wanted.to_numpy() != found.to_numpy()).nonzero()[0]
    return f"another one in {len(odd):,} rows, row {odd[0] + 1:,} the first" if len(odd) else "another type"

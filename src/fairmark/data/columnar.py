"""Turn the typed columns of a Parquet file into the texts that a CSV file would hold."""

import json
from collections.abc import Collection
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from fairmark.data.faults import Faults

WHOLE_LIMIT = 1e15
"""Whole numbers below this are exact in float64 and written without a point, as integers are."""


def without_index(table: pa.Table, named: Collection[str]) -> tuple[pa.Table, list[str]]:
    """Return the table without what its own metadata calls an index, and the names of what was left out.

    pandas writes a row number that it keeps beside the columns as a column of its own (`__index_level_0__`,
    or the index's name) and says so under the key "pandas" of the schema's metadata. It says where a row
    stood, so that a file that is sorted by its label gives the label away. A column that params name stays.
    """
    said = (table.schema.metadata or {}).get(b"pandas")
    try:
        columns = json.loads(said)["index_columns"] if said else []
    except (ValueError, KeyError, TypeError):
        columns = []
    if not isinstance(columns, list):
        columns = []  # what is not as pandas writes it names nothing
    found = [
        one for one in columns if isinstance(one, str) and one in table.column_names and one not in named
    ]
    return table.drop_columns(found), found


def texts_of(
    table: pa.Table, names: list[str], dropped: Collection[str], faults: Faults
) -> tuple[dict[str, pa.ChunkedArray], dict[str, Literal["boolean", "date"]], dict[str, str]]:
    """Return each column as texts (null = missing; NaN too), columns typed boolean or date, and unread ones.

    Integers that a writer turned into floats, as pandas does beside nulls, read as integers again. Times with
    a zone are moved to UTC. Columns of lists, structs or bytes are not read: they are faults, unless they
    are `dropped`.
    """
    texts: dict[str, pa.ChunkedArray] = {}
    types: dict[str, Literal["boolean", "date"]] = {}
    unread: dict[str, str] = {}
    for name, raw in zip(names, table.columns, strict=True):
        column = raw.cast(raw.type.value_type) if pa.types.is_dictionary(raw.type) else raw
        kind = column.type
        if pa.types.is_floating(kind):
            texts[name] = _floats(column.cast(pa.float64()))
        elif pa.types.is_timestamp(kind) or pa.types.is_date(kind):
            types[name] = "date"
            texts[name] = _moments(column)
        elif pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            unread[name] = str(kind)
            if name not in dropped:
                must = "must hold single values, or stand in prepare.drop"
                faults.add(f"column {name}: {must}, got {kind}")
        else:
            if pa.types.is_boolean(kind):
                types[name] = "boolean"
            texts[name] = column.cast(pa.string())
    return texts, types, unread


def _floats(column: pa.ChunkedArray) -> pa.ChunkedArray:
    given = pc.if_else(pc.is_nan(column), None, column)
    whole = pc.and_(pc.equal(pc.floor(given), given), pc.less(pc.abs(given), WHOLE_LIMIT))
    integers = pc.if_else(whole, given, None).cast(pa.int64()).cast(pa.string())
    return pc.coalesce(integers, given.cast(pa.string()))


def _moments(column: pa.ChunkedArray) -> pa.ChunkedArray:
    # Microseconds hold every day from year 1 to 9999; finer digits are cut.
    moments = pc.cast(column, pa.timestamp("us", getattr(column.type, "tz", None)), safe=False)
    return moments.cast(pa.timestamp("us")).cast(pa.string())

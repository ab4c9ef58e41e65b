"""Turn the typed table into the one matrix of numbers that every family of models reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd

from fairmark.data.groups import places
from fairmark.data.schema import ColumnSchema, KindName
from fairmark.errors import InputError
from fairmark.model.model_file import Column, EncoderFile
from fairmark.stats.arrays import Floats

NAMED: tuple[KindName, ...] = ("categorical", "ordinal")
DAY = np.timedelta64(1, "D")


@dataclass(frozen=True)
class Encoder:
    """What each feature's values become: numbers, with NaN for what is missing or was never seen."""

    columns: tuple[Column, ...]

    @classmethod
    def fit(cls, rows: pd.DataFrame, features: Sequence[ColumnSchema], max_categories: int) -> Self:
        """Return the encoder of `features`, whose categories are read off train rows.

        Parameters
        ----------
        rows
            Train rows of the table.
        features
            The entries of `features` in schema.json.
        max_categories
            How many categories of a categorical feature are kept: the most frequent ones in `rows`, by
            name where frequencies tie. The others count as missing.
        """
        return cls(tuple(_column(rows[feature.name], feature, max_categories) for feature in features))

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Return the encoder that `to_json` wrote down.

        Raises
        ------
        InputError
            When `value` holds anything else.
        """
        file = EncoderFile.from_json(value, "encoder.json")
        names = [column.name for column in file.columns]
        if not names or len(set(names)) < len(names):
            raise InputError(f"encoder.json: must name each feature once, got {names}")
        for column in file.columns:
            if (column.categories is None) == (column.kind in NAMED):
                raise InputError(
                    f"encoder.json: {column.name}: must list categories if named, got {column.kind}"
                )
        return cls(tuple(file.columns))

    def to_json(self) -> dict[str, object]:
        """Return the encoder as plain values; law: `from_json(to_json())` equals the encoder."""
        return EncoderFile(columns=list(self.columns)).to_json()

    @property
    def names(self) -> list[str]:
        """The features, in the order of the matrix's columns."""
        return [column.name for column in self.columns]

    @property
    def kinds(self) -> list[str]:
        """The kind of each feature, in the order of the matrix's columns."""
        return [column.kind for column in self.columns]

    def transform(self, frame: pd.DataFrame) -> Floats:
        """Return the matrix of a table's rows, [n, p].

        A number stays itself, a boolean is 0 or 1, a date is days since 1970-01-01, an ordinal is its rank
        from 0, a category is its code; NaN is a missing or unseen value.

        Raises
        ------
        InputError
            When a feature is missing, holds values of another kind, or is infinite.
        """
        absent = [name for name in self.names if name not in frame.columns]
        if absent:
            raise InputError(f"table: must hold every feature of the model, got none of {absent}")
        matrix = np.empty((len(frame), len(self.columns)))
        for place, column in enumerate(self.columns):
            matrix[:, place] = _numbers(frame[column.name], column)
        return matrix


def _column(values: pd.Series, feature: ColumnSchema, max_categories: int) -> Column:
    categories = None
    if feature.kind == "ordinal":
        categories = list(feature.categories or ())
    elif feature.kind == "categorical":
        counts = (
            values if isinstance(values.dtype, pd.CategoricalDtype) else values.astype("str")
        ).value_counts()
        counts = counts[counts > 0]
        categories = sorted(counts.index, key=lambda name: (-counts[name], name))[:max_categories]
    return Column(name=feature.name, kind=feature.kind, categories=categories)


def _numbers(values: pd.Series, column: Column) -> Floats:
    try:
        numbers = (
            _codes(values, column.categories) if column.categories is not None else _plain(values, column)
        )
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"table: {column.name}: must hold values of kind {column.kind}, got {error}"
        ) from error
    if np.isinf(numbers).any():
        row = int(np.flatnonzero(np.isinf(numbers))[0])
        raise InputError(f"table: {column.name}: must be finite, got {values.iloc[row]} in row {row}")
    return numbers


def _codes(values: pd.Series, categories: list[str]) -> Floats:
    codes = places(values, categories)
    return np.where(codes < 0, np.nan, codes.astype(np.float64))


def _plain(values: pd.Series, column: Column) -> Floats:
    if column.kind == "date":
        days = pd.to_datetime(values, utc=True).dt.tz_localize(None).to_numpy(dtype="datetime64[us]")
        elapsed: Floats = (days - np.datetime64(0, "us")) / DAY  # NaT becomes NaN
        return elapsed
    if column.kind == "boolean":
        return np.asarray(values.astype("boolean").astype("Float64").to_numpy(np.float64, na_value=np.nan))
    # pandas would give a date's microseconds or nanoseconds as a number.
    if isinstance(values.dtype, pd.DatetimeTZDtype) or values.dtype.kind == "M":
        raise TypeError("a date")
    return pd.to_numeric(values).to_numpy(dtype=np.float64, na_value=np.nan)

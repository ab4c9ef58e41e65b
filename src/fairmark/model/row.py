"""One row scored without a data frame: the same 64 bits as `Model.score`, in microseconds.

Boosted trees go through LightGBM's C call for a single row (`LGBM_BoosterPredictForMatSingleRowFast`), whose
arguments are bound once; where the library does not offer it, `Booster.predict` answers, some thirty
microseconds later and to the same bits. Scorecards are added up here.
"""

import ctypes
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, Self

import numpy as np

from fairmark.data.cells import Cell, Kind
from fairmark.data.group_names import crossed_name, interval_of, name_of
from fairmark.data.row import RowReader
from fairmark.data.schema import MISSING, Schema
from fairmark.errors import InputError
from fairmark.files import read_json, sha256
from fairmark.model import boosted_trees, scorecard
from fairmark.model.boosted_trees import ADDITIVITY, END, REST, Boosted
from fairmark.model.group_thresholds import GroupThresholds, Origin
from fairmark.model.model_file import (
    ENCODER_JSON,
    FILES,
    MODEL_JSON,
    Calibration,
    Column,
    EncoderFile,
    ModelFile,
)
from fairmark.model.path_tables import PathTables, path_tables
from fairmark.model.scorecard import Line, Scorecard
from fairmark.params.prepare import Prepare
from fairmark.stats.arrays import Floats

RAW_SCORE, FLOAT64 = 1, 1
"""LightGBM's C_API_PREDICT_RAW_SCORE and C_API_DTYPE_FLOAT64."""
SETTINGS = b"num_threads=1"
Way = Literal["single row", "booster", "scorecard"]


class RowScorer(Protocol):
    """What scores one encoded row."""

    @property
    def path(self) -> Way:
        """By which of the ways rows are scored."""

    def raw(self, row: Floats) -> float:
        """Return the raw log-odds of one row, [p]."""

    def raw_of(self, matrix: Floats) -> Floats:
        """Return the raw log-odds of rows [n, p], [n]; law: each as `raw` gives it."""

    def contributions(self, matrix: Floats, raws: Sequence[float] | None = None) -> Floats:
        """Return exact Shapley values of the raw log-odds, [n, p + 1]; the last column is the base value.

        Parameters
        ----------
        raws
            The raw log-odds of the rows, where they are known: they are not worked out again then.
        """


class SingleRow:
    """Boosted trees by LightGBM's C call for one row; one thread at a time scores, the others wait.

    Parameters
    ----------
    trees
        The trees.
    features
        How many columns a row has.

    Raises
    ------
    RuntimeError
        When LightGBM's library lacks a call, or refuses one.
    """

    path: Way = "single row"

    def __init__(self, trees: Boosted, features: int) -> None:
        import lightgbm

        self.trees = trees
        try:
            self._library = lightgbm.basic._LIB  # noqa: SLF001 - the one handle of the library that it loaded
            predict = self._library.LGBM_BoosterPredictForMatSingleRowFast
        except AttributeError as error:
            raise RuntimeError(f"lightgbm: must offer its call for one row, got {error}") from error
        # Up to the end of the trees alone, as `Boosted.booster`: what stands behind it was not checked.
        head, _, _ = trees.text.partition(END)
        self._booster, rounds = ctypes.c_void_p(), ctypes.c_int()
        text = (head + REST).encode()
        self._call("LGBM_BoosterLoadModelFromString", text, ctypes.byref(rounds), ctypes.byref(self._booster))
        self._settings = ctypes.c_void_p()
        self._call(
            "LGBM_BoosterPredictForMatSingleRowFastInit",
            self._booster, RAW_SCORE, 0, -1, FLOAT64, ctypes.c_int32(features), SETTINGS,
            ctypes.byref(self._settings),
        )  # fmt: skip
        # Row and result are one buffer for all calls: two threads at once would score each other's rows.
        self._alone = threading.Lock()
        self.row = np.empty(features)
        self._length, self._result = ctypes.c_int64(), ctypes.c_double()
        self._predict = predict
        # Made once: the buffers never move.
        place, length = self.row.ctypes.data_as(ctypes.c_void_p), ctypes.byref(self._length)
        self._arguments = (self._settings, place, length, ctypes.byref(self._result))

    def _call(self, name: str, *arguments: object) -> None:
        if getattr(self._library, name)(*arguments) != 0:
            said = ctypes.cast(self._library.LGBM_GetLastError(), ctypes.c_char_p).value or b""
            raise RuntimeError(f"lightgbm: {name} must succeed, got {said.decode(errors='replace')[:200]}")

    def __del__(self) -> None:
        # What the library holds is no Python object.
        for name, handle in (
            ("LGBM_FastConfigFree", getattr(self, "_settings", None)),
            ("LGBM_BoosterFree", getattr(self, "_booster", None)),
        ):
            if handle is not None and handle.value:
                getattr(self._library, name)(handle)

    def raw(self, row: Floats) -> float:
        """Return the raw log-odds of one row, [p]."""
        with self._alone:
            self.row[:] = row
            if self._predict(*self._arguments) != 0:
                raise RuntimeError("lightgbm: must score a row, got a failure of its call for one row")
            return self._result.value

    def raw_of(self, matrix: Floats) -> Floats:
        """Return the raw log-odds of rows [n, p], [n]."""
        return self.trees.raw(matrix)

    def contributions(self, matrix: Floats, raws: Sequence[float] | None = None) -> Floats:
        """Return exact Shapley values of the raw log-odds, [n, p + 1].

        Raises
        ------
        ArithmeticError
            When they don't add up to the raw log-odds: wrong explanations are worse than none.
        """
        if self.tables is None:
            return self.trees.contributions(matrix)
        if len(matrix) < FEW:
            few = [self.tables.explain(row) for row in matrix]
            known = [self.raw(row) for row in matrix] if raws is None else raws
            gaps = [abs(sum(line) - raw) for line, raw in zip(few, known, strict=True)]
            values = np.array(few)
        else:
            values = self.tables.explain_all(matrix)
            gaps = np.abs(values.sum(axis=1) - (self.raw_of(matrix) if raws is None else raws)).tolist()
        if not all(gap <= ADDITIVITY for gap in gaps):
            raise ArithmeticError(f"contributions: must add up within {ADDITIVITY}, got {max(gaps)}")
        return values

    @cached_property
    def tables(self) -> PathTables | None:
        """Tables of the trees, an order quicker than LightGBM; None where they would be too large."""
        return path_tables(self.trees, len(self.row))


@dataclass(frozen=True)
class PlainBooster:
    """Boosted trees by `Booster.predict`: the stated fallback."""

    trees: Boosted
    path: Way = "booster"

    def raw(self, row: Floats) -> float:
        """Return the raw log-odds of one row, [p]."""
        return float(self.trees.raw(row[np.newaxis, :])[0])

    def raw_of(self, matrix: Floats) -> Floats:
        """Return the raw log-odds of rows [n, p], [n]."""
        return self.trees.raw(matrix)

    def contributions(self, matrix: Floats, _: Sequence[float] | None = None) -> Floats:
        """Return exact Shapley values of the raw log-odds, [n, p + 1]."""
        return self.trees.contributions(matrix)


class PlainCard:
    """A scorecard, added up one row at a time."""

    path: Way = "scorecard"

    def __init__(self, card: Scorecard) -> None:
        self.card = card
        self._each = [_points_of(feature) for feature in card.features]

    def raw(self, row: Floats) -> float:
        """Return the raw log-odds of one row, [p]."""
        # An array of this call alone: a batch is scored in a thread beside the rows that come one by one.
        each = np.array([[points(value) for points, value in zip(self._each, row.tolist(), strict=True)]])
        # NumPy's own sum, because the order of adding decides the last bit.
        return float(each.sum(axis=1)[0] + self.card.intercept)

    def raw_of(self, matrix: Floats) -> Floats:
        """Return the raw log-odds of rows [n, p], [n]."""
        return self.card.raw(matrix)

    def contributions(self, matrix: Floats, _: Sequence[float] | None = None) -> Floats:
        """Return exact Shapley values of the raw log-odds, [n, p + 1]."""
        return self.card.contributions(matrix)


def _points_of(feature: Line | scorecard.Steps) -> Callable[[float], float]:
    if isinstance(feature, Line):
        impute, mean, scale = float(feature.impute), float(feature.mean), float(feature.scale)
        coef, without = float(feature.coef), float(feature.missing_coef)
        # The operations of `Line.points` in their order, `* 1.0` and `* 0.0` among them: the last bit is the
        # same.
        absent = coef * ((impute - mean) / scale) + without * 1.0
        return lambda value: absent if math.isnan(value) else coef * ((value - mean) / scale) + without * 0.0
    table = [*map(float, feature.each), float(feature.missing)]
    last = len(feature.each)
    return lambda value: table[last if math.isnan(value) else int(value)]


class Encoded(NamedTuple):
    """One row that was read.

    Parameters
    ----------
    matrix
        What the model reads, [p]; NaN is missing or never seen.
    unseen
        Categorical features whose value the model has no code for, each with its value.
    threshold
        Decide 1 from this score on.
    """

    matrix: Floats
    unseen: tuple[tuple[str, str], ...]
    threshold: float


@dataclass(frozen=True)
class RowModel:
    """A released model that takes one raw row at a time.

    Parameters
    ----------
    reader
        Of the raw columns that the model reads: its features, then what tells groups with own thresholds.
    columns
        The features, in the order of a row's numbers.
    """

    reader: RowReader
    columns: tuple[Column, ...]
    scorer: RowScorer
    calibration: Calibration
    threshold: float
    own: GroupThresholds | None
    family: str

    @classmethod
    def load(cls, folder: Path, schema: Schema, params: Prepare) -> Self:
        """Return the model in a release's folder `model`, read as `Model.load` reads it.

        Raises
        ------
        InputError
            When a file is missing, is another one than model.json names, or does not fit the others.
        """
        file = ModelFile.of(folder)
        family = FILES.get(file.family)
        if family is None or file.chosen.family != file.family:
            raise InputError(f"model.json: family must be one of {sorted(FILES)}, got {file.family!r}")
        for name in (ENCODER_JSON, family):
            if (found := sha256(folder / name)) != file.files.get(name):
                must = "must be the file that model.json names"
                raise InputError(f"{name}: {must}, got the SHA-256 {found[:12]}…")
        columns = tuple(EncoderFile.from_json(read_json(folder / ENCODER_JSON), ENCODER_JSON).columns)
        if [column.name for column in columns] != file.features:
            raise InputError(f"{ENCODER_JSON}: must speak of the features of {MODEL_JSON}, got others")
        own = file.thresholds
        names = [*file.features, *([] if own is None else own.columns)]
        if unknown := sorted({*names} - {column.name for column in schema.columns}):
            raise InputError(f"schema.json: must describe every column of the model, got none of {unknown}")
        text = (folder / family).read_text(encoding="utf-8")
        scorer: RowScorer
        if file.family != "logistic":
            scorer = single_row(boosted_trees.load(text, columns), len(columns))
        else:
            scorer = PlainCard(scorecard.load(text, columns))
        reader = RowReader.of(params, schema, list(dict.fromkeys(names)))
        return cls(reader, columns, scorer, file.calibration, file.threshold, own, file.family)

    @cached_property
    def _codes(self) -> list[Callable[[Cell], float]]:
        return [_code_of(column) for column in self.columns]

    @cached_property
    def _named(self) -> list[tuple[int, str]]:
        return [(place, each.name) for place, each in enumerate(self.columns) if each.categories is not None]

    @cached_property
    def _quick(self) -> list[tuple[str, Callable[[object], Cell]]]:
        return [(column.name, column.quick) for column in self.reader.columns]

    def read(self, row: Mapping[str, object]) -> Encoded:
        """Return the numbers of one raw row; a column that it lacks is missing.

        Raises
        ------
        CellFault
            At the first cell that `prepare` would refuse; `RowReader.faults` tells all of them.
        """
        return self.encode([quick(row.get(name)) for name, quick in self._quick])

    def read_all(self, rows: Sequence[Mapping[str, object]]) -> list[Encoded]:
        """Return the numbers of raw rows; law: of each as `read` gives them.

        Raises
        ------
        CellFault
            At a cell that `prepare` would refuse.
        """
        if len(rows) < FEW or self.own is not None:
            return [self.read(row) for row in rows]
        # Column by column, so that what reads a cell is looked up once for all.
        cells = [[quick(row.get(name)) for row in rows] for name, quick in self._quick]
        codes = zip(self._codes, cells, strict=False)
        matrix = np.array([[code(cell) for cell in column] for code, column in codes]).T.copy()
        unseen: dict[int, list[tuple[str, str]]] = {}
        for place, name in self._named:
            for at in np.flatnonzero(np.isnan(matrix[:, place])).tolist():
                if cells[place][at] is not None:
                    unseen.setdefault(at, []).append((name, str(cells[place][at])))
        return [Encoded(row, tuple(unseen.get(at, ())), self.threshold) for at, row in enumerate(matrix)]

    def encode(self, cells: Sequence[Cell]) -> Encoded:
        """Return the numbers of one row from its typed cells, in the order of `reader.columns`."""
        matrix = np.array([code(cell) for code, cell in zip(self._codes, cells, strict=False)])
        unseen = tuple(
            (name, str(cells[place]))
            for place, name in self._named
            if cells[place] is not None and math.isnan(matrix[place])
        )
        return Encoded(matrix, unseen, self.threshold if self.own is None else self._own(cells))

    def _own(self, cells: Sequence[Cell]) -> float:
        """Return the threshold of one row's group; the common one for a group that has none."""
        own = self.own
        assert own is not None  # noqa: S101 - asked by `encode` alone
        by_name: Mapping[str, Cell] = dict(zip(self.reader.names, cells, strict=True))
        group = crossed_name([_group(origin, by_name[origin.column]) for origin in own.origins])
        return own.groups.get(group, self.threshold)

    def raws(self, rows: Sequence[Encoded]) -> list[float]:
        """Return the raw log-odds of each row, before calibration."""
        if len(rows) < FEW:
            return [self.scorer.raw(row.matrix) for row in rows]
        found: list[float] = self.scorer.raw_of(np.array([row.matrix for row in rows])).tolist()
        return found

    def calibrated(self, raws: Sequence[float]) -> list[float]:
        """Return the probability of the positive label, 0..1, of each raw log-odds; law: as `Model.score`."""
        a, b = self.calibration.a, self.calibration.b
        # NumPy's own tanh, for the C library's differs in the last bit.
        if len(raws) < FEW:
            return [float(0.5 * (1 + np.tanh(0.5 * (a * raw + b)))) for raw in raws]
        found: list[float] = (0.5 * (1 + np.tanh(0.5 * (a * np.array(raws) + b)))).tolist()
        return found

    def score(self, row: Encoded) -> float:
        """Return the probability of the positive label, 0..1; law: the bits of `Model.score`."""
        return self.calibrated([self.scorer.raw(row.matrix)])[0]

    def scores(self, rows: Sequence[Encoded]) -> list[float]:
        """Return the probability of each row; law: each as `score` gives it."""
        return self.calibrated(self.raws(rows))

    def contributions(self, rows: Sequence[Encoded], raws: Sequence[float] | None = None) -> Floats:
        """Return exact Shapley values of the calibrated log-odds, [n, p + 1]; the last is the base value.

        Parameters
        ----------
        raws
            As `raws` gives them, where they are known.
        """
        values = self.scorer.contributions(np.array([row.matrix for row in rows]), raws) * self.calibration.a
        values[:, -1] += self.calibration.b
        return values


FEW = 4
"""Rows from which one call for all costs less than one for each."""


def single_row(trees: Boosted, features: int) -> RowScorer:
    """Return the quickest way to score rows by these trees that this LightGBM offers."""
    try:
        return SingleRow(trees, features)
    except RuntimeError:
        return PlainBooster(trees)


def _code_of(column: Column) -> Callable[[Cell], float]:
    if column.categories is not None:
        codes: Mapping[Cell, float] = {name: float(code) for code, name in enumerate(column.categories)}
        return lambda cell: codes.get(cell, math.nan)
    if column.kind == "date":
        return _days
    return lambda cell: math.nan if cell is None else float(cell)  # type: ignore[arg-type]


def _days(cell: Cell) -> float:
    if cell is None:
        return math.nan
    elapsed = np.datetime64(cell, "us") - np.datetime64(0, "us")  # type: ignore[call-overload]
    return float(elapsed / np.timedelta64(1, "D"))


def _group(origin: Origin, cell: Cell) -> str:
    if origin.edges is not None:
        return interval_of(cell, origin.edges)  # type: ignore[arg-type]
    if cell is None:
        return MISSING
    first, second = origin.pair or ("true", "false")
    return name_of(cell, Kind(origin.kind, pair=(first, second)))

"""`init` and `run`, as the field teaches them: a release is verified and loaded once, then rows are scored.

Nothing is loaded before every claim of the release holds. Before it answers, the release scores golden rows,
made of its own schema, by the quick path and by the plain one: the 64 bits must agree.
"""

import itertools
import math
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fairmark.data.cells import Cell
from fairmark.data.reference import FeatureReference, Reference
from fairmark.data.schema import Schema
from fairmark.errors import ParamsError, VerificationError
from fairmark.model.boosted_trees import Boosted, train_ranges
from fairmark.model.row import FEW, Encoded, PlainBooster, PlainCard, RowModel, SingleRow
from fairmark.params.evaluate import ReasonTexts
from fairmark.params.serve import Serve
from fairmark.release.folder import ReleaseFolder
from fairmark.release.statement import release_digest
from fairmark.serve.oversight import Flagged, Scored, chosen_reasons
from fairmark.stats.arrays import Floats
from fairmark.verify.verify import verified_copy

if TYPE_CHECKING:
    from fairmark.signing.keys import PublicKey

GOLDEN = 64
"""Golden rows of a release."""
FOLDER = ("model-card.md", "verdict.json", "statement.json")
"""Files of a release that the service shows."""
Range = tuple[float, float]


@dataclass(frozen=True)
class Scorer:
    """A verified release, loaded: what scores rows, and what is said of it.

    Parameters
    ----------
    name, version, digest
        Such as `loans`, `v0.1.0`, and `sha256:` with the release digest.
    params
        The section `serve` that the release was signed with.
    texts
        The reasons library that it was signed with (`explain.texts`); None for a release without one.
    ranges
        Smallest and largest train value of numeric features and dates, by the release's reference or else
        by the model; a feature whose range nothing tells is not among them.
    reference
        How many train rows each value had; None for a release that was made without.
    documents
        Texts of the files that are shown, by name.
    """

    name: str
    version: str
    digest: str
    schema: Schema
    params: Serve
    texts: ReasonTexts | None
    model: RowModel
    ranges: Mapping[str, Range]
    reference: Reference | None
    documents: Mapping[str, str]

    @property
    def features(self) -> list[str]:
        """The features, in the order of a row's numbers."""
        return [column.name for column in self.model.columns]

    @property
    def columns(self) -> list[str]:
        """The raw columns that a row must have."""
        return self.model.reader.names

    @cached_property
    def reads(self) -> frozenset[str]:
        """The columns, to compare a row's keys with."""
        return frozenset(self.columns)

    @cached_property
    def _bounded(self) -> list[tuple[int, str, float, float]]:
        return [
            (place, name, *self.ranges[name])
            for place, name in enumerate(self.features)
            if name in self.ranges
        ]

    def flags(self, row: Encoded) -> tuple[Flagged, ...]:
        """Return what is unusual about a row.

        A category that no train row had counts as missing; a number outside those of the train rows is
        scored as it is, and so is a row some of whose values few train rows had.
        """
        found = [
            Flagged("unknown_category", name) for name, value in row.unseen if self._unknown(name, value)
        ]
        numbers = row.matrix.tolist()
        found += [
            Flagged("out_of_range", name)
            for place, name, low, high in self._bounded
            if not (low <= numbers[place] <= high or math.isnan(numbers[place]))
        ]
        if self._fewest(row, numbers) < self.params.oversight.sparse_rows:
            found.append(Flagged("sparse"))
        return tuple(found)

    def all_flags(self, rows: Sequence[Encoded]) -> list[tuple[Flagged, ...]]:
        """Return what is unusual about rows; law: of each as `flags` gives it."""
        if len(rows) < FEW:
            return [self.flags(row) for row in rows]
        matrix = np.array([row.matrix for row in rows])
        usual = np.array([not row.unseen for row in rows])
        for place, _, low, high in self._bounded:
            column = matrix[:, place]
            usual &= ((low <= column) & (column <= high)) | np.isnan(column)
        least = self.params.oversight.sparse_rows
        for place, _, train_rows in self._counts:
            values, which = np.unique(matrix[:, place], return_inverse=True)
            usual &= np.array([train_rows(value) >= least for value in values.tolist()])[which]
        # Most rows are usual in all, and only the others are looked at one by one.
        return [() if plain else self.flags(row) for plain, row in zip(usual.tolist(), rows, strict=True)]

    def _unknown(self, name: str, value: str) -> bool:
        if self.reference is None:
            return True
        feature = self.reference.by_name[name]
        return feature.place(value) == feature.unseen

    @cached_property
    def _counts(self) -> list[tuple[int, str, Callable[[float], int]]]:
        if self.reference is None:
            return []
        by_name = self.reference.by_name
        return [
            (place, column.name, _train_rows(by_name[column.name], column.categories))
            for place, column in enumerate(self.model.columns)
            if column.name in by_name
        ]

    def _fewest(self, row: Encoded, numbers: Sequence[float]) -> float:
        """Return the fewest train rows beside any value of a row; infinity where nothing tells."""
        if not row.unseen:
            return min([rows(numbers[place]) for place, _, rows in self._counts], default=math.inf)
        unseen = dict(row.unseen)
        by_name = self.reference.by_name if self.reference is not None else {}
        return min(
            (
                by_name[name].train_rows(unseen[name]) if name in unseen else rows(numbers[place])
                for place, name, rows in self._counts
            ),
            default=math.inf,
        )

    @cached_property
    def _by_name(self) -> list[int]:
        return sorted(range(len(self.features)), key=self.features.__getitem__)

    def explain(
        self, rows: Sequence[Encoded], decisions: Sequence[int], raws: Sequence[float] | None = None
    ) -> list[list[tuple[str, float]]]:
        """Return the reasons for decisions: feature and Shapley value, log-odds, the strongest first.

        Law: of each as `oversight.chosen_reasons` gives them.

        Parameters
        ----------
        raws
            The raw log-odds of the rows, where they are known.
        """
        values, features, most = self.contributions(rows, raws)[:, :-1], self.features, self.params.reasons
        if len(rows) < FEW:
            return [
                chosen_reasons(list(zip(features, line, strict=True)), decision, most)
                for line, decision in zip(values.tolist(), decisions, strict=True)
            ]
        values = values[:, self._by_name]
        names = [features[place] for place in self._by_name]
        towards = np.where(np.array(decisions)[:, np.newaxis] == 1, values, -values)
        # A stable order: features that move it alike stay in the order of their names.
        order = np.argsort(-towards, axis=1, kind="stable")[:, :most]
        counts = (np.take_along_axis(towards, order, axis=1) > 0).sum(axis=1)
        chosen = np.take_along_axis(values, order, axis=1)
        return [
            [(names[place], value) for place, value in zip(places[:count], moves, strict=False)]
            for places, moves, count in zip(order.tolist(), chosen.tolist(), counts.tolist(), strict=True)
        ]

    def text(self, feature: str, effect: float) -> str | None:
        """Return the reviewed text of a feature that moved the score by `effect`, or None without one."""
        found = self.texts.features.get(feature) if self.texts is not None and effect else None
        if found is None:
            return None
        return found.raises if effect > 0 else found.lowers

    @property
    def untold(self) -> list[str]:
        """The features that no reviewed text tells of, in the order of a row's numbers."""
        known = self.texts.features if self.texts is not None else {}
        return [name for name in self.features if name not in known]

    @cached_property
    def baseline(self) -> float:
        """The score at the mean log-odds of train rows: contributions count from it."""
        row = Encoded(np.full(len(self.features), math.nan), (), self.model.threshold)
        return float(0.5 * (1 + np.tanh(0.5 * self.contributions([row])[0, -1])))

    def contributions(self, rows: Sequence[Encoded], raws: Sequence[float] | None = None) -> Floats:
        """Return exact Shapley values of the calibrated log-odds, [n, p + 1]; the last is the base value."""
        return self.model.contributions(rows, raws)


def init(release: str, key: "PublicKey", clone: Path | None = None) -> Scorer:
    """Return a release that was verified, loaded once, warmed up and held to its golden rows.

    Parameters
    ----------
    release
        A release folder, an archive of one, or a tag NAME@vX.Y.Z of `clone`.
    key
        The public key that it must be signed by.
    clone
        Then its commit and its tag are checked too.

    Raises
    ------
    VerificationError
        When it is not what was released, or does not score its golden rows alike both ways.
    StateError
        When that can't be told.
    ParamsError
        When its params say that it is not served.
    """
    with verified_copy(release, key, clone) as place:
        folder = ReleaseFolder(place)
        params, written = folder.params.serve, folder.params.prepare
        name, _, version = place.name.rpartition("-v")
        if params is None:
            raise ParamsError(f"{place.name}: params.yaml must have the section serve, got null")
        model = RowModel.load(place / "model", folder.schema, written)
        reference = folder.reference if folder.has_reference else None
        scorer = Scorer(
            name=name,
            version=f"v{version}",
            digest=f"sha256:{release_digest(place)}",
            schema=folder.schema,
            params=params,
            texts=folder.params.explain.texts,
            model=model,
            ranges=_ranges(model, reference),
            reference=reference,
            documents={each: (place / each).read_text(encoding="utf-8") for each in FOLDER},
        )
    check_golden(scorer)
    return scorer


def run(scorer: Scorer, rows: Sequence[Encoded]) -> list[Scored]:
    """Return what the release says of rows that were read: score, decision, and what is unusual."""
    raws = scorer.model.raws(rows)
    return [
        Scored(score, int(score >= row.threshold), flags, raw)
        for row, raw, score, flags in zip(
            rows, raws, scorer.model.calibrated(raws), scorer.all_flags(rows), strict=True
        )
    ]


def _train_rows(feature: FeatureReference, categories: Sequence[str] | None) -> Callable[[float], int]:
    """Return how many train rows fell where an encoded value falls."""
    if categories is not None:
        by_code = [feature.train_rows(name) for name in categories]
        absent = feature.train_rows(None)
        return lambda code: absent if math.isnan(code) else by_code[int(code)]
    if feature.kind == "boolean":
        pair = [feature.train_rows(value=False), feature.train_rows(value=True)]
        without = feature.train_rows(None)
        return lambda code: without if math.isnan(code) else pair[int(code)]
    # As `FeatureReference.train_rows` of a number, whose places are looked up once.
    by_bin = [feature.train[cell] for cell in feature.cells]
    edges, missing = feature.edges or (), by_bin[feature.missing]
    return lambda number: missing if math.isnan(number) else by_bin[bisect_left(edges, number)]


def _ranges(model: RowModel, reference: Reference | None) -> dict[str, Range]:
    if reference is not None:
        return {
            each.name: (each.low, each.high)
            for each in reference.features
            if each.low is not None and each.high is not None
        }
    trees = getattr(model.scorer, "trees", None)
    if not isinstance(trees, Boosted):
        return {}
    found = zip(model.columns, train_ranges(trees.text), strict=True)
    return {
        column.name: each for column, each in found if each is not None and column.kind in {"numeric", "date"}
    }


def golden_rows(scorer: Scorer) -> list[Encoded]:
    """Return rows that are made of the release's own schema, the same each time.

    Each feature goes through its train range (both ends, the middle, and beyond), its categories, and a
    missing value, at a pace of its own, so that values meet in many ways.
    """
    model = scorer.model
    values = [_values(column.name, scorer) for column in model.columns]
    rows = []
    for number in range(GOLDEN):
        picked = [each[(number * (place + 1) + place) % len(each)] for place, each in enumerate(values)]
        matrix = np.array(picked)
        rows.append(Encoded(matrix, (), model.threshold))
    return rows


def _values(name: str, scorer: Scorer) -> list[float]:
    column = next(each for each in scorer.model.columns if each.name == name)
    if column.categories is not None:
        return [*map(float, range(len(column.categories))), math.nan]
    if column.kind == "boolean":
        return [0.0, 1.0, math.nan]
    low, high = scorer.ranges.get(name, (0.0, 1.0))
    return [low, high, (low + high) / 2, math.nan, low - 1, high + 1, low + (high - low) / 3]


def check_golden(scorer: Scorer) -> None:
    """Do nothing when the quick path scores the golden rows to the bits of the plain one.

    Raises
    ------
    VerificationError
        When a row differs, or is no probability: this release can't be scored on this machine.
    """
    rows, model = golden_rows(scorer), scorer.model
    matrix = np.array([row.matrix for row in rows])
    quick = [model.scorer.raw(row.matrix) for row in rows]
    plain = _plain(model, matrix)
    scores = model.scores(rows)
    differ = [
        number
        for number, (one, other, score) in enumerate(zip(quick, plain, scores, strict=True), 1)
        if float(one).hex() != float(other).hex() or not 0 <= score <= 1
    ]
    if differ:
        raise VerificationError(
            f"{scorer.name}-{scorer.version}: golden rows must score alike by {model.scorer.path} and by the "
            f"plain path, got other bits for {len(differ)} of {len(rows)} (first: row {differ[0]})"
        )


def _plain(model: RowModel, matrix: Floats) -> list[float]:
    match model.scorer:
        case SingleRow(trees=trees) | PlainBooster(trees=trees):
            return trees.raw(matrix).tolist()  # type: ignore[no-any-return]
        case PlainCard(card=card):
            return card.raw(matrix).tolist()  # type: ignore[no-any-return]
    return model.scorer.raw_of(matrix).tolist()  # type: ignore[no-any-return]


def cells_of(scorer: Scorer, row: Mapping[str, object]) -> list[Cell]:
    """Return the typed cells of a raw row, in the order of `columns`.

    Raises
    ------
    CellFault
        At the first cell that `prepare` would refuse.
    """
    return [column.read(row.get(column.name)) for column in scorer.model.reader.columns]


def warm_up(scorer: Scorer) -> None:
    """Score and explain golden rows once, so that the first caller does not wait for what is made lazily."""
    rows = list(itertools.islice(golden_rows(scorer), 8))
    scored = run(scorer, rows)
    scorer.explain(rows, [each.decision for each in scored])

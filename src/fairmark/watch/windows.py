"""Journal to counts: what a look at a release rests on, kept in a file beside the place that it has read to.

Every entry is counted once, in the look in which it was read: a decision with its inputs, score and arm; an
outcome (the label, later) with the decision that it is of; a protected attribute with its decision and,
where that is known by then, its outcome. So looks are of different rows, as evidence that is looked at
again and again asks for, however late labels come. A look ends with the last of `watch.window_days` of the
journal's own time, and not before it holds `watch.least_rows` decisions, or as many outcomes. An entry that
is dated ahead of the reader's clock counts as of now: one wrong clock must not put off every look after it.

Memory is bounded by a chunk of rows and by the counts: rows are read in order and never kept.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import attrgetter, methodcaller
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from fairmark.data.reference import FeatureReference, Reference, Value
from fairmark.errors import StateError
from fairmark.files import write_text
from fairmark.journal.entry import DAY_US
from fairmark.journal.memberships import Membership, Memberships
from fairmark.stats.arrays import Floats
from fairmark.watch.source import CHUNK, OWN_ARMS, Decided, NoMemberships, Row, Source

FORM = 1
"""Of the file of counts; another one is counted anew."""
LATENCY_MS = (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
"""Edges of the bins of latency; a bin holds its upper edge."""
DELAY_DAYS = (1, 7, 14, 30, 60, 90, 180, 365)
"""Edges of the bins of the time until an outcome came."""
ALL = ""
"""The attribute and the group of all rows."""
_TALLIED = {"review": "reviews", "confirmation": "confirmed", "override": "overridden", "contest": "contests"}

Table = dict[str, dict[str, list[int]]]
"""Attribute -> group -> counts."""


class Counts(msgspec.Struct):
    """What was counted in one look.

    Parameters
    ----------
    start_us, end_us
        The journal's time that it covers.
    decisions
        Of the release, by its own model.
    features
        Decisions by cell of each feature (`data.reference`).
    moments
        Known numbers of a feature, their sum and the sum of their squares.
    outside
        Numbers outside those of train rows.
    erased
        Decisions whose inputs were erased before they were counted.
    scores
        Decisions by bin of the score.
    expected
        Decisions of 0 and of 1, each with the sum of its scores: what calibrated scores say of the labels.
    referred
        Decisions that a person is to look at.
    arms
        Answers by arm, those of other releases included.
    latency
        Answers by bin of `LATENCY_MS`.
    reviews, confirmed, overridden, contests
        Cases for a person that began, a person's decisions by what they are, and objections.
    groups
        Decisions and decisions of 1, by attribute and group; all of them under ``ALL``.
    estimated
        The same where only probabilities of membership are known: sums of probabilities.
    labelled
        Outcomes that came by bin of the score: with label 0, with label 1.
    outcomes
        Outcomes that came, by attribute and group: tn, fp, fn, tp.
    sampled
        Those of them that the declared sample holds.
    judged
        A person's decisions on cases and those that overturned the model, by attribute and group.
    delays
        Outcomes by bin of `DELAY_DAYS`.
    """

    start_us: int
    end_us: int
    decisions: int = 0
    features: dict[str, list[int]] = {}
    moments: dict[str, list[float]] = {}
    outside: dict[str, int] = {}
    erased: int = 0
    scores: list[int] = []
    expected: list[float] = msgspec.field(default_factory=lambda: [0, 0.0, 0, 0.0])
    referred: int = 0
    arms: dict[str, int] = {}
    latency: list[int] = []
    reviews: int = 0
    confirmed: int = 0
    overridden: int = 0
    contests: int = 0
    groups: Table = {}
    estimated: dict[str, dict[str, list[float]]] = {}
    labelled: list[list[int]] = []
    outcomes: Table = {}
    sampled: Table = {}
    judged: Table = {}
    delays: list[int] = []

    @property
    def selected(self) -> int:
        """Decisions of 1."""
        return self.groups.get(ALL, {}).get(ALL, [0, 0])[1]

    @property
    def labels(self) -> int:
        """Outcomes that came."""
        return sum(self.outcomes.get(ALL, {}).get(ALL, [0]))

    @property
    def answers(self) -> int:
        """Answers of every arm."""
        return sum(self.arms.values())


class Counted(msgspec.Struct):
    """What was counted so far of one release, and the place in the journal that it was read to.

    Parameters
    ----------
    release
        Its digest.
    number
        Last entry that was read.
    membership
        Last row of protected attributes that was read.
    looks
        Looks that have ended, in order.
    pending
        The one that has not; None before the first decision of the release.
    """

    release: str
    form: int = FORM
    number: int = 0
    membership: int = 0
    looks: list[Counts] = []
    pending: Counts | None = None

    @classmethod
    def read(cls, path: Path, release: str) -> "Counted":
        """Return what a file holds, or nothing counted where there is none of this form and release.

        Raises
        ------
        StateError
            When it is no such file.
        """
        if not path.is_file():
            return cls(release)
        try:
            found = msgspec.json.decode(path.read_bytes(), type=cls)
        except msgspec.MsgspecError as error:
            raise StateError(f"{path}: must hold counts (remove it to count anew), got {error}") from error
        return found if (found.form, found.release) == (FORM, release) else cls(release)

    def write(self, path: Path) -> None:
        """Write it whole."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, msgspec.json.encode(self, order="sorted").decode())

    @property
    def total(self) -> Counts | None:
        """All looks and the pending one added up; None before the first decision."""
        return added([*self.looks, *([] if self.pending is None else [self.pending])])


@dataclass(frozen=True)
class Plan:
    """What is counted, and how looks end.

    Parameters
    ----------
    release
        Digest of the release.
    reference
        Its own.
    window_us, least_rows
        As `watch.window_days` and `watch.least_rows`.
    sample
        Share of decisions whose outcome is learnt whatever was decided; 0 without one.
    typed
        What a raw value of a column stands for: a number, a text, true or false, days since 1970-01-01, None
        where it is missing. Without one, a value stands for itself.
    """

    release: str
    reference: Reference
    window_us: int
    least_rows: int
    sample: float = 0.0
    typed: Mapping[str, Callable[[object], Value]] = field(default_factory=dict)

    @cached_property
    def edges(self) -> Floats:
        """Inner edges of the bins of scores."""
        return np.array(self.reference.scores.edges, dtype=np.float64)


def in_sample(decision: str, share: float) -> bool:
    """Return whether a decision belongs to the sample whose outcomes are learnt whatever was decided.

    By the SHA-256 of its id, which nobody chooses: the first 8 bytes over 2^64, below `share`.
    """
    digest = hashlib.sha256(f"fairmark label sample\n{decision}".encode()).digest()
    return int.from_bytes(digest[:8]) < share * 2**64


# Places in a tuple of `Decided`: rows come as plain ones, for to name each costs as much as to read it.
_AT: Final = 0
_TOOK: Final = 1
_ARM: Final = 2
_OF_RELEASE: Final = 3
_DECISION: Final = 4
_SCORE: Final = 5
_BODY: Final = 6
_PERSONAL: Final = 7


class _Body(msgspec.Struct, gc=False):
    proposal: int | None = None
    referred: list[str] = []


_body = msgspec.json.Decoder(_Body)
_bodies = msgspec.json.Decoder(list[_Body])


async def count_new(
    source: Source,
    memberships: "Memberships | NoMemberships",
    counted: Counted,
    plan: Plan,
    now_us: int,
    tell: Callable[[int], None] = lambda _: None,
) -> Counted:
    """Return what is counted when the journal was read to its end; `counted` itself is changed.

    Parameters
    ----------
    now_us
        The time: a look whose days are over ends, though nothing came after.
    tell
        Is told after each chunk how far the journal was read.
    """
    counter = _Counter(source, memberships, counted, plan, now_us)
    while (last := await source.last(counted.number, CHUNK)) > counted.number:
        while counted.number < last:
            await counter.step(last)
        tell(counted.number)
    await counter.attributes()
    counter.end_look(now_us)
    return counted


class _Counter:
    """Counts rows into the pending look."""

    def __init__(
        self,
        source: Source,
        memberships: "Memberships | NoMemberships",
        counted: Counted,
        plan: Plan,
        now_us: int,
    ) -> None:
        self.source, self.memberships, self.counted, self.plan = source, memberships, counted, plan
        self.now_us = now_us
        self.inputs = _Inputs(plan)
        self.read_to = counted.number
        """Last entry whose decisions were counted; outcomes were counted up to `counted.number`."""
        self.asked = (0, 0.0)
        """Moment and time of the request that was counted last."""
        self.joined: set[int] = set()
        """Attributes that are still to be read, and whose decision's outcome was counted with them."""

    async def step(self, last: int) -> None:
        """Count entries up to the end of the pending look, or up to `last`."""
        pending, after = self.counted.pending, self.counted.number
        if pending is None:
            await self._begin(after, last)
            return
        beyond = None
        if pending.end_us <= self.now_us:
            beyond = await self.source.first_from(after, last, pending.end_us)
        upto = last if beyond is None else beyond[0] - 1
        if upto > after:
            await self.count(pending, after, upto)
        if beyond is not None:
            self.end_look(beyond[1])

    async def _begin(self, after: int, last: int) -> None:
        """Begin the first look with the release's first decision; what was before is no part of it."""
        first = await self.source.first_own(after, last, self.plan.release)
        number, at_us = (last + 1, 0) if first is None else first
        if first is not None:
            start = min(at_us, self.now_us)
            self.counted.pending = Counts(start, start + self.plan.window_us)
        self.read_to = number - 1
        await self.attributes()
        self.counted.number = self.read_to

    def end_look(self, at_us: int) -> None:
        """End the pending look when its time is over at `at_us`; with too few rows, give it more."""
        pending, at_us = self.counted.pending, min(at_us, self.now_us)
        if pending is None or at_us < pending.end_us:
            return
        late = (at_us - pending.end_us) // self.plan.window_us
        end = pending.end_us + late * self.plan.window_us
        if max(pending.decisions, pending.labels) < self.plan.least_rows:
            pending.end_us = end + self.plan.window_us
            return
        self.counted.looks.append(pending)
        self.counted.pending = Counts(end, end + self.plan.window_us)

    async def count(self, pending: Counts, after: int, last: int) -> None:
        """Count a span, and what is known of the protected attributes of decisions up to its end."""
        release = self.plan.release
        decisions = await self.source.decisions(after, last, release)
        self._answers(pending, decisions)
        self._decisions(pending, [row for row in decisions if row[_OF_RELEASE] and row[_ARM] in OWN_ARMS])
        others = await self.source.others(after, last, ("outcome", *_TALLIED))
        said = [row for row in others if row.kind != "outcome" and row.release in {None, release}]
        for kind, name in _TALLIED.items():
            setattr(pending, name, getattr(pending, name) + sum(row.kind == kind for row in said))
        self.read_to = last
        await self.attributes()
        await self._outcomes(pending, [row for row in others if row.kind == "outcome" and row.about])
        await self._judged(pending, [row for row in said if row.kind in {"confirmation", "override"}])
        self.counted.number = last

    async def attributes(self) -> None:
        """Count protected attributes that were not read yet, of decisions that were."""
        while found := await self.memberships.memberships(self.counted.membership, CHUNK):
            ids = [*dict.fromkeys(each.decision for _, each in found)]
            decisions = {row.id: row for row in await self.source.of_ids(ids)}
            labels = await self._labels(ids)
            for number, each in found:
                row = decisions.get(each.decision)
                if row is not None and row.number > self.read_to:
                    return
                self.counted.membership = number
                if row is not None and self._own(row) and self.counted.pending is not None:
                    label = None if number in self.joined else labels.get(row.id)
                    self._attribute(self.counted.pending, each, row, label)
                self.joined.discard(number)

    def _own(self, row: Row) -> bool:
        return row.kind == "decision" and row.release == self.plan.release and row.arm in OWN_ARMS

    def _answers(self, to: Counts, rows: Sequence[Decided]) -> None:
        if not rows:
            return
        for arm, count in Counter(row[_ARM] for row in rows).items():
            to.arms[arm] = to.arms.get(arm, 0) + count
        # Rows of one request share its moment and its time, and stand together: each counts once, or a slow
        # request of a thousand rows would be evidence a thousand times over.
        at = np.array([row[_AT] for row in rows], dtype=np.int64)
        took = np.array([row[_TOOK] for row in rows], dtype=np.float64)  # None becomes NaN
        before = self.asked
        self.asked = int(at[-1]), float(took[-1])
        new = (at != np.append(before[0], at[:-1])) | (took != np.append(before[1], took[:-1]))
        ms = took[new & ~np.isnan(took)] / 1000
        _add(to, "latency", np.searchsorted(LATENCY_MS, ms, side="left"), len(LATENCY_MS) + 1)

    def _decisions(self, to: Counts, rows: Sequence[Decided]) -> None:
        to.decisions += len(rows)
        decided = np.array([-1 if row[_DECISION] is None else row[_DECISION] for row in rows], dtype=np.int64)
        to.referred += self._said(rows, decided)
        scores = np.array([row[_SCORE] for row in rows], dtype=np.float64)
        known = ~np.isnan(scores)
        edges = self.plan.edges
        _add(to, "scores", np.searchsorted(edges, scores[known], side="left"), len(edges) + 1)
        to.expected = [*to.expected]
        for k in (0, 1):
            to.expected[2 * k] += int((known & (decided == k)).sum())
            to.expected[2 * k + 1] += float(scores[known & (decided == k)].sum())
        _table(to.groups, ALL, ALL, [int((decided >= 0).sum()), int((decided == 1).sum())])
        self.inputs.count(to, [row[_PERSONAL] for row in rows])

    def _said(self, rows: Sequence[Decided], decided: "np.ndarray[Any, np.dtype[np.int64]]") -> int:
        """Return how many rows a person is to look at, and put in what was proposed to one."""
        told = [(k, text) for k, row in enumerate(rows) if (text := row[_BODY]) is not None]
        bodies = _bodies.decode(b"[%b]" % b",".join(text for _, text in told))
        referred = 0
        for (k, _), body in zip(told, bodies, strict=True):
            referred += bool(body.referred or decided[k] < 0)
            if decided[k] < 0 and body.proposal is not None:
                decided[k] = body.proposal
        return referred

    async def _outcomes(self, to: Counts, rows: Sequence[Row]) -> None:
        if not rows:
            return
        ids = [*dict.fromkeys(str(row.about) for row in rows)]
        decisions = {row.id: row for row in await self.source.of_ids(ids) if self._own(row)}
        earlier = await self.source.about([*decisions], "outcome")
        held = await self._held([*decisions])
        first = rows[0].number
        last = {str(row.about): row.decision for row in earlier if row.number < first}
        for row in rows:
            decision, label = decisions.get(str(row.about)), row.decision
            if decision is None or label is None:
                continue
            # A label that is mended takes the place of the one that was counted before.
            for old, sign in ((last.get(decision.id), -1), (label, 1)):
                if old is not None:
                    self._labelled(to, decision, old, sign, held.get(decision.id, ()))
            if decision.id not in last:
                days = (row.at_us - decision.at_us) / DAY_US
                _add(to, "delays", np.searchsorted(DELAY_DAYS, [days], side="left"), len(DELAY_DAYS) + 1)
            last[decision.id] = label

    def _labelled(
        self, to: Counts, decision: Row, label: int, sign: int, held: Sequence[tuple[int, Membership]]
    ) -> None:
        answer = _decided(decision, _body.decode(decision.body))
        if not to.labelled:
            to.labelled = [[0, 0] for _ in range(len(self.plan.edges) + 1)]
        if decision.score is not None:
            to.labelled[self.plan.reference.scores.place(decision.score)][label] += sign
        if answer < 0:
            return
        self._confusion(to, decision.id, ALL, ALL, answer, label, sign)
        for number, each in held:
            if number > self.counted.membership:
                self.joined.add(number)
            if (group := _certain(each)) is not None:
                self._confusion(to, decision.id, each.attribute, group, answer, label, sign)

    def _confusion(
        self, to: Counts, decision: str, attribute: str, group: str, answer: int, label: int, sign: int = 1
    ) -> None:
        one = [0, 0, 0, 0]
        one[2 * label + answer] = sign
        _table(to.outcomes, attribute, group, one)
        if self.plan.sample and in_sample(decision, self.plan.sample):
            _table(to.sampled, attribute, group, one)

    async def _judged(self, to: Counts, rows: Sequence[Row]) -> None:
        if not rows:
            return
        cases = {
            row.id: row.about
            for row in await self.source.of_ids([str(row.closes or row.about) for row in rows])
        }
        of = [cases.get(str(row.closes or row.about)) or str(row.about) for row in rows]
        held = await self._held([*dict.fromkeys(of)])
        for row, decision in zip(rows, of, strict=True):
            counts = [1, int(row.kind == "override")]
            _table(to.judged, ALL, ALL, counts)
            for _, each in held.get(decision, ()):
                if (group := _certain(each)) is not None:
                    _table(to.judged, each.attribute, group, counts)

    async def _held(self, decisions: Sequence[str]) -> dict[str, list[tuple[int, Membership]]]:
        found: dict[str, list[tuple[int, Membership]]] = {}
        for number, each in await self.memberships.numbered(decisions):
            found.setdefault(each.decision, []).append((number, each))
        return found

    async def _labels(self, ids: Sequence[str]) -> dict[str, int]:
        found = await self.source.about(ids, "outcome")
        known = ((str(row.about), row.decision) for row in found if row.number <= self.counted.number)
        return {decision: label for decision, label in known if label is not None}

    def _attribute(self, to: Counts, each: Membership, row: Row, label: int | None) -> None:
        answer, group = _decided(row, _body.decode(row.body)), _certain(each)
        if answer < 0:
            return
        if group is None:
            for name, share in each.groups.items():
                cell = to.estimated.setdefault(each.attribute, {}).setdefault(name, [0.0, 0.0])
                cell[0] += share
                cell[1] += share * answer
            return
        _table(to.groups, each.attribute, group, [1, answer])
        if label is not None:
            self._confusion(to, row.id, each.attribute, group, answer, label)


ESCAPED = re.compile(r'["\\\x00-\x1f]')
"""What a JSON string holds escaped alone (RFC 8259, section 7)."""


class _Inputs:
    """Counts the inputs of decisions; all rows of a span are decoded at once, and no other input is."""

    def __init__(self, plan: Plan) -> None:
        names = [each.name for each in plan.reference.features]
        self.places = [_Places(each, plan.typed.get(each.name)) for each in plan.reference.features]
        # Names of columns are no identifiers: the fields have numbers, and the JSON the names. One that JSON
        # would escape can be no field's name, and rows are then decoded whole.
        row: type[Any] = dict
        self.read: list[Callable[[Any], object]] = [methodcaller("get", name) for name in names]
        if not any(ESCAPED.search(name) for name in names):
            fields = [f"f{k}" for k in range(len(names))]
            renamed = dict(zip(fields, names, strict=True))
            row = msgspec.defstruct("Row", [(each, Any, None) for each in fields], rename=renamed, gc=False)
            self.read = [attrgetter(each) for each in fields]
        personal = msgspec.defstruct("Personal", [("row", row, msgspec.field(default_factory=row))], gc=False)
        self.decoder = msgspec.json.Decoder(list[personal])  # type: ignore[valid-type]

    def count(self, to: Counts, contents: Sequence[bytes | None]) -> None:
        """Count what is personal in some rows; what was erased is zeros, or None."""
        kept = [each for each in contents if each is not None and each[:1] == b"{"]
        to.erased += len(contents) - len(kept)
        rows = [each.row for each in self.decoder.decode(b"[%b]" % b",".join(kept))]  # type: ignore[attr-defined]
        for read, places in zip(self.read, self.places, strict=True):
            self._feature(to, places, [*map(read, rows)])

    def _feature(self, to: Counts, places: "_Places", values: Sequence[object]) -> None:
        name = places.feature.name
        cells = to.features.setdefault(name, [0] * len(places.feature.train))
        try:
            seen = Counter(values)
        except TypeError:  # a list or an object, which no service takes
            seen = Counter(map(_hashable, values))
        for value, count in seen.items():
            cell, number, outside = places.of(value)
            cells[cell] += count
            to.outside[name] = to.outside.get(name, 0) + outside * count
            if number is not None:
                sums = to.moments.setdefault(name, [0, 0.0, 0.0])
                sums[0] += count
                sums[1] += number * count
                sums[2] += number * number * count


class _Places:
    """Where values of one feature fall; what was seen is remembered, so far as it is not much."""

    most = 50_000

    def __init__(self, feature: FeatureReference, typed: Callable[[object], Value] | None) -> None:
        self.feature, self.typed = feature, typed
        self.known: dict[object, tuple[int, float | None, bool]] = {}

    def of(self, value: object) -> tuple[int, float | None, bool]:
        """Return a raw value's cell, its number where it is one, and whether that is out of range."""
        found = self.known.get(value)
        if found is None:
            typed = value if self.typed is None else self.typed(value)
            number = self.feature.number(typed)  # type: ignore[arg-type]
            found = self.feature.cell(typed), number, self.feature.out_of_range(typed)  # type: ignore[arg-type]
            if len(self.known) >= self.most:
                self.known.clear()
            self.known[value] = found
        return found


def _hashable(value: object) -> object:
    return str(value) if isinstance(value, list | dict) else value


def _decided(row: Row, body: _Body) -> int:
    """Return what was answered, or proposed to a person; -1 where no model could."""
    found = body.proposal if row.decision is None else row.decision
    return -1 if found is None else found


def _certain(each: Membership) -> str | None:
    """Return the group that is known for certain, or None where only probabilities are."""
    return next((group for group, share in each.groups.items() if share == 1), None)


def _add(to: Counts, name: str, places: "np.ndarray[Any, np.dtype[np.intp]]", length: int) -> None:
    before = getattr(to, name) or [0] * length
    after = np.bincount(places, minlength=length) + before
    setattr(to, name, after.tolist())


def _table(to: Table, attribute: str, group: str, counts: Sequence[int]) -> None:
    cells = to.setdefault(attribute, {}).setdefault(group, [0] * len(counts))
    for k, count in enumerate(counts):
        cells[k] += count


def added(looks: Sequence[Counts]) -> Counts | None:
    """Return looks added up, from the first one's start to the last one's end; None for none."""
    if not looks:
        return None
    values = [msgspec.to_builtins(look) for look in looks]
    whole = values[0]
    for value in values[1:]:
        whole = _sum(whole, value)
    return msgspec.convert(whole | {"start_us": looks[0].start_us, "end_us": looks[-1].end_us}, Counts)


def _sum(one: Any, other: Any) -> Any:
    match one, other:
        case dict(), dict():
            both = one.keys() | other.keys()
            return {key: _sum(one.get(key), other.get(key)) for key in sorted(both)}
        case list(), list():
            if not one or not other:
                return one or other
            return [_sum(first, second) for first, second in zip(one, other, strict=True)]
        case None, value:
            return value
        case value, None:
            return value
    return one + other

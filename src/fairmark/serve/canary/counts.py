"""The counts of a canary, read from the journal and the table of memberships, and how far it has come.

A row enters a block when all that it is counted by is known: its decision, and the group of the attribute.
That order is the one of writing, so whoever reads the journal again, after a restart or at another time, gets
the same blocks. Entries are read once and forgotten, but for the challenger's own decisions: about 300 bytes
each, and `most` bounds them. When the challenger takes over, the counts begin anew, without the rows before.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

import msgspec
import numpy as np

from fairmark.journal.entry import DAY_US, Entry, Stored
from fairmark.journal.memberships import Membership, Memberships
from fairmark.journal.store import Journal
from fairmark.serve.canary.decision import Progress
from fairmark.serve.canary.evidence import ALL, Counts, Decisions, Terms
from fairmark.serve.canary.state import OFF, CanaryState, readable

PAGE = 2000
COMPARED = 4
"""Outcomes of the champion that are counted for each one of the challenger, and 1,000 more: the rest would
only cost reading, and which are left out hangs on no outcome."""
READ = ("decision", "shadow", "outcome", "canary")


class _Body(msgspec.Struct):
    """As much of a decision's body as is counted."""

    proposal: int | None = None
    failed: tuple[str, ...] = ()


_body = msgspec.json.Decoder(_Body)


@dataclass
class _Row:
    """A decision of the challenger, and the champion's on the same row; in era 1 it has taken over."""

    decision: int
    champion: int | None
    shown: bool
    era: int
    groups: dict[str, int] = field(default_factory=dict)
    label: int | None = None


class Blocks:
    """Rows of counts that are closed after every `size` rows."""

    def __init__(self, size: int, shape: tuple[int, ...]) -> None:
        self.size, self.shape = size, shape
        self._closed: list[np.ndarray[tuple[int, ...], np.dtype[np.float64]]] = []
        self._open = np.zeros(shape)
        self._rows = 0

    def add(self, *place: int) -> None:
        """Count one row at a place of the shape; rows are what closes a block."""
        self._open[place] += 1

    def end_row(self) -> None:
        """Close the block when it is full."""
        self._rows += 1
        if self._rows % self.size == 0:
            self._closed.append(self._open)
            self._open = np.zeros(self.shape)

    def array(self) -> "np.ndarray[tuple[int, ...], np.dtype[np.float64]]":
        """Return the closed blocks, [blocks, ...]."""
        return np.stack(self._closed) if self._closed else np.zeros((0, *self.shape))


async def canary_entries(journal: Journal) -> AsyncIterator[Stored]:
    """Yield every entry that set the state of a canary, in order."""
    number = 0
    while found := await journal.find(["canary"], after=number, most=PAGE):
        for each in found:
            yield each
        number = found[-1].number


async def current(journal: Journal) -> CanaryState:
    """Return the state that the journal's last canary entry sets; off where there is none."""
    state = OFF
    async for each in canary_entries(journal):
        state = readable(each.entry)
    return state


class CanaryCounter:
    """Reads what a canary came to, again and again.

    Parameters
    ----------
    journal, memberships
        Where it is read from.
    terms
        What the challenger is held to.
    challenger
        Digest of its release, `sha256:` and 64 hex digits.
    """

    def __init__(self, journal: Journal, memberships: Memberships, terms: Terms, challenger: str) -> None:
        self._journal, self._memberships = journal, memberships
        self._terms, self.challenger = terms, challenger
        self._number, self._member = 0, 0
        self._rows: dict[str, _Row] = {}
        self._unjoined: list[Membership] = []
        self._lone: dict[str, int] = {}
        self._places = {name: {g: k for k, g in enumerate(groups)} for name, groups in terms.groups.items()}
        self._era = 0
        self._count_anew()
        self.state = OFF
        self.last = 0
        """Number of the last entry that set a canary's state."""
        self.history: list[Stored] = []
        self._first_us: int | None = None
        self._exposed = self._shadowed = self._at_share = 0
        self.unknown: dict[str, int] = {}
        """Memberships of the challenger's decisions that name no group for certain, by attribute."""

    def _count_anew(self) -> None:
        size, groups = self._terms.rules.block, self._terms.groups
        self._decided = {name: Blocks(size, (len(names), 2)) for name, names in groups.items()}
        self._paired = {name: Blocks(size, (len(names), 3)) for name, names in groups.items()}
        self._operation = Blocks(size, (3,))
        self._outcomes = {name: np.zeros((len(names), 2, 2)) for name, names in groups.items()}
        self._arms = np.zeros((2, 2, 2))
        self._compared: set[str] = set()

    async def read(self) -> None:
        """Read what was written since the last time.

        Raises
        ------
        UnavailableError
            When it can't be read now; the next call goes on from there.
        """
        # Memberships first: the decisions that they name are in the journal by then.
        while found := await self._memberships.memberships(self._member, PAGE):
            self._unjoined += [each for _, each in found]
            self._member = found[-1][0]
        while entries := await self._journal.after(self._number, PAGE, READ):
            for each in entries:
                await self._take(each)
                self._number = each.number
        # Only now: where reading has failed, a decision that one of them names may not be known yet.
        members, self._unjoined = self._unjoined, []
        for one in members:
            self._join(one)

    async def _take(self, stored: Stored) -> None:
        entry = stored.entry
        if entry.kind == "canary":
            self._set(stored)
        elif self._first_us is None:
            return  # before this release was first tried
        elif entry.kind == "decision":
            self._decision(entry)
        elif entry.kind == "shadow":
            self._shadow(entry)
        elif entry.about is not None and entry.decision is not None:
            await self._outcome(entry.about, entry.decision)

    def _set(self, stored: Stored) -> None:
        self.state, self.last = readable(stored.entry), stored.number
        if self.state.challenger == self.challenger:
            self.history.append(stored)
            self._at_share = 0
            if self.state.share >= 1:
                # What it did for some tells little of a turn for the worse since: its time of probation has
                # evidence, and a level, of its own.
                self._era = 1
                self._count_anew()
            if self._first_us is None:
                self._first_us = stored.entry.at_us

    def _decision(self, entry: Entry) -> None:
        body = _body.decode(entry.body)
        mine, failed = entry.release == self.challenger, "challenger" in body.failed
        if mine or failed:
            self._request(entry, failed=failed)
        said = entry.decision if entry.decision is not None else body.proposal
        if said is None:
            return
        if mine:
            self._exposed, self._at_share = self._exposed + 1, self._at_share + 1
            self._keep(entry.id, _Row(said, None, shown=True, era=self._era))
        elif self.state.phase == "shadow":
            # Until its shadow comes, which the same append holds; the oldest go where none does.
            self._lone[entry.id] = said
            while len(self._lone) > 2 * PAGE:
                del self._lone[next(iter(self._lone))]

    def _request(self, entry: Entry, *, failed: bool) -> None:
        self._operation.add(0)
        if failed:
            self._operation.add(1)
        elif entry.took_us is not None and entry.took_us > 1000 * self._terms.rules.latency_ms:
            self._operation.add(2)
        self._operation.end_row()

    def _shadow(self, entry: Entry) -> None:
        if entry.release != self.challenger or entry.about is None or entry.decision is None:
            return
        self._shadowed += 1
        self._keep(
            entry.about, _Row(entry.decision, self._lone.pop(entry.about, None), shown=False, era=self._era)
        )

    def _keep(self, decision_id: str, row: _Row) -> None:
        self._rows[decision_id] = row
        self._count(ALL, 0, row)

    def _count(self, attribute: str, group: int, row: _Row) -> None:
        decided, paired = self._decided[attribute], self._paired[attribute]
        decided.add(group, row.decision)
        if row.champion is not None:
            better = 1 - self._terms.adverse
            paired.add(group, 1 - int(row.decision == better) + int(row.champion == better))
        decided.end_row()
        paired.end_row()

    def _join(self, one: Membership) -> None:
        row = self._rows.get(one.decision)
        places = self._places.get(one.attribute)
        if row is None or places is None or one.attribute in row.groups or row.era != self._era:
            return
        sure = next((name for name, share in one.groups.items() if share >= 1 - 1e-9), None)
        if sure is None or sure not in places:
            self.unknown[one.attribute] = self.unknown.get(one.attribute, 0) + 1
            return
        group = row.groups[one.attribute] = places[sure]
        self._count(one.attribute, group, row)
        if row.label is not None:
            self._outcomes[one.attribute][group, row.label, row.decision] += 1

    async def _outcome(self, about: str, label: int) -> None:
        row = self._rows.get(about)
        if row is None:
            await self._champions(about, label)
            return
        if row.label is not None or row.era != self._era:
            return  # the first word on a decision counts
        row.label = label
        self._outcomes[ALL][0, label, row.decision] += 1
        for attribute, group in row.groups.items():
            self._outcomes[attribute][group, label, row.decision] += 1
        if row.shown:
            self._arms[0, label, row.decision] += 1
        elif row.champion is not None:
            self._arms[1, label, row.champion] += 1

    async def _champions(self, about: str, label: int) -> None:
        mine, theirs = self._arms.sum(axis=(1, 2))
        if theirs >= 1000 + COMPARED * mine or about in self._compared:
            return  # the first word on a decision counts here too
        kept = await self._journal.entry(about)
        if kept is None or kept.entry.arm != "champion" or kept.number < self.history[0].number:
            return
        body = _body.decode(kept.entry.body)
        said = kept.entry.decision if kept.entry.decision is not None else body.proposal
        if said is not None:
            self._compared.add(about)
            self._arms[1, label, said] += 1

    def counts(self) -> Counts:
        """Return what is counted so far: whole blocks of decisions, and all outcomes."""
        decisions = {}
        for name, groups in self._terms.groups.items():
            table = self._decided[name].array()
            decisions[name] = Decisions(groups, table.sum(axis=-1), table[..., 1], self._paired[name].array())
        outcomes = {name: table[None].copy() for name, table in self._outcomes.items()}
        return Counts(decisions, outcomes, self._arms[None].copy(), self._operation.array())

    def known(self) -> Mapping[str, int]:
        """Return how many of the challenger's decisions have a known group, by attribute."""
        return {name: sum(name in row.groups for row in self._rows.values()) for name in self._places if name}

    def progress(self, now_us: int) -> Progress:
        """Return how far it has come."""
        days = 0.0 if self._first_us is None else max(0.0, (now_us - self._first_us) / DAY_US)
        return Progress(self.state, self._at_share, self._exposed, self._shadowed, days)

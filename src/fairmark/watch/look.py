"""Look at a release that decides: verify it, count what the journal holds of it, and say what that shows."""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from fairmark.data.reference import DAY_S, Value
from fairmark.data.row import CellFault, ColumnReader, RowReader
from fairmark.errors import ParamsError, StateError
from fairmark.files import read_json
from fairmark.governance.approvers import FILE, read_approvers
from fairmark.governance.history import History, history, release_of
from fairmark.governance.promotions import allowed
from fairmark.journal import audit
from fairmark.journal.entry import DAY_US, Entry, now_us
from fairmark.journal.store import Journal
from fairmark.judge.measurements import read_measurements
from fairmark.record import Record, utc_text
from fairmark.release.folder import ReleaseFolder
from fairmark.release.statement import release_digest
from fairmark.verify.verify import verified_copy
from fairmark.watch.alarm import Recorded, recorded, unsealed
from fairmark.watch.documents import RaisedAlarm, Watched, WatchSummary, iso
from fairmark.watch.source import opened
from fairmark.watch.summary import summarise
from fairmark.watch.windows import Counted, Plan, count_new

if TYPE_CHECKING:
    from fairmark.params.prepare import Privacy
    from fairmark.signing.keys import PublicKey

MOST_CASES = 200


@dataclass(frozen=True)
class Target:
    """A verified release that is watched.

    Parameters
    ----------
    digest
        `sha256:` and 64 hex digits.
    of
        Its name, reference, policy and how it is watched.
    reader
        Of the raw values of its features.
    """

    digest: str
    of: Watched
    reader: RowReader
    privacy: "Privacy"

    @property
    def plan(self) -> Plan:
        """What is counted, and how looks end."""
        watch = self.of.watch
        return Plan(
            self.digest,
            self.of.reference,
            watch.window_days * DAY_US,
            watch.least_rows,
            0.0 if watch.label_sample is None else watch.label_sample.share,
            {column.name: partial(typed, column) for column in self.reader.columns},
        )


def typed(column: ColumnReader, value: object) -> Value:
    """Return what a raw value of a column stands for, a date as days since 1970-01-01 (UTC)."""
    try:
        found = column.quick(value)
    except CellFault:
        # A value that cannot be read is counted as unseen, and stops no look at all the others.
        return str(value)  # in no bin: what the service refuses is not in a journal
    if isinstance(found, dt.datetime):
        return found.replace(tzinfo=dt.UTC).timestamp() / DAY_S
    return found


def target(release: str, key: "PublicKey", clone: Path | None = None) -> Target:
    """Return a release, every claim of which holds, as it is to be watched.

    Raises
    ------
    VerificationError, UndeterminedError
        When it is not what was released, or that can't be told.
    ParamsError
        When its params say that it is not watched.
    StateError
        When it carries no reference.
    """
    with verified_copy(release, key, clone) as place:
        folder = ReleaseFolder(place)
        params, name = folder.params, place.name
        if params.watch is None:
            raise ParamsError(f"{name}: params.yaml must have the section watch, got null")
        if not folder.has_reference:
            raise StateError(
                f"{name}: must carry a reference to be watched by, got a release of an earlier fairmark"
            )
        external = folder.statement.external
        reference = folder.reference
        goal = read_measurements(read_json(place / "measurements.json")).evidence.goal
        # A limit on the threshold's goal is one on the measure that it is.
        policy = params.policy.following(None if goal is None else goal.measure)
        watched = Watched(external.name, external.version, reference, policy, params.watch)
        names = [feature.name for feature in reference.features]
        reader = RowReader.of(params.prepare, folder.schema, names)
        return Target(f"sha256:{release_digest(place)}", watched, reader, params.privacy)


def counts_file(clone: Path, digest: str) -> Path:
    """Return where the counts of a release are kept."""
    return clone / ".fairmark" / "watch" / f"{digest.removeprefix('sha256:')[:16]}.json"


class Promoted(Record):
    """One signed promotion or rollback."""

    stage: str
    release: str
    action: str
    since: str
    until: str | None
    by: str
    approvals: tuple[str, ...]
    reason: str
    faults: tuple[str, ...]


class Case(Record):
    """A case for a person, or a person's objection, that is still open."""

    kind: str
    opened: str
    due: str
    overdue: bool


class Drill(Record):
    """A fault made on purpose, and what came of it."""

    at: str
    text: str


class CanaryStanding(Record):
    """The canary that is under way, and whether anybody looks at it."""

    phase: str
    release: str
    """Its digest."""
    share: float
    by: str
    seen: str
    """When whoever steers it last said that it was looked at."""
    unattended: bool
    """Nobody has for so long that the services have halted it."""


def standing(found: Mapping[str, Any] | None) -> CanaryStanding | None:
    """Return what whoever steers says of a canary (`serve.canary.release.attended`) as the page has it."""
    if found is None:
        return None
    return CanaryStanding(seen=iso(found["seen_us"]), **{k: v for k, v in found.items() if k != "seen_us"})


class Desk(Record):
    """What people did, and have still to do."""

    promotions: tuple[Promoted, ...]
    cases: tuple[Case, ...]
    contests: tuple[Case, ...]
    drills: tuple[Drill, ...]
    alarms: tuple[Recorded, ...]
    canary: CanaryStanding | None = None
    unsealed: str | None = None
    """What no signed head vouches for, and has not for longer than a look."""


async def look(
    of: Target,
    journal: str,
    memberships: str | None,
    counts: Path,
    at_us: int | None = None,
    tell: Callable[[int], None] = lambda _: None,
) -> WatchSummary:
    """Return what the journal shows of a release; what was counted is kept in the file `counts`.

    Parameters
    ----------
    journal, memberships
        Their addresses (`journal.place`).
    at_us
        The time; None for now.
    """
    now = now_us() if at_us is None else at_us
    # Counts go on from the last look: reading ten million entries anew each week would take minutes.
    counted = Counted.read(counts, of.digest)
    async with opened(journal, memberships) as (source, held):
        await count_new(source, held, counted, of.plan, now, tell)
    counted.write(counts)
    return summarise(counted, of.of, now)


async def desk(
    journal: Journal,
    of: Target,
    clone: Path | None,
    keys: "Sequence[PublicKey]",
    at_us: int,
    canary: CanaryStanding | None = None,
) -> Desk:
    """Return the promotions of a release's name, and the cases, drills and alarms of it.

    Parameters
    ----------
    canary
        The one that is under way: who steers it knows.
    """
    reviews = await journal.find(["review"], still_open=True, most=MOST_CASES)
    contests = await journal.find(["contest"], still_open=True, most=MOST_CASES)
    drills = await journal.find(["drill"], most=MOST_CASES)
    return Desk(
        promotions=tuple(_promotions(clone, of.of.name, keys)) if clone is not None else (),
        cases=tuple(_case(each.entry, at_us) for each in reviews),
        contests=tuple(_case(each.entry, at_us) for each in contests),
        drills=tuple(_drill(each.entry) for each in drills),
        alarms=tuple(await recorded(journal, of.digest)),
        canary=canary,
        unsealed=None if (left := await open_end(journal, of, clone, keys, at_us)) is None else left.text,
    )


async def open_end(
    journal: Journal, of: Target, clone: Path | None, keys: "Sequence[PublicKey]", at_us: int
) -> RaisedAlarm | None:
    """Return the alarm that the end of the journal was not sealed for longer than a look, or None."""
    # Seals are tags of a clone: without one nobody can say what is vouched for.
    if clone is None:
        return None
    return unsealed(await audit.unsealed(journal, clone, keys), of.of.watch.window_days, at_us)


def _case(entry: Entry, at_us: int) -> Case:
    due = entry.due_us or entry.at_us
    return Case(kind=entry.kind, opened=iso(entry.at_us), due=iso(due), overdue=due < at_us)


def _drill(entry: Entry) -> Drill:
    body = msgspec.json.decode(entry.body)
    text = ", ".join(f"{key} {value}" for key, value in sorted(body.items())) if body else "drill"
    return Drill(at=iso(entry.at_us), text=text[:300])


def _promotions(clone: Path, name: str, keys: "Sequence[PublicKey]") -> Iterator[Promoted]:
    approvers = read_approvers(clone / FILE)
    past: History = history(clone, name, approvers, allowed(approvers, keys))
    for each in past.entries:
        of = each.promotion
        yield Promoted(
            stage=of.stage,
            release=release_of(of),
            action=of.action,
            since=utc_text(each.since),
            until=None if each.until is None else utc_text(each.until),
            by=each.signer or of.seen.tagger,
            approvals=tuple(f"{who}: {why}" for who, why, _ in each.approved),
            reason=of.reason,
            faults=each.faults,
        )

"""The desk: rows in, decisions out and on record, whatever protocol they came by.

Nothing leaves before the journal has it. What the service is told by its journal (the canary's state, who has
opened it) is read again within a second, so that other processes set it and a restart goes on.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from fairmark.errors import ConflictError, FairmarkError, InputError, UnavailableError
from fairmark.journal.entry import Arm, Entry, IdempotencyKey, new_ids, now_us, pseudonym
from fairmark.journal.memberships import Memberships
from fairmark.journal.store import Journal
from fairmark.serve.access import Access
from fairmark.serve.body import Fault, Refused
from fairmark.serve.canary.state import SERVICE, Standing
from fairmark.serve.decision import Answer, Circumstances, Detail, answer_of, entries_of, shadow_entry
from fairmark.serve.metrics import Metrics
from fairmark.serve.oversight import Ruling, needs_reasons, ruling
from fairmark.serve.router import Routed, Router
from fairmark.serve.scorer import Scorer
from fairmark.serve.wire import DecisionRequest, Raw

log = logging.getLogger("fairmark.serve")
POLL_S = 0.5
RETRY_AFTER_S = 1
IN_THREAD = 64
"""Rows from which scoring leaves the event loop, so that others are answered meanwhile."""
STATE_KINDS = ("canary", "heartbeat", "opened", "closed")


@dataclass
class Desk:
    """Decides, and keeps what was decided.

    Parameters
    ----------
    router
        The releases, and which one answers.
    journal, memberships
        Where decisions, and apart from them protected attributes, are kept.
    access
        Who may ask what.
    secret
        The key of pseudonyms: at least 16 bytes.
    clock
        Microseconds since 1970 UTC; another one than the machine's lets weeks pass in seconds.
    """

    router: Router
    journal: Journal
    memberships: Memberships
    access: Access
    secret: bytes
    metrics: Metrics = field(default_factory=Metrics)
    clock: Callable[[], int] = now_us
    opened: set[str] = field(default_factory=set)
    """Digests of the releases that a named person has opened the service for; asked for in command alone."""
    follows_stage: bool = False
    """Whether the champion is what the tags of a stage say."""
    _seen: int = 0
    _standing: Standing = field(default_factory=Standing)
    _steered: bool = False
    """Whether the journal has said anything of a canary."""
    _poller: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        self.router.note = self.note
        self.metrics.loaded(self.router.releases)
        self.metrics.canary(self.router.state)

    @property
    def lead(self) -> Scorer:
        """The release whose policy holds."""
        return self.router.lead

    async def start(self) -> None:
        """Read what the journal says of the canary and of who opened the service, and go on reading it.

        Raises
        ------
        UnavailableError
            When the journal can't be read: without it nothing could be answered anyway.
        """
        await self.refresh()
        self._poller = asyncio.create_task(self._poll())

    async def stop(self) -> None:
        """End, after everything that was given to the journal is on disk."""
        if self._poller is not None:
            self._poller.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._poller
        await self.journal.close()
        await self.memberships.close()

    async def refresh(self) -> None:
        """Read what the journal has of the service's own state since the last time."""
        head = await self.journal.head()  # first: what comes meanwhile is read the next time
        while found := await self.journal.after(self._seen, 1000, STATE_KINDS):
            for each in found:
                self._take(each.entry)
            self._seen = found[-1].number
        self._seen = max(self._seen, head.number)
        self._hold_canary()
        self.metrics.open.set(self.is_open)

    def _take(self, entry: Entry) -> None:
        if entry.kind in {"canary", "heartbeat"}:
            try:
                self._standing.take(entry, self.clock(), self._silent_minutes)
            except InputError as error:
                log.warning("%s: off, the champion answers", error)
            self._steered = True
        elif entry.release is not None:
            self.set_open(entry.release, opened=entry.kind == "opened")

    @property
    def _silent_minutes(self) -> int:
        of = self.router.challenger or self.lead
        return of.params.canary.silent_minutes

    def _hold_canary(self) -> None:
        """Route by what the journal says of the canary, and by how long nobody has looked at it."""
        if not self._steered:
            return
        router, state = self.router, self._standing.now(self.clock(), self._silent_minutes)
        # A stage that is followed names the champion by its tags: a rollback there must not be overruled.
        router.promoted = None if self.follows_stage else self._standing.promoted
        if state != router.state:
            level = logging.ERROR if state.by == SERVICE else logging.INFO
            log.log(level, "canary: %s (%s), was %s", state.phase, state.reason, router.state.phase)
        router.state = state
        self.metrics.canary(state)

    def set_open(self, release: str, *, opened: bool) -> None:
        """Let the service answer for a release, or no longer."""
        (self.opened.add if opened else self.opened.discard)(release)
        self.metrics.open.set(self.is_open)

    async def _poll(self) -> None:
        turn = 0
        while True:
            await asyncio.sleep(POLL_S)
            turn += 1
            await self._apart("state", self.refresh)
            self._hold_canary()  # also where the journal can't be read
            if turn % 20 == 1:
                await self._apart("cases", self._count_cases)
            await self._apart("keys", self._refresh_keys)

    async def _apart(self, what: str, act: Callable[[], Awaitable[None]]) -> None:
        """Do one part of a turn: none may end the others, which take back keys and halt canaries."""
        try:
            await act()
        except UnavailableError:
            pass  # whoever asks for a decision is told
        except FairmarkError as error:
            log.warning("%s: %s", what, error)
        except Exception:
            log.exception("%s: could not be read again", what)

    async def _refresh_keys(self) -> None:
        self.access.refresh()

    async def _count_cases(self) -> None:
        for kind in ("review", "contest"):
            found = await self.journal.find([kind], still_open=True, most=10_000)
            late = sum((each.entry.due_us or 0) < self.clock() for each in found)
            self.metrics.cases.labels(kind).set(len(found))
            self.metrics.overdue.labels(kind).set(late)

    @property
    def is_open(self) -> bool:
        """Whether decisions are answered: in command only once a person has opened the service."""
        return self.lead.digest in self.opened or self.lead.params.oversight.mode != "in_command"

    def crown(self, champion: Scorer) -> None:
        """Let another release be the champion from the next request on."""
        before = self.router
        self.router = Router(champion, before.challenger, before.fallback, before.state, self.note)
        self.access.limits = champion.params.limits
        self.metrics.release.clear()
        self.metrics.loaded(self.router.releases)
        self.metrics.open.set(self.is_open)

    def person_of(self, subject: str | None) -> str | None:
        """Return the pseudonym that the journal knows a person by."""
        return None if subject is None else pseudonym(self.secret, subject)

    async def decide(
        self, asked: DecisionRequest, caller: str, key: IdempotencyKey | None = None
    ) -> list[Answer]:
        """Return the decisions on rows, all of which are in the journal.

        Raises
        ------
        Refused
            422 with every fault of the rows, 409 before the service is opened or for a key that came with
            another request, 503 when the journal can't be written.
        """
        began = time.perf_counter_ns()
        if not self.is_open:
            must = "must be opened for this release by a named person (POST /v1/open)"
            raise Refused(409, "not opened", Fault(must, "a closed service"))
        if len(asked.rows) >= IN_THREAD:
            details, entries = await asyncio.to_thread(self.entries, asked, caller, began)
        else:
            details, entries = self.entries(asked, caller, began)
        kept = await self.append(entries, key)
        if kept[0].id != entries[0].id:  # answered before, under the same key
            return [answer_of(entry) for entry in kept if entry.kind == "decision"]
        decided = [entry for entry in kept if entry.kind == "decision"]
        self.metrics.decided(decided, details)
        for entry in kept:
            if entry.kind == "shadow":
                self.metrics.shadows.labels(str(entry.decision)).inc()
        # What was written a moment ago need not be read again: law of `detail_of`.
        return [answer_of(entry, detail) for entry, detail in zip(decided, details, strict=True)]

    def entries(self, asked: DecisionRequest, caller: str, began_ns: int) -> tuple[list[Detail], list[Entry]]:
        """Return what the journal is to hold of rows, and the body of each decision among it.

        Each decision, its case, and what a shadow said.
        """
        router, policy = self.router, self.lead.params.oversight
        encoded = router.reader.encoded(asked.rows)
        ids = new_ids(len(asked.rows))
        subjects = [self.person_of(subject) for subject in asked.subjects]
        people = [subject or number for subject, number in zip(subjects, ids, strict=True)]
        routed = router.answer(asked.rows, encoded, people)
        now = self.clock()
        rules = [ruling(each.scored, policy, now) for each in routed]
        reasons = self.reasons(routed, rules) if asked.reasons else [[] for _ in routed]
        found: list[Entry] = []
        details = []
        when = Circumstances(now, policy.mode, caller, (time.perf_counter_ns() - began_ns) // 1000)
        for row, each, rule, why, number, subject in zip(
            asked.rows, routed, rules, reasons, ids, subjects, strict=True
        ):
            detail, made = entries_of(each, rule, why, _kept(router, each, row), when, subject, number)
            details.append(detail)
            found += made
            if each.shadow is not None and router.challenger is not None:
                found.append(shadow_entry(each.shadow, router.challenger.digest, number, now, policy.mode))
        return details, found

    def reasons(self, routed: Sequence[Routed], rules: Sequence[Ruling]) -> list[list[tuple[str, float]]]:
        """Return the reasons of those decisions that carry some, and none for the others."""
        policy = self.lead.params.oversight
        found: list[list[tuple[str, float]]] = [[] for _ in routed]
        wanted = [place for place, rule in enumerate(rules) if needs_reasons(rule, policy)]
        for scorer in {id(each.scorer): each.scorer for each in routed}.values():
            places = [place for place in wanted if routed[place].scorer is scorer]
            rows = [row for place in places if (row := routed[place].row) is not None]
            if scorer is None or not rows:
                continue
            known = [scored for place in places if (scored := routed[place].scored) is not None]
            raws = [scored.raw for scored in known if scored.raw is not None]
            try:
                said = scorer.explain(
                    rows,
                    [rules[place].proposal or 0 for place in places],
                    raws if len(raws) == len(rows) else None,
                )
            except Exception as error:  # noqa: BLE001 - an answer without reasons is still the answer
                self.note(routed[places[0]].arm, error)
                continue
            for place, each in zip(places, said, strict=True):
                found[place] = each
        return found

    async def append(self, entries: Sequence[Entry], key: IdempotencyKey | None = None) -> list[Entry]:
        """Return entries that are on disk now, or those that came under the same key before.

        Raises
        ------
        Refused
            409 for what was done before, 503 when the journal can't be written.
        """
        try:
            done = await self.journal.append(entries, key)
        except ConflictError as error:
            raise Refused(409, "a conflict", Fault("must agree with what is there", str(error))) from None
        except FairmarkError as error:  # also of a journal that is not what was written: nothing is added
            self.metrics.unwritten.inc()
            log.warning("%s", error)
            raise unavailable() from None
        return [each.entry for each in done.entries]

    def note(self, arm: Arm, error: Exception) -> None:
        """Count and log that a release could not do what was asked of it; never with what it was asked."""
        self.metrics.failures.labels(arm, type(error).__name__).inc()
        log.error("%s could not answer: %s", arm, type(error).__name__)


def _kept(router: Router, routed: Routed, row: Raw) -> Raw:
    """Return what was read of a row, by the release that answers and by the one that looks on."""
    answers = routed.scorer or router.lead
    if routed.shadow is None and row.keys() <= answers.reads:
        return row
    read = [answers, router.challenger if routed.shadow is not None else None]
    names = dict.fromkeys(name for each in read if each is not None for name in each.columns)
    return {name: row[name] for name in names if name in row}


def unavailable() -> Refused:
    """Return the answer when the journal can't be written or read: nothing was decided, try again."""
    must = "must be on record before it is answered"
    fault = Fault(must, "a journal that can't be written now")
    return Refused(503, "the journal is not available", fault, retry_after_s=RETRY_AFTER_S)

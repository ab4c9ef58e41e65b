"""Group commit: what arrives while one flush to the disk is in flight is the next, without an added delay.

`place` decides, purely, what becomes of a group of appends: which are repeated, which are refused, and which
numbers and chains the others get. The stores write what it returns, in one transaction.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

import msgspec

from fairmark.errors import ConflictError, FairmarkError, UnavailableError, UsageError
from fairmark.journal.chain import chained
from fairmark.journal.entry import Appended, Entry, IdempotencyKey, Stored

MOST_WAITING = 20_000
"""Entries that may wait for the disk: what comes on top is refused at once, and nothing is dropped."""


class Append(msgspec.Struct, frozen=True):
    """One call of `Journal.append`."""

    entries: tuple[Entry, ...]
    key: IdempotencyKey | None = None


class Request(msgspec.Struct, frozen=True):
    """What the journal keeps of an idempotency key: its salted digest and the numbers of its entries."""

    caller: str
    key: str
    digest: bytes
    first: int
    last: int


class Known(msgspec.Struct, frozen=True):
    """What is in the journal of what a group asks for.

    Parameters
    ----------
    requests
        (caller, key) -> the entries that were written under it, and the salted digest of their request.
    ids
        Ids of the group's entries that are there already.
    closed
        Cases which the group would close that are closed already.
    """

    requests: Mapping[tuple[str, str], tuple[bytes, tuple[Stored, ...]]]
    ids: Collection[str]
    closed: Collection[str]


class Placed(msgspec.Struct, frozen=True):
    """What is to be written for a group, and the answer to each of its appends, in their order."""

    rows: tuple[Stored, ...]
    requests: tuple[Request, ...]
    answers: tuple[Appended | ConflictError, ...]


Answers = Sequence[Appended | ConflictError]


def place(group: Sequence[Append], number: int, chain: bytes, known: Known) -> Placed:
    """Return what becomes of a group after entry `number` with its `chain`."""
    requests, ids, closed = dict(known.requests), set(known.ids), set(known.closed)
    rows: list[Stored] = []
    new: list[Request] = []
    answers: list[Appended | ConflictError] = []
    for call in group:
        try:
            # A repeat is answered before anything is refused: the case that it closes was closed by itself.
            if call.key is not None and (before := requests.get((call.key.caller, call.key.key))):
                answers.append(_repeated(call.key, *before))
                continue
            _refuse_taken(call.entries, ids, closed)
        except ConflictError as error:
            answers.append(error)
            continue
        made = chained(chain, number, call.entries)
        number, chain = made[-1].number, made[-1].chain
        # What one call of the group takes the next ones find taken, for all are committed together.
        ids.update(entry.id for entry in call.entries)
        closed.update(entry.closes for entry in call.entries if entry.closes is not None)
        rows += made
        if call.key is not None:
            digest = _salted(call.key, made[0])
            new.append(Request(call.key.caller, call.key.key, digest, made[0].number, number))
            requests[call.key.caller, call.key.key] = digest, tuple(made)
        answers.append(Appended(tuple(made)))
    return Placed(tuple(rows), tuple(new), tuple(answers))


def _salted(key: IdempotencyKey, first: Stored) -> bytes:
    # Under the salt of the first entry, which goes when that is erased: what is left tells nothing then.
    return key.salted(first.salt or b"")


def _repeated(key: IdempotencyKey, digest: bytes, before: tuple[Stored, ...]) -> Appended:
    if any(each.erased for each in before):
        raise ConflictError("idempotency key: must be a new one, got that of a request that was erased")
    if _salted(key, before[0]) != digest:
        raise ConflictError("idempotency key: must come with the same request, got another one")
    return Appended(before, repeated=True)


def _refuse_taken(entries: Sequence[Entry], ids: Collection[str], closed: Collection[str]) -> None:
    seen: set[str] = set()
    ended: set[str] = set()
    for entry in entries:
        if entry.id in ids or entry.id in seen:
            raise ConflictError(f"journal entry: must have an id of its own, got {entry.id} again")
        if entry.closes is not None and (entry.closes in closed or entry.closes in ended):
            raise ConflictError(f"case {entry.closes}: must be open to be closed, got a closed one")
        seen.add(entry.id)
        if entry.closes is not None:
            ended.add(entry.closes)


class GroupCommit:
    """Appends on their way to the disk; of one event loop.

    Parameters
    ----------
    commit
        Writes a group durably and returns the answers; a `FairmarkError` of it is the answer to all.
    """

    def __init__(self, commit: Callable[[Sequence[Append]], Awaitable[Answers]]) -> None:
        self._commit = commit
        self._waiting: list[tuple[Append, asyncio.Future[Appended]]] = []
        self._entries = 0
        self._flusher: asyncio.Task[None] | None = None
        self._closed = False

    async def append(self, call: Append) -> Appended:
        """Return what became of `call`, once it is durable; see `Journal.append`."""
        if not call.entries:
            raise UsageError("append: must be given an entry, got none")
        if self._closed:
            raise UnavailableError("journal: must be open, got a closed one")
        # A call larger than the limit is let in when nothing waits, or it never would be.
        if self._entries + len(call.entries) > max(MOST_WAITING, len(call.entries)):
            raise UnavailableError(
                f"journal: must have fewer than {MOST_WAITING:,} entries that wait for the disk, "
                f"got {self._entries:,}"
            )
        future: asyncio.Future[Appended] = asyncio.get_running_loop().create_future()
        self._waiting.append((call, future))
        self._entries += len(call.entries)
        if self._flusher is None or self._flusher.done():
            self._flusher = asyncio.create_task(self._flush())
        return await future

    async def close(self) -> None:
        """Refuse what comes from now on, and return when what came before has its answer."""
        self._closed = True
        if self._flusher is not None:
            await self._flusher

    async def _flush(self) -> None:
        # What comes while a group is on its way to the disk makes the next one: under load groups grow by
        # themselves.
        while self._waiting:
            group, self._waiting = self._waiting, []
            answers: Sequence[Appended | BaseException]
            try:
                answers = await self._commit([call for call, _ in group])
            except FairmarkError as error:
                answers = [error] * len(group)
            except Exception as error:  # noqa: BLE001 - each caller must have an answer, and who waits its turn
                answers = [UnavailableError(f"journal: must take entries, got {error!r}")] * len(group)
            except BaseException as error:
                group += self._waiting
                self._waiting = []
                for _, future in group:
                    if not future.done():
                        future.set_exception(UnavailableError(f"journal: must take entries, got {error!r}"))
                raise
            finally:
                self._entries -= sum(len(call.entries) for call, _ in group)
            for (_, future), answer in zip(group, answers, strict=True):
                # A caller that has gone away gets none; what it asked for is written all the same.
                if future.done():
                    continue
                if isinstance(answer, BaseException):
                    future.set_exception(answer)
                else:
                    future.set_result(answer)

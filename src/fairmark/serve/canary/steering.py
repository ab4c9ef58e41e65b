"""A canary under way: it begins, is looked at, and moves on, each step an entry of the journal.

Nothing is kept beside the journal. Whoever steers may be killed at any moment; the next one reads where it
stands and goes on, with the same evidence. A release that was returned is not tried again: trying until one
canary passes would undo its level.
"""

import contextlib
import hashlib
from collections.abc import Mapping

import msgspec

from fairmark.errors import ConflictError, InputError, RefusedError, StateError
from fairmark.journal.entry import IdempotencyKey, Stored, json_bytes
from fairmark.journal.memberships import Memberships
from fairmark.journal.store import Journal
from fairmark.serve.canary.counts import PAGE, CanaryCounter, canary_entries
from fairmark.serve.canary.decision import Advice, decide, refuse_without_champion
from fairmark.serve.canary.evidence import Terms
from fairmark.serve.canary.state import (
    MINUTE_US,
    UNDER_WAY,
    CanaryState,
    Phase,
    Standing,
    heartbeat,
    readable,
    state_of,
)

ENDS: Mapping[str, Phase] = {"return": "halted", "keep": "promoted", "insufficient evidence": "off"}
"""The phase that an action ends a canary with."""


class Canary:
    """One release that is tried, against the one in production.

    Parameters
    ----------
    journal, memberships
        Of the service.
    terms
        What it is held to.
    challenger, champion
        Digests, `sha256:` and 64 hex digits.
    by
        Who steers, as the journal names them.

    Raises
    ------
    RefusedError
        When there is no champion, or it is the challenger itself.
    """

    def __init__(
        self,
        journal: Journal,
        memberships: Memberships,
        terms: Terms,
        challenger: str,
        champion: str | None,
        by: str,
    ) -> None:
        refuse_without_champion(champion)
        if champion == challenger:
            raise RefusedError(
                f"canary: must be of another release than the champion, got {challenger[:19]}… twice"
            )
        self.journal, self.terms, self.by = journal, terms, by
        self.challenger, self.champion = challenger, champion
        self.counter = CanaryCounter(journal, memberships, terms, challenger)
        self._written_us = 0

    @property
    def state(self) -> CanaryState:
        """As the journal's last entry sets it, when it was last read."""
        return self.counter.state

    async def begin(self, now_us: int) -> bool:
        """Begin with the shadow, or go on where the journal stands; return whether it goes on.

        Raises
        ------
        StateError
            When the canary of another release is under way, or nobody has looked at this one for so long that
            the services have halted it.
        RefusedError
            When this release was returned before, or ended without enough evidence.
        """
        last, own = await self._history()
        if last is not None and last.phase == "fallback":
            raise StateError(
                f"canary: must begin from a champion that answers, got the fallback ({last.reason}); "
                "a named person takes that back first (fairmark watch --resume)"
            )
        under_way = last is not None and last.phase in UNDER_WAY
        if last is not None and under_way and last.challenger != self.challenger:
            raise StateError(
                f"canary: must be one at a time, got that of {str(last.challenger)[:19]}… under way "
                f"({last.phase}, {last.share:.0%})"
            )
        if under_way:
            await self._refuse_lapsed(now_us)
            await self.counter.read()
            return True
        if own is not None:
            before = state_of(own.entry)
            raise RefusedError(
                f"canary: must be of a release that was not tried before, got {self.challenger[:19]}…, "
                f"{before.phase}: {before.reason}",
                "a named person decides on it (fairmark promote), or a new release is made",
            )
        await self._set(CanaryState(phase="shadow", challenger=self.challenger, by=self.by), None, now_us)
        await self.counter.read()
        return False

    async def look(self, now_us: int, *, told: bool = False) -> Advice:
        """Read what came since, and return what follows, as `decide` does; nothing is written."""
        await self.counter.read()
        counts, progress = self.counter.counts(), self.counter.progress(now_us)
        return decide(counts, self.terms, progress, self.champion, told=told)

    async def follow(self, advice: Advice, now_us: int) -> CanaryState:
        """Write the state that an advice leads to, with its evidence, and return it.

        `promote` lets it answer everybody: call this after the promotion is signed. `keep` ends the canary
        and leaves it answering, `insufficient evidence` ends it, `return` halts it, `continue` writes a
        heartbeat where the last entry is no longer young.
        """
        quiet_us = self.terms.rules.silent_minutes * MINUTE_US
        if advice.action not in {"return", "insufficient evidence"} and (
            now_us - self._written_us > quiet_us / 4
        ):
            await self._refuse_lapsed(now_us)
        if advice.action == "continue":
            # A quarter of the silence that halts it: a look a minute need not fill the journal.
            if now_us - self._written_us > quiet_us / 4:
                await self.journal.append([heartbeat(self.challenger, self.by, now_us)])
                self._written_us = now_us
            return self.state
        reason = f"{advice.action}: {advice.reasons[0]}" if advice.reasons else advice.action
        if advice.action in {"grow", "promote"}:
            state = CanaryState(
                phase="share", challenger=self.challenger, share=advice.share, by=self.by, reason=reason
            )
        else:
            state = CanaryState(
                phase=ENDS[advice.action],
                challenger=self.challenger,
                by=self.by,
                reason=reason,
            )
        await self._set(state, advice.document, now_us)
        return state

    async def halt(self, reason: str, now_us: int) -> CanaryState:
        """Take it back at once, by a person's word, and return the state."""
        if not self.counter.last:
            await self._history()
        state = CanaryState(phase="halted", challenger=self.challenger, by=self.by, reason=reason)
        await self._set(state, None, now_us)
        return state

    async def resume(self, reason: str, now_us: int) -> CanaryState:
        """Go on with one that was halted as nobody looked, by a person's word; return the state.

        Its time at this share begins anew.

        Raises
        ------
        StateError
            When it was not halted so.
        """
        state, _ = await self._history()
        if state is None or state.challenger != self.challenger or await self.lapsed(now_us) is None:
            raise StateError(
                "canary: must be halted because nobody has looked to be resumed, got no such one"
            )
        again = msgspec.structs.replace(state, by=self.by, reason=reason)
        await self._set(again, None, now_us)
        return again

    async def lapsed(self, now_us: int) -> CanaryState | None:
        """Return the state that services are in when nobody has looked for too long, or None."""
        minutes = self.terms.rules.silent_minutes
        standing = await standing_at(self.journal, now_us, minutes)
        self._written_us = standing.seen_us
        now = standing.now(now_us, minutes)
        return None if now == standing.state else now

    async def _refuse_lapsed(self, now_us: int) -> None:
        if await self.lapsed(now_us) is not None:
            raise StateError(
                f"canary: must be looked at every {self.terms.rules.silent_minutes} minutes, got none for "
                "longer: the services have halted it",
                "go on with it by your word (fairmark canary resume), or take it back (return)",
            )

    async def _history(self) -> tuple[CanaryState | None, Stored | None]:
        """Return the last state of any canary, and the last entry of this one."""
        last: CanaryState | None = None
        own: Stored | None = None
        async for each in canary_entries(self.journal):
            last, self.counter.last = readable(each.entry), each.number
            own = each if last.challenger == self.challenger else own
        return last, own

    async def _set(self, state: CanaryState, evidence: Mapping[str, object] | None, now_us: int) -> None:
        entry = state.entry(now_us)
        body = json_bytes(msgspec.json.decode(entry.body) | {"champion": self.champion, "evidence": evidence})
        # The key is the state that this one follows: of two who steer at once, the second is refused.
        key = IdempotencyKey("canary", f"after {self.counter.last}", hashlib.sha256(body).hexdigest())
        try:
            await self.journal.append([msgspec.structs.replace(entry, body=body)], key)
        except ConflictError as error:
            raise StateError("canary: must be steered by one, got another who has moved it on") from error
        self.counter.state, self._written_us = state, now_us


async def standing_at(journal: Journal, now_us: int, silent_minutes: int) -> Standing:
    """Return what the entries of a journal come to, as its services take them."""
    standing, number = Standing(), 0
    while found := await journal.find(["canary", "heartbeat"], after=number, most=PAGE):
        for each in found:
            with contextlib.suppress(InputError):
                standing.take(each.entry, now_us, silent_minutes)
        number = found[-1].number
    return standing


def advice_in(stored: Stored) -> Mapping[str, object] | None:
    """Return the evidence in a canary's entry, as `Advice.document` has it; None where it rests on none."""
    found = msgspec.json.decode(stored.entry.body, type=dict[str, object]).get("evidence")
    return found if isinstance(found, dict) else None

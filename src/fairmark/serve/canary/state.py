"""The state of a canary, by the journal's last `canary` entry: which release shadows, who answers how much.

Whoever runs a canary (`flows/promote.py`) appends entries; every service on that journal reads them within a
second, and a restart goes on where the last one stands. Routing is sticky: a keyed hash of the person
decides, so that the same person meets the same model, and those of a smaller share are among those of a
larger one.
"""

import hashlib
import math
from typing import Literal

import msgspec

from fairmark.errors import InputError, UsageError
from fairmark.journal.entry import Entry, json_bytes

Phase = Literal["off", "shadow", "share", "promoted", "halted", "fallback"]
"""off: the champion alone; shadow: the challenger scores every row beside it and answers nobody; share: it
answers a share of the people; promoted: it has kept what it took over, and answers everybody; halted: taken
back, as off, after evidence against it or because nobody looked; fallback: the verified
simpler model answers everybody, after an alarm of the watch and until a person takes that back."""


class CanaryState(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One state of a canary.

    Parameters
    ----------
    phase
        What the challenger does.
    challenger
        Digest of the release that is tried, `sha256:` and 64 hex digits; None when the phase is off.
    share
        Of the people that it answers, 0..1; 0 unless the phase is `share`.
    by
        Who or what set it: a person's name, or `flow promote`.
    reason
        Why, in one line.
    """

    phase: Phase
    challenger: str | None = None
    share: float = 0.0
    by: str = ""
    reason: str = ""

    def __post_init__(self) -> None:
        """Refuse a state that says two things.

        Raises
        ------
        UsageError
            When a share is given without the phase, or none with it, or a challenger is missing.
        """
        if not (math.isfinite(self.share) and 0 <= self.share <= 1):
            raise UsageError(f"canary: share must be in 0..1, got {self.share}")
        if (self.share > 0) != (self.phase == "share"):
            raise UsageError(f"canary: share must go with the phase share, got {self.share} in {self.phase}")
        if self.challenger is None and self.phase in {"shadow", "share", "promoted"}:
            raise UsageError(f"canary: must name the challenger in {self.phase}, got none")

    def entry(self, at_us: int) -> Entry:
        """Return the journal's entry that sets this state."""
        body = {"phase": self.phase, "share": self.share, "by": self.by, "reason": self.reason}
        arm: Literal["challenger", "none"] = "challenger" if self.challenger else "none"
        return Entry(
            kind="canary",
            at_us=at_us,
            release=self.challenger,
            arm=arm,
            body=json_bytes(body),
        )


OFF = CanaryState(phase="off")
UNDER_WAY = ("shadow", "share")
"""Phases that somebody has to look at, again and again."""
MINUTE_US = 60_000_000


def heartbeat(challenger: str, by: str, at_us: int) -> Entry:
    """Return the entry by which whoever steers the canary of a release says that it was looked at."""
    return Entry(
        kind="heartbeat", at_us=at_us, release=challenger, arm="challenger", body=json_bytes({"by": by})
    )


class Standing:
    """What the journal's entries come to: the state that holds, unless nobody has looked for too long.

    A dead man's switch: were the flow that steers to die, a share of the people would meet an unproven
    release for ever. A canary under way whose last entry, `canary` or `heartbeat`, is older than
    `silent_minutes` is halted, and stays so: the entries show the gap, so that a heartbeat that comes later
    does not revive it. Only a state that is set anew does (`fairmark canary resume`).

    The time is that of whoever reads. An entry that is dated ahead counts as written now, so that a wrong
    clock lengthens the silence once, and at most by as much again.
    """

    def __init__(self) -> None:
        self.state = OFF
        self.promoted: str | None = None
        """Digest of the release that has kept what it took over by a canary, and was not taken back since."""
        self.seen_us = 0
        self._lapsed = False

    def take(self, entry: Entry, now_us: int, silent_minutes: int) -> None:
        """Go on by one entry of the kind `canary` or `heartbeat`; one that nobody can read turns all off.

        Raises
        ------
        InputError
            When it sets no state.
        """
        at = min(entry.at_us, now_us)
        if entry.kind == "heartbeat":
            if entry.release == self.state.challenger:
                self._lapsed |= at - self.seen_us > silent_minutes * MINUTE_US
                self.seen_us = max(self.seen_us, at)
            return
        self._lapsed, self.seen_us = False, at
        try:
            self.state = state_of(entry)
        except InputError:
            # It may have been the word that takes a release back.
            self.state, self.promoted = OFF, None
            raise
        if self.state.phase == "promoted":
            self.promoted = self.state.challenger
        elif self.state.phase == "halted" and self.state.challenger == self.promoted:
            self.promoted = None

    def now(self, now_us: int, silent_minutes: int) -> CanaryState:
        """Return the state that holds at a moment."""
        if self.state.phase not in UNDER_WAY:
            return self.state
        # A clock that was set back must not make a canary look attended for as long as it lags.
        self.seen_us = min(self.seen_us, now_us)
        # Once lapsed it stays so: whoever comes back late has to say that it goes on, and cannot just appear.
        self._lapsed |= now_us - self.seen_us > silent_minutes * MINUTE_US
        if not self._lapsed:
            return self.state
        return CanaryState(
            phase="halted",
            challenger=self.state.challenger,
            by=SERVICE,
            reason=f"nobody has looked at the canary for {silent_minutes} minutes",
        )


SERVICE = "service"
"""By whom a canary is halted that nobody has looked at."""


class _Body(msgspec.Struct):
    phase: Phase
    share: float = 0.0
    by: str = ""
    reason: str = ""


_decoder = msgspec.json.Decoder(_Body)


def state_of(entry: Entry) -> CanaryState:
    """Return the state that a `canary` entry sets; law: `state_of(state.entry(t)) == state`.

    Raises
    ------
    InputError
        When it is no such entry.
    """
    try:
        body = _decoder.decode(entry.body)
        return CanaryState(
            phase=body.phase, challenger=entry.release, share=body.share, by=body.by, reason=body.reason
        )
    except (msgspec.MsgspecError, UsageError) as error:
        raise InputError(f"canary entry {entry.id}: must set a state, got {error}") from error


def readable(entry: Entry) -> CanaryState:
    """Return the state that a `canary` entry sets; off, as services take it, for one that nobody can read."""
    try:
        return state_of(entry)
    except InputError:
        return OFF


def place(person: str, challenger: str) -> float:
    """Return where a person stands, 0 up to below 1: who is below the share meets the challenger.

    Parameters
    ----------
    person
        A keyed pseudonym, or a random id where the caller does not say whose a row is.
    challenger
        Its digest, so that another canary meets other people first.
    """
    digest = hashlib.sha256(f"{challenger}\n{person}".encode()).digest()
    # 53 bits are what a float holds exactly, so that the place is below 1 and the same on every machine.
    return (int.from_bytes(digest[:8]) >> 11) / 2**53

"""What the policy says that an alarm does, and the record of it in the journal.

Each alarm is one entry of the journal, with what is to be done and what is held back; each attempt to do it
is another one about it. What was not done yet is done at the next run: nothing is lost while a receiver is
down, and nothing is done twice that was.
"""

import hashlib
from collections.abc import Mapping, Sequence

import msgspec

from fairmark.journal.entry import DAY_US, Entry, IdempotencyKey, Stored, json_bytes
from fairmark.journal.store import Journal
from fairmark.params.watch import Action, Watch
from fairmark.record import Record
from fairmark.watch.documents import RaisedAlarm, iso

BY = "watch"
"""Who writes the entries."""


class Decision(msgspec.Struct, frozen=True):
    """What one alarm does.

    Parameters
    ----------
    alarm
        Of the summary.
    actions
        In order.
    held
        Actions that the policy names and that are held back, with the reason.
    """

    alarm: RaisedAlarm
    actions: tuple[Action, ...]
    held: Mapping[Action, str]


class Attempt(Record):
    """One attempt to do what an alarm asks for."""

    at: str
    action: str
    done: bool
    text: str


class Recorded(Record):
    """An alarm as the journal has it, with what was done."""

    id: str
    at: str
    of: str
    text: str
    actions: tuple[str, ...]
    held: Mapping[str, str]
    attempts: tuple[Attempt, ...]

    @property
    def waiting(self) -> tuple[str, ...]:
        """Actions that were not done yet."""
        done = {each.action for each in self.attempts if each.done}
        return tuple(action for action in self.actions if action not in done)


class _Body(msgspec.Struct):
    at: str = ""
    of: str = ""
    kinds: list[str] = []
    text: str = ""
    actions: list[str] = []
    held: dict[str, str] = {}
    action: str = ""
    done: bool = False


_body = msgspec.json.Decoder(_Body)


async def recorded(journal: Journal, release: str) -> list[Recorded]:
    """Return the alarms of a release that the journal has, in order."""
    found: list[Recorded] = []
    after = 0
    while stored := await journal.find(["alarm"], release=release, after=after, most=500):
        after = stored[-1].number
        found += [await _recorded(journal, each) for each in stored if each.entry.about is None]
    return found


async def _recorded(journal: Journal, stored: Stored) -> Recorded:
    body = _body.decode(stored.entry.body)
    attempts = [
        (each.entry.at_us, _body.decode(each.entry.body))
        for each in await journal.about(stored.entry.id)
        if each.entry.kind == "alarm"
    ]
    return Recorded(
        id=stored.entry.id,
        at=body.at,
        of=body.of,
        text=body.text,
        actions=tuple(body.actions),
        held=body.held,
        attempts=tuple(
            Attempt(at=iso(at), action=it.action, done=it.done, text=it.text) for at, it in attempts
        ),
    )


def decide(
    alarms: Sequence[RaisedAlarm], before: Sequence[Recorded], watch: Watch, open_candidates: int
) -> list[Decision]:
    """Return what each alarm does that the journal has not; pure.

    An action is held back for `cool_down_days` after an alarm of the same kind did it, and a retrain while so
    many candidates are open as params allow. An alarm that is held back is recorded all the same.

    Parameters
    ----------
    before
        Alarms of the journal.
    open_candidates
        Candidates that nobody has decided on yet.
    """
    known = {each.at for each in before}
    last: dict[tuple[str, str], str] = {}
    for each in before:
        for action in each.actions:
            last[each.of, action] = max(last.get((each.of, action), ""), each.at)
    found = []
    for alarm in alarms:
        if alarm.at in known:
            continue
        actions: list[Action] = []
        held: dict[Action, str] = {}
        for kind in alarm.kinds:
            for action in getattr(watch.alarms, kind):
                why = _held(alarm, kind, action, last, watch, open_candidates)
                if why is None and action not in actions:
                    actions.append(action)
                    last[kind, action] = alarm.at
                    open_candidates += action == "retrain"
                elif why is not None:
                    held[action] = why
        kept = {action: why for action, why in held.items() if action not in actions}
        found.append(Decision(alarm, tuple(actions), kept))
    return found


def _held(
    alarm: RaisedAlarm,
    kind: str,
    action: Action,
    last: Mapping[tuple[str, str], str],
    watch: Watch,
    open_candidates: int,
) -> str | None:
    before = last.get((kind, action))
    if before is not None and _days(before, alarm.at) < watch.cool_down_days:
        return f"cool-down of {watch.cool_down_days} days since {before}"
    if action == "retrain" and open_candidates >= watch.open_candidates:
        return f"{open_candidates} of at most {watch.open_candidates} candidates are open"
    return None


def _days(start: str, end: str) -> float:
    import datetime as dt

    one, other = (dt.datetime.fromisoformat(each) for each in (start, end))
    return (other - one) / dt.timedelta(microseconds=DAY_US)


def unsealed(first: tuple[int, int] | None, window_days: int, now_us: int) -> RaisedAlarm | None:
    """Return the alarm that the journal was not sealed for longer than a look, or None; pure.

    Parameters
    ----------
    first
        Number and time of the oldest entry that no signed head vouches for (`journal.audit.unsealed`).
    """
    if first is None or now_us - first[1] <= window_days * DAY_US:
        return None
    text = (
        f"operation: no signed head vouches for the journal from entry {first[0]} of {iso(first[1])[:10]} "
        "on; whoever can write it can change that unseen (fairmark journal --seal)"
    )
    return RaisedAlarm(
        # Of the entry, not of the look: the same gap is one alarm, however often it is looked at.
        at=iso(first[1] + window_days * DAY_US), of="operation", kinds=("operation",), change="operation",
        value=0.0, moved=(), text=text,
    )  # fmt: skip


async def record(journal: Journal, release: str, decision: Decision, now_us: int) -> Recorded:
    """Write an alarm into the journal, once however often it is asked, and return it as it stands there."""
    alarm = decision.alarm
    body = {
        "at": alarm.at,
        "of": alarm.of,
        "kinds": list(alarm.kinds),
        "change": alarm.change,
        "value": min(alarm.value, 1e15),
        "text": alarm.text,
        "actions": list(decision.actions),
        "held": dict(decision.held),
    }
    key = hashlib.sha256(f"{release}\n{alarm.at}".encode()).hexdigest()
    entry = Entry(kind="alarm", at_us=now_us, release=release, caller=BY, body=json_bytes(body))
    # The request is the alarm, not how it was decided: two watchers that run at once record one.
    done = await journal.append([entry], IdempotencyKey(BY, f"alarm {key[:32]}", key))
    return await _recorded(journal, done.entries[0])


async def attempted(
    journal: Journal, release: str, alarm: Recorded, action: str, now_us: int, text: str, *, done: bool
) -> None:
    """Write into the journal that an action was tried, and how it ended."""
    body = {"action": action, "done": done, "text": text[:1000]}
    entry = Entry(
        kind="alarm", at_us=now_us, release=release, caller=BY, about=alarm.id, body=json_bytes(body)
    )
    await journal.append([entry])

"""The verb of the canary: what it will show, where it stands, and take it back."""

import argparse
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol, TypeVar

from fairmark.cli.journal import add_journal_option
from fairmark.cli.verb import Verb, add_signing_options, signing_key, trusted_keys
from fairmark.terminal import say, say_json

if TYPE_CHECKING:
    from fairmark.governance.promotion_tags import Promotion
    from fairmark.serve.canary.decision import Advice
    from fairmark.serve.canary.state import CanaryState
    from fairmark.serve.canary.steering import Canary as Steered


class _Closes(Protocol):
    async def close(self) -> None: ...


_C = TypeVar("_C", bound=_Closes)


class Canary(Verb):
    """`fairmark canary`: a release that is tried in production, against the one that is there.

    `plan RELEASE` prints what a canary of it will show and how soon; `status` where the one under way is,
    with its evidence; `resume` goes on with one that the services have halted, because nobody had looked
    for `serve.canary.silent_minutes`; `return` takes it back at once, by your word, and rolls production
    back by a signed tag if it was promoted already. `flows/promote.py` begins one and steers it.
    """

    name = "canary"
    help = "tell what a canary will show, where it stands, or take it back"

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add what the verb takes to `parser`."""
        parser.add_argument("what", choices=("plan", "status", "return", "resume"), help="see above")
        parser.add_argument("release", nargs="?", metavar="RELEASE", help="with plan: a release")
        parser.add_argument(
            "--outcomes", type=float, default=0.0, metavar="SHARE",
            help="with plan: the share of decisions whose outcome comes in time, 0..1; 0 by default",
        )  # fmt: skip
        parser.add_argument("--reason", metavar="TEXT", help="with return and resume: why; it is kept")
        add_journal_option(parser)
        parser.add_argument(
            "--memberships", metavar="ADDRESS", help="those of protected attributes, likewise"
        )
        parser.add_argument("--json", action="store_true", help="write what is told as JSON")
        add_signing_options(parser)

    def run(self, given: argparse.Namespace) -> int:
        """Plan, tell or take back; return 0."""
        import asyncio

        from fairmark.errors import UsageError

        if (given.what == "plan") != (given.release is not None):
            raise UsageError("RELEASE: must be given with plan, and with nothing else")
        if (given.what in {"return", "resume"}) != (given.reason is not None):
            raise UsageError("--reason: must be given with return and resume, and with nothing else")
        if not 0 <= given.outcomes <= 1:
            raise UsageError(f"--outcomes: must be a share in 0..1, got {given.outcomes:g}")
        if given.what == "plan":
            return _plan(given)
        return asyncio.run({"status": _status, "return": _return, "resume": _resume}[given.what](given))


def _plan(given: argparse.Namespace) -> int:
    import datetime as dt
    from dataclasses import asdict

    from fairmark.governance.request import find_release
    from fairmark.serve.canary import release as canary_release
    from fairmark.serve.canary.plan import Foresight, lines, plan

    terms = canary_release.terms(find_release(given.clone, given.release), dt.datetime.now(tz=dt.UTC).date())
    if given.json:
        found = list(plan(terms, outcomes=given.outcomes))
        say_json(
            {
                "limits": [asdict(each) for each in found if isinstance(each, Foresight)],
                "not_judged": [asdict(each) for each in found if not isinstance(each, Foresight)],
                "most": terms.rules.most,
                "level": terms.rules.level,
            }
        )
        return 0
    rules = terms.rules
    shares = ", ".join(f"{share:.0%}" for share in rules.shares)
    say(f"shadow of {rules.shadow:,} decisions, then {shares}, at most {rules.most:,} decisions")
    say(*lines(terms, outcomes=given.outcomes))
    return 0


async def _status(given: argparse.Namespace) -> int:
    from fairmark.journal.place import journal_address, open_journal
    from fairmark.serve.canary.counts import current

    journal = await open_journal(journal_address(given.clone, given.journal))
    try:
        state = await current(journal)
    finally:
        await journal.close()
    told: dict[str, object] = {
        "phase": state.phase,
        "challenger": state.challenger,
        "share": state.share,
        "by": state.by,
        "reason": state.reason,
    }
    if state.phase not in {"shadow", "share"}:
        if given.json:
            say_json(told)
        else:
            say(f"no canary is under way: {state.phase}", *([state.reason] if state.reason else []))
        return 0
    advice, known, lapsed = await _looked(given, str(state.challenger))
    if given.json:
        halted = None if lapsed is None else lapsed.reason
        say_json(told | {"advice": advice.document, "known_groups": known, "halted": halted})
        return 0
    if lapsed is not None:
        say(f"halted by the services: {lapsed.reason}; canary resume goes on, canary return takes it back")
    say(f"{state.phase} of {str(state.challenger)[:19]}… at {state.share:.0%}, set by {state.by}")
    say(f"what follows now: {advice.action}", *advice.reasons)
    say(f'evidence of {advice.evidence:.3g} against "every limit is met"; {advice.needed:.0f} returns it')
    for each in advice.measured:
        say(f"{each.outcome}: {each.name}", *(f"  {line}" for line in each.lines))
    say(*(f"{count:,} decisions with a known group of {name}" for name, count in known.items()))
    return 0


async def _looked(
    given: argparse.Namespace, challenger: str
) -> "tuple[Advice, Mapping[str, int], CanaryState | None]":
    from fairmark.journal.entry import now_us

    async with _steered(given, challenger) as (canary, _):
        advice = await canary.look(now_us(), told=True)
        return advice, canary.counter.known(), await canary.lapsed(now_us())


async def _resume(given: argparse.Namespace) -> int:
    from fairmark.errors import StateError
    from fairmark.governance import trail
    from fairmark.governance.promotion_tags import one_line
    from fairmark.journal.entry import now_us
    from fairmark.serve.canary import release as canary_release

    reason = one_line(given.reason)
    state = await canary_release.state(given.clone, given.journal)
    if state.challenger is None:
        raise StateError(f"canary: must be under way to be resumed, got {state.phase}")
    folder = canary_release.folder_of(given.clone, state.challenger)
    async with _steered(given, state.challenger) as (canary, _):
        again = await canary.resume(reason, now_us())
    event = {"action": "canary", "release": folder.name, "canary": "resume", "reason": reason}
    trail.append(given.clone, event, "resume")
    say(f"{folder.name}: {again.phase} again, at {again.share:.0%}")
    return 0


async def _return(given: argparse.Namespace) -> int:
    from fairmark.errors import StateError
    from fairmark.governance import promotions, trail
    from fairmark.governance.promotion_tags import one_line
    from fairmark.journal.entry import now_us
    from fairmark.serve.canary import release as canary_release

    reason = one_line(given.reason)
    state = await canary_release.state(given.clone, given.journal)
    if state.phase not in {"shadow", "share", "promoted", "halted"} or state.challenger is None:
        raise StateError(f"canary: must be under way to be taken back, got {state.phase}")
    folder = canary_release.folder_of(given.clone, state.challenger)
    name, _, version = folder.name.rpartition("-")
    half = await canary_release.half_returned(given.clone, name, version, given.journal)
    if state.phase == "halted" and half is None:
        raise StateError("canary: must be under way to be taken back, got halted")
    async with _steered(given, state.challenger) as (canary, champion):
        if half is None:
            await canary.halt(reason, now_us())
    say(f"{folder.name} answers nobody any more, and {champion.version} everybody")
    event = {"action": "canary", "release": folder.name, "canary": "return", "reason": reason}
    trail.append(given.clone, event, "return")
    if canary_release.settled(given.clone, name, version):
        key, trusted = signing_key(given), trusted_keys(given)
        done = promotions.rollback(
            given.clone, name, canary_release.PRODUCTION, reason, key, champion.version, trusted
        )
        say(f"{done.stage} holds {done.version} again: tag {done.tag}", *done.notes)
    return 0


@asynccontextmanager
async def _steered(given: argparse.Namespace, challenger: str) -> "AsyncIterator[tuple[Steered, Promotion]]":
    """Open the journal, and yield who steers the canary of a release and the promotion of the champion."""
    import datetime as dt

    from fairmark.governance import promotion_tags, trail
    from fairmark.journal.place import journal_address, memberships_address, open_journal, open_memberships
    from fairmark.serve.canary import release as canary_release
    from fairmark.serve.canary.steering import Canary as Steered

    clone = given.clone
    folder = canary_release.folder_of(clone, challenger)
    name, _, version = folder.name.rpartition("-")
    champion = canary_release.champion(promotion_tags.refs(clone, name).promotions, version)
    canary_release.refuse_without(champion)
    assert champion is not None  # noqa: S101 - refused above
    terms = canary_release.terms(folder, dt.datetime.now(tz=dt.UTC).date())
    who = trail.identity(clone)
    by, digest = who.email or who.name or "fairmark canary", f"sha256:{champion.digest}"
    async with (
        _closed(await open_journal(journal_address(clone, given.journal))) as journal,
        _closed(await open_memberships(memberships_address(clone, given.memberships))) as memberships,
    ):
        yield Steered(journal, memberships, terms, challenger, digest, by), champion


@asynccontextmanager
async def _closed(opened: _C) -> AsyncIterator[_C]:
    """Close what was opened when the block ends."""
    try:
        yield opened
    finally:
        await opened.close()

"""The flow `promote`: one and the same release to development, staging and, by canary, to production.

Each environment holds a release by a signed promotion, never by a rebuild. Into production it goes on
evidence: the shadow, growing shares of the people, everybody; and back on evidence, at once. Where a canary
stands is in the service's journal alone, so a run that was killed is gone on with by the next one, and a
deployment may look once every few minutes instead of waiting for days (`look_s` 0).
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # whoever runs this file by its path

from flows import command

if __name__ == "__main__":  # what can be refused is refused before Prefect is imported
    from flows import preflight

    GIVEN = command.begin(
        "promote",
        "Promote a release, to production by a canary.",
        preflight.promote,
        release="a release folder or its name; by default the one whose canary is under way",
        to="development, staging or production (the default)",
        reason="why, in one line",
        wait_s="seconds to wait for approvals; by default none",
        look_s="seconds between two looks at the canary, 60 by default; 0 looks once",
    )

# isort: split
# Prefect reads its settings when it is imported: the lines above have set them.
import asyncio
import datetime as dt
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from prefect import flow

from fairmark.errors import FairmarkError, RefusedError, UnavailableError, UndeterminedError
from fairmark.governance import promotion_tags, promotions, trail
from fairmark.governance.approvers import FILE, read_approvers
from fairmark.governance.request import candidate
from fairmark.journal.entry import now_us
from fairmark.journal.place import journal_address, memberships_address, open_journal, open_memberships
from fairmark.repo.locks import locked
from fairmark.serve.canary import release as canary_release
from fairmark.serve.canary.decision import Advice
from fairmark.serve.canary.plan import lines
from fairmark.serve.canary.steering import Canary
from fairmark.signing.key_store import own_key
from flows import preflight, traffic
from flows.audited import note, recorded, task
from flows.console import Progress, say
from flows.settings import LOG, ROOT

if TYPE_CHECKING:
    from fairmark.governance.request import Candidate

LOOK_S = 60.0
TAKEN_BACK = ("return", "insufficient evidence")
"""What leaves the champion alone with all people."""
APPROVAL_S = 5.0
PATIENCE = 30
"""Looks in a row at which the journal may not answer."""


@task()
def verify(folder: Path) -> "Candidate":
    """Return the release, every claim of which was checked."""
    key = own_key(make=False)
    return candidate(folder, ROOT, read_approvers(ROOT / FILE), [key.public])


@task()
def wait_for_approvals(found: "Candidate", wait_s: float) -> str:
    """Wait until enough people have approved the release; return who.

    Raises
    ------
    RefusedError
        When they have not in time, saying who may.
    """
    until = time.monotonic() + wait_s
    told = False
    while True:
        approvers, now = read_approvers(ROOT / FILE), dt.datetime.now(tz=dt.UTC)
        before = promotion_tags.refs(ROOT, found.name).promotions
        counted, faults = promotions.approved(ROOT, found.request, before, approvers, now)
        if len(counted.approvals) >= found.request.needed or time.monotonic() >= until:
            promotions.refuse_unapproved(found.request, counted, faults, approvers, now)
            return ", ".join(each.who for each in counted.approvals) or "none is required"
        if not told:
            say(f"waiting for approvals: {len(counted.approvals)} of {found.request.needed}")
            told = True
        time.sleep(min(APPROVAL_S, max(0.0, until - time.monotonic())))


@task()
def sign(folder: Path, stage: str, reason: str) -> str:
    """Say by a signed tag that a stage holds the release from now on; return the tag."""
    key = own_key(make=False)
    done = promotions.promote(ROOT, folder, stage, reason, key)
    for line in done.notes:
        say(line)
    return done.tag


@task()
def take_back(name: str, stage: str, version: str, reason: str) -> str:
    """Roll a stage back by a signed tag; return it."""
    key = own_key(make=False)
    done = promotions.rollback(ROOT, name, stage, reason, key, version)
    for line in done.notes:
        say(line)
    return done.tag


def tell(found: "Candidate", advice: Advice) -> None:
    """Tell what a canary came to: printed, in the audit trail, and as an event of Prefect."""
    for line in advice.reasons:
        say(line)
    event = {
        "action": "canary",
        "release": found.request.name,
        "canary": advice.action,
        "share": advice.share,
        "reason": advice.reasons[0] if advice.reasons else "",
        "evidence": round(min(advice.evidence, 1e9), 3),
    }
    trail.append(ROOT, event, advice.action)
    emit(found, advice)


def emit(found: "Candidate", advice: Advice) -> None:
    """Send Prefect the event `fairmark.canary.ACTION`, for whoever automates on it."""
    from prefect.events import emit_event

    emit_event(
        event=f"fairmark.canary.{advice.action.replace(' ', '-')}",
        resource={
            "prefect.resource.id": f"fairmark.release.{found.request.name}",
            "prefect.resource.name": found.request.name,
        },
        payload={"share": advice.share, "reasons": list(advice.reasons)},
    )


def weigh(release: str, arm: Literal["champion", "challenger"], share: float) -> None:
    """Give a release its share of the load balancer's traffic, where the environment names one.

    Raises
    ------
    StateError
        When the balancer does not take it: a challenger does not grow then, and the next look tries again.
    """
    if not os.environ.get(traffic.LISTENER):
        return
    weights = traffic.give(release, arm, share)
    say(f"load balancer: {', '.join(f'{colour} {weight}%' for colour, weight in sorted(weights.items()))}")


def back_to(release: str) -> tuple[str, ...]:
    """Give the champion all traffic; return what is to be told where that failed: a return goes on then."""
    try:
        weigh(release, "champion", 1.0)
    except Exception as error:  # noqa: BLE001 - whatever its client raises, a rollback is signed
        text = "; ".join(error.faults) if isinstance(error, FairmarkError) else type(error).__name__
        return (f"load balancer: must give {release} all traffic, got {text}: move it (flows/traffic.py)",)
    return ()


@contextmanager
def journal_of(
    found: "Candidate", folder: Path, champion: str | None
) -> "Iterator[tuple[asyncio.Runner, Canary]]":
    """Open the service's journal for as long as the block runs, and yield who steers the canary."""
    terms = canary_release.terms(folder, dt.datetime.now(tz=dt.UTC).date())
    with asyncio.Runner() as runner:
        journal = runner.run(open_journal(journal_address(ROOT)))
        memberships = runner.run(open_memberships(memberships_address(ROOT)))
        try:
            digest = f"sha256:{found.request.digest}"
            yield runner, Canary(journal, memberships, terms, digest, champion, "flow promote")
        finally:
            runner.run(memberships.close())
            runner.run(journal.close())


@flow(name="promote")
def promote(
    release: str | None = None,
    to: str | None = None,
    reason: str | None = None,
    wait_s: float | None = None,
    look_s: float | None = None,
) -> None:
    """Promote a release through the environments, into production by a canary.

    Parameters
    ----------
    release
        A release folder or its name; None goes on with the one whose canary is under way, if there is one.
    to
        `development`, `staging` or `production` (None).
    reason
        Why, in one line.
    wait_s
        Seconds to wait for approvals; None refuses without them.
    look_s
        Seconds between two looks at the canary, 60 with None; 0 looks once and leaves the rest to the next
        run.
    """
    with one_at_a_time():
        if release is None:
            # What a look does stands in the trail step by step (`tell`); one that does nothing writes
            # nothing, or a deployment would fill the trail within days.
            folder = asyncio.run(canary_release.under_way(ROOT))
            if folder is None:
                LOG.info("no canary is under way")
                return
            through(folder, to, reason, wait_s, look_s)
            return
        given = {"release": release, "to": to, "reason": reason, "wait_s": wait_s, "look_s": look_s}
        with recorded(ROOT, "promote", given, needed=True):
            through(preflight.named(ROOT, release), to, reason, wait_s, look_s)


def through(
    folder: Path, to: str | None, reason: str | None, wait_s: float | None, look_s: float | None
) -> None:
    """Take a release through the environments up to the one that is asked for."""
    stage, why = preflight.stage(to), reason or "The evidence of its canary."
    environments = preflight.ENVIRONMENTS[: preflight.ENVIRONMENTS.index(stage) + 1]
    progress = Progress(["verify", "approvals", *environments])
    with progress.step("verify"):
        found = verify(folder)
    note(release=found.request.name, statement_sha256=found.request.digest)
    if stage == preflight.PRODUCTION:
        champion_of(found)  # refused before anything is signed
        ready(found, folder)
    with progress.step("approvals") as step:
        step.note = wait_for_approvals(found, float(wait_s or 0))
    for each in environments:
        with progress.step(each) as step:
            if each == preflight.PRODUCTION:
                step.note = into_production(found, folder, why, LOOK_S if look_s is None else float(look_s))
            else:
                step.note, step.idle = into(found, folder, each, why)


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Let one promotion of a flow run in this repository at a time; the lock dies with its process."""
    state = ROOT / ".fairmark"
    state.mkdir(exist_ok=True)
    with locked(
        state / "promote.lock", f"{ROOT}: must have one canary at a time, got another flow that runs"
    ):
        yield


def into(found: "Candidate", folder: Path, stage: str, reason: str) -> tuple[str, bool]:
    """Promote a release to a stage unless it is there; return what there is to note, and whether it was."""
    now = promotion_tags.now_in(promotion_tags.refs(ROOT, found.name).promotions, stage)
    if now is not None and now.version == found.version:
        return f"holds {found.version} already", True
    return sign(folder, stage, reason), False


def ready(found: "Candidate", folder: Path) -> None:
    """Do nothing where no finding and no open question keeps a release from a canary that is to begin.

    Raises
    ------
    RefusedError
        Naming each that does.
    """
    # One that is under way, or in production, is looked at whatever was found since: a look may take it back.
    held = promotion_tags.now_in(promotion_tags.refs(ROOT, found.name).promotions, preflight.PRODUCTION)
    there = held is not None and held.version == found.version
    if not there and not asyncio.run(canary_release.is_tried(ROOT, found.request.digest)):
        keys, now = [own_key(make=False).public], dt.datetime.now(tz=dt.UTC)
        promotions.refuse_unready(ROOT, folder, read_approvers(ROOT / FILE), keys, now)


def champion_of(found: "Candidate") -> promotion_tags.Promotion:
    """Return the promotion of the release that production goes back to.

    Raises
    ------
    RefusedError
        When there is none.
    """
    champion = canary_release.champion(promotion_tags.refs(ROOT, found.name).promotions, found.version)
    canary_release.refuse_without(champion)
    assert champion is not None  # noqa: S101 - refused above
    return champion


def into_production(found: "Candidate", folder: Path, reason: str, look_s: float) -> str:
    """Steer the canary until it is decided, or look once; return what became of it.

    Raises
    ------
    RefusedError
        When it was returned.
    UndeterminedError
        When there was not enough evidence by the stated maximum: a named person decides.
    """
    champion = champion_of(found)
    if (left := asyncio.run(canary_release.half_returned(ROOT, found.name, found.version))) is not None:
        tag = take_back(found.name, preflight.PRODUCTION, champion.version, left)
        raise RefusedError(
            f"{found.request.name} was returned before, {preflight.PRODUCTION} holds {champion.version} "
            f"again ({tag})",
            left,
        )
    if canary_release.settled(ROOT, found.name, found.version) and not asyncio.run(
        canary_release.is_tried(ROOT, found.request.digest)
    ):
        return f"holds {found.version} already"
    with journal_of(found, folder, f"sha256:{champion.digest}") as (runner, canary):
        if not runner.run(canary.begin(now_us())):
            for line in lines(canary.terms):
                say(line)
        missing = 0
        while True:
            try:
                advice = runner.run(canary.look(now_us()))
                missing = 0
            except UnavailableError as error:
                # A look that fails decides nothing: who answers stays as it is.
                missing += 1
                if missing > PATIENCE:
                    raise
                say(f"{error}; looking again")
                runner.run(asyncio.sleep(look_s))
                continue
            if (ended := follow(runner, canary, advice, found, folder, champion, reason)) is not None:
                return ended
            if not look_s:
                return advice.reasons[0]
            runner.run(asyncio.sleep(look_s))


def follow(
    runner: asyncio.Runner,
    canary: Canary,
    advice: Advice,
    found: "Candidate",
    folder: Path,
    champion: promotion_tags.Promotion,
    reason: str,
) -> str | None:
    """Do what an advice says; return what became of the canary when it is over.

    A promotion is signed before everybody meets the release. A return is the other way round: first nobody
    meets it any more, then it is signed. Where a load balancer is named, a release has its traffic before the
    journal says so, and gives it up after.
    """
    if advice.action == "continue":
        runner.run(canary.follow(advice, now_us()))
        return None
    if advice.action == "promote" and not canary_release.settled(ROOT, found.name, found.version):
        say(f"production: {sign(folder, preflight.PRODUCTION, reason)}")
    if advice.action in {"promote", "grow"}:
        weigh(f"{found.name}@{found.version}", "challenger", advice.share)
        runner.run(canary.follow(advice, now_us()))
        tell(found, advice)
        return None
    runner.run(canary.follow(advice, now_us()))
    tell(found, advice)
    left = back_to(f"{found.name}@{champion.version}") if advice.action in TAKEN_BACK else ()
    if advice.action == "return":
        back = f"{found.request.name} was returned"
        if canary_release.settled(ROOT, found.name, found.version):
            tag = take_back(found.name, preflight.PRODUCTION, champion.version, advice.reasons[0])
            back += f", {preflight.PRODUCTION} holds {champion.version} again ({tag})"
        raise RefusedError(back, *advice.reasons, *left)
    if advice.action == "insufficient evidence":
        raise UndeterminedError(
            f"{found.request.name}: must be shown to be within every limit, got insufficient evidence; "
            f"{champion.version} answers everybody, and a named person decides (fairmark promote)",
            *advice.reasons,
            *left,
        )
    return "in production" if advice.action == "keep" else None


if __name__ == "__main__":
    command.run(promote, **GIVEN)

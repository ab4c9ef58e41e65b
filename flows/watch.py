"""The flow `watch`: look at what is in production, and do what the policy says that an alarm does.

The decision is made here, by `watch.alarm`; Prefect is told by an event and decides nothing. An alarm may
tell people, let the fallback answer, or make a candidate on newer data, which nobody but a person promotes.
What could not be done is tried again by the next run.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # whoever runs this file by its path

from flows import command

if __name__ == "__main__":  # what can be refused is refused before Prefect is imported
    from flows import preflight

    GIVEN = command.begin(
        "watch",
        "Look at what is in production, and do what an alarm asks for.",
        preflight.watch,
        stage="production (the default), or another environment",
        page="where the watch page is written; by default .fairmark/watch.html",
    )

# isort: split
# Prefect reads its settings when it is imported: the lines above have set them.
import asyncio
from typing import TYPE_CHECKING

from prefect import flow

from fairmark.errors import FairmarkError, StateError
from fairmark.files import write_text
from fairmark.governance import trail
from fairmark.journal.entry import now_us
from fairmark.journal.place import journal_address, memberships_address, open_journal
from fairmark.params.read import read_params
from fairmark.serve.canary.release import attended
from fairmark.serve.canary.state import CanaryState
from fairmark.serve.stage import version_in
from fairmark.signing.key_store import own_public
from fairmark.watch import alarm as alarms
from fairmark.watch.look import Target, counts_file, desk, look, open_end, standing, target
from fairmark.watch.notify import Channels
from fairmark.watch.page import lines
from fairmark.watch.page import page as page_of
from flows import candidate, preflight
from flows.audited import audited, note, task
from flows.console import Progress, say
from flows.settings import ROOT

if TYPE_CHECKING:
    from fairmark.journal.store import Journal
    from fairmark.watch.documents import WatchSummary

BY = "flow watch"


@task()
def verified(stage: str) -> Target:
    """Return what a stage holds, every claim of which was checked."""
    key = own_public()
    if key is None:
        raise StateError("key: must be there to verify what is in production, got none")
    name = read_params(ROOT / "params.yaml").project.name
    return target(f"{name}@{version_in(ROOT, name, stage, [key])}", key, ROOT)


@task()
def counted(of: Target) -> "WatchSummary":
    """Return what the journal shows of it."""
    return asyncio.run(
        look(of, journal_address(ROOT), memberships_address(ROOT), counts_file(ROOT, of.digest))
    )


async def follow(of: Target, found: "WatchSummary", channels: Channels) -> list[str]:
    """Record the alarms that are new, do what is to be done of all, and return what was done, in lines."""
    journal = await open_journal(journal_address(ROOT))
    try:
        before = await alarms.recorded(journal, of.digest)
        waiting = len(candidate.open_candidates(ROOT))
        key = own_public()
        gap = await open_end(journal, of, ROOT, [key] if key else [], now_us())
        raised = [*found.alarms, *([gap] if gap else [])]
        for each in alarms.decide(raised, before, of.of.watch, waiting):
            # Recorded before anything is done: what a kill interrupts is found waiting by the next look.
            kept = await alarms.record(journal, of.digest, each, now_us())
            trail.append(
                ROOT,
                {"action": "alarm", "release": f"{found.name}@{found.version}", "reason": each.alarm.text},
                each.alarm.of,
            )
            emit(found, kept)
        return [
            await attempt(journal, of, found, kept, action, channels)
            # Those of earlier looks too, whose actions did not end well.
            for kept in await alarms.recorded(journal, of.digest)
            for action in kept.waiting
        ]
    finally:
        await journal.close()


async def attempt(
    journal: "Journal",
    of: Target,
    found: "WatchSummary",
    kept: alarms.Recorded,
    action: str,
    channels: Channels,
) -> str:
    """Do one action of an alarm, write into the journal how it ended, and return that in a line."""
    try:
        text = await ACTIONS[action](journal, found, kept, channels)
        done = True
    except FairmarkError as error:
        text, done = "; ".join(error.faults), False
    await alarms.attempted(journal, of.digest, kept, action, now_us(), text, done=done)
    return f"{kept.at[:10]} {action}: {'done' if done else 'to be tried again'}, {text}"


async def notify(
    _journal: "Journal", found: "WatchSummary", kept: alarms.Recorded, channels: Channels
) -> str:
    """Tell people by every channel that the environment names."""
    faults: list[str] = []
    for channel in channels.names:
        try:
            await asyncio.to_thread(channels.tell, channel, kept, f"{found.name}@{found.version}")
        except StateError as error:
            faults += error.faults
    if faults:
        raise StateError(*faults)
    alone = "journal, trail and Prefect alone: no channel is named"
    return f"notified by {', '.join(channels.names) or alone}"


async def fall_back(
    journal: "Journal", _found: "WatchSummary", kept: alarms.Recorded, _channels: Channels
) -> str:
    """Let the fallback answer everybody until a person takes that back."""
    state = CanaryState(phase="fallback", by=BY, reason=kept.text[:300])
    await journal.append([state.entry(now_us())])
    return "the fallback answers from now on"


async def retrain(
    _journal: "Journal", _found: "WatchSummary", kept: alarms.Recorded, _channels: Channels
) -> str:
    """Make a candidate on newer data, on a branch of its own."""
    name = f"watch-{kept.at[:10]}"
    made = await asyncio.to_thread(
        candidate.make, ROOT, name, kept.text, journal_address(ROOT), memberships_address(ROOT), say
    )
    return f"{made} is there to be looked at; nothing was promoted"


ACTIONS = {"notify": notify, "fallback": fall_back, "retrain": retrain}


def emit(found: "WatchSummary", kept: alarms.Recorded) -> None:
    """Send Prefect the event `fairmark.watch.alarm`, for whoever automates on it."""
    from prefect.events import emit_event

    emit_event(
        event="fairmark.watch.alarm",
        resource={
            "prefect.resource.id": f"fairmark.release.{found.name}-{found.version}",
            "prefect.resource.name": f"{found.name}-{found.version}",
        },
        payload={"of": kept.of, "text": kept.text, "actions": list(kept.actions)},
    )


async def seen(of: Target, found: "WatchSummary", at: Path) -> None:
    """Write the watch page."""
    key = own_public()
    journal = await open_journal(journal_address(ROOT))
    try:
        steered = standing(await attended(journal, ROOT, now_us()))
        held = await desk(journal, of, ROOT, [key] if key else [], now_us(), steered)
    finally:
        await journal.close()
    write_text(at, page_of(found, held))


@flow(name="watch")
@audited(lambda: ROOT, needed=False)
def watch(stage: str | None = None, page: str | None = None) -> None:
    """Look once, do what alarms ask for, and write the watch page.

    Parameters
    ----------
    stage
        Environment that is looked at; None for production.
    page
        Where the page is written; None for `.fairmark/watch.html`.
    """
    channels = Channels.of_environment()
    progress = Progress(["verify", "look", "alarms", "page"])
    with progress.step("verify"):
        of = verified(preflight.stage(stage))
    note(release=f"{of.of.name}@{of.of.version}")
    with progress.step("look") as step:
        found = counted(of)
        step.note = f"{len(found.looks)} looks, {len(found.alarms)} alarms"
    with progress.step("alarms") as step:
        done = asyncio.run(follow(of, found, channels))
        step.note = f"{len(done)} actions"
        for line in done:
            say(line)
    with progress.step("page") as step:
        at = Path(page) if page else ROOT / ".fairmark" / "watch.html"
        asyncio.run(seen(of, found, at))
        step.note = str(at)
    for line in lines(found)[:6]:
        say(line)


if __name__ == "__main__":
    command.run(watch, **GIVEN)

"""The flow `seal`: the heads of the journal's chain, signed into the audit trail, on a schedule.

What came after the newest signed head can be written anew by whoever can write the store, and nobody would
see it: so often as this runs, so short is that time. The watch alarms where it has not run for a look.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # whoever runs this file by its path

from flows import command

if __name__ == "__main__":  # what can be refused is refused before Prefect is imported
    from flows import preflight

    GIVEN = command.begin("seal", "Sign the journal's heads into the audit trail.", preflight.seal)

# isort: split
# Prefect reads its settings when it is imported: the lines above have set them.
import asyncio

from prefect import flow

from fairmark.journal import audit
from fairmark.journal.place import existing_journal
from fairmark.signing.key_store import own_key
from flows import preflight
from flows.audited import task
from flows.console import Progress, say
from flows.settings import ROOT


@task()
def sealed(segment: int) -> list[int]:
    """Sign the heads since the newest one, and return the numbers of their entries."""
    return asyncio.run(_sealed(segment))


async def _sealed(segment: int) -> list[int]:
    journal = await existing_journal(ROOT, None)
    try:
        made = await audit.seal(journal, ROOT, segment, own_key(make=False))
    finally:
        await journal.close()
    return [number for number, _ in made]


@flow(name="seal")
def seal() -> None:
    """Seal the journal; where nothing is new, nothing is written.

    Raises
    ------
    VerificationError
        When an entry since the newest head is not what was written: nothing is sealed then.
    """
    progress = Progress(["seal"])
    with progress.step("seal") as step:
        made = sealed(preflight.segment(ROOT))
        step.note = f"{len(made)} heads, the newest of entry {made[-1]}" if made else "nothing is new"
        step.idle = not made
    if made:
        say("publish it: git push REMOTE refs/fairmark/trail")


if __name__ == "__main__":
    command.run(seal, **GIVEN)

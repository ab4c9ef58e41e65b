"""The flow `retrain`: every stage of dvc.yaml in order, one task each, reached only through `dvc repro`.

Runs with no server (`python flows/retrain.py`) and as a deployment. It decides nothing: DVC says what is
stale and makes it. Only what another try can mend is tried again: a lock that another process holds, a
remote that did not answer.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # whoever runs this file by its path

from flows import command

if __name__ == "__main__":  # what can be refused is refused before Prefect is imported
    from flows import preflight

    GIVEN = command.begin("retrain", "Bring every stage up to date.", preflight.retrain)

# isort: split
# Prefect reads its settings when it is imported: the lines above have set them.
from contextlib import suppress
from typing import Any

from prefect import flow

from fairmark.errors import StateError
from fairmark.files import lines_of
from fairmark.repo import dvc, recovery
from fairmark.repo.commit import trace
from fairmark.repo.data_versions import DATA
from fairmark.repo.machine import check_source
from flows.audited import audited, task
from flows.console import Progress, say
from flows.settings import LOG, ROOT

WAIT_S = [5, 20, 60]
"""Seconds before each further try."""


def may_help(_task: object, _run: object, state: object) -> bool:
    """Return whether another try can mend the failure in `state`; say so if it can."""
    error = getattr(state, "data", None)
    if not isinstance(error, dvc.AgainError):
        return False
    for line in (*lines_of(str(error)), "trying again"):
        say(line)
    return True


PATIENT: dict[str, Any] = {
    "retries": len(WAIT_S),
    "retry_delay_seconds": WAIT_S,
    "retry_condition_fn": may_help,
}
"""A task that is tried again when, and only when, that may help."""


@task(**PATIENT, task_run_name="data")
def data(order: list[str]) -> list[str]:
    """Pull the raw data unless it is all there, and return the stages that DVC has to be asked for."""
    found = dvc.status(ROOT)
    if found:
        for line in recovery.broken(ROOT):
            say(line)
    if DATA in found:
        dvc.pull(ROOT)
        found = dvc.status(ROOT)
    return dvc.stale(found, order)


@task(**PATIENT, task_run_name="{stage}")
def reproduce(stage: str, stale: bool) -> str:
    """Bring one stage up to date; return what there is to note of it."""
    if not stale:
        return "up to date"
    return dvc.reproduce(ROOT, stage, say)


def steps() -> list[str]:
    """Return the names of the steps that `run_stages` goes through."""
    return ["data", *dvc.stages(ROOT)]


def run_stages(progress: Progress) -> None:
    """Bring every stage up to date, in order: the part that `retrain` and `release` share."""
    order = dvc.stages(ROOT)
    with recovery.begun(ROOT):
        with progress.step("data"):
            stale = data(order)
            progress.spared = set(order) - set(stale)
        for stage in order:
            with progress.step(stage) as step:
                step.note = reproduce(stage, stage in stale)
                step.idle = bool(step.note)


def put_right() -> None:
    """Put right what a killed run left in the way, and say what it was.

    Raises
    ------
    StateError
        When the flow's own code is not that of the folder that it works on.
    """
    check_source(ROOT, "flow")
    for line in recovery.recover(ROOT):
        say(line)


@flow(name="retrain", log_prints=False)
@audited(lambda: ROOT, needed=False)
def retrain() -> None:
    """Bring every stage up to date."""
    put_right()
    progress = Progress(steps())
    run_stages(progress)
    LOG.info("every stage is up to date after %s", progress.total())
    with suppress(StateError):  # without git there is nothing to be committed either
        if changed := trace(ROOT).dirty:
            LOG.info("to be looked at and committed before a release: %s", ", ".join(changed))


if __name__ == "__main__":
    command.run(retrain, **GIVEN)

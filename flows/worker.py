"""Start the worker of this working copy; first end on the server what a killed worker has left as running.

A worker that is killed together with its flow (a power cut, the kernel short of memory) can tell the server
nothing: the run stays Running, and the limit of one run turns every later one away. One worker at a time
starts here, so what the server holds for running and no process here bears is over.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # whoever runs this file by its path

from flows import command

if __name__ == "__main__":
    command.complete("worker")

# isort: split
# Prefect reads its settings when it is imported: the line above has set them.
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from fairmark.errors import FairmarkError, StateError
from fairmark.repo import guardian
from fairmark.repo.locks import lock
from fairmark.terminal import stopped
from flows import console  # noqa: F401 - which shows what is told
from flows.settings import LOG, ROOT, SERVED

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun

POOL = "fairmark"
BEARS = "PREFECT__FLOW_RUN_ID"
"""The variable that Prefect gives to the process of a run."""


def hold(root: Path) -> int:
    """Return an open file whose lock says that a worker runs here; it goes along into the worker's process.

    Raises
    ------
    StateError
        When another worker holds it.
    """
    (root / ".fairmark").mkdir(exist_ok=True)
    handle = lock(
        root / ".fairmark" / "worker.lock", f"{root}: must have one worker at a time, got another that runs"
    )
    os.set_inheritable(handle, True)
    return handle


def lives(run: UUID) -> bool:
    """Return whether a process of this machine bears the run; where that can't be read, whether any may."""
    found = guardian.bearers(BEARS)
    if not Path("/proc/self/environ").exists():
        return bool(found)
    # In either way of writing a UUID.
    words = (b"%s=%s" % (BEARS.encode(), text.encode()) for text in (str(run), run.hex))
    seen = b"\0".join(guardian.environment_of(pid) for pid in found)
    return any(word in seen for word in words)


def end_dead_runs() -> list[str]:
    """Set every run of the pool that the server holds for begun, and that no process bears, to Crashed.

    Returns
    -------
    list
        The names of the runs.
    """
    from prefect.client.orchestration import get_client
    from prefect.states import Crashed

    crashed: Any = Crashed(message="Its process is gone: it was killed together with its worker.")
    ended = []
    with get_client(sync_client=True) as client:
        for run in _begun():
            if not lives(run.id):
                client.set_flow_run_state(run.id, crashed, force=True)
                ended.append(run.name)
    return ended


def _begun() -> "Sequence[FlowRun]":
    from prefect.client.orchestration import get_client
    from prefect.client.schemas import filters
    from prefect.client.schemas.objects import StateType

    begun = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
    with get_client(sync_client=True) as client:
        return client.read_flow_runs(
            flow_run_filter=filters.FlowRunFilter(
                state=filters.FlowRunFilterState(type=filters.FlowRunFilterStateType(any_=begun))
            ),
            work_pool_filter=filters.WorkPoolFilter(name=filters.WorkPoolFilterName(any_=[POOL])),
        )


def start() -> None:
    """Become the worker.

    Raises
    ------
    StateError
        When no server is named, none answers, or another worker runs here.
    """
    if not SERVED:
        raise StateError("PREFECT_API_URL: must name the server that the worker asks, got nothing")
    hold(ROOT)
    try:
        ended = end_dead_runs()
    except Exception as error:
        if not command.unreachable(error):
            raise
        raise command.no_answer(error) from error
    for name in ended:
        LOG.info("run %s was killed together with its worker: it is set to Crashed", name)
    prefect = str(Path(sys.executable).with_name("prefect"))
    os.environ["FAIRMARK_HOME"] = str(ROOT)
    os.execv(prefect, [prefect, "worker", "start", "--pool", POOL, *sys.argv[1:]])  # noqa: S606


if __name__ == "__main__":
    try:
        start()
    except FairmarkError as fault:
        stopped("worker stopped", fault.faults)
        sys.exit(fault.exit_code)

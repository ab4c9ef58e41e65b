"""Tell the audit trail of a flow's run: that it began, and how it ended.

Of people it holds the git identity alone, which every tag and commit of the repository carries already: not
the name of the user or of the machine, no address, no path. A run that was killed writes no end; the next run
says so, and so does `fairmark trail`.
"""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fairmark.errors import FairmarkError, RefusedError
from fairmark.governance.trail import Entry, append, entries
from fairmark.repo.git import git
from fairmark.repo.machine import cpu
from fairmark.terminal import redacted

LONGEST = 2000
"""Characters of a fault's text that are kept."""

COMPLETED, REFUSED, FAILED, STOPPED = "completed", "refused", "failed", "stopped"


@dataclass(frozen=True)
class Run:
    """A run that has begun: the number of its entry, and the runs before it that never ended."""

    root: Path
    flow: str
    number: int
    unended: tuple[int, ...]

    def ended(self, outcome: str, fault: str | None = None, found: Mapping[str, object] | None = None) -> str:
        """Write how the run ended, and return the trail's new head.

        Parameters
        ----------
        outcome
            `completed`, `refused`, `failed` or `stopped`.
        fault
            What stood in the way, for all but the first.
        found
            What was made or decided: `release`, `verdict`.

        Raises
        ------
        StateError
            When the trail can't be written.
        """
        event: dict[str, object] = {
            "action": "ended",
            "flow": self.flow,
            "began": self.number,
            **(found or {}),
        }
        if fault is not None:
            event["fault"] = redacted(fault)[:LONGEST]
        return append(self.root, event, outcome).digest


def began(root: Path, flow: str, parameters: Mapping[str, object], run: str | None) -> Run:
    """Write that a flow begins, and return the run.

    Parameters
    ----------
    parameters
        What the flow was called with.
    run
        Prefect's id of the run, or None.

    Raises
    ------
    StateError
        When the trail can't be written.
    """
    kept = entries(root)
    # Each run without an end is told once, by the next beginning.
    known = {number for entry in kept for number in entry.event.without_end}
    left = tuple(entry.number for entry in unended(kept) if entry.number not in known)
    event = {
        "action": "began",
        "flow": flow,
        "run": run,
        "parameters": {name: _plain(value) for name, value in parameters.items()},
        "commit": git(root, "rev-parse", "--verify", "--quiet", "HEAD^{commit}").stdout.strip() or None,
        "machine": machine(),
        "without_end": list(left),
    }
    return Run(root, flow, append(root, event, "began").number, left)


def outcome_of(error: BaseException | None) -> tuple[str, str | None]:
    """Return how a run ended that ended by `error` (None: well), and its fault's text."""
    if error is None:
        return COMPLETED, None
    if isinstance(error, RefusedError):
        return REFUSED, str(error)
    if isinstance(error, FairmarkError):
        return FAILED, str(error)
    if isinstance(error, Exception):
        return FAILED, f"{type(error).__name__}: {error}"
    return STOPPED, f"{type(error).__name__}: {error}".removesuffix(": ")


def unended(kept: Sequence[Entry]) -> list[Entry]:
    """Return the entries of runs that began and wrote no end: they were killed, or still run."""
    over = {entry.event.began for entry in kept if entry.event.action == "ended"}
    return [entry for entry in kept if entry.event.action == "began" and entry.number not in over]


def machine() -> dict[str, str]:
    """Return what may change a result's last digits: the CPU's model, the platform, the Python."""
    return {"cpu": cpu(), "platform": platform.platform(), "python": platform.python_version()}


def _plain(value: object) -> bool | int | str | None:
    # No password of an address goes into a trail that everybody keeps.
    return value if value is None or isinstance(value, bool | int) else redacted(str(value))

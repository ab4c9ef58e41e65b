"""The decorators of flows and tasks: every run stands in the audit trail, and no error carries a secret.

The trail is written around the flow's own function, so that a run by hand, by a worker or by a schedule is
told alike: that it began, and how it ended. What a run found (its verdict, its release) is noted on the way.
A task's errors are kept and shown by Prefect, so they are said without a secret.
"""

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from fairmark.errors import StateError, without_secret
from fairmark.governance import flow_runs
from flows.settings import LOG

if TYPE_CHECKING:
    import prefect

P = ParamSpec("P")
R = TypeVar("R")

_FOUND: dict[str, object] = {}


def note(**found: object) -> None:
    """Note what the run of this process found, for the entry that tells its end."""
    _FOUND.update(found)


def audited(root: Callable[[], Path], *, needed: bool) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator that writes the runs of a flow's function into the trail of the repository.

    Parameters
    ----------
    root
        Tells the repository when the flow runs.
    needed
        Whether a run whose trail can't be written must not go on. A release is refused then: nobody could
        tell later who let it out. Other flows let nothing out; they say so and go on.
    """

    def around(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            bound = inspect.signature(function).bind(*args, **kwargs)
            bound.apply_defaults()
            with recorded(root(), function.__name__, bound.arguments, needed=needed):
                return function(*args, **kwargs)

        return run

    return around


@contextmanager
def recorded(root: Path, flow: str, parameters: Mapping[str, object], *, needed: bool) -> Iterator[None]:
    """Write the beginning and the end of a run around the block.

    Raises
    ------
    StateError
        When the trail can't be written and is needed; at the end only if the block itself went well.
    """
    _FOUND.clear()
    run = _written(lambda: flow_runs.began(root, flow, parameters, _run_id()), needed=needed)
    for number in run.unended if run is not None else ():
        LOG.info("audit trail: the run of entry %d has no end: it was killed, or it still goes on", number)
    try:
        yield
    except BaseException as error:
        if run is not None:
            outcome, fault = flow_runs.outcome_of(error)
            _written(lambda: run.ended(outcome, fault, _FOUND), needed=False)
        if (plain := without_secret(error)) is not error:
            raise plain from None
        raise
    if run is not None:
        _written(lambda: run.ended(flow_runs.COMPLETED, None, _FOUND), needed=needed)


def _written(write: Callable[[], R], *, needed: bool) -> R | None:
    try:
        return write()
    except StateError as error:
        if needed:
            raise StateError(
                "audit trail: must be written, so that it can be told who let this out; got", *error.faults
            ) from error
        LOG.warning("audit trail: not written: %s", error)
        return None


def _run_id() -> str | None:
    if sys.modules.get("prefect") is None:  # refused before Prefect was started
        return None
    from prefect.context import FlowRunContext

    context = FlowRunContext.get()
    return str(context.flow_run.id) if context is not None and context.flow_run is not None else None


def task(**options: Any) -> Callable[[Callable[P, R]], "prefect.Task[P, R]"]:
    """Return the decorator of a task that is never cached and whose errors are said without a secret.

    Parameters
    ----------
    options
        As Prefect's own `task` takes them.
    """
    import prefect
    from prefect.cache_policies import NO_CACHE

    def around(function: Callable[P, R]) -> "prefect.Task[P, R]":
        @wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return function(*args, **kwargs)
            except Exception as error:
                if (plain := without_secret(error)) is not error:
                    raise plain from None
                raise

        made: prefect.Task[P, R] = prefect.task(cache_policy=NO_CACHE, **options)(run)
        return made

    return around

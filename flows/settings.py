"""Where a flow runs: its folder, its environment, its log. Import this before Prefect.

Prefect reads its settings when it is imported, so what it needs is set here, once, and only where
the user has set nothing. Environment variables pick servers and folders, never a result.
"""

import logging
import os
import time
from pathlib import Path

from fairmark.errors import FairmarkError
from fairmark.repo import proxies
from fairmark.terminal import plain

BEGAN = time.monotonic()
"""When this process began, as near as can be told."""

ROOT = Path(os.environ.get("FAIRMARK_HOME") or Path(__file__).parents[1]).resolve()
"""The working copy that the flows work on: this one, or the one that FAIRMARK_HOME names."""

LOG = logging.getLogger("fairmark")
"""What a flow tells its user: printed, and sent to the Prefect server with the run."""

SERVED = "PREFECT_API_URL" in os.environ
"""True when a Prefect server is named; otherwise one is started for the length of the flow."""


def own_profile() -> bool:
    """Return whether the user keeps Prefect profiles."""
    return (Path.home() / ".prefect" / "profiles.toml").exists()


def settings(served: bool, profiled: bool) -> dict[str, str]:
    """Return the Prefect settings that hold unless the user chose others.

    Parameters
    ----------
    served
        Whether a Prefect server is named; then its own settings are left alone.
    profiled
        Whether the user keeps Prefect profiles; then they are used.
    """
    chosen = {
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_EXTRA_LOGGERS": LOG.name,
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
    }
    if not profiled:
        chosen["PREFECT_HOME"] = str(ROOT / ".prefect")
    if not served:
        # A user's profile may name no server, and Prefect starts its own then: 20 s, the default, are too few
        # for a first start on a busy machine. On its way out it tells of its own cancelled work as errors
        # with tracebacks; nothing of the run is lost by them.
        chosen |= {
            "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "90",
            "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
            "PREFECT_LOGGING_LEVEL": "ERROR",
        }
    return chosen


for _name, _value in settings(SERVED, own_profile()).items():
    os.environ.setdefault(_name, _value)
proxies.spare_loopback()


class _Plain(logging.Filter):
    """Take the traceback off an error that a user can act on: its text says it all."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, FairmarkError):
            words = "\n".join(plain(fault) for fault in error.faults)
            record.exc_info, record.msg, record.args = None, "%s", (words,)
        return True


class _PlainText(logging.Filter):
    """Hide secrets and control characters of what goes to the terminal and to the Prefect server alike."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = plain(record.getMessage()), None
        return True


for _name in ("prefect.flow_runs", "prefect.task_runs"):
    logging.getLogger(_name).addFilter(_Plain())
LOG.addFilter(_PlainText())

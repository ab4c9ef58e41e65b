"""What a release was made on, in one line: what may explain a last digit that differs elsewhere.

The clock of this machine: what it can be held against, and how far it may be from those of others.

Proxies of the environment: none between programs of one machine, and named where they may be a cause.

The code that runs, held against the code that stands in the folder: what is recorded is what was run.

DVC records the hash of the sources in the folder that it works on. An editable install, or one environment
for two clones, can run another folder's: `dvc.yaml` names the folder's own code first, and what is started
past it is refused here.
"""

import datetime as dt
import os
import platform
from collections.abc import Mapping, MutableMapping
from pathlib import Path

from fairmark.errors import StateError
from fairmark.files import lines_of
from fairmark.terminal import redacted


def made_on() -> str:
    """Return the CPU's model, the platform and the Python, parted by semicolons; no name of host or user."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    system = f"{platform.system()} {platform.machine()} {'-'.join(platform.libc_ver())}"
    return "; ".join((cpu(), system.strip(" -"), python))


def cpu() -> str:
    """Return the model of the CPU as the system names it."""
    try:
        lines = lines_of(Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace"))
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or "unknown processor")


# ------------------------------------------------------------------ clock


SKEW = dt.timedelta(minutes=5)
"""How far the clocks of two people may be apart."""


def refuse_behind(committed: str, now: dt.datetime) -> None:
    """Do nothing when `now` is not before the commit's time, ISO 8601 in UTC, which must have come.

    A clock that is behind would let waivers and approvals count, or not, by a day that is none.

    Raises
    ------
    StateError
        Naming both times.
    """
    if dt.datetime.fromisoformat(committed) > now + SKEW:
        raise StateError(
            f"clock: must be past the commit's own time, {committed}, got {now:%Y-%m-%dT%H:%M:%SZ} "
            "(set this clock; or, if the committer's was wrong, commit again)"
        )


# ------------------------------------------------------------------ proxies


LOOPBACK = ("127.0.0.1", "localhost", "::1")


def spare_loopback(environment: MutableMapping[str, str] = os.environ) -> None:
    """Let no proxy stand before the loopback addresses, whatever proxies the environment names.

    Programs read `no_proxy` or `NO_PROXY`, and most of them the first that they find: both say the same then.
    """
    if not named(environment):
        return
    spared = [environment.get(name, "") for name in ("no_proxy", "NO_PROXY")]
    hosts = [host.strip() for text in spared for host in text.split(",") if host.strip()]
    hosts = list(dict.fromkeys([*hosts, *LOOPBACK]))
    if "*" not in hosts:
        environment["no_proxy"] = environment["NO_PROXY"] = ",".join(hosts)


def named(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return the proxies that the environment names, as `NAME=address` without their passwords."""
    names = ("http_proxy", "https_proxy", "all_proxy")
    return [
        f"{name}={redacted(text)}"
        for name, text in sorted(environment.items())
        if name.lower() in names and text.strip()
    ]


# ------------------------------------------------------------------ source


PACKAGE = Path("src") / "fairmark"
"""Where a folder holds the code of its stages, if it does."""


def check_source(root: Path, where: str) -> None:
    """Do nothing when the package that runs is that of the folder `root`, or `root` holds none.

    Raises
    ------
    StateError
        When the code that runs is another folder's than the one that would be recorded.
    """
    here, running = (root / PACKAGE).resolve(), Path(__file__).resolve().parent
    if here.is_dir() and here != running:
        raise StateError(
            f"{where}: must run the code of its own folder {here}, got that of {running}: "
            f"set PYTHONPATH={here.parent}, or install that folder into this environment"
        )

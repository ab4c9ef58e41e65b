"""The machine at hand: what a release was made on, how far its clock can be trusted, and whose code it runs.

DVC records the hash of the sources in the folder that it works on. An editable install, or one environment
for two clones, can run another folder's: `dvc.yaml` names the folder's own code first, and what is started
past it is refused here.
"""

import datetime as dt
import platform
from pathlib import Path

from fairmark.errors import StateError
from fairmark.files import lines_of
from fairmark.record import utc_text


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
            f"clock: must be past the commit's own time, {committed}, got {utc_text(now)} "
            "(set this clock; or, if the committer's was wrong, commit again)"
        )


PACKAGE = Path("src") / "fairmark"
"""Where a folder holds the code of its stages, if it does."""


def check_source(root: Path, where: str) -> None:
    """Do nothing when the package that runs is that of the folder `root`, or `root` holds none.

    Raises
    ------
    StateError
        When the code that runs is another folder's than the one that would be recorded.
    """
    here, running = (root / PACKAGE).resolve(), Path(__file__).resolve().parents[1]
    if here.is_dir() and here != running:
        raise StateError(
            f"{where}: must run the code of its own folder {here}, got that of {running}: "
            f"set PYTHONPATH={here.parent}, or install that folder into this environment"
        )

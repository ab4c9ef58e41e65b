"""What a release was made on, in one line: what may explain a last digit that differs elsewhere."""

import platform
from pathlib import Path

from fairmark.files import lines_of


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

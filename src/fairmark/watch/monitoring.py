"""Rules for who watches the service itself: alerts of Prometheus, a dashboard of Grafana.

They stand on what the service exports (`serve.metrics`). What needs the journal, its labels and its groups is
the watch's own, and alarms from there.
"""

from importlib.resources import files
from pathlib import Path

from fairmark.files import write_text

NAMES = ("alerts.yml", "dashboard.json")


def text(name: str) -> str:
    """Return the text of one of `NAMES`."""
    return (files("fairmark.watch") / "data" / name).read_text(encoding="utf-8")


def written(folder: Path) -> list[Path]:
    """Write both into a folder, and return where."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        write_text(folder / name, text(name))
    return [folder / name for name in NAMES]

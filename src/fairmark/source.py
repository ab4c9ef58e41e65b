"""The code that runs, held against the code that stands in the folder: what is recorded is what was run.

DVC records the hash of the sources in the folder that it works on. An editable install, or one environment
for two clones, can run another folder's: `dvc.yaml` names the folder's own code first, and what is started
past it is refused here.
"""

from pathlib import Path

from fairmark.errors import StateError

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

"""Call a peer: a program of bench/peers/ in an environment of its own, which knows nothing of fairmark."""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sides.rows import ROOT

HERE = Path(__file__).parents[1] / "peers"


def ask(peer: str, folder: Path, question: dict[str, Any]) -> dict[str, Any]:
    """Return what the peer answers about the rows of `folder`.

    In `folder`, `rows.npz` holds the rows, `question.json` what is asked, and `answer.json` what came back;
    arrays stand beside it in `answer.npz`. Seconds in an answer are the peer's own, taken after its imports.
    """
    (folder / "question.json").write_text(json.dumps(question))
    done = subprocess.run(
        [python(), str(HERE / f"{peer}.py"), str(folder)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"bench/peers/{peer}.py stopped:\n{done.stderr[-2000:]}")
    return json.loads((folder / "answer.json").read_text())


def python() -> str:
    """Return the path of the peers' Python, which `make bench` exports."""
    path = os.environ.get("FAIRMARK_BENCH_PYTHON", str(ROOT / ".venv-bench" / "bin" / "python"))
    if not Path(path).is_file():
        sys.exit(f"FAIRMARK_BENCH_PYTHON: must be the peers' Python (make bench sets it up), got {path}")
    return path


def alternate(repeats: int, *sides: Callable[[], float]) -> list[list[float]]:
    """Return the seconds of each side, [side][repeat]; the sides take turns, so that load falls on all."""
    taken = [[side() for side in sides] for _ in range(repeats)]
    return [list(seconds) for seconds in zip(*taken, strict=True)]


def against(title: str, ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Print both medians and return how many times the peer's is ours."""
    mine, other = statistics.median(ours), statistics.median(theirs)
    print(
        f"{title}: ours {mine:.3g} s, peer {other:.3g} s (medians of {len(ours)}), "
        f"peer / ours = {other / mine:.3g}"
    )
    return other / mine

"""Call a peer: a program of bench/peers/ in an environment of its own, which knows nothing of fairmark."""

import hashlib
import json
import os
import shutil
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

    In `folder`, `rows.npz` holds the rows, `question.json` what is asked, and `answer.json` what came
    back; arrays stand beside it in `answer.npz`. Seconds in an answer are the peer's own, taken after its
    imports.
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


def ask_once(peer: str, folder: Path, question: dict[str, Any], kept: Path) -> dict[str, Any]:
    """Return what the peer answers, as `ask`; the same peer is asked the same of the same rows once.

    `kept` holds the answers by a hash of the peer's program, the question and rows.npz: what is compared
    with a peer again and again while our side changes need not run it again.
    """
    parts = (HERE / f"{peer}.py", HERE / "asked.py", folder / "rows.npz")
    key = hashlib.sha256(json.dumps(question, sort_keys=True).encode())
    for path in parts:
        key.update(hashlib.sha256(path.read_bytes()).digest())
    own, names = kept / f"{peer}-{key.hexdigest()[:16]}", ("answer.json", "answer.npz")
    if not own.is_dir():
        answer = ask(peer, folder, question)
        own.mkdir(parents=True)
        for name in names:
            shutil.copy(folder / name, own / name)
        return answer
    for name in names:
        shutil.copy(own / name, folder / name)
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

"""Our search against scikit-optimize's BayesSearchCV: AUC on test rows and total time.

Run `python bench/search.py [REPEATS]`. Both search the same LightGBM settings on the same rows of Adult
(the columns of params.yaml), without mitigation, and end with a fitted model; repeats differ in their
seed. The peer scores each candidate by 5-fold cross-validated AUC, searches the number of trees too (it
has no early stopping), and refits its best on all the rows it was given: train and validation rows, or
train rows alone. Ours learns from train rows alone, stops each fit early on validation rows, and chooses
by accuracy there. It runs twice: with as many fits as the peer, and with as many candidates.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from sides.peer import against, ask
from sides.rows import Rows, rows
from sklearn.metrics import roc_auc_score

from fairmark.learn.fit import fit_model
from fairmark.learn.parts import read_parts
from fairmark.learn.record import Record
from fairmark.learn.result import Result
from fairmark.learn.search import Search
from fairmark.learn.trial import Setup, attempt
from fairmark.learn.workers import Here
from fairmark.params import Policy, Tune

CANDIDATES, FOLDS = 16, 5
PEERS = {
    "BayesSearchCV, train and validation rows": ("train", "valid"),
    "BayesSearchCV, train rows": ("train",),
}
OURS = {"ours, as many fits": CANDIDATES * FOLDS, "ours, as many candidates": CANDIDATES}


def unmitigated(data: Rows, trials: int, seed: int) -> tuple[Tune, Policy]:
    """Return the search of params.yaml over boosted trees alone, with no limit on groups."""
    given, policy = data.params.tune, data.params.policy
    search = given.model_copy(
        update={
            "seed": seed,
            "trials": trials,
            "families": {"boosted": given.families["boosted"]},
            "balance": ["none"],
            "reweighing": [False],
            "mitigation": [],
        }
    )
    limits = [limit for limit in policy.limits if limit.attribute is None and limit.measure == "roc_auc"]
    return search, policy.model_copy(update={"limits": limits, "waivers": []})


def ours(data: Rows, folder: Path, trials: int, seed: int) -> tuple[float, float]:
    """Return the seconds of a search and of the fit of what it chose, one after another, and the AUC."""
    search, policy = unmitigated(data, trials, seed)
    start = time.perf_counter()
    setup = Setup.of(data.files, data.params.train, policy, 0.0, f"{seed}-{trials}")
    record = Record(folder / f"{seed}-{trials}.jsonl")
    found = Search(search, policy, partial(attempt, setup), Here(), record, lambda _: None).run()
    best = Result(search, policy, data.params.train.threshold.maximise, found).best
    model = fit_model(read_parts(*data.files), best.chosen, data.params.train, policy)
    seconds = time.perf_counter() - start
    return seconds, float(roc_auc_score(data.label("test"), model.score(data.parts.part("test")[0])))


def theirs(data: Rows, folder: Path, parts: Sequence[str], seed: int) -> tuple[float, float]:
    """Return the peer's seconds and AUC."""
    space: dict[str, Any] = {
        name: dimension.model_dump() for name, dimension in data.params.tune.families["boosted"].items()
    }
    space["n_estimators"] = {"type": "int", "low": 50, "high": data.params.train.max_rounds, "log": True}
    question = {"space": space, "folds": FOLDS, "candidates": CANDIDATES, "parts": parts, "seed": seed}
    answer = ask("bayes_search", folder, question)
    return answer["seconds"], answer["auc"]


def show(sides: dict[str, list[tuple[float, float]]]) -> None:
    """Print each side's medians, and ours against each peer's."""
    print(f"{'':<44}{'seconds':>9}{'AUC':>9}")
    for name, runs in sides.items():
        seconds, auc = (statistics.median(column) for column in zip(*runs, strict=True))
        print(f"{name:<44}{seconds:>9.1f}{auc:>9.4f}")
    for own in OURS:
        for peer in PEERS:
            pairs = list(zip(sides[own], sides[peer], strict=True))
            gain = statistics.median(a[1] - b[1] for a, b in pairs)
            print(f"{own} against {peer}: AUC {gain:+.4f}, ", end="")
            against("seconds", [a[0] for a, _ in pairs], [b[0] for _, b in pairs])


def main(repeats: int) -> None:
    """Let all sides take turns, a seed each turn."""
    sides: dict[str, list[tuple[float, float]]] = {name: [] for name in [*PEERS, *OURS]}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        data = rows(folder)
        data.export(folder / "rows.npz", "sex")
        ours(data, folder, 2, 0)  # imports
        for seed in range(1, repeats + 1):
            for name, parts in PEERS.items():
                sides[name].append(theirs(data, folder, parts, seed))
            for name, trials in OURS.items():
                sides[name].append(ours(data, folder, trials, seed))
    show(sides)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)

"""Many public tables through our stages by params alone, beside what a person would first try on them.

Run `python bench/tables.py [--tables NAME ... | --all] [--more FILE] [--until STAGE] [--quick] [--resume]`.
bench/tables.yaml says what each table is; `--more` names another such file, whose tables may come `from:
{file: PATH}`. Of each table a project is made (`sides/projects.py`), and `prepare`, `audit` and `split`
run once; then, on the same rows and columns:

- ours without a limit on groups: `tune` and `train`; its AUC on test rows stands beside those of LightGBM
  and of logistic regression at their libraries' settings.
- ours with a gated ratio of selection rates of at least 0.8: `tune`, `train` and `evaluate`. Its one
  deterministic model is laid beside two frontiers, each read at our ratio (`sides/equal_ratio.py`):
  thresholds of that plain LightGBM, which look at nobody's group; and Fairlearn's ExponentiatedGradient
  over LightGBM, a lottery that is given the same costs of mistakes as the goal has.

A model is degenerate when it selects fewer than 1% or more than 99%, or is no better than deciding
everybody alike. A stage that ends with a fault leaves its words in the column `stopped`. Seconds are of
the processor, `tune` with one worker. Each table is written to bench/out/tables.csv as soon as it is
done, with the commit that it was run at, and `--resume` runs only those that do not stand there yet; what the
peers answered is kept in bench/out/peers, and they are not run again on the same rows.
"""

import argparse
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sides.equal_ratio import Judge
from sides.peer import ask_once
from sides.projects import RATIO, Project, StageError, project, specs
from sides.rows import OUT, ROOT, Rows
from sklearn.metrics import roc_auc_score

from fairmark.model.model import Model

TARGETS = np.linspace(0.05, 1, 20)
"""Ratios on validation rows that thresholds of the plain model are chosen for."""
CUTS = 200
ROUNDS, PATIENCE = 1000, 30
SHARES = (0.3, 0.15, 0.07)
"""Bounds of ExponentiatedGradient, as shares of what the plain model selects: ratios of about 0.7 to 0.93."""
ITERATIONS, OF_LARGE = 25, 12
LARGE = 1_000_000
"""Encoded numbers in train rows from which ExponentiatedGradient gets two bounds and fewer iterations."""
LEAST_SELECTED = 0.01


def plain(data: Rows, folder: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the AUC of both plain models on test rows with the trees of LightGBM, and LightGBM's scores."""
    asked = {"rounds": ROUNDS, "patience": PATIENCE}
    answer = ask_once("plain_models", folder, asked, OUT / "peers")
    arrays = np.load(folder / "answer.npz")
    label = data.label("test")
    aucs = {
        f"auc_{name}": float(roc_auc_score(label, arrays[f"{name}_test"])) for name in ("boosted", "logistic")
    }
    return aucs | {"trees": answer["trees"]}, {part: arrays[f"boosted_{part}"] for part in ("valid", "test")}


def thresholds(scores: dict[str, np.ndarray], judges: dict[str, Judge]) -> np.ndarray:
    """Return decisions on test rows by the best thresholds on validation rows at each target, [k, n]."""
    cuts = np.unique(np.quantile(scores["valid"], np.linspace(0, 1, CUTS)))
    ratio, quality = judges["valid"].measured((scores["valid"] >= cuts[:, None]).astype(float))
    reaching = [np.flatnonzero(ratio >= target) for target in TARGETS]
    best = [int(np.argmax(quality)), *(int(some[np.argmax(quality[some])]) for some in reaching if len(some))]
    return (scores["test"] >= cuts[sorted(set(best)), None]).astype(float)


def gradient(data: Rows, folder: Path, trees: int, selected: float, goal: str) -> np.ndarray:
    """Return the chances of ExponentiatedGradient to select each test row at each of its bounds, [k, n]."""
    train = data.label("train")
    large = data.matrix("train").size > LARGE
    costs = {"fp": 1.0, "fn": 1.0}
    if goal == "balanced_accuracy":
        costs = {"fp": 0.5 / float(1 - train.mean()), "fn": 0.5 / float(train.mean())}
    asked = {
        "settings": {"n_estimators": trees, "seed": 1},
        "bounds": [max(share * selected, 1e-4) for share in (SHARES[1:] if large else SHARES)],
        "costs": costs,
        "iterations": OF_LARGE if large else ITERATIONS,
    }
    answer = ask_once("exponentiated_gradient", folder, asked, OUT / "peers")
    arrays = np.load(folder / "answer.npz")
    return np.stack([arrays[f"decide_test_{place}"] for place in range(len(answer["seconds"]))])


def ours(made: Project, *, ratio: float | None, stages: tuple[str, ...]) -> tuple[float, Model]:
    """Return the seconds of the processor of our stages, and the model that they make."""
    made.ask_for(ratio=ratio)
    seconds = made.run(*stages)
    return seconds, Model.load(made.folder / "artifacts" / "train" / "model")


def compared(decide: np.ndarray, judge: Judge, sides: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return what our decisions on test rows come to, alone and beside each side at the same ratio."""
    (ratio,), (quality,) = judge.measured(decide[None, :])
    selected, trivial = float(decide.mean()), judge.trivial()
    useless = not LEAST_SELECTED <= selected <= 1 - LEAST_SELECTED or quality <= trivial
    line: dict[str, Any] = {"ratio": ratio, "quality": quality, "trivial": trivial, "selected": selected}
    line |= {"degenerate": "yes" if useless else "no"}
    for name, points in sides.items():
        value, gain, error = judge.gain(decide, points)
        line |= {f"{name}_quality": value, f"{name}_gain": gain, f"{name}_se": error}
    return line


def one(name: str, spec: dict[str, Any], folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Return the line of one table."""
    line: dict[str, Any] = {"table": name, "goal": spec["goal"]}
    made = project(name, spec, folder)
    made.ask_for(ratio=None)
    try:
        made.run("prepare", "audit", "split")
    except StageError as fault:
        return line | {"stopped": str(fault)}
    data = made.rows()
    labels = np.concatenate([data.label(part) for part in ("train", "valid", "test")])
    line |= {"rows": len(labels), "columns": len(data.encoder().names), "positive": float(labels.mean())}
    data.export(folder / "rows.npz", made.attribute)
    facts, scores = plain(data, folder)
    trees = facts.pop("trees")
    line |= facts
    judges = {
        part: Judge.of(data.label(part), data.groups(part, made.attribute).tolist(), spec["goal"])
        for part in ("valid", "test")
    }
    test = data.parts.part("test")
    try:
        line["seconds_free"], free = ours(made, ratio=None, stages=("tune", "train"))
        line |= {"family": free.family}
        line |= {"auc_free": float(roc_auc_score(data.label("test"), free.score(test[0])))}
        stages = ("tune", "train") if options.until == "train" else ("tune", "train", "evaluate")
        line["seconds"], model = ours(made, ratio=RATIO, stages=stages)
    except StageError as fault:
        return line | {"stopped": str(fault)}
    line |= {"auc": float(roc_auc_score(data.label("test"), model.score(test[0])))}
    curve = thresholds(scores, judges)
    selected = float(curve[0].mean())
    sides = {"thresholds": curve}
    if not options.quick:
        sides["gradient"] = gradient(data, folder, trees, selected, spec["goal"])
    return line | compared(model.decide(*test).astype(float), judges["test"], sides)


def commit() -> str:
    """Return the commit that is run, with a plus where files that git knows differ from it."""
    said = ["git", "describe", "--always", "--abbrev=7", "--exclude=*", "--dirty=+"]
    return subprocess.run(said, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def kept(path: Path, of: str) -> list[dict[str, Any]]:
    """Return the lines that an earlier run of a commit has written; none of one that was changed since."""
    if of.endswith("+") or not path.is_file():
        return []
    rows = pd.read_csv(path, dtype={"commit": "str"}).to_dict("records")
    lines = [{str(key): value for key, value in row.items() if not pd.isna(value)} for row in rows]
    return [line for line in lines if line.get("commit") == of]


def show(lines: list[dict[str, Any]]) -> None:
    """Print the lines as two tables: ranking without a limit, then decisions within it."""
    frame = pd.DataFrame(lines).set_index("table")
    first = [
        "rows",
        "columns",
        "positive",
        "auc_boosted",
        "auc_logistic",
        "auc_free",
        "family",
        "seconds_free",
    ]
    then = ["goal", "auc", "ratio", "quality", "trivial", "selected", "degenerate", "seconds"]
    peers = [f"{side}_{what}" for side in ("thresholds", "gradient") for what in ("quality", "gain", "se")]
    for title, names in {"no limit on groups": first, f"ratio >= {RATIO}": [*then, *peers]}.items():
        print(f"\n{title}")
        print(frame.reindex(columns=names).to_string(float_format="{:.4g}".format, na_rep=""))
    for name, words in frame.reindex(columns=["stopped"])["stopped"].dropna().items():
        print(f"{name} stopped: {words}")


def main() -> None:
    """Run the tables that are asked for, and write and show their lines."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--tables", nargs="+", metavar="NAME", help="these alone (default: all that are not slow)"
    )
    parser.add_argument("--all", action="store_true", help="the slow ones too")
    parser.add_argument("--more", type=Path, metavar="FILE", help="another file as bench/tables.yaml")
    parser.add_argument("--goal", help="what the threshold is for, of all tables alike")
    parser.add_argument(
        "--quick", action="store_true", help="not beside ExponentiatedGradient, which takes longest"
    )
    parser.add_argument(
        "--resume", action="store_true", help="without those that stand in bench/out/tables.csv"
    )
    parser.add_argument("--until", choices=["train", "evaluate"], default="evaluate", help="the last stage")
    options = parser.parse_args()
    known = specs(options.more)
    if options.goal:
        known = {name: spec | {"goal": options.goal} for name, spec in known.items()}
    if strangers := set(options.tables or ()) - set(known):
        parser.error(f"--tables: must be of {sorted(known)}, got {sorted(strangers)}")
    named = options.tables or [name for name, spec in known.items() if options.all or not spec.get("slow")]
    os.environ["FAIRMARK_WORKERS"] = "1"
    OUT.mkdir(exist_ok=True)
    now, path = commit(), OUT / "tables.csv"
    lines = kept(path, now) if options.resume else []
    there = {line["table"] for line in lines}
    with tempfile.TemporaryDirectory() as scratch:
        for name in [name for name in named if name not in there]:
            lines.append(one(name, known[name], Path(scratch) / name, options) | {"commit": now})
            print(f"{name}: done", flush=True)
            frame = pd.DataFrame(lines)
            frame.to_csv(path, index=False, float_format="%.6g", lineterminator="\n")
    show(lines)


if __name__ == "__main__":
    main()

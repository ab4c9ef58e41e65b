"""Our pipeline on the columns that most papers use, beside the figures that they print.

Run `python bench/papers.py`. Runs the stages up to `evaluate` in a temporary folder with params.yaml
and, laid over it, bench/all-columns.yaml: the model may read everything but sex and race. The released
model of this project uses params.yaml alone; this one is for comparison only. The papers' figures are
quoted, not run: other settings and, in part, other splits, so they say where the field stands and no
more.
"""

import os
import tempfile
import time
from pathlib import Path

from sides.rows import ALL_COLUMNS, call, rows
from sklearn.metrics import accuracy_score, roc_auc_score

from fairmark.files import read_json
from fairmark.learn.fit import fit_model
from fairmark.learn.space import Space
from fairmark.stages.evaluate import evaluate
from fairmark.stages.train import train
from fairmark.stages.tune import tune

PAPERS = [
    ("XGBoost, default settings, no limit", 0.8741, 0.9265, None),
    ("CatBoost, default settings, no limit", 0.8727, 0.9276, None),
    ("FT-Transformer, no limit", 0.8587, 0.9135, None),
    ("FFB (ICLR 2024), plain MLP, gender", 0.8535, 0.9106, 0.325),
    ("Friedler et al., ZafarAccuracy, sex", 0.796, None, 0.8),
]
"""Method, accuracy, AUC, ratio of selection rates by sex (None: not given)."""
GOAL = ("goal, at a ratio >= 0.80", 0.855, 0.911, 0.8)


def line(name: str, accuracy: float, auc: float | None, ratio: float | None) -> str:
    """Return one line of the table."""
    cells = [f"{value:>10.4f}" if value is not None else f"{'-':>10}" for value in (accuracy, auc, ratio)]
    return f"{name:<44}" + "".join(cells)


def main() -> None:
    """Print our model, the unmitigated one, the goal and the papers' figures."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        os.environ["FAIRMARK_STATE"] = str(folder / "state")
        data = rows(folder, ALL_COLUMNS)
        tuned, model = folder / "tuned.yaml", folder / "model"
        start = time.perf_counter()
        call(tune, data.path, *data.files, tuned, folder / "trials.csv", folder / "tune.json")
        searched = time.perf_counter() - start
        call(train, data.path, *data.files, tuned, model, folder / "train.json")
        call(
            evaluate,
            data.path,
            *data.files,
            model,
            folder / "metrics.json",
            folder / "measurements.json",
            folder / "plots",
            folder / "further.json",
        )
        ours = read_json(folder / "metrics.json")
        spread = read_json(folder / "measurements.json")["disparities"]["sex"]["selection_rate_ratio"]
        note = read_json(folder / "tune.json")["note"]
        plain = fit_model(
            data.parts, Space(data.params.tune).plain()[-1], data.params.train, data.params.policy
        )
        table = data.parts.part("test")[0]
        label, decided, score = data.label("test"), plain.decide(table), plain.score(table)
        sex = data.groups("test", "sex")
        rates = [decided[(sex == name).to_numpy()].mean() for name in sorted(set(sex))]

    print(f"search: {data.params.tune.trials} trials, {searched:.1f} s. {note}")
    print(f"{'':<44}{'accuracy':>10}{'AUC':>10}{'ratio':>10}")
    ratio = ours["fairness"]["sex"]["selection_rate_ratio"]
    print(line("fairmark, chosen on validation rows", ours["accuracy"], ours["roc_auc"], ratio))
    sure = data.params.evaluate.confidence
    print(f"  ratio between {spread['low']:.4f} and {spread['high']:.4f} with confidence {sure:g}")
    unmitigated = accuracy_score(label, decided), roc_auc_score(label, score), min(rates) / max(rates)
    print(line("fairmark, unmitigated, mid-space settings", *unmitigated))
    print(line(*GOAL))
    for paper in PAPERS:
        print(line(*paper))


if __name__ == "__main__":
    main()

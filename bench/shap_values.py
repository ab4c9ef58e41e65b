"""Shapley values of all test rows: our model's contributions against shap.TreeExplainer on the same trees.

Run `python bench/shap_values.py [REPEATS]`. Ours starts from the table as a user has it (encoding
included), checks that every row adds up, and gives calibrated log-odds; the peer starts from the encoded
matrix and gives raw ones, so for the difference ours are brought back to raw log-odds. Both are exact,
and both end in LightGBM's own `pred_contrib`, so about 1 is what can be had.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from sides.peer import against, alternate, ask
from sides.rows import rows

from fairmark.learn.fit import fit_model
from fairmark.params.learn import Chosen

SETTINGS = {"learning_rate": 0.1, "num_leaves": 15, "min_child_samples": 20}


def main(repeats: int) -> None:
    """Print both medians, their ratio, and the largest difference of a value."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        data = rows(folder)
        data.export(folder / "rows.npz", "sex")
        plain = Chosen(
            family="boosted",
            settings=SETTINGS,
            balance="none",
            reweighing=False,
            mitigation=[],
            margin=None,
            folds=None,
        )
        model = fit_model(data.parts, plain, data.params.train, data.params.policy)
        model.save(folder / "model")
        table = data.parts.part("test")[0]

        def ours() -> float:
            start = time.perf_counter()
            model.contributions(table)
            return time.perf_counter() - start

        def theirs() -> float:
            booster = str(folder / "model" / "booster.txt")
            return float(ask("tree_explainer", folder, {"booster": booster})["seconds"])

        own, other = alternate(repeats, ours, theirs)
        answer = np.load(folder / "answer.npz")
        values = model.contributions(table)
    raw = values[:, :-1] / model.calibration.a
    print(f"{len(table)} rows, {raw.shape[1]} features, {model.scorer.rounds} trees")
    against("Shapley values", own, other)
    print(f"largest difference of a value: {np.abs(raw - answer['values']).max():.2g} in log-odds")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)

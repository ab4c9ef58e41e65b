"""scikit-optimize's BayesSearchCV over LightGBM, refitted on all rows that it may learn from.

Run as `python bayes_search.py FOLDER`. Asked for: `parts` to learn from, `space`, `folds`, `candidates` (so
candidates x folds fits, and one more at the end), `seed`, and how many `cores` its folds run on.
"""

import json
import time
from typing import Any

import numpy as np
from asked import Boosted, folder, question, rows
from sklearn.metrics import roc_auc_score
from skopt import BayesSearchCV
from skopt.space import Categorical, Dimension, Integer, Real


def dimension(given: dict[str, Any]) -> Dimension:
    """Return a dimension of params.yaml in scikit-optimize's words."""
    if given["type"] == "choice":
        return Categorical(given["values"])
    kind = Real if given["type"] == "float" else Integer
    return kind(given["low"], given["high"], prior="log-uniform" if given["log"] else "uniform")


x = np.concatenate([rows[f"x_{part}"] for part in question["parts"]])
y = np.concatenate([rows[f"y_{part}"] for part in question["parts"]])
start, worked = time.perf_counter(), time.process_time()
search = BayesSearchCV(
    Boosted(n_jobs=1, verbose=-1),
    {name: dimension(given) for name, given in question["space"].items()},
    n_iter=question["candidates"],
    cv=question["folds"],
    scoring="roc_auc",
    random_state=question["seed"],
    n_jobs=question["cores"],
)
search.fit(x, y)
seconds, processor = time.perf_counter() - start, time.process_time() - worked
score = search.predict_proba(rows["x_test"])[:, 1]
answer = {
    "seconds": seconds,
    "processor": processor,
    "auc": float(roc_auc_score(rows["y_test"], score)),
    "fits": question["candidates"] * question["folds"] + 1,
    "chosen": {
        name: getattr(value, "item", lambda v=value: v)() for name, value in search.best_params_.items()
    },
}
np.savez(folder / "answer.npz", score_test=score)
(folder / "answer.json").write_text(json.dumps(answer))

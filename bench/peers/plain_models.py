"""LightGBM and logistic regression as a person would first try them, at their libraries' own settings.

Run as `python plain_models.py FOLDER`. Asked for: `rounds` at most and `patience`. LightGBM is stopped by
the log loss of validation rows; logistic regression gets standard scores, medians for what is missing,
and a column for each category. Both learn from train rows.
"""

import json
import time

import lightgbm as lgb
import numpy as np
from asked import folder, question, rows
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

coded = rows["categorical"].tolist()
numbers = [place for place in range(rows["x_train"].shape[1]) if place not in set(coded)]


def boosted() -> lgb.LGBMClassifier:
    """Return LightGBM at its own settings, stopped early."""
    learner = lgb.LGBMClassifier(n_estimators=question["rounds"], n_jobs=1, verbose=-1)
    stop = lgb.early_stopping(question["patience"], verbose=False)
    valid = [(rows["x_valid"], rows["y_valid"])]
    return learner.fit(
        rows["x_train"], rows["y_train"], eval_set=valid, categorical_feature=coded, callbacks=[stop]
    )


def logistic() -> LogisticRegression:
    """Return logistic regression at its own settings; it gets iterations enough to converge."""
    ways = [
        ("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
        ("codes", OneHotEncoder(handle_unknown="ignore"), coded),
    ]
    learner = make_pipeline(
        ColumnTransformer([way for way in ways if way[2]]), LogisticRegression(max_iter=2000)
    )
    return learner.fit(rows["x_train"], rows["y_train"])


arrays, answer = {}, {}
for name, learn in {"boosted": boosted, "logistic": logistic}.items():
    start = time.perf_counter()
    model = learn()
    answer[name] = time.perf_counter() - start
    for part in ("valid", "test"):
        arrays[f"{name}_{part}"] = model.predict_proba(rows[f"x_{part}"])[:, 1]
    if name == "boosted":
        answer["trees"] = int(model.best_iteration_ or question["rounds"])
np.savez(folder / "answer.npz", **arrays)
(folder / "answer.json").write_text(json.dumps(answer))

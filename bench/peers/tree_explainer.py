"""shap.TreeExplainer over a LightGBM model file: Shapley values of every test row, in raw log-odds.

Run as `python tree_explainer.py FOLDER`. Asked for: `booster`, the path of the model's text.
"""

import json
import sys
import time
from pathlib import Path

import lightgbm as lgb
import numpy as np
import shap

folder = Path(sys.argv[1])
rows = np.load(folder / "rows.npz")
question = json.loads((folder / "question.json").read_text())

booster = lgb.Booster(model_file=question["booster"])
start = time.perf_counter()
explainer = shap.TreeExplainer(booster)
values = explainer.shap_values(rows["x_test"])
seconds = time.perf_counter() - start
np.savez(folder / "answer.npz", values=values, base=explainer.expected_value)
(folder / "answer.json").write_text(json.dumps({"seconds": seconds}))

"""Columns at the edges of what params and `prepare` allow, beside those of the second data set."""

import csv
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from loans_table import loans, second_params

SIZES = [0.0, -0.0, 1e-50, -1e-50, 3e-50, 1.0, -1.0, 1e16, -9.99e49, 1e50, -1e50]
"""The smallest and largest sizes of a number, both zeros, and what lies between."""

DAYS = ["0001-01-01", "0001-01-01T00:00:00.000001", "1677-09-21", "2262-04-12", "9999-12-31T23:59:59.999999"]
"""The first and last moments, and days beyond what a count of nanoseconds holds."""

LONG = ["x" * 20_000, "ü" * 9_000]
TEXTS = [*LONG, "<b>&amp;</b>", "a|b", "{{ x }}", "'\"", "\u202etxet", "x\u2028y", "=1+1", "-"]
"""Texts that are long, or that mean something to a page, a table or a terminal."""


def columns(rows: int, seed: int, categories: int) -> dict[str, list[str]]:
    """Return extreme columns as texts."""
    draw = np.random.default_rng([seed, 8])

    def drawn(values: list[float]) -> list[str]:
        return [repr(float(value)).replace(".", ",") for value in draw.choice(np.array(values), rows)]

    return {
        "every size": drawn(SIZES),
        "tiny": drawn([1e-50, 3e-50, -2e-50]),
        "huge": drawn([1e50, 9.9e49, -8e49]),
        "zeros": draw.choice(["0", "-0", "-0,0", "0e0"], rows).tolist(),
        "one huge": ["0"] * (rows - 1) + ["1e50"],
        "one value, huge": ["1,23456789012345e49"] * rows,
        "one value, tiny": ["1e-50"] * rows,
        "one value, odd": ["0,1"] * rows,
        "last digits": [f"1{'0' * 15},{k % 8}" for k in range(rows)],
        "day": draw.choice(DAYS, rows).tolist(),
        "one day": ["9999-12-31"] * rows,
        "microseconds": [f"2000-01-01T00:00:00.{k:06d}" for k in range(rows)],
        "text": draw.choice(TEXTS, rows).tolist(),
        "one text": ["same"] * rows,
        "many": [f"v{k % categories}" for k in range(rows)],
    }


def make_extremes(folder: Path, rows: int = 400, seed: int = 0, categories: int = 400) -> Path:
    """Write a project of the second data set with extreme columns into `folder`, and return it."""
    extreme = columns(rows, seed, categories)
    table = loans(rows, seed) | extreme
    (folder / "data").mkdir(parents=True)
    with (folder / "data" / "loans.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, delimiter=";")
        writer.writerows([list(table), *zip(*table.values(), strict=True)])
    params = deepcopy(second_params())
    day = {"kind": "date", "format": None, "earliest": "0001-01-01", "latest": "9999-12-31", "missing": 0}
    text: dict[str, Any] = {"kind": "categorical", "values": None, "missing": 0}
    kinds = {
        name: day if name in {"day", "one day", "microseconds"} else text
        for name in ("day", "one day", "microseconds", "text", "one text", "many")
    }
    params["prepare"]["columns"] = params["prepare"]["columns"] | kinds
    params["tune"] |= {"trials": 4, "batch": 4, "pruning": None}
    params["explain"] |= {"top": 20, "mutable": None, "texts": None}
    (folder / "params.yaml").write_text(
        yaml.safe_dump(params, sort_keys=False, allow_unicode=True), encoding="utf-8"
    )
    return folder

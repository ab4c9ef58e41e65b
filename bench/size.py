"""What each stage costs in time and memory as a table grows in rows, columns, categories or groups.

Run `python bench/size.py [--rows 50000,200000] [--columns 100] [--categories 10000] [--groups 50]`.
Every table is drawn anew from the rows of `data/adult.data`, with noise, so that rows differ; each stage of
`dvc.yaml` runs as a process of its own, one thread, one worker. Printed are, stage by stage, seconds on the
wall and of the processor, the peak of resident memory, and from one size to the next the exponent with which
processor time grows (1 = as fast as the rows) and the slope of memory, in bytes a row. Nothing of
`artifacts/` is touched.
"""

import argparse
import json
import math
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import yaml
from sides.projects import commands
from sides.rows import ROOT

from fairmark.params.parse import read_yaml

STAGES = ("prepare", "audit", "split", "tune", "train", "evaluate", "explain", "document")
DRAWN = 250_000
"""Rows that are drawn at once."""
SWAPPED = 0.05
"""The share of the cells of each categorical column that are another row's."""


@dataclass(frozen=True)
class Shape:
    """How large a table is."""

    rows: int
    columns: int
    """Numbers and categories beside the twelve columns of the default table."""
    categories: int
    """Values of one more categorical column; 0 for none."""
    groups: int
    """Groups of one more protected attribute; 0 for none."""


@dataclass(frozen=True)
class Cost:
    """What one stage took on one table."""

    stage: str
    rows: int
    wall: float
    processor: float
    peak_mb: float


def drawn(source: pd.DataFrame, shape: Shape) -> Iterator[pd.DataFrame]:
    """Yield the rows of a table, `DRAWN` at a time: those of `source`, drawn with replacement, with noise."""
    for first in range(0, shape.rows, DRAWN):
        draw = np.random.default_rng([31, first])
        rows = min(DRAWN, shape.rows - first)
        at = draw.integers(0, len(source), rows)
        table = source.iloc[at].reset_index(drop=True)
        table["age"] = (table["age"] + draw.integers(-2, 3, rows)).clip(17, 90)
        table["hours-per-week"] = (table["hours-per-week"] + draw.integers(-3, 4, rows)).clip(1, 99)
        for name in ("capital-gain", "capital-loss"):
            noise = np.exp(draw.normal(0, 0.1, rows))
            table[name] = (table[name] * noise).round().clip(0, 99_999).astype(np.int64)
        for name in table.columns:
            if table[name].dtype == "str" and name not in {"income", "education"}:
                other = draw.random(rows) < SWAPPED
                table.loc[other, name] = source[name].to_numpy()[draw.integers(0, len(source), other.sum())]
        yield pd.concat([table, pd.DataFrame(_more(table["income"] == ">50K", shape, draw))], axis=1)


def _more(label: "pd.Series[bool]", shape: Shape, draw: np.random.Generator) -> dict[str, Any]:
    """Return columns beside those of the default table: every tenth number leans to the label."""
    found: dict[str, Any] = {}
    for k in range(shape.columns):
        if k % 5 == 4:
            found[f"c{k}"] = np.array([f"v{n}" for n in range(8)])[draw.integers(0, 8, len(label))]
        else:
            lean = 0.2 * label.to_numpy(np.float64) if k % 10 == 0 else 0.0
            found[f"x{k}"] = (draw.normal(0, 1, len(label)) + lean).round(3)
    if shape.categories:
        # The share of rows falls with the place of a category, as the sizes of towns do.
        place = np.floor(shape.categories ** draw.random(len(label))).astype(np.int64)
        found["town"] = np.char.add("town", place.astype(str))
    if shape.groups:
        found["region"] = np.char.add("region", draw.integers(0, shape.groups, len(label)).astype(str))
    return found


def project(folder: Path, shape: Shape, form: str, trials: int) -> None:
    """Make in `folder` what the stages read: data/table.csv (or .parquet) and params.yaml."""
    params = read_yaml(ROOT / "params.yaml")
    header = params["prepare"]["format"]["header"]
    source = pd.read_csv(
        ROOT / "data" / "adult.data", names=header, skipinitialspace=True, keep_default_na=False
    )
    (folder / "data").mkdir(parents=True)
    path = folder / "data" / f"table.{form}"
    writer: pacsv.CSVWriter | pq.ParquetWriter | None = None
    for part in drawn(source, shape):
        # Missing cells are null in Parquet, and nothing is marked.
        held = part.mask(part == "?") if form == "parquet" else part
        table = pa.Table.from_pandas(held, preserve_index=False)
        if writer is None:
            writer = (
                pacsv.CSVWriter(path, table.schema)
                if form == "csv"
                else pq.ParquetWriter(path, table.schema, compression="zstd")
            )
        writer.write_table(table)
    if writer is not None:
        writer.close()
    (folder / "params.yaml").write_text(yaml.safe_dump(_params(params, path.name, shape, trials)))


def _params(params: dict[str, Any], name: str, shape: Shape, trials: int) -> dict[str, Any]:
    prepare, known = params["prepare"], params["prepare"]["columns"]
    rows = {"min": 1, "max": 2 * shape.rows}
    prepare["files"] = {"main": {"name": name, "skip_rows": 0, "rows": rows}, "test": None}
    parquet = name.endswith("parquet")
    prepare["format"] = (
        {key: prepare["format"][key] for key in ("missing", "thousands", "units")} | {"type": "parquet"}
        if parquet
        else prepare["format"] | {"header": None}
    )
    for k in range(shape.columns):
        if k % 5 == 4:
            known[f"c{k}"] = {"kind": "categorical", "values": None, "missing": 0}
        else:
            known[f"x{k}"] = {"kind": "numeric", "min": None, "max": None, "missing": 0}
    if shape.categories:
        known["town"] = {"kind": "categorical", "values": None, "missing": 0}
    if shape.groups:
        known["region"] = {"kind": "categorical", "values": None, "missing": 0}
        prepare["protected"]["region"] = {"by": "column", "column": "region"}
    params["project"]["data"] = name
    params["explain"]["texts"] = None
    params["split"]["test_share"] = 0.2
    params["tune"]["trials"] = trials
    return params


def words_of(command: str) -> list[str]:
    """Return the words of a stage's command, run by this interpreter on this repository's code."""
    words = shlex.split(command)
    words[words.index("python")] = sys.executable
    return [f"PYTHONPATH={ROOT / 'src'}" if word == "PYTHONPATH=src" else word for word in words]


def run(stage: str, words: Sequence[str], folder: Path, rows: int, limit: int | None) -> Cost:
    """Run one stage in `folder`, and return what it took; its fault ends the script.

    `limit` is of its address space, in bytes.
    """
    if limit is not None:
        words = ["prlimit", f"--as={limit}", *words]
    env = {**os.environ, "FAIRMARK_WORKERS": "1", "FAIRMARK_STATE": str(folder / "state")}
    start = time.perf_counter()
    with (folder / f"{stage}.log").open("w") as log:
        child = subprocess.Popen(words, cwd=folder, env=env, stdout=log, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"{stage} at {rows:,} rows stopped:\n{(folder / f'{stage}.log').read_text()[-2000:]}")
    wall = time.perf_counter() - start
    return Cost(stage, rows, wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def line(cost: Cost, before: Cost | None) -> str:
    """Return a line of the table: what a stage took, and how it grew from the size before."""
    words = f"{cost.rows:>12,} {cost.stage:<9}{cost.wall:>10.1f}{cost.processor:>10.1f}{cost.peak_mb:>10,.0f}"
    if before is None:
        return words
    grown = math.log(cost.processor / before.processor) / math.log(cost.rows / before.rows)
    slope = (cost.peak_mb - before.peak_mb) * 2**20 / (cost.rows - before.rows)
    return f"{words}{grown:>10.2f}{slope:>10,.0f}"


def main() -> None:
    """Measure every size, one after another."""
    asked = argparse.ArgumentParser(description="Time and memory of each stage by the size of the table.")
    asked.add_argument("--rows", default="50000,200000", help="sizes, parted by commas")
    asked.add_argument(
        "--columns", type=int, default=0, help="columns beside the twelve of the default table"
    )
    asked.add_argument("--categories", type=int, default=0, help="values of one more categorical column")
    asked.add_argument("--groups", type=int, default=0, help="groups of one more protected attribute")
    asked.add_argument("--form", choices=("csv", "parquet"), default="csv", help="form of the raw file")
    asked.add_argument("--trials", type=int, default=4, help="of the search")
    asked.add_argument("--stages", default=",".join(STAGES), help="those that run, parted by commas")
    asked.add_argument("--limit", type=float, help="address space of a stage, in GB")
    asked.add_argument("--folder", type=Path, help="where the tables stay; without it they are removed")
    asked.add_argument("--json", type=Path, help="where the figures are written as JSON")
    given = asked.parse_args()
    sizes, stages = [int(size) for size in given.rows.split(",")], given.stages.split(",")
    limit = None if given.limit is None else int(given.limit * 2**30)
    scratch = given.folder or Path(tempfile.mkdtemp(prefix="fairmark-size-"))
    found: list[Cost] = []
    heads = "".join(f"{head:>10}" for head in ("wall s", "cpu s", "peak MB", "exponent", "bytes/row"))
    print(f"{'rows':>12} {'stage':<9}{heads}")
    try:
        for rows in sorted(sizes):
            shape = Shape(rows, given.columns, given.categories, given.groups)
            folder = scratch / "-".join(map(str, (*asdict(shape).values(), given.form)))
            if not folder.exists():
                project(folder, shape, given.form, given.trials)
            for stage, command in commands(stages).items():
                cost = run(stage, words_of(command), folder, rows, limit)
                before = next((one for one in reversed(found) if one.stage == stage), None)
                found.append(cost)
                print(line(cost, before), flush=True)
            total = sum(one.processor for one in found if one.rows == rows)
            print(f"{rows:>12,} all: {total:,.1f} s of the processor", flush=True)
    finally:
        if given.folder is None:
            shutil.rmtree(scratch, ignore_errors=True)
    if given.json is not None:
        given.json.write_text(json.dumps([asdict(one) for one in found], indent=1))


if __name__ == "__main__":
    main()

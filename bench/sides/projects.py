"""A project of a public table: its data, its params edited from params.yaml, its stages run as in dvc.yaml.

What a person with another table would do by hand: put the file into `data/`, say in `prepare` what its
columns are, give the search and the policy the table's own protected attribute, and run the pipeline.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from fairmark.data.split import read_parts
from fairmark.params.parse import read_yaml
from fairmark.params.read import read_params
from sides.peer import ask
from sides.rows import ROOT, Rows
from sides.rows_made import write_made

TABLES = ROOT / "bench" / "tables.yaml"
LEAST_GROUP_ROWS, ROWS_A_GROUP_ROW = 20, 50
"""A group is judged from a 50th of the table's rows on: at least 20, at most what params.yaml asks for."""
RATIO = 0.8
TEST_SHARE = 0.3


class StageError(Exception):
    """A stage that ended with a fault, in its own words."""


@dataclass(frozen=True)
class Project:
    """A folder with data, params and code, in which stages run."""

    folder: Path
    name: str
    spec: Mapping[str, Any]
    attribute: str
    """The protected attribute whose groups are to be selected alike."""

    @property
    def params(self) -> Path:
        """The params file that stages read."""
        return self.folder / "params.yaml"

    def run(self, *stages: str) -> float:
        """Run stages as dvc.yaml names their commands; return the seconds of the processor that they took.

        Raises
        ------
        StageError
            When one of them ends with a fault.
        """
        before = os.times()
        for stage, command in commands(stages).items():
            done = subprocess.run(
                ["bash", "-c", command],
                cwd=self.folder,
                env={**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                raise StageError(f"{stage}: {' '.join(done.stderr.strip().splitlines()[-6:])}")
        after = os.times()
        return sum(
            getattr(after, kind) - getattr(before, kind) for kind in ("children_user", "children_system")
        )

    def ask_for(self, *, ratio: float | None) -> None:
        """Write params.yaml with a gated limit on the ratio of selection rates, or with none on groups."""
        base = read_yaml(ROOT / "params.yaml")
        table = self.folder / "data" / f"{self.name}.csv"
        if "default" not in self.spec["from"]:
            base = base | described(base, self.name, self.spec, table)
            base["evaluate"] |= {"references": None}
            base["explain"] |= {"mutable": None, "texts": None}
        base["train"]["threshold"]["maximise"] = self.spec["goal"]
        base["policy"] |= limits(base["policy"], self.spec["goal"], self.attribute, ratio)
        base["tune"]["mitigation"] = steps(base["tune"]["mitigation"], self.attribute, ratio)
        self.params.write_text(yaml.safe_dump(base, sort_keys=False, allow_unicode=True))

    def rows(self) -> Rows:
        """Return what `prepare` and `split` made."""
        made = self.folder / "artifacts"
        files = (
            made / "prepare" / "table.parquet",
            made / "prepare" / "evidence.parquet",
            made / "prepare" / "schema.json",
            made / "split" / "rows.parquet",
        )
        return Rows(read_params(self.params), self.params, files, read_parts(*files))


def specs(more: Path | None = None) -> dict[str, Any]:
    """Return the tables of bench/tables.yaml, and those of another such file."""
    return read_yaml(TABLES) | (read_yaml(more) if more else {})


def project(name: str, spec: Mapping[str, Any], folder: Path) -> Project:
    """Return a new project in `folder` with the table's rows in its `data`."""
    (folder / "data").mkdir(parents=True)
    (folder / "src").symlink_to(ROOT / "src")
    table, source = folder / "data" / f"{name}.csv", spec["from"]
    if "default" in source:
        for file in (ROOT / "data").iterdir():
            shutil.copy(file, folder / "data")
    elif "made" in source:
        write_made(read_params(ROOT / "params.yaml"), source, table)
    elif "file" in source:
        shutil.copy(source["file"], table)
    else:
        asked = {"loader": source["scikit-learn"]} if "scikit-learn" in source else source
        ask("public_table", folder, dict(asked))
        (folder / "table.csv").rename(table)
    attribute = next(iter(spec["protected"])) if "protected" in spec else "sex"
    return Project(folder, name, spec, attribute)


def described(base: dict[str, Any], name: str, spec: Mapping[str, Any], table: Path) -> dict[str, Any]:
    """Return the sections of params.yaml that say what a table is, written from its spec."""
    columns = pd.read_csv(table, nrows=0).columns.tolist()
    with table.open(encoding="utf-8") as stream:
        rows = sum(1 for _ in stream) - 1
    prepare = base["prepare"] | {
        "files": {
            "main": {"name": table.name, "skip_rows": 0, "rows": {"min": 1, "max": rows}},
            "test": None,
        },
        "format": base["prepare"]["format"] | {"header": None, "missing": ["", "NA"]},
        "target": {"negative": None, "strip": "", **spec["target"]},
        "person": spec.get("person"),
        "time": spec.get("time"),
        "drop_rows": spec.get("drop_rows", []),
        "drop": spec.get("drop", []),
        "columns": spec.get("columns", {}),
        "unlisted": "infer",
        "protected": spec["protected"],
        "forbidden": spec.get("forbidden", []),
    }
    release = base["release"] | {"governance": base["release"]["governance"] | {"of": name}}
    return {
        "project": base["project"] | {"name": name, "title": name, "data": table.name},
        "prepare": prepare,
        "split": base["split"] | {"order": "time" if spec.get("time") else "hash", "test_share": TEST_SHARE},
        "policy": base["policy"] | {"min_group_rows": _least(rows, base["policy"]["min_group_rows"])},
        "release": release | {"environmental_cost": None},
        "privacy": base["privacy"] | {"personal": [c for c in columns if c not in spec.get("drop", [])][:3]},
    }


def _least(rows: int, most: int) -> int:
    return min(most, max(LEAST_GROUP_ROWS, rows // ROWS_A_GROUP_ROW))


def limits(policy: Mapping[str, Any], goal: str, attribute: str, ratio: float | None) -> dict[str, Any]:
    """Return the entries of `policy` that name measures and groups: a floor of AUC, and the ratio if any."""
    floor = {
        "name": "auc-floor",
        "measure": "roc_auc",
        "attribute": None,
        "at_least": 0.5,
        "at_most": None,
        "gate": True,
        "reason": "Below this the model ranks no better than chance.",
    }
    fair = floor | {
        "name": "selection-ratio",
        "measure": "selection_rate_ratio",
        "attribute": attribute,
        "at_least": ratio,
        "reason": "The four-fifths rule.",
    }
    asked = policy["constant_answer"] | {"measures": [goal]}
    found = [floor] if ratio is None else [floor, fair]
    return {"limits": found, "waivers": [], "overrides": [], "constant_answer": asked}


def steps(given: list[dict[str, Any]], attribute: str, ratio: float | None) -> list[dict[str, Any]]:
    """Return the search's mitigation as params.yaml has it, for this attribute; none without a limit."""
    return [] if ratio is None else [step | {"attribute": attribute} for step in given[:1]]


def commands(stages: Sequence[str]) -> dict[str, str]:
    """Return the commands of these stages in dvc.yaml, its variables filled in."""
    pipeline = read_yaml(ROOT / "dvc.yaml")
    known = {name: value for entry in pipeline["vars"] for name, value in entry.items()}
    found = {}
    for stage in stages:
        command = pipeline["stages"][stage]["cmd"]
        for name, value in known.items():
            command = command.replace(f"${{{name}}}", value)
        found[stage] = command
    return found

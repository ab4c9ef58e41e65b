"""A project of scores made elsewhere, run and released: stages called here, DVC's files written by hand."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from fixed_keys import key
from project_checkout import committed
from release_folder import git

from fairmark.files import write_text
from fairmark.params.parse import read_yaml
from fairmark.project.attest import Attested, attest
from fairmark.project.choices import Options
from fairmark.project.document_scores import document_scores
from fairmark.project.evaluate_scores import evaluate_scores
from fairmark.project.file_format import Overrides
from fairmark.project.proposal import Proposal, proposal
from fairmark.project.scores import ScoreOptions, pipeline, scores_text
from fairmark.repo.dvc_files import address
from fairmark.stages.audit import audit
from fairmark.stages.prepare import prepare

ROOT = Path(__file__).parents[2]
DEFAULT = (ROOT / "params.yaml").read_text(encoding="utf-8")
SAID = Options(target="paid", positive=("yes",), protect=("sex",), name="vendor")
VENDOR = ScoreOptions(score="score", threshold=0.5, made_by="Vendor", version="3")


def frame() -> pd.DataFrame:
    """Return 600 rows of a vendor's scores, its decisions, what became of them, and two groups."""
    draw = np.random.default_rng(5)
    label = draw.random(600) < 0.4
    score = np.clip(0.5 * label + 0.6 * draw.random(600), 0, 1).round(4)
    return pd.DataFrame(
        {
            "id": np.arange(600),
            "score": score,
            "decision": np.where(score >= 0.5, "grant", "refuse"),
            "paid": np.where(label, "yes", "no"),
            "sex": draw.choice(["f", "m"], 600),
            "remark": [f"remark {k}" for k in range(600)],
        }
    )


def proposed(table: Path, judged: ScoreOptions, said: Options = SAID) -> Proposal:
    """Return what `fairmark init --scores` proposes for a table."""
    return proposal([table], DEFAULT, said, Overrides(), None, "Ada", judged=judged)


def run(folder: Path, table: Path, judged: ScoreOptions, said: Options = SAID) -> Path:
    """Run the stages of a project of scores in `folder`, as its dvc.yaml would."""
    made = proposed(table, judged, said)
    assert made.scores is not None
    write_text(folder / "params.yaml", made.text)
    write_text(folder / "scores.yaml", scores_text(made.scores))
    (folder / "data").mkdir(parents=True)
    shutil.copy(table, folder / "data" / table.name)
    out, params = folder / "artifacts", made.params
    rows, evidence, schema = (
        out / "prepare" / name for name in ("table.parquet", "evidence.parquet", "schema.json")
    )
    summary = out / "prepare" / "summary.json"
    prepare(folder / "data", rows, evidence, schema, summary, params.prepare, params.privacy)
    audit(rows, evidence, schema, out / "audit" / "audit.json", params.audit)
    metrics, measurements, plots = (
        out / "evaluate" / name for name in ("metrics.json", "measurements.json", "plots")
    )
    evaluate_scores(
        rows, evidence, schema, summary, made.scores, metrics, measurements, plots, params.evaluate
    )
    document_scores(out, made.scores, out / "document", params.document, params.project, params.policy)
    return folder


def locked(root: Path) -> None:
    """Write dvc.lock and data.dvc as DVC would after a run of all stages in `root`."""
    stages: dict[str, Any] = yaml.safe_load((root / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    lock = {name: _stage(root, stage) for name, stage in stages.items()}
    write_text(root / "dvc.lock", yaml.safe_dump({"schema": "2.0", "stages": lock}, sort_keys=False))
    write_text(root / "data.dvc", yaml.safe_dump({"outs": [_entry(root, "data")]}, sort_keys=False))


def _entry(root: Path, path: str) -> dict[str, str]:
    return {"path": path, "hash": "md5", "md5": address(root / path)}


def _stage(root: Path, stage: dict[str, Any]) -> dict[str, Any]:
    made = (*stage["outs"], *stage.get("metrics", ()))
    outs = [next(iter(each)) if isinstance(each, dict) else each for each in made]
    files: dict[str, Any] = {}
    for each in stage["params"]:
        file, keys = next(iter(each.items())) if isinstance(each, dict) else ("params.yaml", [each])
        written = read_yaml(root / file)
        files.setdefault(file, {}).update({key: written[key] for key in keys})
    return {
        "cmd": "python",
        "deps": [_entry(root, path) for path in stage["deps"] if (root / path).exists()],
        "params": files,
        "outs": [_entry(root, path) for path in outs],
    }


def repository(project: Path, root: Path) -> Path:
    """Return `root`, made into the repository of a project that was run."""
    shutil.copytree(project, root)
    write_text(root / ".gitignore", "/data\nreleases/\n.fairmark/\n")
    write_text(root / "dvc.yaml", pipeline(yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))))
    for name in ("requirements.lock", "requirements-dev.lock"):
        write_text(root / name, "")
    locked(root)
    git(root, "init", "-q")
    git(root, "config", "user.name", "Ada")
    git(root, "config", "user.email", "ada@example.org")
    committed(root)
    return root


def attested(root: Path) -> Attested:
    """Release the evaluation of `root` with the maker's key."""
    return attest(root, key("maker"))

"""Prepared folders that pages of the documentation are run in: one has real releases and a journal."""

import csv
import shutil
from pathlib import Path

import yaml
from fixed_keys import ADA, BOB, approver, pem
from flows_repo import ROOT, call, commit
from kills import project, run
from ports import free_port
from self_assessment import answered
from service import SECRET, running

NAME = "small-loans"
BEHIND = ("_row_id", "note", "region", "repaid", "survey weight", "customer id")
"""Columns of the table that no model reads."""


def real_project(folder: Path) -> Path:
    """Return a repository with two releases of a small table, the first in production, and its decisions."""
    origin = project(folder, default=False)
    for name in ("ada", "bob"):
        pem(name, folder)
    run(origin, folder)
    name_people(origin, folder)
    run(origin, folder)
    promote_first(origin, folder)
    decide(origin, folder, 120)
    return origin


def name_people(root: Path, folder: Path) -> None:
    """Name who may approve, answer the self-assessment, and commit both."""
    words = ["ssh-keygen", "-i", "-m", "PKCS8", "-f", str(folder / "config/key.pub.pem")]
    people = [
        f'a@localhost namespaces="git" {call(folder, *words).strip()}',
        approver("ada@example.org", ADA),
        approver("bob@example.org", BOB, "fairmark-approval"),
    ]
    with (root / "approvers").open("a") as file:
        file.write("\n".join(people) + "\n")
    (root / "assessment.yaml").write_text(yaml.safe_dump(answered(NAME), sort_keys=False))
    commit(root)


def promote_first(root: Path, folder: Path) -> None:
    """Approve both releases and the self-assessment, and promote the first release to production."""
    config = {"FAIRMARK_CONFIG": str(folder / "config")}
    for who in ("ada", "bob"):
        for version in ("v0.1.0", "v0.2.0"):
            _fairmark(root, "approve", f"{NAME}@{version}", key=folder / f"{who}.pem")
    _fairmark(root, "approve", "--assessment", key=folder / "ada.pem")
    commit(root)
    words = ["promote", f"{NAME}@v0.1.0", "--to", "production", "--reason", "first"]
    call(root, "env", *(f"{k}={v}" for k, v in config.items()), "fairmark", *words)


def _fairmark(root: Path, *words: str, key: Path) -> None:
    said = ("--reason", "read", "--expires", "2099-01-01", "--key", str(key), "--trust")
    call(root, "fairmark", *words, *said, str(root.parent / "config/key.pub.pem"))


def decide(root: Path, folder: Path, rows: int) -> str:
    """Let the first release decide so many rows, tell what became of them, and return a decision's id."""
    place = root / ".fairmark"
    place.mkdir(exist_ok=True)
    with (root / "data/loans.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file, delimiter=";"))[:rows]
    with running(root / f"releases/{NAME}-v0.1.0", folder / "config/key.pub.pem", place) as client:
        for number, row in enumerate(table):
            given = {name: text for name, text in row.items() if name not in BEHIND}
            answer = client.ask("/v1/decide", {"row": given, "subject": f"person {number}"})
            assert answer.status == 200, answer.body
            known = answer.json["id"]
            told = {"outcomes": [{"id": known, "label": int(row["repaid"] == "True")}]}
            assert client.ask("/v1/outcome", told).status == 200
    for name in ("keys.jsonl", "service.log"):
        (place / name).unlink()
    return str(known)


def placed(made: Path, config: Path, place: Path) -> Path:
    """Return a copy of a prepared folder, with a home, an empty remote and the approvers' keys beside it."""
    place.mkdir(exist_ok=True)
    shutil.copytree(config, place / "home/.config/fairmark")
    folder = Path(shutil.copytree(made, place / "project", symlinks=True))
    call(place, "git", "init", "--quiet", "--bare", "remote")
    if "origin" in call(folder, "git", "remote").split():
        call(folder, "git", "remote", "remove", "origin")
    call(folder, "git", "remote", "add", "origin", str(place / "remote"))
    (folder / ".git/info").mkdir(exist_ok=True)
    with (folder / ".git/info/exclude").open("a") as file:
        file.write("*.pem\n*.pub\n*.csv\n*.jsonl\n")
    for name in ("ada", "bob"):
        pem(name, place)
    return folder


def environment(folder: Path) -> dict[str, str]:
    """Return what the commands of a page are given beside a home: who commits, and this project's code."""
    who = {f"GIT_{role}_{what}": "a" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    code = {"PYTHONPATH": str(folder / "src")} if (folder / "src").is_dir() else {}
    ports = {name: str(free_port()) for name in ("PREFECT_SERVER_API_PORT", "DASK_PORT")}
    return {
        **who,
        **code,
        **ports,
        "TABLE": f"python {ROOT}/tests/helpers/doc_tables.py",
        "TESTS": str(ROOT / "tests"),
        "ROOT": str(ROOT),
        "FAIRMARK_SUBJECT_KEY": SECRET,
        "FAIRMARK_CYCLONEDX": str(ROOT / ".venv-tools" / "bin" / "cyclonedx-py"),
    }

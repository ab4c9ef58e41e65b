"""The workflows call what a person calls, run nothing that can move under them, and may do little."""

import csv
import json
import os
import random
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from fairmark.cli.main import VERBS

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
ACTIONS = sorted((ROOT / ".github/actions").glob("*/action.yml"))
OWN = "./.github/workflows/"
MAY_WRITE = {
    ("check", "comment", "pull-requests"),
    ("deploy", "deploy", "id-token"),
    ("release", "image", "attestations"),
    ("release", "image", "id-token"),
    ("release", "production", "id-token"),
    ("release", "publish", "contents"),
    ("release", "rebuild", "attestations"),
    ("release", "rebuild", "id-token"),
    ("release", "staging", "id-token"),
}
"""Every grant to write: an identity for the cloud or a signature, one comment, one GitHub release."""


def _parsed(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


def _jobs(workflow: Path) -> dict[str, dict[str, Any]]:
    jobs: dict[str, dict[str, Any]] = _parsed(workflow)["jobs"]
    return jobs


def _steps(path: Path) -> list[dict[str, Any]]:
    if path in ACTIONS:
        return list(_parsed(path)["runs"]["steps"])
    return [step for job in _jobs(path).values() for step in job.get("steps", [])]


def _named(path: Path) -> str:
    return path.parent.name if path in ACTIONS else path.stem


@pytest.mark.parametrize("path", [*WORKFLOWS, *ACTIONS], ids=_named)
def test_every_action_is_pinned_to_a_whole_commit_whose_version_stands_beside_it(path: Path) -> None:
    used = re.findall(r"^ *-? *uses: (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    foreign = [each for each in used if not each.startswith(OWN)]

    assert [each for each in foreign if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v[\d.]+", each)] == []
    assert [each.split(" ")[0] for each in used if each.startswith(OWN)
            and not (ROOT / each.split(" ")[0]).is_file()] == []  # fmt: skip


def test_one_action_has_one_commit_in_all_workflows() -> None:
    texts = "".join(path.read_text(encoding="utf-8") for path in [*WORKFLOWS, *ACTIONS])
    pins = set(re.findall(r"uses: ([\w./-]+)@([0-9a-f]{40})", texts))

    assert len(pins) == len({name for name, _ in pins})


def test_targets_and_verbs_that_workflows_call_exist() -> None:
    commands = "\n".join(step.get("run", "") for path in WORKFLOWS for step in _steps(path))
    targets = set(re.findall(r"^ *make ((?:[\w.-]+/)?[\w.-]+)", commands, re.MULTILINE))
    verbs = set(re.findall(r"(?:^|[ /])fairmark ([a-z]+) ", commands, re.MULTILINE))
    known = set(re.findall(r"^([\w./-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))

    assert {"check", "test", "run", "prove", "bench", "audit", "image", "terraform"} <= targets <= known
    assert {"review", "verify", "pack", "predicates", "history", "rebuild", "drill"} <= verbs <= set(VERBS)


@pytest.mark.parametrize("path", [*WORKFLOWS, *ACTIONS], ids=_named)
def test_no_text_from_outside_is_pasted_into_a_shell(path: Path) -> None:
    assert "${{" not in "\n".join(step.get("run", "") for step in _steps(path))


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=_named)
def test_a_workflow_may_do_nothing_but_what_a_job_is_granted(workflow: Path) -> None:
    assert _parsed(workflow)["permissions"] == {}
    assert [name for name, job in _jobs(workflow).items() if "permissions" not in job] == []


def test_who_may_write_is_named_here() -> None:
    granted = {
        (path.stem, name, what)
        for path in WORKFLOWS
        for name, job in _jobs(path).items()
        for what, how in job["permissions"].items()
        if how != "read"
    }

    assert granted == MAY_WRITE


def test_no_checkout_leaves_its_token_behind() -> None:
    checkouts = [step for path in WORKFLOWS for step in _steps(path)
                 if step.get("uses", "").startswith("actions/checkout@")]  # fmt: skip

    assert checkouts
    assert [step for step in checkouts if step["with"]["persist-credentials"] is not False] == []


def test_no_cloud_key_is_kept_as_a_secret() -> None:
    texts = "".join(path.read_text(encoding="utf-8") for path in WORKFLOWS)

    assert set(re.findall(r"secrets\.(\w+)", texts)) == {"FAIRMARK_KEY_PEM"}
    assert "pull_request_target" not in texts


def test_all_green_waits_for_every_job_that_judges_a_change() -> None:
    jobs = _jobs(ROOT / ".github/workflows/check.yml")

    assert jobs["all-green"]["if"] == "always()"
    assert set(jobs["all-green"]["needs"]) == set(jobs) - {"all-green", "comment"}


@pytest.mark.parametrize(
    ("results", "code"),
    [("success success", 0), ("success failure", 1), ("success skipped", 1), ("cancelled success", 1)],
)
def test_all_green_is_green_only_where_all_succeeded(results: str, code: int) -> None:
    [step] = _jobs(ROOT / ".github/workflows/check.yml")["all-green"]["steps"]
    one, two = results.split()
    needs = f'{{"a": {{"result": "{one}"}}, "b": {{"result": "{two}"}}}}'

    ended = subprocess.run(
        ["bash", "-ec", step["run"]], env={**os.environ, "NEEDS": needs}, capture_output=True, check=False
    )

    assert ended.returncode == code


@pytest.mark.parametrize(
    ("release", "until", "approvals", "faults", "code"),
    [
        ("loans-v0.2.0", None, [{"who": "a"}], [], 0),
        ("loans-v0.1.0", None, [{"who": "a"}], [], 1),
        ("loans-v0.2.0", "2026-01-01 00:00:00", [{"who": "a"}], [], 1),
        ("loans-v0.2.0", None, [], [], 1),
        ("loans-v0.2.0", None, [{"who": "a"}], ["chain"], 1),
    ],
)
def test_production_takes_the_release_that_signed_promotions_name(
    release: str, until: str | None, approvals: list[Any], faults: list[str], code: int, tmp_path: Path
) -> None:
    steps = _steps(ROOT / ".github/workflows/deploy.yml")
    [command] = [s["run"] for s in steps if "signed approvals" in s.get("name", "")]
    entry = {"release": release, "until": until, "approvals": approvals, "faults": faults}
    (tmp_path / "history.json").write_text(json.dumps({"history": [entry]}))
    query = command[command.index("jq ") :]

    ended = subprocess.run(
        ["bash", "-ec", query], cwd=tmp_path, env={**os.environ, "TAG": "loans@v0.2.0"}, check=False
    )

    assert ended.returncode == code


@pytest.mark.proof
@pytest.mark.parametrize(("factor", "verdict", "code"), [(1.0, "pass", 0), (0.75, "fail", 3)])
def test_the_gate_judges_a_table_of_somebody_else(
    factor: float, verdict: str, code: int, tmp_path: Path
) -> None:
    draw = random.Random(7)  # noqa: S311 -- no secret
    with (tmp_path / "scores.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["sex", "outcome", "risk"])
        for k in range(6000):
            sex, good = ("Female", "Male")[k % 2], draw.random() < 0.35
            risk = min(max(0.25 + 0.35 * good + draw.gauss(0, 0.13), 0), 1)
            rows.writerow([sex, "yes" if good else "no", round(risk * (factor if k % 2 == 0 else 1), 4)])
    options = ["--target=outcome", "--positive=yes", "--protect=sex", "--score=risk", "--threshold=0.45",
               "  --made-by=Vendor", "", "--model-version=3.1"]  # fmt: skip

    ended = subprocess.run(
        [str(ROOT / ".github/actions/gate/gate.sh")],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "SCORES": "scores.csv", "OPTIONS": "\n".join(options), "PARAMS": "",
             "RUNNER_TEMP": str(tmp_path), "GITHUB_OUTPUT": str(tmp_path / "out"),
             "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"), "FAIRMARK_VENV": str(ROOT / ".venv")},
    )  # fmt: skip
    said = dict(line.split("=", 1) for line in (tmp_path / "out").read_text().splitlines())

    assert ended.returncode == code, ended.stderr[-2000:]
    assert said["verdict"] == verdict
    assert f"## Verdict: {verdict}" in (tmp_path / "summary").read_text()
    assert Path(said["report"]).read_text().startswith("<!doctype html>")


OWNERS = [
    line.split()
    for line in (ROOT / ".github/CODEOWNERS").read_text(encoding="utf-8").split("\n")
    if line and not line.startswith("#")
]


def test_each_pattern_of_the_code_owners_is_of_githubs_grammar_and_matches_a_file() -> None:
    # GitHub reads them as patterns of a .gitignore, and so git itself says which tracked files one matches.
    listing = ["git", "ls-files", "--cached", "--ignored"]
    matched = {
        pattern: subprocess.run(
            [*listing, f"--exclude={pattern}"], cwd=ROOT, capture_output=True, check=True
        ).stdout
        for pattern, *_ in OWNERS
    }

    # https://docs.github.com/articles/about-code-owners: no negation, no character ranges, teams or mail.
    assert [pattern for pattern in matched if set(pattern) & set("![]\\")] == []
    assert [owner for _, *owners in OWNERS for owner in owners
            if not re.fullmatch(r"@[\w-]+(?:/[\w-]+)?|[^@\s]+@[\w.-]+", owner)] == []  # fmt: skip
    assert [pattern for pattern, found in matched.items() if not found] == []


def test_who_makes_does_not_check() -> None:
    (everything, *makers), *others = OWNERS

    assert everything == "*"
    assert others
    assert [each for each in others if set(each[1:]) & set(makers) or len(each) < 2] == []

"""The workflows call what a person calls, run nothing that can move under them, and may do little."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from fairmark.cli.main import VERBS

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def _steps(workflow: Path) -> list[dict[str, Any]]:
    jobs = yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"].values()
    return [step for job in jobs for step in job["steps"]]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_every_action_is_pinned_to_a_whole_commit(workflow: Path) -> None:
    used = [step["uses"] for step in _steps(workflow) if "uses" in step]

    assert used
    assert [each for each in used if not re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}", each)] == []


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_targets_and_verbs_that_a_workflow_calls_exist(workflow: Path) -> None:
    commands = "\n".join(step.get("run", "") for step in _steps(workflow))
    targets = set(re.findall(r"^make ([\w-]+)$", commands, re.MULTILINE))
    verbs = set(re.findall(r"bin/fairmark (\w+)", commands))
    known = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))

    assert targets | verbs or ".ci/run" in commands
    assert targets <= known
    assert verbs <= set(VERBS)


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_no_text_from_outside_is_pasted_into_a_shell(workflow: Path) -> None:
    commands = "\n".join(step.get("run", "") for step in _steps(workflow))

    assert "${{" not in commands


def test_only_the_release_may_ask_for_an_identity() -> None:
    asked = {path.stem for path in WORKFLOWS if "id-token: write" in path.read_text(encoding="utf-8")}

    assert asked == {"release"}

"""The commands of the transcript in docs/own-data.md lead from a CSV to a verdict, as they stand there."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from project_checkout import default_checkout

from fairmark.cli.main import main

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "docs" / "own-data.md").read_text(encoding="utf-8")


def commands() -> list[str]:
    """Return the commands of the transcript, without their output."""
    (block,) = re.findall(r"```console\n(.*?)```", DOCS, re.DOTALL)
    return [line.removeprefix("$ ") for line in block.split("\n") if line.startswith("$ ")]


def credit(folder: Path) -> Path:
    """Write a table with the columns that the commands name, and some others."""
    draw, rows = np.random.default_rng(3), 3000
    age, income = draw.integers(18, 69, rows), draw.normal(140, 40, rows).round()
    good = draw.random(rows) < 1 / (1 + np.exp(-(0.03 * (income - 120) + 0.02 * (age - 35) + 0.6)))
    frame = pd.DataFrame({"Status": np.where(good, "good", "bad"), "Age": age, "Income": income})
    frame["Job"] = draw.choice(["fixed", "freelance", "parttime"], rows)
    frame["Debt"] = draw.integers(0, 5000, rows)
    frame.to_csv(folder / "credit.csv", index=False)
    return folder / "credit.csv"


def test_the_first_command_makes_a_project(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program, verb, table, *options = shlex.split(commands()[0])

    assert (program, verb, table) == ("fairmark", "init", "../credit.csv")
    checkout = default_checkout(tmp_path / "checkout")
    assert main([verb, str(credit(tmp_path)), *options, "--show", "--clone", str(checkout)]) == 0
    assert "protected:\n    age: {by: edges, column: Age, edges: [35]}" in capsys.readouterr().out


@pytest.mark.proof
def test_three_commands_lead_to_a_verdict(tmp_path: Path) -> None:
    credit(tmp_path)
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(tmp_path / "clone")], check=True)
    search = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

    # 3 is a verdict that is no pass: of tables as small as this one it may well be open.
    for command, codes in zip(commands(), ({0}, {0}, {0, 3}), strict=True):
        ended = subprocess.run(
            ["bash", "-c", command],
            cwd=tmp_path / "clone",
            env={**os.environ, "PATH": search},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode in codes, ended.stderr
    assert "selection rate ratio by age" in ended.stdout

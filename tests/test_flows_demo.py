"""The demonstration: its faults are what they say, what it sends is no protected attribute, and it ends."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from flows import demo

ROOT = Path(__file__).parents[1]
CELLS = (
    "25", "Private", "226802", "11th", "7", "Never-married", "Machine-op-inspct", "Own-child", "Black",
    "Male", "0", "0", "40", "?", "<=50K.",
)  # fmt: skip
PERSON = dict(zip(demo.COLUMNS, CELLS, strict=True))


def test_a_form_sends_the_features_and_nothing_that_is_protected_or_forbidden() -> None:
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))["prepare"]
    kept_back = {*params["forbidden"], *params["drop"], "sex", "race", "income"}

    assert set(demo.form(PERSON)) == set(demo.COLUMNS) - kept_back
    assert demo.form(PERSON)["age"] == 25


def test_ages_counted_to_another_day_stay_in_order() -> None:
    rows = [[str(age), *list(PERSON.values())[1:]] for age in (17, 40, 90)]
    demo.recoded(rows)

    assert [row[0] for row in rows] == ["35", "58", "108"]


def test_a_wrong_join_moves_protected_attributes_alone_and_loses_nobody() -> None:
    rows = [[*list(PERSON.values())[:9], sex, "0"] for sex in ["Male"] * 30 + ["Female"] * 20]
    before = [list(row) for row in rows]
    demo.misjoined(rows)

    assert sorted(row[9] for row in rows) == sorted(row[9] for row in before)
    assert rows != before
    assert [row[:8] for row in rows] == [row[:8] for row in before]


def test_the_lines_that_a_demonstration_lightens_stand_once_in_params() -> None:
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")

    assert {before: text.count(before) for before, _ in [*demo.NEARER, *demo.LIGHTER]} == dict.fromkeys(
        (before for before, _ in [*demo.NEARER, *demo.LIGHTER]), 1
    )


@pytest.mark.proof
def test_the_demonstration_runs_to_its_end_and_leaves_the_working_copy_alone() -> None:
    before = subprocess.run(
        ["git", "-C", str(ROOT), "status", "--porcelain"], check=True, capture_output=True
    )
    done = subprocess.run([sys.executable, str(ROOT / "flows" / "demo.py")], check=False, capture_output=True)

    assert done.returncode == 0, done.stdout.decode()[-3000:]
    assert (demo.PLACE / "watch.html").is_file()
    after = subprocess.run(["git", "-C", str(ROOT), "status", "--porcelain"], check=True, capture_output=True)
    assert after.stdout == before.stdout

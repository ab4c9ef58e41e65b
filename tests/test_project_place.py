"""A project takes another's place whole, or not at all; what was there is kept, whatever happens."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from project_checkout import committed, default_checkout

from fairmark.errors import StateError, UsageError
from fairmark.project import place

ROOT = Path(__file__).parents[1]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return default_checkout(tmp_path / "checkout")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "mine.csv"
    path.write_text("a,b\n1,2\n")
    return path


def everything(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and ".git/" not in str(path) and ".fairmark" not in path.parts
    }


def test_the_default_address_is_that_of_the_projects_data() -> None:
    found = yaml.safe_load((ROOT / "data.dvc").read_text())

    assert found["outs"][0]["md5"] == place.DEFAULT_DATA


def test_a_project_takes_its_place_and_the_other_is_kept(checkout: Path, table: Path) -> None:
    before = everything(checkout)
    place.refuse_own(checkout, [table])

    kept = place.put(checkout, [table], {"params.yaml": "new: 1\n"}, "sheet of mine", lambda: None)

    assert (checkout / "params.yaml").read_text() == "new: 1\n"
    assert sorted(path.name for path in (checkout / "data").iterdir()) == ["DATASHEET.md", "mine.csv"]
    assert not (checkout / "artifacts").exists()
    assert not (checkout / "dvc.lock").exists()
    assert (checkout / "dvc.yaml").read_bytes() == before["dvc.yaml"]
    moved = {name for name in before if name.split("/")[0] in place.NAMES and name != "dvc.yaml"}
    there = {
        path.relative_to(kept).as_posix(): path.read_bytes() for path in kept.rglob("*") if path.is_file()
    }
    assert there == {name: before[name] for name in moved}


def test_a_fault_anywhere_puts_everything_back(
    checkout: Path, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = everything(checkout)

    def fails() -> None:
        assert (checkout / "data" / "mine.csv").exists()
        raise StateError("dvc add data: must end well, got a full disk")

    with pytest.raises(StateError, match="full disk"):
        place.put(checkout, [table], {"params.yaml": "new: 1\n"}, "sheet", fails)
    assert everything(checkout) == before

    real, left = Path.rename, [3]

    def renamed(self: Path, to: Path) -> Path:
        left[0] -= 1
        if left[0] == 0:
            raise OSError(28, "No space left on device")
        return real(self, to)

    monkeypatch.setattr(Path, "rename", renamed)
    with pytest.raises(StateError, match="must have room"):
        place.put(checkout, [table], {"params.yaml": "new: 1\n"}, "sheet", lambda: None)
    assert everything(checkout) == before


def test_a_killed_run_is_put_back_by_the_next(checkout: Path, table: Path) -> None:
    before = everything(checkout)
    code = (
        "import os, sys; from pathlib import Path; from fairmark.project import place; "
        "place.put(Path(sys.argv[1]), [Path(sys.argv[2])], {'params.yaml': 'new: 1'}, 'x', "
        "lambda: os._exit(9))"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(checkout), str(table)], check=False)
    assert ended.returncode == 9
    assert (checkout / "params.yaml").read_text() == "new: 1"

    assert place.recover(checkout)

    assert everything(checkout) == before
    kept = checkout / ".fairmark" / "replaced"
    assert any(path.name == "mine.csv" for path in kept.rglob("*"))
    assert place.recover(checkout) == []


def kills(what: str, checkout: Path, table: Path) -> list[dict[str, Any]]:
    """Return what a kill before each change of the disk left, and the run that none stopped."""
    script = ROOT / "tests" / "helpers" / "killed_init.py"
    (checkout / "dvc.lock").unlink()
    (checkout / "dvc.lock").symlink_to("nowhere")
    (checkout / "data").mkdir()
    (checkout / "data" / "own.csv").write_text("nobody else has this")
    words = [what, str(checkout), str(table.parent), str(table)]
    ended = subprocess.run([sys.executable, script, *words], check=True, capture_output=True, text=True)
    found: list[dict[str, Any]] = json.loads(ended.stdout)
    assert [each["code"] for each in found] == [9] * (len(found) - 1) + [0]
    return found


def own(standing: dict[str, str]) -> dict[str, str]:
    return {name: text for name, text in standing.items() if not name.startswith(".fairmark/")}


def test_a_kill_at_any_step_loses_nothing_and_leaves_one_whole_project(checkout: Path, table: Path) -> None:
    found = kills("put", checkout, table)
    before, after = own(found[0]["recovered"]), own(found[-1]["recovered"])

    assert len(found) > 20
    assert after["params.yaml"] == "new: 1\n"
    assert "-> nowhere" in before.values()
    for each in found:
        assert {*before.values()} <= {*each["left"].values()}, "a file stands nowhere while it is killed"
        assert {*before.values()} <= {*each["recovered"].values()}
        assert own(each["recovered"]) in (before, after)


def test_a_recovery_that_is_killed_at_any_step_is_ended_by_the_next(checkout: Path, table: Path) -> None:
    found = kills("recover", checkout, table)
    before = own(found[-1]["recovered"])

    assert len(found) > 5
    assert before["data/own.csv"] == "nobody else has this"
    assert before["dvc.lock"] == "-> nowhere"
    assert all(own(each["recovered"]) == before for each in found)


def test_what_an_older_init_left_without_a_mark_is_kept(checkout: Path) -> None:
    left = checkout / ".fairmark" / "init" / "old"
    left.mkdir(parents=True)
    (left / "params.yaml").write_text("all that is left of it")

    assert "project-1" in place.recover(checkout)[0]

    assert (checkout / ".fairmark" / "replaced" / "project-1" / "params.yaml").is_file()


def test_a_project_of_ones_own_is_not_replaced(checkout: Path, table: Path) -> None:
    params = checkout / "params.yaml"
    text = params.read_text()
    params.write_text(text + "# mine\n")
    with pytest.raises(StateError, match=r"not committed, got params.yaml") as fault:
        place.refuse_own(checkout, [table])
    assert "--force" in str(fault.value)
    params.write_text(text)

    (checkout / "data").mkdir()
    (checkout / "data" / "other.csv").write_text("mine")
    with pytest.raises(StateError, match=r"got other.csv"):
        place.refuse_own(checkout, [table])
    place.refuse_own(checkout, [checkout / "data" / "other.csv"])

    (checkout / "data.dvc").write_text("outs:\n- md5: 0123.dir\n  path: data\n")
    committed(checkout)
    with pytest.raises(StateError, match="got data of your own"):
        place.refuse_own(checkout, [checkout / "data" / "other.csv"])


def test_a_table_that_lies_in_data_already_is_taken_from_there(checkout: Path) -> None:
    (checkout / "data").mkdir()
    mine = checkout / "data" / "mine.csv"
    mine.write_text("a,b\n1,2\n")

    place.put(checkout, [mine], {"params.yaml": "new: 1\n"}, "sheet", lambda: None)

    assert mine.read_text() == "a,b\n1,2\n"


def test_a_folder_without_the_code_is_no_place(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="must be a checkout of fairmark"):
        place.refuse_elsewhere(tmp_path)


@pytest.mark.parametrize(
    ("names", "must"),
    [
        (["a.csv", "b.csv", "c.csv"], "got 3 files"),
        ([".hidden"], "does not begin with a point"),
        (["x/a.csv", "y/a.csv"], "different names"),
        (["DATASHEET.md"], "datasheet's name"),
    ],
)
def test_names_that_data_can_not_hold_are_refused(names: list[str], must: str) -> None:
    with pytest.raises(UsageError, match=must):
        place.refuse_names([Path(name) for name in names])

"""A person's rows leave the data as a new version, all or nothing, and what learnt from them is listed."""

import datetime as dt
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from flows_repo import DVC_CONFIG, call, commit, eventually
from release_folder import git

from fairmark.errors import StateError, UsageError
from fairmark.governance import trail
from fairmark.params.read import Params, read_params
from fairmark.privacy import erase as forgetting
from fairmark.privacy.erase import RECORD, Forgotten, forget, learnt, purge, restore
from fairmark.privacy.retention import overdue

ROOT = Path(__file__).parents[1]
DAY = dt.date(2026, 11, 23)
LINES = [f"{k},{'F' if k % 2 else 'M'},{20 + k},{'yes' if k % 3 else 'no'}\n" for k in range(1, 9)]
CONTENT = "id,sex,age,paid\n" + "".join(LINES)
PIPELINE = """\
stages:
  split:
    cmd: python split.py
    deps: [data, split.py]
    outs: [artifacts/split/rows.parquet]
"""
SPLIT = """\
import pandas as pd, pathlib
ids = pd.read_csv("data/p.csv", dtype=str)["id"]
pathlib.Path("artifacts/split").mkdir(parents=True, exist_ok=True)
pd.DataFrame({"_row_id": ids, "part": (["train"] * 4 + ["valid"] * 2 + ["test"] * 2)[: len(ids)]}).to_parquet(
    "artifacts/split/rows.parquet")
"""


def _params() -> dict[str, Any]:
    params: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["project"] |= {"name": "loans", "data": "p.csv"}
    for section in ("governance", "environmental_cost"):
        params["release"][section]["of"] = "loans"
    form: dict[str, Any] = {
        "type": "csv",
        "separator": ",",
        "decimal": ".",
        "header": None,
        "missing": [],
        "thousands": None,
        "units": [],
        "encoding": "utf-8",
    }
    params["prepare"] |= {
        "files": {"main": {"name": "p.csv", "skip_rows": 0, "rows": {"min": 8, "max": 9}}, "test": None},
        "format": form,
        "target": {"column": "paid", "positive": "yes", "negative": "no", "strip": ""},
        "row_id": "id",
        "person": None,
        "drop": [],
        "columns": {},
        "unlisted": "infer",
        "protected": {"sex": {"by": "column", "column": "sex"}},
        "forbidden": [],
    }
    params["split"]["test_share"] = 0.5
    params["tune"]["mitigation"] = []
    params["policy"] |= {"limits": params["policy"]["limits"][:1], "waivers": [], "overrides": []}
    params["privacy"]["retention"] = {"data_days": 10, "releases_days": 20, "trail_days": 30}
    return params


@pytest.fixture(scope="module")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a repository with data in DVC, a split and a release tag; copy it before use."""
    root = tmp_path_factory.mktemp("forget") / "repo"
    (root / "data").mkdir(parents=True)
    (root / "data" / "p.csv").write_text(CONTENT)
    (root / "data" / "about.txt").write_text("Nothing of 7 in particular; person-8 wrote.\n")
    (root / "params.yaml").write_text(yaml.safe_dump(_params()))
    (root / "dvc.yaml").write_text(PIPELINE)
    (root / "split.py").write_text(SPLIT)
    (root / ".gitignore").write_text("/data\n.fairmark/\n")
    call(root, "git", "init", "-q", "-b", "main")
    call(root, "dvc", "init", "-q")
    (root / ".dvc" / "config").write_text(DVC_CONFIG)
    call(root, "dvc", "add", "-q", "data")
    call(root, "dvc", "push", "-q", "data.dvc")
    call(root, "dvc", "repro", "-q")
    commit(root)
    call(root, "git", "tag", "-a", "-m", "x", "loans@v0.1.0")
    return root


@pytest.fixture
def root(pattern: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return such a repository of one's own."""
    monkeypatch.setenv("FAIRMARK_CONFIG", str(tmp_path / "config"))
    return Path(shutil.copytree(pattern, tmp_path / "repo", symlinks=True))


@pytest.fixture(scope="module")
def shared(pattern: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Forgotten]:
    """Return such a repository after rows 1 and 5 left it, and what was said of them; copy it before use."""
    root = Path(shutil.copytree(pattern, tmp_path_factory.mktemp("forgotten") / "repo", symlinks=True))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAIRMARK_CONFIG", str(root.parent / "config"))
        return root, forget(root, ["1", "5"], "asked for", params(root), DAY)


@pytest.fixture
def forgotten(
    shared: tuple[Path, Forgotten], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, Forgotten]:
    """Return the same, of one's own."""
    monkeypatch.setenv("FAIRMARK_CONFIG", str(tmp_path / "config"))
    return Path(shutil.copytree(shared[0], tmp_path / "repo", symlinks=True)), shared[1]


def params(root: Path) -> Params:
    """Return its params."""
    return read_params(root / "params.yaml")


def state(root: Path) -> dict[str, bytes]:
    """Return every file that a failure must leave as it was."""
    files = [*(root / "data").iterdir(), root / "data.dvc", root / RECORD]
    return {path.name: path.read_bytes() for path in files if path.exists()}


def test_the_rows_are_gone_in_a_new_version_that_dvc_holds(forgotten: tuple[Path, Forgotten]) -> None:
    root, done = forgotten

    assert (root / "data" / "p.csv").read_text() == CONTENT.replace(LINES[0], "").replace(LINES[4], "")
    assert done.files == {"p.csv": 2}
    assert done.after == yaml.safe_load((root / "data.dvc").read_text())["outs"][0]["md5"] != done.before
    assert "data.dvc" not in call(root, "dvc", "status", "--json", "data.dvc")
    assert git(root, "status", "--porcelain").split() == ["M", "data.dvc", "??", RECORD]


def test_the_record_names_the_day_the_count_and_the_versions_and_no_one(
    forgotten: tuple[Path, Forgotten],
) -> None:
    root, done = forgotten

    (line,) = (root / RECORD).read_text().splitlines()
    assert json.loads(line) == {
        "day": "2026-11-23",
        "rows": {"p.csv": 2},
        "before": done.before,
        "after": done.after,
        "reason": "asked for",
    }
    (entry,) = trail.entries(root)
    what = {"action": "forget", "rows": 2, "before": done.before, "after": done.after}
    assert entry.to_json()["what"] == what


@pytest.mark.slow
def test_the_next_one_is_added_to_the_record(forgotten: tuple[Path, Forgotten]) -> None:
    root, _ = forgotten
    commit(root)
    forget(root, ["4"], "second", params(root), DAY)

    assert len((root / RECORD).read_text().splitlines()) == 2


@pytest.mark.slow
def test_too_few_rows_and_other_files_with_the_id_are_told(root: Path) -> None:
    (root / "data" / "p.csv").write_text(CONTENT.replace("\n8,", "\nperson-8,"))
    call(root, "dvc", "add", "-q", "data")
    commit(root)

    done = forget(root, ["person-8"], "asked for", params(root), DAY)

    assert done.too_few == ["p.csv: 7 rows are left, and prepare.files asks for 8"]
    assert done.elsewhere == ["about.txt"]


# ------------------------------------------------------------------ refused


@pytest.mark.parametrize(
    ("ids", "reason", "fault"),
    [
        (["99"], "x", "--id: must be the id of a row of the data, got '99'"),
        (["3", "03"], "x", "got '03'"),
        (["3"], " ", "--reason: must say why"),
        (["3"], "customer 3 asked", "--reason: must name no one"),
    ],
)
def test_a_wrong_call_changes_nothing(root: Path, ids: list[str], reason: str, fault: str) -> None:
    before = state(root)

    with pytest.raises(UsageError, match=fault):
        forget(root, ids, reason, params(root), DAY)

    assert state(root) == before


def test_a_dirty_tree_is_refused(root: Path) -> None:
    (root / "stray").write_text("")

    with pytest.raises(StateError, match="must be clean"):
        forget(root, ["3"], "x", params(root), DAY)


def test_data_that_dvc_does_not_know_is_refused_and_kept(root: Path) -> None:
    (root / "data" / "p.csv").write_text(CONTENT + "9,F,29,no\n")
    before = state(root)

    with pytest.raises(StateError, match=r"data: must be what data\.dvc names"):
        forget(root, ["3"], "x", params(root), DAY)

    assert state(root) == before


def test_a_failing_dvc_leaves_everything_as_it_was(root: Path, tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "dvc"
    program.write_text("#!/bin/sh\necho broken >> data.dvc\necho ERROR: disk full >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    before = state(root)

    with pytest.raises(StateError, match="disk full"):
        forget(root, ["3"], "x", params(root), DAY)

    assert state(root) == before
    assert git(root, "status", "--porcelain") == ""
    assert not (root / forgetting.ASIDE).exists()


def alone(root: Path) -> bool:
    """Return whether nothing else runs."""
    try:
        with forgetting.alone(root):
            return True
    except StateError:
        return False


@pytest.mark.slow
def test_a_kill_at_any_moment_is_put_right_by_the_next_call(root: Path) -> None:
    before = state(root)
    code = (
        "import datetime as dt, sys; from pathlib import Path; from fairmark.params.read import read_params\n"
        "from fairmark.privacy.erase import forget; r = Path(sys.argv[1])\n"
        "print('go', flush=True)\n"
        "forget(r, ['3'], 'x', read_params(r / 'params.yaml'), dt.date(2026, 11, 23))"
    )
    for number in range(5):  # about every fifth of a second of the second that it takes
        killed = subprocess.Popen(
            [sys.executable, "-c", code, str(root)], stdout=subprocess.PIPE, start_new_session=True
        )
        assert killed.stdout is not None
        killed.stdout.readline()
        time.sleep(0.3 + 0.2 * number)
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
        assert eventually(lambda: alone(root))  # the child that adds the data holds the lock until it ends
        restore(root)
        if (root / RECORD).exists():  # all was done before the kill: then it is whole
            assert (root / "data" / "p.csv").read_text() == CONTENT.replace(LINES[2], "")
            assert "data.dvc" not in call(root, "dvc", "status", "--json", "data.dvc")
            break
        assert state(root) == before
    forget(root, ["4"], "x", params(root), DAY) if state(root) == before else None
    assert not (root / forgetting.ASIDE).exists()


def test_the_lock_of_a_release_is_respected(root: Path) -> None:
    with forgetting.alone(root), pytest.raises(StateError, match="must have nothing else that runs"):
        forget(root, ["3"], "x", params(root), DAY)


# ------------------------------------------------------------------ listed


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("1", "learnt from it (train)"),
        ("5", "chose by it (valid)"),
        ("8", "was measured on it (test)"),
        ("9", "its data did not hold it"),
    ],
)
def test_a_release_tells_the_part_that_held_the_person(root: Path, row: str, words: str) -> None:
    (found,) = learnt(root, "loans", [row])

    assert (found.release, found.words) == ("loans@v0.1.0", words)
    assert found.held is (row != "9")


def test_without_the_split_the_raw_data_tells_that_it_held_the_person(root: Path) -> None:
    address = call(root, "git", "show", "HEAD:dvc.lock")
    md5 = next(out["md5"] for out in yaml.safe_load(address)["stages"]["split"]["outs"])
    (root / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]).unlink()

    (here,), (gone,) = learnt(root, "loans", ["5"]), learnt(root, "loans", ["9"])

    assert (here.held, gone.held) == (True, False)
    assert "the part can't be told here" in here.words


def test_without_any_bytes_nothing_is_claimed(root: Path) -> None:
    shutil.rmtree(root / ".dvc" / "cache")
    shutil.rmtree(root / "dvcstore")

    (found,) = learnt(root, "loans", ["5"])

    assert found.held is None
    assert "can't be told here" in found.words


@pytest.mark.slow
def test_releases_before_a_forgetting_still_name_the_person(forgotten: tuple[Path, Forgotten]) -> None:
    root, _ = forgotten
    call(root, "dvc", "repro", "-q")
    commit(root)
    call(root, "git", "tag", "-a", "-m", "x", "loans@v0.2.0")

    assert [(each.release, each.held) for each in learnt(root, "loans", ["1"])] == [
        ("loans@v0.1.0", True),
        ("loans@v0.2.0", False),
    ]


def test_what_purges_the_older_version_names_git_where_the_store_is_in_it(
    forgotten: tuple[Path, Forgotten],
) -> None:
    root, done = forgotten

    commands = purge(root, done.before, done.after)

    assert commands[:2] == ["dvc gc --workspace", "dvc gc --workspace --cloud --remote store"]
    old = next((root / "dvcstore" / "files" / "md5" / done.before[:2]).iterdir())
    assert f"--path {old.relative_to(root).as_posix()}" in commands[2]
    assert "about.txt" not in commands[2]


@pytest.mark.slow
def test_what_purges_does(forgotten: tuple[Path, Forgotten]) -> None:
    root, done = forgotten
    call(root, "dvc", "push", "-q", "data.dvc")
    commit(root)
    for command in purge(root, done.before, done.after)[:2]:
        call(root, *command.split(), "--force", "--quiet")

    kept = [
        path.read_bytes()
        for path in root.rglob("files/md5/*/*")
        if path.is_file() and ".git" not in path.parts
    ]
    assert kept
    assert not any(LINES[0].encode() in content for content in kept)


# ------------------------------------------------------------------ kept too long


def test_what_is_older_than_allowed_is_listed_with_what_removes_it(root: Path) -> None:
    today = dt.datetime.now(tz=dt.UTC).date()
    trail.append(root, {}, "x")
    trail.append(root, {}, "x")

    assert overdue(root, params(root), today + dt.timedelta(days=10)) == []
    late = overdue(root, params(root), today + dt.timedelta(days=31))

    assert [(each.kind, each.days) for each in late] == [("data", 21), ("release", 11), ("trail", 1)]
    assert "put newer data in its place" in late[0].command
    assert late[1].command.startswith("rm -r releases/loans-v0.1.0; git tag -d loans@v0.1.0")
    assert late[2].command.startswith("fairmark trail --cut 1 --reason")


@pytest.mark.slow
def test_an_older_version_is_named_with_the_day_that_stays(forgotten: tuple[Path, Forgotten]) -> None:
    root, done = forgotten
    commit(root)
    today = dt.datetime.now(tz=dt.UTC).date()

    found = {each.name: each.command for each in overdue(root, params(root), today + dt.timedelta(days=15))}

    assert f"dvc gc --workspace --date {today + dt.timedelta(days=5)}" in found[done.before]
    assert "git filter-repo --invert-paths --path dvcstore/files/md5/" in found[done.before]
    assert len(found) == 2


@pytest.mark.slow
def test_a_version_that_was_purged_is_overdue_no_more(root: Path) -> None:
    call(root, "git", "rm", "-r", "-q", "--cached", "dvcstore")
    (root / ".gitignore").write_text("/data\n.fairmark/\n/dvcstore\n")
    call(root, "git", "checkout", "-q", "--orphan", "again")
    commit(root)
    call(root, "git", "branch", "-q", "-D", "main")
    call(root, "git", "tag", "-d", "loans@v0.1.0")
    done = forget(root, ["1"], "x", params(root), DAY)
    commit(root)
    today = dt.datetime.now(tz=dt.UTC).date() + dt.timedelta(days=15)
    assert done.before in {each.name for each in overdue(root, params(root), today)}

    call(root, "dvc", "push", "-q", "data.dvc")
    for command in purge(root, done.before, done.after):
        call(root, *command.split(), "--force", "--quiet")

    assert [each.name for each in overdue(root, params(root), today)] == [done.after]

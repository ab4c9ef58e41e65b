"""What a killed run left in the way is put right; what a person changed is left alone."""

import fcntl
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from flows_repo import call, commit

from fairmark.repo import recovery

pytest_plugins = ("flows_fixtures",)
MEASURED = "artifacts/evaluate/measurements.json"


class KilledError(Exception):
    """Stands in for the end of a run that is killed while stages run."""


def killed(repo: Path) -> None:
    """Let a run begin its stages in `repo` and not end them."""
    with pytest.raises(KilledError), recovery.begun(repo):
        raise KilledError


def clean(repo: Path) -> bool:
    return call(repo, "git", "status", "--porcelain") == ""


def test_a_run_that_ends_well_leaves_nothing_to_mend(repo: Path) -> None:
    with recovery.begun(repo):
        pass

    assert not (repo / ".fairmark" / "stages.json").exists()
    assert recovery.recover(repo) == []


def test_outputs_that_a_killed_run_took_away_are_put_back(repo: Path) -> None:
    killed(repo)
    (repo / MEASURED).unlink()
    (repo / "dvc.lock").write_text("schema: '2.0'\n")

    assert recovery.recover(repo) == [
        "dvc.lock: a killed run had changed it: put back as committed",
        f"{MEASURED}: a killed run had changed it: put back as committed",
    ]
    assert clean(repo)
    assert recovery.recover(repo) == []


def test_what_was_changed_before_the_run_stays(repo: Path) -> None:
    (repo / MEASURED).write_text("{}")
    killed(repo)

    assert recovery.recover(repo) == []
    assert (repo / MEASURED).read_text() == "{}"


def test_what_is_no_output_stays(repo: Path) -> None:
    killed(repo)
    (repo / "params.yaml").write_text("mine")
    (repo / ".env.template").write_text("mine too")

    assert recovery.recover(repo) == []
    assert (repo / "params.yaml").read_text() == "mine"
    assert (repo / ".env.template").exists()


def test_an_output_that_was_committed_anew_since_stays(repo: Path) -> None:
    killed(repo)
    (repo / MEASURED).write_text("{}")
    commit(repo)
    (repo / MEASURED).write_text("[]")

    assert recovery.recover(repo) == []
    assert (repo / MEASURED).read_text() == "[]"


def test_nothing_is_touched_without_a_killed_run(repo: Path) -> None:
    (repo / MEASURED).unlink()

    assert recovery.recover(repo) == []
    assert not (repo / MEASURED).exists()


def test_a_lock_file_that_a_person_left_in_conflict_stays(repo: Path) -> None:
    (repo / "dvc.lock").write_text("<<<<<<< HEAD\n")

    assert recovery.recover(repo) == []
    assert (repo / "dvc.lock").read_text() == "<<<<<<< HEAD\n"


def test_a_lock_file_that_was_cut_off_is_put_back_as_committed(repo: Path) -> None:
    killed(repo)
    text = (repo / "dvc.lock").read_text()
    (repo / "dvc.lock").write_text(text[: len(text) // 2] + "\n  x")

    assert recovery.recover(repo) == ["dvc.lock: a killed run had changed it: put back as committed"]
    assert (repo / "dvc.lock").read_text() == text


def test_drafts_are_removed(repo: Path) -> None:
    killed(repo)
    left = [
        repo / "artifacts" / "evaluate" / ".measurements.json.ab_9xyz0",
        repo / "artifacts" / "document" / ".Zk3-yXlAq_0123456789ab.tmp",
        repo / "data" / ".Zk3-yXlAq_0123456789ab.tmp",
    ]
    for path in left:
        path.write_text("half")

    assert len(recovery.recover(repo)) == 3
    assert not any(path.exists() for path in left)
    assert clean(repo)


def rwlock(repo: Path, pid: int) -> Path:
    path = repo / ".dvc" / "tmp" / "rwlock"
    info = {"pid": pid, "cmd": "/bin/dvc repro train"}
    path.write_text(json.dumps({"write": {str(repo / "artifacts"): info}}))
    return path


def test_a_list_of_users_that_was_cut_off_is_removed(repo: Path) -> None:
    (repo / ".dvc" / "tmp" / "rwlock").write_text("")
    done = subprocess.run(["dvc", "repro"], cwd=repo, capture_output=True, text=True, check=False)
    assert "JSON structure is corrupted" in done.stderr  # which is why

    recovery.recover(repo)

    call(repo, "dvc", "repro")


def test_a_user_that_is_dead_is_forgotten_though_another_has_its_number(repo: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        path = rwlock(repo, other.pid)
        os.utime(path, (1_000_000_000, 1_000_000_000))
        recovery.recover(repo)
        other.kill()

    assert not path.exists()


def test_while_a_user_lives_nothing_is_mended(repo: Path) -> None:
    killed(repo)
    (repo / MEASURED).unlink()
    path = rwlock(repo, os.getpid())

    assert recovery.recover(repo) == []
    assert path.exists()
    assert not (repo / MEASURED).exists()


@pytest.mark.parametrize("name", [".dvc/tmp/lock", ".fairmark/stages.lock"])
def test_while_another_is_at_work_nothing_is_mended(repo: Path, name: str) -> None:
    killed(repo)
    (repo / MEASURED).unlink()
    with (repo / name).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        assert recovery.recover(repo) == []
    assert recovery.recover(repo) != []


def test_a_lock_that_a_killed_git_left_on_a_release_tag_is_removed(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "STALE_S", 0.2)
    ours, theirs = (repo / ".git" / "refs" / "tags" / name for name in ("a@v0.1.0.lock", "mine.lock"))
    for path in (ours, theirs):
        path.touch()

    assert recovery.recover(repo) == ["a@v0.1.0.lock: a killed git had left it: removed"]
    assert theirs.exists()


def spoil(repo: Path, address: str) -> Path:
    path = repo / ".dvc" / "cache" / "files" / "md5" / address[:2] / address[2:]
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1])
    path.chmod(0o444)
    return path


def addresses(repo: Path) -> dict[str, str]:
    from fairmark.repo.dvc_files import data_outputs, stage_outputs

    return {path: out.md5 for path, out in {**stage_outputs(repo), **data_outputs(repo)}.items()}


def test_spoilt_objects_are_deleted_and_made_again(repo: Path) -> None:
    """Of data that is pulled, and of a folder and a file that stages make."""
    known, before = addresses(repo), (repo / "dvc.lock").read_bytes()
    for output in ("data", "artifacts/train/model", "artifacts/document/report.html"):
        path = spoil(repo, known[output])
        if (repo / output).is_dir():
            shutil.rmtree(repo / output)
        else:
            (repo / output).unlink()

        assert len(recovery.broken(repo)) == 1
        assert not path.exists()
    call(repo, "dvc", "pull", "data.dvc")
    call(repo, "dvc", "repro")
    assert (repo / "dvc.lock").read_bytes() == before
    assert call(repo, "dvc", "status", "--json").strip() == "{}"
    assert clean(repo)


def test_a_spoilt_file_of_a_folder_is_found(repo: Path) -> None:
    manifest = repo / ".dvc" / "cache" / "files" / "md5"
    address = addresses(repo)["artifacts/train/model"]
    member = json.loads((manifest / address[:2] / address[2:]).read_text())[0]["md5"]
    spoil(repo, member)

    assert recovery.broken(repo) == [
        f".dvc/cache: object {member[:12]}… was not what its name says: deleted, to be made again"
    ]


def test_a_whole_cache_is_left_alone(repo: Path) -> None:
    assert recovery.broken(repo) == []

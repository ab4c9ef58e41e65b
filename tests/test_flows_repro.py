"""DVC alone says what is stale and makes it; its answers are read as they are meant."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from flows_repo import call, commit, edit
from hypothesis import given
from hypothesis import strategies as st

from fairmark.errors import StateError
from fairmark.repo import dvc as repro
from flows import retrain
from flows.console import Progress

pytest_plugins = ("flows_fixtures",)
ORDER = ["train", "evaluate", "document"]


@given(st.sets(st.sampled_from([*"abcdef", "data.dvc"])))
def test_the_first_stale_stage_and_all_after_it_are_asked_for(changed: set[str]) -> None:
    asked = repro.stale(changed, list("abcdef"))

    assert asked == [name for name in "abcdef" if any(c <= name for c in changed - {"data.dvc"})]


def test_the_stages_come_in_the_order_of_the_file(repo: Path) -> None:
    assert repro.stages(repo) == ORDER


@pytest.mark.parametrize("text", ["", "stages:", "a: b", "stages: [", "[]"])
def test_a_file_without_stages_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "dvc.yaml").write_text(text)

    with pytest.raises(StateError, match=r"dvc\.yaml: must list stages"):
        repro.stages(tmp_path)


def test_only_the_stage_s_own_lines_are_told() -> None:
    said: list[str] = []
    reader = repro.Reader(said.append)
    for line in [
        "Running stage 'train':",
        "> env A=1 python -m train",
        "> a line of the stage",
        "Use `dvc pull` is a line of the stage too",
        "Updating lock file 'dvc.lock'",
        "To track the changes with git, run:",
        "\tgit add dvc.lock",
        "Use `dvc push` to send your updates to remote storage.",
        "ERROR: failed to reproduce 'train': failed to run: env A=1 python -m train, exited with 1",
    ]:
        reader(line)

    assert said == [
        "> a line of the stage",
        "Use `dvc pull` is a line of the stage too",
        "ERROR: failed to reproduce 'train': exited with 1",
    ]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("ERROR: failed to pull data from the cloud - Connection reset by peer", repro.AgainError),
        ("ERROR: unexpected error - Could not connect to the endpoint URL", repro.AgainError),
        ("ERROR: Unable to acquire lock. Most likely another DVC process is running", repro.AgainError),
        ("ERROR: failed to pull data from the cloud - configuration error", StateError),
    ],
)
def test_only_a_pull_that_may_go_well_later_is_tried_again(line: str, kind: type[StateError]) -> None:
    assert type(repro.pull_fault([line])) is kind


def test_what_a_stage_says_never_counts_as_a_held_lock() -> None:
    assert not repro.worth_another_try(["blocked by a full disk", "ERROR: exited with 1"], repro.LOCK)


def test_nothing_is_stale_in_a_fresh_copy_and_a_stage_says_so(repo: Path) -> None:
    assert repro.status(repo) == {}
    assert repro.reproduce(repo, "train", print) == "up to date"


def test_a_changed_dependency_makes_its_stage_and_the_next_ones_stale(repo: Path) -> None:
    (repo / "measured.json").write_text("{}")

    assert repro.stale(repro.status(repo), ORDER) == ["evaluate", "document"]


def test_missing_data_is_pulled_offline_and_one_lost_file_too(repo: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    call(tmp_path, "git", "clone", "--quiet", str(repo), str(clone))
    repro.pull(clone)
    assert (clone / "data" / "rows.csv").read_text() == "income\n1\n"

    (clone / "data" / "rows.csv").unlink()
    repro.pull(clone)
    assert (clone / "data" / "rows.csv").read_text() == "income\n1\n"


def test_edited_data_is_kept_and_refused(repo: Path) -> None:
    edited = repo / "data" / "rows.csv"
    edited.unlink()
    edited.write_text("income\n2\n")

    with pytest.raises(StateError, match=r"got edited files, .*rows\.csv; `dvc add data`"):
        repro.pull(repo)
    assert edited.read_text() == "income\n2\n"


@pytest.mark.parametrize("fault", ["changed", "missing"])
def test_an_object_that_is_not_what_its_hash_says_is_refused(repo: Path, tmp_path: Path, fault: str) -> None:
    clone = tmp_path / "clone"
    call(tmp_path, "git", "clone", "--quiet", str(repo), str(clone))
    stored = next(p for p in (clone / "dvcstore").rglob("*") if p.is_file() and p.suffix != ".dir")
    stored.chmod(0o644)
    if fault == "changed":
        stored.write_text("income\n9\n")
    else:
        stored.unlink()

    with pytest.raises(StateError, match="missing from the remote or whose bytes are not what their hash"):
        repro.pull(clone)
    assert not (clone / "data" / "rows.csv").exists()


def test_a_failed_stage_tells_why_and_nothing_recorded_is_lost(repo: Path) -> None:
    before = (repo / "dvc.lock").read_bytes()
    text = (repo / "dvc.yaml").read_text()
    (repo / "dvc.yaml").write_text(
        text.replace("mkdir -p artifacts/train/model", "echo no such column >&2 && exit 9")
    )
    said: list[str] = []

    with pytest.raises(StateError, match="stage train: must end well, got") as fault:
        repro.reproduce(repo, "train", said.append)
    assert "no such column" in said
    assert "  no such column" in fault.value.faults
    assert (repo / "dvc.lock").read_bytes() == before

    (repo / "dvc.yaml").write_text(text)
    assert repro.reproduce(repo, "train", print) == "restored from the run cache"


def test_a_lock_that_another_process_holds_is_worth_another_try(repo: Path) -> None:
    edit(repo / "dvc.yaml", "echo trained", "touch running && until test -e go; do sleep 0.1; done")
    dvc = str(Path(sys.executable).with_name("dvc"))
    with subprocess.Popen([dvc, "repro", "--quiet", "--single-item", "train"], cwd=repo) as other:
        while not (repo / "running").exists():
            assert other.poll() is None
            time.sleep(0.05)
        with pytest.raises(repro.AgainError, match="stage train: must have DVC to itself"):
            repro.reproduce(repo, "train", print)
        (repo / "go").touch()
        assert other.wait(240) == 0


def test_retrain_brings_all_up_to_date_and_says_what_became_of_each(
    repo: Path, without_prefect: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    without_prefect(repo)
    (repo / "measured.json").write_text("{}")
    retrain.retrain.fn()

    lines = [line.rstrip("0123456789. s") for line in capsys.readouterr().out.splitlines()]
    assert lines[1:3] == ["2/4 train    up to date", "3/4 evaluate"]
    assert lines[-1].endswith("a release: artifacts/evaluate/measurements.json, dvc.lock, measured.json")
    assert (repo / "artifacts" / "document" / "report.html").read_text() == "{}"
    assert repro.status(repo) == {}


def test_retrain_pulls_the_data_of_a_fresh_clone(
    repo: Path, tmp_path: Path, without_prefect: Callable[[Path], None]
) -> None:
    clone = tmp_path / "clone"
    call(tmp_path, "git", "clone", "--quiet", str(repo), str(clone))
    without_prefect(clone)
    progress = Progress(retrain.steps())
    retrain.run_stages(progress)

    assert repro.status(clone) == {}
    assert call(clone, "git", "status", "--porcelain") == ""


def test_after_a_fault_the_stages_that_are_done_stay_done(
    repo: Path, without_prefect: Callable[[Path], None]
) -> None:
    without_prefect(repo)
    edit(repo / "dvc.yaml", "&& cp measured.json artifacts/document/report.html", "&& exit 1")
    (repo / "measured.json").write_text("{}")
    commit(repo)

    with pytest.raises(StateError, match="stage document"):
        retrain.retrain.fn()
    assert list(repro.status(repo)) == ["document"]

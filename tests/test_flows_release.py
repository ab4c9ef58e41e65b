"""A release is made once, from a clean commit, on a pass; killed anywhere, the next run finishes it."""

import datetime as dt
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flows_repo import call, commit, edit
from maker_and_forger import MINE

from fairmark.errors import RefusedError, StateError, UndeterminedError, UsageError, VerificationError
from fairmark.judge.verdict import Outcome, Verdict
from fairmark.release.mlflow_registry import Registered
from fairmark.repo.commit import tagged
from fairmark.repo.dvc_files import folder_sha256
from fairmark.signing.dsse import seal
from fairmark.signing.git_tags import tag_release, tagged_statement
from fairmark.signing.key_store import config_folder
from fairmark.signing.keys import PublicKey, SigningKey
from fairmark.verify.verify import Acceptance, Fact
from flows import preflight, release

pytest_plugins = ("flows_fixtures",)
NAME = "adult-income"


def empty(outcome: Outcome) -> Verdict:
    """Return a verdict without findings."""
    return Verdict(
        outcome=outcome,
        findings=(),
        faults=(),
        level=0.05,
        correction="bonferroni",
        comparisons=0,
        guarantee="",
        judged_on=None,
        limits={},
        state=outcome,
    )


class Rooms:
    """Stands in for judge, assemble, register and verify, and keeps what they were asked."""

    def __init__(self) -> None:
        self.outcome: Outcome = "pass"
        self.facts = [Fact("files", True, "3 files as stated"), Fact("seal", None, "not signed", asked=False)]
        self.environment = "this machine"
        self.registered: list[str] = []
        self.shown: list[str] = []
        self.days: list[dt.date] = []
        self.expires: dt.date | None = None

    def judge(self, _measurements: object, _policy: object, today: dt.date, **expected: object) -> Verdict:
        self.expected = expected
        self.days.append(today)
        if self.expires is not None and today > self.expires:
            return empty("insufficient evidence")
        return empty(self.outcome)

    def assemble(
        self,
        root: Path,
        folder: Path,
        version: str,
        seen: Any,
        _params: object,
        verdict: Any,
        key: SigningKey,
        acceptance: Acceptance,
    ) -> Path:
        assert not folder.exists()
        folder.mkdir(parents=True)
        stated = {"version": version, "commit": seen.commit, "environment": self.environment}
        seal(stated, key).write(folder / "statement.json")
        empty(verdict.outcome).write(folder / "verdict.json")
        (folder / "report.html").write_text("")
        shutil.copy(root / "artifacts" / "evaluate" / "measurements.json", folder)
        try:
            acceptance.after_signing(folder)
        except Exception:
            shutil.rmtree(folder)  # as the draft is removed
            raise
        return folder

    def register(self, folder: Path, _seen: object, _params: object, verdict: Any, _uri: object) -> Any:
        self.registered.append(f"{folder.name} {verdict.outcome}")
        return Registered(name=NAME, version="1", run_id="r")

    def verify(self, _folder: Path, _clone: Path, key: PublicKey, **_: object) -> list[Fact]:
        self.asked_with = key
        return self.facts


@pytest.fixture(autouse=True)
def rooms(repo: Path, without_prefect: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch) -> Rooms:
    rooms = Rooms()
    without_prefect(repo)
    monkeypatch.setattr("fairmark.judge.verdict.judge_document", rooms.judge)
    monkeypatch.setattr("fairmark.release.build.assemble", rooms.assemble)
    monkeypatch.setattr("fairmark.release.mlflow_registry.register", rooms.register)
    monkeypatch.setattr("fairmark.verify.verify.verify", rooms.verify)
    monkeypatch.setattr(release, "weigh", lambda *_: {})
    monkeypatch.setattr(release, "record", lambda *_: None)
    monkeypatch.setattr(release, "ready", lambda *_: None)
    monkeypatch.setattr(release, "costs_line", lambda _: "one decision 1 ms")
    monkeypatch.setattr(release, "show", lambda verdict, _: rooms.shown.append(verdict.outcome))
    return rooms


def folders(repo: Path) -> list[str]:
    return sorted(path.name for path in (repo / "releases").glob("*"))


def test_a_clean_commit_that_passes_is_released(
    repo: Path, rooms: Rooms, capsys: pytest.CaptureFixture[str]
) -> None:
    release.release.fn()

    assert folders(repo) == [f"{NAME}-v0.1.0"]
    assert tagged(repo, f"{NAME}@v0.1.0") == call(repo, "git", "rev-parse", "HEAD").strip()
    assert rooms.registered == [f"{NAME}-v0.1.0 pass"]
    assert call(repo, "git", "status", "--porcelain") == ""
    said = capsys.readouterr().out
    assert "ok    files: 3 files as stated" in said
    assert "AUC       0.900 (0.880 to 0.920)" in said
    assert f"tag       {NAME}@v0.1.0 on commit " in said
    assert f"signed    by key {MINE.public.keyid[:16]}…, public half {config_folder()}/key.pub.pem" in said
    assert rooms.asked_with == MINE.public


def test_a_first_run_makes_a_key_and_says_so_and_a_second_keeps_it(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FAIRMARK_CONFIG", str(tmp_path / "config"))
    release.release.fn()
    said = capsys.readouterr().out
    assert f"made {tmp_path}/config/key.pem" in said
    assert f"its public half is {tmp_path}/config/key.pub.pem" in said
    before = (tmp_path / "config" / "key.pem").read_bytes()

    (repo / "note").write_text("x")
    commit(repo)
    release.release.fn()
    assert "you had no key" not in capsys.readouterr().out
    assert (tmp_path / "config" / "key.pem").read_bytes() == before


def test_a_key_that_cannot_be_used_is_told_before_anything_is_made(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIRMARK_KEY", str(tmp_path / "absent.pem"))

    with pytest.raises(StateError, match=r"absent\.pem: must be a private key, got no such file"):
        release.release.fn()
    assert folders(repo) == []


def test_a_lost_folder_whose_tag_another_key_signed_is_a_new_version(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    release.release.fn()
    shutil.rmtree(repo / "releases")
    monkeypatch.setenv("FAIRMARK_CONFIG", str(tmp_path / "another"))
    with pytest.raises(
        UndeterminedError, match=f"tag {NAME}@v0.1.0: must be signed by a key that is allowed to"
    ):
        release.release.fn()
    monkeypatch.setenv("FAIRMARK_BASE", f"{NAME}@v0.1.0")
    release.release.fn()

    assert folders(repo) == [f"{NAME}-v0.2.0"]
    assert f"{NAME}@v0.1.0 is signed by another key than yours, or by none" in capsys.readouterr().out


def test_a_second_run_finds_the_release_and_ends_well(
    repo: Path, rooms: Rooms, capsys: pytest.CaptureFixture[str]
) -> None:
    release.release.fn()
    release.release.fn()

    assert folders(repo) == [f"{NAME}-v0.1.0"]
    assert f"{NAME}-v0.1.0 is released already" in capsys.readouterr().out
    assert rooms.shown == ["pass"]


def test_the_next_commit_gets_the_next_version(repo: Path) -> None:
    release.release.fn()
    (repo / "note").write_text("x")
    commit(repo)
    release.release.fn()

    assert folders(repo) == [f"{NAME}-v0.1.0", f"{NAME}-v0.2.0"]


def test_a_dirty_tree_is_refused_before_anything_is_made(repo: Path) -> None:
    (repo / "params.yaml").write_text((repo / "params.yaml").read_text() + "# x\n")

    with pytest.raises(StateError, match=r"working tree must be clean.*got changes in params\.yaml"):
        release.release.fn()
    assert folders(repo) == []


def test_results_that_the_retrain_changed_are_refused(repo: Path) -> None:
    text = (repo / "measured.json").read_text()
    (repo / "measured.json").write_text(text + "\n")
    commit(repo)

    with pytest.raises(StateError, match=r"artifacts/evaluate/measurements\.json, dvc\.lock; .*commit them"):
        release.release.fn()
    assert folders(repo) == []


@pytest.mark.parametrize("outcome", ["fail", "insufficient evidence"])
def test_what_does_not_pass_is_shown_and_not_released(repo: Path, rooms: Rooms, outcome: Outcome) -> None:
    rooms.outcome = outcome

    with pytest.raises(RefusedError, match=f"verdict: must be pass, got {outcome}"):
        release.release.fn()
    assert rooms.shown == [outcome]
    assert folders(repo) == []
    assert tagged(repo, f"{NAME}@v0.1.0") is None


def test_the_page_on_own_data_followed_letter_by_letter_gives_a_release_whose_data_a_clone_can_pull(
    repo: Path, rooms: Rooms, tmp_path: Path
) -> None:
    page = (Path(__file__).parents[1] / "docs" / "own-data.md").read_text(encoding="utf-8")
    block = re.search(r"## By hand\n.*?```sh\n(.*?)```", page, re.DOTALL)
    assert block is not None
    commands = [line.strip() for line in block[1].splitlines() if line.strip()]
    (repo / "data" / "rows.csv").write_text("income\n2\n")

    for command in commands:
        if command.startswith("dvc push"):  # left out, there is no release
            call(repo, "dvc", "repro", "--quiet")
            commit(repo)
            with pytest.raises(
                StateError, match=r"data\.dvc: its remote must hold the data.*dvc push data\.dvc"
            ):
                release.release.fn()
            assert (folders(repo), rooms.registered) == ([], [])
        if not command.startswith("git commit") or call(repo, "git", "status", "--porcelain"):
            call(repo, *shlex.split(command))
    release.release.fn()
    assert folders(repo) == [f"{NAME}-v0.1.0"]

    call(tmp_path, "git", "clone", "--quiet", str(repo), "clone")
    call(tmp_path / "clone", "dvc", "pull", "--quiet", "data.dvc")
    assert (tmp_path / "clone" / "data" / "rows.csv").read_text() == "income\n2\n"


def test_the_judge_is_told_which_model_is_to_be_released(repo: Path, rooms: Rooms) -> None:
    release.release.fn()

    assert rooms.expected == {
        "expected_model": folder_sha256(repo / "artifacts" / "train" / "model"),
        "expected_threshold": 0.5,
        "expected_thresholds": None,
        "expected_groups": {"sex": ["F", "M"]},
        "earlier": 0,
    }


def test_results_that_are_not_what_dvc_recorded_are_refused(repo: Path) -> None:
    model = repo / "artifacts" / "train" / "model" / "model.json"
    call(repo, "dvc", "commit", "--quiet", "--force")  # so that DVC trusts what it saw
    stat = model.stat()
    model.chmod(0o644)
    text = model.read_text(encoding="utf-8")
    model.write_text(
        text.replace("0.5", "0.6"), encoding="utf-8"
    )  # as long as before: DVC does not look again
    assert model.stat().st_size == stat.st_size
    assert model.read_text(encoding="utf-8") != text
    os.utime(model, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    with pytest.raises(StateError, match="artifacts/train/model: must have the bytes of MD5"):
        release.release.fn()
    assert folders(repo) == []


def test_costs_are_left_unmeasured_where_that_is_asked_for(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(release, "weigh", lambda *_: pytest.fail("measured"))

    release.release.fn(costs="no")
    assert folders(repo) == [f"{NAME}-v0.1.0"]


def test_another_word_for_the_costs_is_refused(repo: Path) -> None:
    with pytest.raises(UsageError, match="--costs: must be no, or not be given, got 'none'"):
        preflight.release(repo, None, "none")


def test_a_version_that_exists_is_refused_before_anything_is_made() -> None:
    release.release.fn()

    with pytest.raises(StateError, match=f"git tag {NAME}@v0.1.0: must be new, got one that exists"):
        release.release.fn(version="v0.1.0")


def test_a_version_asked_for_is_made_and_a_misspelt_one_refused(repo: Path) -> None:
    release.release.fn(version="v2.0.0")

    assert tagged(repo, f"{NAME}@v2.0.0") is not None
    with pytest.raises(UsageError, match=r"must read vX\.Y\.Z"):
        release.release.fn(version="2.0")


def test_without_a_git_repository_there_is_no_release(repo: Path) -> None:
    shutil.rmtree(repo / ".git")

    with pytest.raises(StateError, match=r"must be (inside )?a git repository"):
        release.release.fn()


def test_a_run_killed_before_the_tag_is_finished_by_the_next(repo: Path) -> None:
    left = repo / "releases" / f"{NAME}-v0.1.0"
    left.mkdir(parents=True)
    (left / "half").write_text("x")
    release.release.fn()

    assert folders(repo) == [f"{NAME}-v0.1.0"]
    assert not (left / "half").exists()
    assert (repo / ".fairmark" / "left" / left.name / "half").exists()
    assert tagged(repo, f"{NAME}@v0.1.0") is not None


def test_a_run_killed_after_the_tag_is_registered_by_the_next(
    repo: Path, rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object) -> None:
        raise StateError("MLflow: must take the release, got no answer")

    monkeypatch.setattr("fairmark.release.mlflow_registry.register", unreachable)
    with pytest.raises(StateError, match="MLflow"):
        release.release.fn()
    monkeypatch.setattr("fairmark.release.mlflow_registry.register", rooms.register)
    release.release.fn()

    assert folders(repo) == [f"{NAME}-v0.1.0"]
    assert rooms.registered == [f"{NAME}-v0.1.0 pass"]


def test_a_lost_folder_of_a_tag_is_made_again_when_it_comes_out_the_same(repo: Path) -> None:
    release.release.fn()
    shutil.rmtree(repo / "releases")
    release.release.fn()

    assert folders(repo) == [f"{NAME}-v0.1.0"]
    assert call(repo, "git", "tag").split() == [f"{NAME}@v0.1.0"]


def test_a_lost_folder_that_comes_out_otherwise_is_a_new_version(repo: Path, rooms: Rooms) -> None:
    release.release.fn()
    stated = tagged_statement(repo, f"{NAME}@v0.1.0")
    shutil.rmtree(repo / "releases")
    rooms.environment = "another machine"
    release.release.fn()

    assert folders(repo) == [f"{NAME}-v0.2.0"]
    assert tagged_statement(repo, f"{NAME}@v0.1.0") == stated
    assert tagged(repo, f"{NAME}@v0.2.0") is not None


@pytest.mark.parametrize(("held", "kind"), [(False, VerificationError), (None, UndeterminedError)])
def test_a_release_that_does_not_verify_ends_with_what_is_wrong_and_leaves_nothing(
    repo: Path, rooms: Rooms, held: bool | None, kind: type[Exception]
) -> None:
    rooms.facts = [Fact("files", True, "fine"), Fact("model", held, "another digest")]

    with pytest.raises(kind, match=r"must be what its statement says, got\n.*model: another digest"):
        release.release.fn()
    assert folders(repo) == rooms.registered == []
    assert call(repo, "git", "tag") == ""


def test_a_registry_that_gives_no_answer_stops_before_anything_is_signed(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(*_: object) -> None:
        raise StateError("MLflow at there: must answer, got nothing")

    monkeypatch.setattr(release, "ready", silent)
    with pytest.raises(StateError, match="MLflow at there: must answer"):
        release.release.fn()
    assert folders(repo) == []
    assert call(repo, "git", "tag") == ""


def test_one_release_at_a_time() -> None:
    with (
        preflight.alone(release.STATE),
        pytest.raises(StateError, match="must have one release at a time, got another"),
    ):
        release.release.fn()


def test_a_tag_elsewhere_is_not_taken_for_one_of_this_commit(repo: Path) -> None:
    tag_release(repo, NAME, "v0.4.0", "x", "0" * 64, key=MINE)
    (repo / "note").write_text("x")
    commit(repo)
    release.release.fn()

    assert folders(repo) == [f"{NAME}-v0.5.0"]


def commit_again_on(repo: Path, day: str) -> None:
    identity = {"GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@localhost"}
    stamp = identity | {"GIT_COMMITTER_DATE": f"{day}T12:00:00Z"}
    again = ["git", "commit", "--quiet", "--amend", "--no-edit"]
    subprocess.run(again, cwd=repo, env=os.environ | stamp, check=True)


def test_the_verdict_is_that_of_the_day_of_the_commit(repo: Path, rooms: Rooms) -> None:
    commit_again_on(repo, "2026-01-02")

    release.release.fn()

    assert rooms.days[0] == dt.date(2026, 1, 2)
    assert rooms.registered == [f"{NAME}-v0.1.0 pass"]


def test_a_waiver_that_expired_since_the_commit_stops_the_release(
    repo: Path, rooms: Rooms, capsys: pytest.CaptureFixture[str]
) -> None:
    commit_again_on(repo, "2026-01-02")
    rooms.expires = dt.date(2026, 1, 3)

    with pytest.raises(RefusedError, match="insufficient evidence"):
        release.release.fn()

    assert folders(repo) == []
    assert "what stood on the commit's day, 2026-01-02, does not now" in capsys.readouterr().out


def test_a_clock_before_the_commit_is_called_odd_and_nothing_is_made(repo: Path, rooms: Rooms) -> None:
    commit_again_on(repo, "2099-01-02")
    with pytest.raises(StateError, match=r"clock: must be past the commit's own time, 2099-01-02T12:00:00Z"):
        release.release.fn()

    assert (rooms.days, folders(repo)) == ([], [])


def test_a_policy_loosened_since_the_last_release_is_refused_before_anything_is_made(repo: Path) -> None:
    release.release.fn()
    edit(repo / "params.yaml", "at_least: 0.85", "at_least: 0.84")
    commit(repo)

    with pytest.raises(RefusedError, match=rf"policy: must not be looser than at {NAME}@v0\.1\.0"):
        release.release.fn()
    assert folders(repo) == [f"{NAME}-v0.1.0"]


def test_a_policy_loosened_since_the_last_release_is_refused_before_prefect_starts(repo: Path) -> None:
    release.release.fn()
    edit(repo / "params.yaml", "at_least: 0.85", "at_least: 0.84")
    commit(repo)

    with pytest.raises(RefusedError, match=rf"policy: must not be looser than at {NAME}@v0\.1\.0"):
        preflight.release(repo, None)
    assert folders(repo) == [f"{NAME}-v0.1.0"]

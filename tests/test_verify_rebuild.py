"""A release that is made again is compared by its bytes, and what differs is told: stage, file, how far."""

import hashlib
import json
import math
import shutil
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from fixed_keys import ADA
from release_folder import STAGES, git, make_release

from fairmark.cli.main import main
from fairmark.errors import StateError, VerificationError
from fairmark.files import read_json, write_json, write_text
from fairmark.repo import process
from fairmark.repo.process import Ended, Say
from fairmark.repo.process import run as really
from fairmark.signing.key_store import own_public
from fairmark.verify import environment
from fairmark.verify.environment import Environment
from fairmark.verify.rebuild import Rebuild, Rebuilt, check_first

pytest_plugins = ("release_fixtures",)


class Stages:
    """Stands where DVC and make are started: gives what the stages of a working folder once made.

    `spoil` is called with the clone after each stage, by whose name it knows which.
    """

    def __init__(self, made: Path) -> None:
        self.made = made
        self.spoil: Callable[[str, Path], None] = lambda _stage, _root: None
        self.codes: dict[str, int] = {}
        self.calls: list[str] = []

    def __call__(
        self,
        command: Sequence[str],
        folder: Path,
        say: Say | None,
        extra: Mapping[str, str] | None,
        limit_s: float = math.inf,  # noqa: ARG002 - nothing here takes long
    ) -> Ended:
        words = " ".join(command[:2])
        self.calls.append(" ".join([command[0].rsplit("/", 1)[-1], *command[1:]]))
        code = self.codes.get(words, 0)
        if command[0] == "git" or "-c" in command:
            return really(command, folder, say, extra)
        if words == "dvc pull" and not code:
            shutil.copytree(self.made / "data", folder / "data")
        if words == "dvc repro" and not code:
            for path in STAGES[command[-1]]["outs"]:
                self._copy(path, folder)
            self.spoil(command[-1], folder)
        return Ended(code, [f"ERROR: {words}"] if code else [])

    def _copy(self, path: str, folder: Path) -> None:
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if (self.made / path).is_dir():
            shutil.copytree(self.made / path, target, dirs_exist_ok=True)
        else:
            shutil.copyfile(self.made / path, target)


@pytest.fixture
def release(released: Path, tmp_path: Path, quick_bill: None) -> Path:  # noqa: ARG001 - it patches
    """Return a release whose commit has a dvc.yaml."""
    root = Path(shutil.copytree(released, tmp_path / "working"))
    write_text(root / "dvc.yaml", json.dumps({"stages": {name: {"cmd": "true"} for name in STAGES}}))
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "Stages")
    return make_release(root, "v0.2.0")


@pytest.fixture
def stages(release: Path) -> Stages:
    """Return the stages, which make what they made."""
    return Stages(release.parents[1])


@pytest.fixture
def remake(release: Path, stages: Stages, tmp_path: Path) -> Callable[[], Rebuilt]:
    """Return a maker of the release again."""

    def make() -> Rebuilt:
        opened = check_first(release, release.parents[1], own_public(), yours=True)
        place = tmp_path / "place"
        place.mkdir()
        return Rebuild(opened, release.parents[1], place, True, stages, lambda _: None).make()

    return make


def test_what_the_stages_make_the_same_is_told_to_be_the_same(
    remake: Callable[[], Rebuilt], stages: Stages
) -> None:
    found = remake()

    assert (found.differences, found.environment) == ((), ())
    assert found.statement == "the same, byte for byte"
    assert found.lines()[-1] == f"loans@v0.2.0 was made again: {found.outputs} files, the same bytes"
    run = [call for call in stages.calls if call.startswith("dvc")]
    assert run == [
        "dvc pull --quiet data.dvc",
        *(f"dvc repro --single-item --force {name}" for name in STAGES),
    ]


def test_a_stage_that_makes_other_numbers_is_named_with_how_far_they_are_apart(
    remake: Callable[[], Rebuilt], stages: Stages
) -> None:
    def spoil(stage: str, root: Path) -> None:
        if stage == "evaluate":
            path = root / "artifacts/evaluate/metrics.json"
            write_json(path, read_json(path) | {"threshold": 0.625})
        if stage == "document":
            (root / "artifacts/document/report.html").write_text("another page\n")

    stages.spoil = spoil
    found = remake()

    assert [(each.stage, each.file) for each in found.differences] == [
        ("evaluate", "artifacts/evaluate/metrics.json"),
        ("document", "artifacts/document/report.html"),
    ]
    assert found.differences[0].text.startswith(
        "1 number differs, by at most 0.125 (threshold: 0.5 was released, 0.625 made)"
    )
    assert "lines differ, the first is line 1" in found.differences[1].text
    assert found.lines()[-1].endswith(f"came out otherwise: 2 of {found.outputs} files, first of evaluate")


def test_an_output_too_many_or_too_few_is_told(remake: Callable[[], Rebuilt], stages: Stages) -> None:
    def spoil(stage: str, root: Path) -> None:
        if stage == "train":
            (root / "artifacts/train/model/more.txt").write_text("x")
            (root / "artifacts/train/model/model.json").unlink()

    stages.spoil = spoil

    assert [(each.file.rsplit("/", 1)[-1], each.text) for each in remake().differences] == [
        ("model.json", "was released, but not made"),
        ("more.txt", "was made, but not released"),
    ]


def test_data_that_is_not_the_released_is_not_worked_on(
    remake: Callable[[], Rebuilt], stages: Stages, release: Path
) -> None:
    (release.parents[1] / "data" / "people.csv").write_text("sex,paid\nMale,no\n")
    with pytest.raises(VerificationError, match=r"data: must be the files .* got unlike data/people\.csv"):
        remake()

    assert not any("repro" in call for call in stages.calls)


def test_data_that_lies_beside_the_clone_is_taken_without_asking_dvc(
    remake: Callable[[], Rebuilt], stages: Stages, release: Path
) -> None:
    root = release.parents[1]
    for path in (root / "data").iterdir():
        digest = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        write_text(root / ".dvc/cache/files/md5" / digest[:2] / digest[2:], path.read_text())

    assert remake().differences == ()
    assert not any(call.startswith("dvc pull") for call in stages.calls)


def test_data_that_nobody_has_is_told(remake: Callable[[], Rebuilt], stages: Stages) -> None:
    stages.codes["dvc pull"] = 1

    with pytest.raises(
        StateError, match=r"data: must be pulled as data\.dvc names it, got\n +ERROR: dvc pull"
    ):
        remake()


def test_a_link_that_a_stage_leaves_is_not_followed(
    remake: Callable[[], Rebuilt], stages: Stages, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text('{"threshold": 0.123}')

    def spoil(stage: str, root: Path) -> None:
        if stage == "evaluate":
            (root / "artifacts/evaluate/metrics.json").unlink()
            (root / "artifacts/evaluate/metrics.json").symlink_to(secret)

    stages.spoil = spoil
    with pytest.raises(
        VerificationError, match=r"must leave plain files, got links, pipes or devices: artifacts/eval"
    ) as told:
        remake()
    assert "0.123" not in str(told.value)


def test_a_clone_with_a_forged_object_is_not_made_again(release: Path, tmp_path: Path) -> None:
    root = release.parents[1]
    opened = check_first(release, root, own_public(), yours=True)
    blob = git(root, "rev-parse", "HEAD:requirements.wheels").strip()
    place = root / ".git" / "objects" / blob[:2] / blob[2:]
    place.chmod(0o644)
    place.write_bytes(zlib.compress(b"blob 4\0evil"))
    (tmp_path / "place").mkdir()
    rebuild = Rebuild(opened, root, tmp_path / "place", True, really, lambda _: None)

    with pytest.raises(StateError, match="must be cloned"):
        rebuild.make()
    with pytest.raises(VerificationError, match=r"requirements\.wheels: must hold the bytes that git object"):
        check_first(release, root, own_public(), yours=True)


def test_a_stage_that_stops_is_told(remake: Callable[[], Rebuilt], stages: Stages) -> None:
    stages.codes["dvc repro"] = 1
    with pytest.raises(StateError, match=r"stage prepare: must end well, got\n +ERROR: dvc repro"):
        remake()


def test_a_release_that_was_changed_is_not_made_again(
    remake: Callable[[], Rebuilt], stages: Stages, release: Path
) -> None:
    (release / "metrics.json").write_text("{}")
    with pytest.raises(VerificationError, match=r"must be what was released before .*\n.*metrics\.json"):
        remake()

    assert stages.calls == []


def test_whose_release_nobody_can_tell_is_not_made_again(release: Path) -> None:
    with pytest.raises(StateError, match=r"must be known to be whose it says .*\n.*seal"):
        check_first(release, release.parents[1], None, yours=True)
    with pytest.raises(VerificationError, match="must be signed by key"):
        check_first(release, release.parents[1], ADA.public, yours=False)


def test_a_clone_without_the_commit_is_told(release: Path, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "empty")
    with pytest.raises(StateError, match=r"must hold commit"):
        check_first(release, tmp_path / "empty", own_public(), yours=True)


def test_without_its_tag_a_release_can_be_made_again(release: Path) -> None:
    git(release.parents[1], "tag", "-d", "loans@v0.2.0")

    assert check_first(release, release.parents[1], own_public(), yours=True).folder == release


def test_an_environment_of_other_versions_is_not_used() -> None:
    lock = "numpy==1.0.0 \\\n    --hash=sha256:0\nscipy==9.9.9 ; sys_platform == 'none'\nnot-there==2\n"

    assert environment.unlocked(lock, {"numpy": "1.0.0", "not-there": "2"}) == []
    assert environment.unlocked(lock, {"numpy": "2.0.0"}) == [
        "not-there: must be 2, got none",
        "numpy: must be 1.0.0, got 2.0.0",
    ]


def test_what_differs_in_the_environment_is_told() -> None:
    machine = {"CPU": "A", "platform": "Linux x86_64 glibc-2.36", "Python": "CPython 3.11.7"}
    old = Environment(machine, {"numpy": "2.0", "gone": "1", "same": "3"})
    new = Environment(machine | {"CPU": "B"}, {"numpy": "2.1", "same": "3", "more": "4"})

    assert environment.differences(old, new) == [
        "CPU: A when it was released, B here",
        "gone: 1 when it was released, none here",
        "numpy: 2.0 when it was released, 2.1 here",
    ]


def test_what_it_was_made_on_stands_in_its_tag_and_its_bill(release: Path) -> None:
    import platform
    from importlib.metadata import version

    opened = check_first(release, release.parents[1], own_public(), yours=True)
    found = environment.made(opened, release.parents[1])

    assert found.machine["Python"] == f"CPython {platform.python_version()}"
    assert found.machine["CPU"]
    assert found.libraries["numpy"] == version("numpy")
    git(release.parents[1], "tag", "-d", "loans@v0.2.0")
    assert environment.made(opened, release.parents[1]).machine == {
        "Python": f"CPython {platform.python_version()}"
    }


def test_a_person_and_a_script_are_told(
    release: Path, stages: Stages, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(process, "run", stages)
    words = ["rebuild", "loans@v0.2.0", "--clone", str(release.parents[1]), "--here", "--unsafe-here"]

    assert main(words) == 0
    told = capsys.readouterr()
    assert told.out.endswith("files, the same bytes\n")
    assert "prepare ..." in told.err
    stages.spoil = lambda _, root: write_text(root / "artifacts/prepare/schema.json", "{}")
    assert main([*words, "--json"]) == 4
    found = json.loads(capsys.readouterr().out)
    assert found["exit_code"] == 4
    assert found["differences"][0]["stage"] == "prepare"


def test_it_is_made_in_an_empty_folder_alone(
    release: Path, stages: Stages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "run", stages)
    words = ["rebuild", str(release), "--here", "--unsafe-here", "--into", str(tmp_path / "into")]

    assert main(words) == 0
    assert (tmp_path / "into" / "clone" / "artifacts").is_dir()
    assert main(words) == 2

"""A release folder is there whole or not at all: on a full disk, after a kill, beside another run."""

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from maker_and_forger import FORGER, MINE
from release_folder import make_release, verdict_on, write_lock

from fairmark.errors import RefusedError, StateError, UsageError
from fairmark.judge.verdict import Verdict
from fairmark.params.read import read_params
from fairmark.release import build as module
from fairmark.release.build import assemble
from fairmark.release.folder import ReleaseFolder
from fairmark.release.layout import GATHERED
from fairmark.release.sbom.cyclonedx import MODEL
from fairmark.release.sbom.model import ModelDocuments, considerations
from fairmark.repo.commit import trace
from fairmark.signing.keys import SigningKey

pytest_plugins = ("release_fixtures",)
pytestmark = pytest.mark.usefixtures("quick_bill")


def inside(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def gathered(root: Path, version: str = "v0.1.0", key: SigningKey = MINE) -> Path:
    params = read_params(root / "params.yaml")
    destination = root / "releases" / f"loans-{version}"
    return assemble(root, destination, version, trace(root), params, verdict_on(root), key)


def test_it_holds_what_a_release_holds(working: Path) -> None:
    folder = gathered(working)

    assert sorted(path.name for path in folder.iterdir()) == [
        "DATASHEET.md",
        "alternatives.json",
        "data-card.html",
        "data-card.md",
        "data.dvc",
        "dvc.lock",
        "measurements.json",
        "metrics.json",
        "model",
        "model-card.html",
        "model-card.md",
        "model.sig",
        "params.yaml",
        "reference.json",
        "report.html",
        "requirements-dev.lock",
        "requirements.lock",
        "sbom.cdx.json",
        "sbom.intoto.json",
        "schema.json",
        "statement.json",
        "verdict.intoto.json",
        "verdict.json",
    ]
    assert inside(working / "releases") == ["loans-v0.1.0"]
    assert folder.stat().st_mode & 0o777 == 0o755
    assert json.loads((folder / "verdict.json").read_text())["outcome"] == "pass"


def test_the_bill_says_of_the_verdict_what_verdict_json_says(working: Path) -> None:
    """A bound with more digits than a file keeps: who reads the release makes the same card of it again."""
    verdict, params = verdict_on(working), read_params(working / "params.yaml")
    first, *others = (each for each in verdict.findings if each.attribute is not None)
    long = {"value": 0.123456789012345, "bound": 0.098765432109876, "outcome": "insufficient evidence"}
    waived = first.model_copy(update=long | {"waived_by": "the validator until 2099-01-01: known"})
    rest = [each for each in verdict.findings if each not in (first, *others)]
    unrounded = Verdict.of("pass", [waived, *others, *rest], params.policy, None)

    folder = assemble(
        working, working / "releases" / "loans-v0.1.0", "v0.1.0", trace(working), params, unrounded, MINE
    )

    release = ReleaseFolder(folder)
    documents = ModelDocuments(release.measurements, release.schema, release.verdict, release.model_file)
    (model,) = release.bill.kind(MODEL)
    assert "measured 0.123456789, bound 0.09876543211" in (folder / "sbom.cdx.json").read_text()
    assert model.model_card is not None
    assert model.model_card.considerations is not None
    assert model.model_card.considerations.to_json() == considerations(params, documents).to_json()


def test_twice_gives_the_same_bytes(working: Path, tmp_path: Path) -> None:
    first = gathered(working).rename(tmp_path / "first")
    second = gathered(working)

    for path in sorted(first.rglob("*")):
        if path.is_file():
            assert path.read_bytes() == (second / path.relative_to(first)).read_bytes(), path.name


def test_data_without_a_data_sheet_makes_a_release_without_one(working: Path) -> None:
    (working / "data" / "DATASHEET.md").unlink()
    write_lock(working)

    assert not (gathered(working) / "DATASHEET.md").exists()


def test_outputs_that_dvc_links_are_copied_as_files(working: Path) -> None:
    metrics = working / "artifacts" / "evaluate" / "metrics.json"
    (working / "cache").mkdir()
    metrics.rename(working / "cache" / "object")
    metrics.symlink_to(working / "cache" / "object")

    assert not (gathered(working) / "metrics.json").is_symlink()


def test_a_release_that_exists_stays(working: Path) -> None:
    before = (make_release(working, "v0.1.0") / "statement.json").read_bytes()

    with pytest.raises(StateError, match="must be new, got a release that exists"):
        gathered(working)
    assert (working / "releases" / "loans-v0.1.0" / "statement.json").read_bytes() == before


def test_what_a_run_left_that_was_killed_before_its_tag_is_kept(working: Path) -> None:
    before = gathered(working).stat().st_ino

    assert gathered(working).stat().st_ino == before
    assert inside(working / "releases") == ["loans-v0.1.0"]


def test_an_untagged_folder_of_another_content_is_not_touched(working: Path) -> None:
    folder = working / "releases" / "loans-v0.1.0"
    folder.mkdir(parents=True)
    (folder / "mine.txt").write_text("mine")

    with pytest.raises(StateError, match="got a folder of another content that no tag names"):
        gathered(working)
    assert inside(folder) == ["mine.txt"]
    assert inside(working / "releases") == ["loans-v0.1.0"]


def test_an_untagged_release_of_other_bytes_is_not_touched(working: Path) -> None:
    statement = gathered(working) / "statement.json"
    statement.write_text("{}")

    with pytest.raises(StateError, match="got a folder of another content that no tag names"):
        gathered(working)
    assert statement.read_text() == "{}"


def test_the_same_release_signed_by_another_key_is_told_and_not_touched(working: Path) -> None:
    statement = gathered(working, key=FORGER) / "statement.json"
    before = statement.read_bytes()

    with pytest.raises(
        StateError, match=f"the same release signed by another key, {FORGER.public.keyid[:16]}…"
    ):
        gathered(working)
    assert statement.read_bytes() == before


@pytest.mark.parametrize("outcome", ["fail", "insufficient evidence"])
def test_another_verdict_than_a_pass_makes_no_release(working: Path, outcome: Any) -> None:
    params, verdict = (
        read_params(working / "params.yaml"),
        verdict_on(working).model_copy(update={"outcome": outcome}),
    )

    with pytest.raises(RefusedError, match=f"verdict: must be pass, got {outcome}"):
        assemble(working, working / "releases" / "a", "v0.1.0", trace(working), params, verdict, MINE)
    assert not (working / "releases").exists()


def test_another_grammar_of_versions_is_refused(working: Path) -> None:
    with pytest.raises(UsageError, match=r"must read vX\.Y\.Z"):
        gathered(working, "1.0")


def test_a_changed_dvc_object_is_refused_before_anything_is_written(working: Path) -> None:
    (working / "data" / "people.csv").write_text("sex,paid\nMale,yes\n")

    with pytest.raises(StateError, match="data: must have the bytes of MD5"):
        gathered(working)
    assert not (working / "releases").exists()


def test_a_file_that_no_stage_made_is_named(working: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(GATHERED, "extra.json", "artifacts/extra.json")

    with pytest.raises(StateError, match=r"artifacts/extra\.json: must exist, got nothing"):
        gathered(working)
    assert inside(working / "releases") == []


def test_a_second_run_says_that_one_is_writing(working: Path) -> None:
    (working / "releases").mkdir()
    handle = os.open(working / "releases", os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)

    with pytest.raises(StateError, match="must be free, got another run that writes a release"):
        gathered(working)
    os.close(handle)
    assert gathered(working).is_dir()


def test_a_folder_that_cannot_be_made_is_refused(working: Path) -> None:
    (working / "releases").write_text("a file")

    with pytest.raises(StateError, match="must be readable and writable"):
        gathered(working)


def test_an_interrupt_leaves_nothing(working: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "state", interrupted)

    with pytest.raises(KeyboardInterrupt):
        gathered(working)
    assert inside(working / "releases") == []


SCRIPT = """
from fairmark.signing.key_store import own_key
import resource, sys, time
from pathlib import Path
from fairmark.errors import StateError
from fairmark.release import build as module
from fairmark.release.sbom import build as bill
from fairmark.params.read import read_params
from fairmark.judge.verdict import Verdict
from fairmark.release.folder import ReleaseFolder
from fairmark.release.layout import GATHERED
from fairmark.signing.keys import SigningKey
from fairmark.repo.commit import trace
from environment_files import read_environment
from release_folder import verdict_on
listed, there = read_environment(Path(sys.argv[2]))
bill.list_environment = lambda _: listed
bill.installed = lambda: dict(there)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[4]), int(sys.argv[4])))
if sys.argv[3] == "stall":
    module.state = lambda *_, **__: (print("stalled", flush=True), time.sleep(600))
root = Path(sys.argv[1])
try:
    module.assemble(root, root / "releases" / "loans-v0.1.0", "v0.1.0", trace(root),
                    read_params(root / "params.yaml"), verdict_on(root), own_key(make=False))
except StateError as error:
    sys.exit(f"refused: {error}")
"""


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(working: Path, environment: Path) -> Iterator[Start]:
    """Yield a way to start `assemble` in a process of its own, that may write no file beyond a limit."""
    # A limit on file sizes would leave broken bytecode behind.
    own = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"}
    with ExitStack() as running:

        def started(way: str = "go", limit: int = 2**30) -> "subprocess.Popen[str]":
            given = map(str, (working, environment, way, limit))
            words = [sys.executable, "-c", SCRIPT, *given]
            made = subprocess.Popen(words, env=own, stdout=-1, stderr=-1, encoding="utf-8")
            running.enter_context(made)
            running.callback(made.kill)
            return made

        yield started


@pytest.mark.slow
@pytest.mark.parametrize("limit", [300, 5_000, 30_000])
def test_a_full_disk_leaves_nothing(working: Path, start: Start, limit: int) -> None:
    """The process may write no file beyond `limit` bytes: copying, the bill or the statement breaks off."""
    running = start(limit=limit)
    _, words = running.communicate(timeout=240)

    assert running.returncode == 1
    assert re.search(r"refused: .*must be (readable and )?writable, got File too large", words)
    assert inside(working / "releases") == []


@pytest.mark.slow
def test_a_kill_leaves_a_draft_that_the_next_run_removes(working: Path, start: Start) -> None:
    running = start("stall")
    assert running.stdout is not None
    assert running.stdout.readline() == "stalled\n"
    assert [name[0] for name in inside(working / "releases")] == ["."]
    running.send_signal(signal.SIGKILL)
    running.communicate()

    again = start()
    assert again.communicate(timeout=240)[1] == ""
    assert again.returncode == 0
    assert inside(working / "releases") == ["loans-v0.1.0"]


@pytest.mark.slow
def test_of_two_at_once_one_wins_and_the_other_says_why(
    start: Start,
) -> None:
    first = start("stall")
    assert first.stdout is not None
    first.stdout.readline()
    second = start()

    assert "got another run that writes a release" in second.communicate(timeout=240)[1]
    assert first.poll() is None  # the second has not waited for its end

"""Hostile files are refused before anything of them is run, or written outside the folder that they may fill.

Each is loaded in a Python of its own that notes what it does (an audit hook), not by our belief.
"""

import io
import json
import os
import pickle
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fairmark.errors import InputError
from fairmark.files import sha256
from fairmark.model.model import Model
from fairmark.release.handover import pack

pytest_plugins = ("release_fixtures",)
HELPERS = Path(__file__).parent / "helpers"


class Runs:
    """What a pickle does to whoever loads it."""

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {RUN}",)


AWAY = Path(tempfile.gettempdir()) / "fairmark-escaped"
RUN = Path(tempfile.gettempdir()) / "fairmark-was-run"
HOSTILE = pickle.dumps(Runs())


def watched(what: str, good: Path, room: Path, *hostile: Path) -> list[dict[str, Any]]:
    """Return how loading each of `hostile` ended, and what it did that no loading needs."""
    room.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, HELPERS / "audit_hook.py", what, room, good, *hostile],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-800:]
    told: list[dict[str, Any]] = json.loads(done.stdout)
    return told


def not_refused(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in told if not one["ended"].startswith("refused: ") or one["events"]]


@pytest.fixture
def good(small_release: Path) -> Path:
    return small_release / "model"


@pytest.fixture
def folder(good: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(good, tmp_path / "hostile"))


def renamed(folder: Path) -> None:
    """Let model.json name the files as they are."""
    made = json.loads((folder / "model.json").read_text())
    made["files"] = {name: sha256(folder / name) for name in made["files"]}
    (folder / "model.json").write_text(json.dumps(made))


def test_a_good_model_is_taken_and_does_nothing_else(good: Path, tmp_path: Path) -> None:
    assert watched("model", good, tmp_path / "room", good) == [{"ended": "taken", "events": []}]


def test_files_that_are_no_models_are_refused_and_not_run(good: Path, tmp_path: Path) -> None:
    hostile = []
    for name in ("model.pkl", "model.joblib", "model.skops", "__init__.py", "model.onnx", "logistic.json"):
        hostile.append(Path(shutil.copytree(good, tmp_path / f"with {name}")))
        (hostile[-1] / name).write_bytes(HOSTILE)
        renamed(hostile[-1])

    assert not_refused(watched("model", good, tmp_path / "room", *hostile)) == []
    assert not RUN.exists()


SKOPS = io.BytesIO()
with zipfile.ZipFile(SKOPS, "w") as _made:
    _made.writestr("schema.json", '{"__class__": "system", "__module__": "os", "__loader__": "ObjectNode"}')


@pytest.mark.parametrize("name", ["model.json", "encoder.json", "logistic.json"])
@pytest.mark.parametrize(
    "content",
    [
        HOSTILE,
        b"\x80\x04.",
        SKOPS.getvalue(),
        b"",
        b"\xff\xfe{}",
        b"\xef\xbb\xbf{}",
        b'{"a": "\\ud800"}',
        b"\0" * 1000,
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"1" * 5000,
        b'{"threshold": 1e999}',
        b"NaN",
        b"[1, 2, 3]",
    ],
    # Not from the bytes of the zip, which hold the second at which it was made: processes must collect alike.
    ids=lambda content: ascii(content[:4]) + str(len(content)),
)
def test_bytes_of_another_kind_in_a_model_are_refused(folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    if name != "model.json":
        renamed(folder)

    with pytest.raises(InputError):
        Model.load(folder)


TEXTS = {
    "params.yaml": "a: !!python/object/apply:os.system ['true']",
    "dvc.lock": "a: &a [*a]",
    "data.dvc": "\n".join(
        ["a0: &a0 [1]", *(f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]" for k in range(1, 20))]
    ),
    "measurements.json": "[" * 100_000,
    "verdict.json": '{"outcome": ' + "1" * 5000 + "}",
    "statement.json": '{"payload": "\\ud800"}',
    "sbom.cdx.json": '{"a": 1, "a": 2}',
    "report.html": "<script>1</script>",
    "model/logistic.json": "\0",
    "model.sig": '{"dsseEnvelope": {"payload": "gASVIQAAAAAAAACMBXBvc2l4lIwGc3lzdGVtlJOUjAR0cnVllIWUUpQu"}}',
}


def test_hostile_text_in_a_release_is_refused_and_does_nothing(small_release: Path, tmp_path: Path) -> None:
    hostile = []
    for number, (name, text) in enumerate(TEXTS.items()):
        hostile.append(Path(shutil.copytree(small_release, tmp_path / str(number) / small_release.name)))
        (hostile[-1] / name).write_text(text)

    assert not_refused(watched("release", small_release, tmp_path / "room", *hostile)) == []


def tar(target: Path, *entries: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(target, "w:gz") as made:
        for entry, content in entries:
            entry.size = len(content)
            made.addfile(entry, io.BytesIO(content))
    return target


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, link
    return made


ARCHIVES: dict[str, list[tuple[tarfile.TarInfo, bytes]]] = {
    "above": [(entry("loans-v0.1.0/../../escaped"), b"x")],
    "absolute": [(entry(str(AWAY)), b"x")],
    "link": [
        (entry("loans-v0.1.0/a", tarfile.SYMTYPE, str(AWAY.parent)), b""),
        (entry("loans-v0.1.0/a/escaped"), b"x"),
    ],
    "hard link": [(entry("loans-v0.1.0/a", tarfile.LNKTYPE, "/etc/passwd"), b"")],
    "device": [(entry("loans-v0.1.0/a", tarfile.CHRTYPE), b"")],
    "pipe": [(entry("loans-v0.1.0/a", tarfile.FIFOTYPE), b"")],
    "twice": [(entry("loans-v0.1.0/a"), b"x"), (entry("loans-v0.1.0/a"), b"y")],
    "two cases": [(entry("loans-v0.1.0/a"), b"x"), (entry("loans-v0.1.0/A"), b"y")],
    "file and folder": [(entry("loans-v0.1.0/a"), b"x"), (entry("loans-v0.1.0/a/b"), b"y")],
    "bomb": [(entry("loans-v0.1.0/a"), bytes(100 * 2**20))],
    "odd name": [(entry("loans-v0.1.0/\x1b[2J"), b"x")],
    "nothing": [],
}


ZIPPED = ["../escaped", str(AWAY), "C:\\escaped", "a/./b", "loans/\0x"]


def test_a_hostile_archive_is_refused_and_writes_nothing_outside_its_room(
    small_release: Path, tmp_path: Path
) -> None:
    pack(small_release, good := tmp_path / "good.tar.gz")
    hostile = [tar(tmp_path / f"{kind}.tgz", *entries) for kind, entries in ARCHIVES.items()]
    for number, name in enumerate(ZIPPED):
        hostile.append(tmp_path / f"{number}.zip")
        with zipfile.ZipFile(hostile[-1], "w") as made:
            made.writestr("loans-v0.1.0/a", b"x")
            made.writestr(name, b"x")

    assert not_refused(watched("archive", good, tmp_path / "room", *hostile)) == []
    assert list((tmp_path / "room").iterdir()) == []
    assert not list(tmp_path.glob("**/escaped"))
    assert not AWAY.exists()


def test_the_hook_sees_what_a_pickle_does(tmp_path: Path) -> None:
    """The watch itself: unpickling is seen, so that its silence elsewhere says something."""
    program = (
        "import audit_hook, pickle, pathlib, json\n"
        f"print(json.dumps(audit_hook.watched(lambda place: pickle.loads(place.read_bytes()), "
        f"pathlib.Path({str(tmp_path / 'x')!r}), pathlib.Path('/nowhere'))))"
    )
    (tmp_path / "x").write_bytes(HOSTILE)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=HELPERS, capture_output=True, text=True, check=True
    )

    seen = " ".join(json.loads(done.stdout)["events"])
    assert "pickle.find_class" in seen
    assert "os.system" in seen
    RUN.unlink()

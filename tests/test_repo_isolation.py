"""What a release holds is run apart: it reaches no key, no process, no network, and nothing of it stays."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from flows_repo import eventually

from fairmark.repo import isolation, process
from fairmark.repo.isolation import Isolation, impossible

HOSTILE = r"""
import json, os, pathlib, socket, subprocess, sys, time
def tried(what):
    try:
        return str(what())
    except BaseException as error:
        return f"no: {type(error).__name__}"
key, port, parent = sys.argv[1], int(sys.argv[2]), sys.argv[3]
def connect():
    socket.create_connection(("127.0.0.1", port), 2).close()
    return "connected"
def elsewhere():
    socket.create_connection(("192.0.2.1", 80), 2).close()
    return "connected"
def abstract():
    socket.socket(socket.AF_UNIX).connect("\0" + sys.argv[4])
    return "connected"
def environments():
    for path in pathlib.Path("/proc").glob("[0-9]*/environ"):
        try:
            if b"CALLERS_SECRET" in path.read_bytes():
                return "read"
        except OSError:
            pass
    raise OSError
def daemon():
    code = "import time\nwhile 1:\n time.sleep(.1)\n open('alive', 'w').write(str(time.time()))"
    subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    until = time.monotonic() + 120
    while not os.path.exists("alive") and time.monotonic() < until:
        time.sleep(0.05)
    return os.path.exists("alive")
found = {
    "key": tried(lambda: pathlib.Path(key).read_text()),
    "home": tried(lambda: sorted(os.listdir(os.path.expanduser("~root"))) + sorted(os.listdir("/home"))),
    "parent": tried(lambda: pathlib.Path(f"/proc/{parent}/environ").read_bytes()),
    "first": tried(lambda: pathlib.Path("/proc/1/environ").read_bytes()),
    "environments": tried(environments),
    "own": sorted(os.environ),
    "port": tried(connect),
    "net": tried(elsewhere),
    "abstract": tried(abstract),
    "write": tried(lambda: pathlib.Path("/usr/fairmark-was-here").write_text("x")),
    "kept": tried(lambda: pathlib.Path("kept/config").write_text("x")),
    "kill": tried(lambda: os.kill(int(parent), 9)),
    "mount": tried(lambda: subprocess.run(["mount", "-t", "tmpfs", "x", "/tmp"], check=True)),
    "nested": tried(lambda: subprocess.run(["unshare", "-Urm", "touch", "/usr/x"], check=True)),
    "daemon": tried(daemon),
}
pathlib.Path("found.json").write_text(json.dumps(found))
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a folder to be shut up in, or skip where the system allows no namespaces."""
    folder = tmp_path / "place"
    folder.mkdir()
    if why := impossible(folder):
        pytest.skip(f"this system can't keep programs apart: {why}")
    return folder


ABSTRACT = f"fairmark-test-{os.getpid()}"


@pytest.fixture
def listening() -> Iterator[int]:
    """Return the port of a server of the caller's; one more listens on an abstract socket."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind(f"\0{ABSTRACT}")
        abstract.listen()
        yield server.getsockname()[1]


def test_a_hostile_stage_reaches_nothing(
    place: Path, tmp_path: Path, listening: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLERS_SECRET", "CALLERS_SECRET")
    key = tmp_path / "key.pem"
    key.write_text("a key")
    (place / "kept").mkdir()
    words = [sys.executable, "-I", "-c", HOSTILE, str(key), str(listening), str(os.getpid()), ABSTRACT]
    apart = Isolation(place, (Path(sys.prefix),))
    command = apart.command(words, place, {"GIVEN": "1"}, kept=[place / "kept"])
    ended = process.run(command, place)

    assert ended.code == 0, ended.lines
    found = json.loads((place / "found.json").read_text())
    own, daemon, home = found.pop("own"), found.pop("daemon"), found.pop("home")
    assert [name for name, text in found.items() if not text.startswith("no: ")] == []
    assert set(own) <= {"GIVEN", "HOME", "LANG", "LC_CTYPE", "PATH"}
    assert daemon == "True"  # it ran, and is gone
    assert home.startswith("no: ") or "key" not in home
    last = (place / "alive").read_text()
    time.sleep(0.5)
    assert (place / "alive").read_text() == last
    assert not (place / "kept" / "config").exists()


def test_how_a_program_ends_and_what_it_says_come_through(place: Path) -> None:
    apart = Isolation(place)

    assert process.run(apart.command(["/bin/sh", "-c", "echo a; exit 7"], place), place) == (7, ["a"])
    assert process.run(apart.command(["/bin/sh", "-c", "kill -9 $$"], place), place).code == 137
    assert sorted(path.name for path in place.iterdir()) == []


def test_too_much_memory_time_or_too_many_processes_end_it(place: Path) -> None:
    python = [sys.executable, "-I", "-S", "-c"]
    shown = (Path(sys.prefix),)
    greedy = Isolation(place, shown, memory_bytes=200 << 20)
    slow = Isolation(place, shown, seconds=1)
    few = Isolation(place, shown, processes=20)
    # The parent waits: were it to end at once, so would all, before anybody has counted.
    fork = "import os, time\nfor _ in range(99):\n if os.fork() == 0:\n  time.sleep(99)\ntime.sleep(99)"
    eat = "a = [bytearray(b'x') * (10 << 20) for _ in range(60)]; import time; time.sleep(99)"

    ended = process.run(greedy.command([*python, eat], place), place)
    assert ended.code == 137
    assert ended.lines[-1] == "isolation: must take at most 0.2 GiB of memory, got more: ended"
    assert process.run(slow.command([*python, "while True: pass"], place), place).code == 137
    last = process.run(few.command([*python, fork], place), place).lines[-1]
    assert "BlockingIOError" in last or last == "isolation: must take at most 20 processes, got more: ended"


@pytest.mark.parametrize(
    "starter", [[], [sys.executable, "-c", "import subprocess, sys; subprocess.run(sys.argv[1:])"]]
)
def test_killed_from_outside_it_leaves_nothing(place: Path, starter: list[str]) -> None:
    code = "import time\nwhile True:\n open('alive', 'w').write(str(time.time())); time.sleep(.05)"
    command = Isolation(place, (Path(sys.prefix),)).command([sys.executable, "-I", "-S", "-c", code], place)
    with subprocess.Popen([*starter, *command], stdin=subprocess.DEVNULL) as started:
        assert eventually((place / "alive").exists)
        started.kill()

    def still() -> bool:
        last = (place / "alive").read_text()
        time.sleep(0.5)
        return (place / "alive").read_text() == last

    assert eventually(still)


@pytest.mark.skipif(os.getuid() != 0 or shutil.which("setpriv") is None, reason="needs root, to be another")
def test_an_ordinary_user_can_do_so_too(place: Path) -> None:  # noqa: ARG001 - it skips
    python = "/usr/bin/python3"
    new = [python, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
    if not Path(python).exists() or subprocess.run(new, check=False).returncode:
        pytest.skip("needs a Python of the system, 3.11 or newer")
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o777)
        shutil.copy(isolation.__file__, name)
        command = Isolation(Path(name)).command(["/bin/sh", "-c", "id -u; touch made"], Path(name))
        spec = json.loads(command[-1]) | {"shown": []}
        ended = subprocess.run(
            ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *command[:2], python, "-I", "-S",
             f"{name}/isolation.py", json.dumps(spec)],
            check=False, capture_output=True, encoding="utf-8",
        )  # fmt: skip

        assert (ended.returncode, ended.stdout) == (0, "65534\n"), ended.stderr
        assert (Path(name) / "made").stat().st_uid == 65534

"""A lock file says which version of what is installed where."""

import ensurepip
import json
import random
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from fairmark.errors import InputError
from fairmark.release.sbom.requirements import MARKERS, here, locked, normal

TEXT = """\
# a comment
--only-binary :all:
Flask_Thing==1.0 \\
    --hash=sha256:00 \\
    --hash=sha256:11
    # via nobody
numpy==2.3.5 ; python_full_version < '3.12' \\
    --hash=sha256:22
numpy==2.5.5 ; python_full_version >= '3.12' \\
    --hash=sha256:33
dvc[s3]==3.67.1 ; sys_platform != 'win32' and platform_machine == 'x86_64'
"""
LINUX = here() | {"python_full_version": "3.11.7", "sys_platform": "linux", "platform_machine": "x86_64"}


def test_markers_choose_the_version() -> None:
    assert locked(TEXT, LINUX) == {"flask-thing": "1.0", "numpy": "2.3.5", "dvc": "3.67.1"}
    windows = LINUX | {"python_full_version": "3.13.0", "sys_platform": "win32"}
    assert locked(TEXT, windows) == {"flask-thing": "1.0", "numpy": "2.5.5"}


@pytest.mark.parametrize(
    "line", ["numpy>=2", "numpy", "numpy==1,==2", "not a requirement", "a @ https://x.org/a"]
)
def test_a_line_without_one_pin_is_refused(line: str) -> None:
    with pytest.raises(InputError, match="lock: must"):
        locked(line, LINUX)


@pytest.mark.parametrize(
    "text",
    [
        "  evil==1.0\n",  # pip strips it, and installs it
        "-e git+https://example.org/evil\n",
        "-r other.txt\n",
        "--trusted-host example.org\n",
        "--no-binary :all:\n",
        "a==1.0 --hash=sha256:00 --config-settings=x=y\n",
        "a==1.0 \\\n# a comment that ends it for some\nevil==1.0\n",
        "a==1.0 \\\n",
        "a==1.0\nA==1.1\n",
        "a==1.*\n",
    ],
)
def test_what_another_reader_would_install_besides_is_refused(text: str) -> None:
    if "evil" in text and text.startswith("  "):
        assert locked(text, LINUX) == {"evil": "1.0"}
    else:
        with pytest.raises(InputError, match="lock: must"):
            locked(text, LINUX)


PIP = """
import json, sys, tempfile, pathlib
from pip._internal.network.session import PipSession
from pip._internal.req.req_file import parse_requirements
session, place, said = PipSession(), pathlib.Path(tempfile.mkdtemp()) / "lock", []
for text in json.load(sys.stdin):
    place.write_bytes(text.encode())
    try:
        said.append([each.requirement for each in parse_requirements(str(place), session)])
    except Exception:
        said.append(None)
json.dump(said, sys.stdout)
"""
"""Asks the parser of pip, whose wheel comes with Python itself, what it would install by each text."""

PIECES = [
    "a==1.0", "b==2.0", "evil==6.6", "# c", " # c", "\\", " \\", " ", "\t", "\n", "\n", "\n", "\r", "\x0b",
    "\x85", "\u2028", " --hash=sha256:00", "-e ./x", "--trusted-host x", "\u00a0",
    "; python_version > '3'",
]  # fmt: skip


def test_pip_would_install_nothing_that_is_not_seen_here() -> None:
    wheel = next(Path(ensurepip.__file__).parent.glob("_bundled/pip-*.whl"), None)
    if wheel is None:
        pytest.skip("this Python comes without pip's wheel")
    draw = random.Random(9)  # noqa: S311 - texts, not secrets
    texts = ["".join(draw.choices(PIECES, k=draw.randrange(1, 12))) for _ in range(1000)]
    texts.append((Path(__file__).parents[1] / "requirements.lock").read_text(encoding="utf-8"))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PIP],
        input=json.dumps(texts), capture_output=True, text=True, check=True, env={"PYTHONPATH": str(wheel)},
    )  # fmt: skip

    taken = 0
    for text, pip in zip(texts, json.loads(done.stdout), strict=True):
        try:
            seen = locked(text, here())
        except InputError:
            continue
        names = {re.match(r"[A-Za-z0-9._-]+", each)[0] for each in pip or []}  # type: ignore[index]
        assert {normal(name) for name in names} >= set(seen) if pip else not seen, (text, pip, seen)
        if "\u00a0" not in text and text is not texts[-1]:
            assert {normal(name) for name in names} == set(seen), (text, pip, seen)
        taken += bool(seen)
    assert taken > 20


def test_the_projects_own_lock_names_what_is_installed() -> None:
    found = locked((Path(__file__).parents[1] / "requirements.lock").read_text(encoding="utf-8"), here())

    assert found["numpy"] == version("numpy")
    assert found["pyyaml"] == version("PyYAML")


def test_no_marker_tells_one_machine_from_another_of_its_kind() -> None:
    assert here()["sys_platform"] == sys.platform
    assert not {"platform_release", "platform_version"} & set(MARKERS)

"""A lock file says which version of what is installed where."""

import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from fairmark.errors import InputError
from fairmark.release.materials.locks import MARKERS, here, locked

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


def test_the_projects_own_lock_names_what_is_installed() -> None:
    found = locked((Path(__file__).parents[1] / "requirements.lock").read_text(encoding="utf-8"), here())

    assert found["numpy"] == version("numpy")
    assert found["pyyaml"] == version("PyYAML")


def test_no_marker_tells_one_machine_from_another_of_its_kind() -> None:
    assert here()["sys_platform"] == sys.platform
    assert not {"platform_release", "platform_version"} & set(MARKERS)

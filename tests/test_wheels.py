"""Nothing is built from source: every lock says so, and names a wheel of everything that it asks for."""

import re
import sys
import zipfile
from pathlib import Path

import pytest

from fairmark.files import sha256
from fairmark.release.sbom.requirements import archives, here, installs, locked

ROOT = Path(__file__).parents[1]
LOCKS = sorted(ROOT.glob("requirements*.lock"))
TABLE = (ROOT / "requirements.wheels").read_text(encoding="utf-8")


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_whoever_installs_from_a_lock_builds_nothing(lock: Path) -> None:
    assert lock.read_text(encoding="utf-8").startswith("--only-binary :all:\n-f ./wheels\n")


def test_the_makefile_installs_with_hashes_and_wheels_alone() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    calls = re.findall(r"pip (?:sync|install|download) [^\n]*(?:\\\n[^\n]*)?", text)

    assert len(calls) == 10
    assert "LOCKED := --require-hashes --only-binary :all:\n" in text
    own = [call for call in calls if "$(LOCKED)" not in call]
    assert [call.partition("--offline ")[2] for call in own] == [
        "--no-index --no-deps --no-build-isolation --editable .",
        "--no-index --no-deps .venv-space/wheel/*.whl",
    ]


def test_a_wheel_of_everything_that_this_kind_of_machine_installs_is_listed() -> None:
    listed = {line.split("  ")[0] for line in TABLE.splitlines()}
    for name in ("requirements.lock", "requirements-dev.lock"):
        text = (ROOT / name).read_text(encoding="utf-8")
        known = archives(text)
        missing = {each for each in locked(text, here()) if not known[each] & listed}
        if sys.platform == "linux" and here()["platform_machine"] == "x86_64":
            assert missing == set(), name


@pytest.mark.parametrize("wheel", sorted((ROOT / "wheels").glob("*.whl")), ids=lambda path: path.name)
def test_a_wheel_of_our_own_is_the_locked_one_and_holds_modules_and_its_licence_alone(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as opened:
        names = opened.namelist()

    assert f"{sha256(wheel)}  {installs(wheel)}  {wheel.name}\n" in TABLE
    assert {sha256(wheel)} in archives((ROOT / "requirements.lock").read_text(encoding="utf-8")).values()
    rest = {name.rsplit("/", 1)[-1] for name in names if not name.endswith(".py")}
    assert rest == {"METADATA", "WHEEL", "RECORD", "LICENSE.txt"}

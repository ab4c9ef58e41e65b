"""A release comes out the same from its commit alone, and a stage that was tampered with is found and named.

Run with `make prove`. FAIRMARK_REBUILD_DEFAULT=1 takes this repository's own data, as HEAD has it, not a
small table.
"""

import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from flows_repo import edit
from kills import fresh, project, run

from fairmark.repo import process
from fairmark.repo.isolation import Isolation, impossible
from fairmark.repo.process import Ended, Say
from fairmark.signing.keys import read_public
from fairmark.verify.rebuild import Rebuild, check_first

pytestmark = pytest.mark.proof

DEFAULT = bool(os.environ.get("FAIRMARK_REBUILD_DEFAULT"))


def _coarse(command: Sequence[str], folder: Path, say: Say | None, extra: Mapping[str, str] | None) -> Ended:
    """Run as ever, but write one digit less from `evaluate` on."""
    if list(command[-2:]) == ["--force", "evaluate"]:
        edit(folder / "src" / "fairmark" / "files.py", "SIGNIFICANT_DIGITS = 10", "SIGNIFICANT_DIGITS = 9")
    return process.run(command, folder, say, extra)


def test_a_release_is_made_again_to_the_byte_and_a_changed_stage_is_named(tmp_path: Path) -> None:
    root = fresh(project(tmp_path, default=DEFAULT), tmp_path)
    run(root, tmp_path)
    (folder,) = (root / "releases").glob("*-v*")
    key = read_public(tmp_path / "config" / "key.pub.pem")
    opened = check_first(folder, root, key, yours=False)
    for name in ("same", "other"):
        (tmp_path / name).mkdir()
    began = time.monotonic()
    place = tmp_path / "same"
    apart = None if impossible(place) else Isolation(place, (Path(sys.prefix),))
    same = Rebuild(opened, root, place, True, process.run, lambda _: None, apart).make()
    print(
        f"\nisolated: {apart is not None}; {same.lines()[-1]}, "
        f"in {time.monotonic() - began:.0f} s; statement {same.statement}"
    )
    other = Rebuild(opened, root, tmp_path / "other", True, _coarse, lambda _: None).make()
    print(*other.lines(), sep="\n")

    assert (same.differences, same.environment, same.statement) == ((), (), "the same, byte for byte")
    first = other.differences[0]
    assert first.stage == "evaluate"
    assert {each.stage for each in other.differences} <= {"evaluate", "explain", "document"}
    assert any("numbers differ, by at most" in each.text for each in other.differences)

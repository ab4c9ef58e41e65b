"""Two releases at once: in one folder one wins and the other says why; in two clones both come out the same.

Run with `make prove`.
"""

import signal
from pathlib import Path

import pytest
from kills import faults, fresh, left, project, run, start, versions

pytestmark = pytest.mark.proof


def test_two_releases_at_once(tmp_path: Path) -> None:
    origin = project(tmp_path, default=False)
    root = fresh(origin, tmp_path)
    with start(root, tmp_path, "release") as first, start(root, tmp_path, "release") as second:
        said = [process.communicate(timeout=600)[0] for process in (first, second)]
    codes = [first.returncode, second.returncode]

    assert sorted(codes) == [0, 1], said
    lost = said[codes.index(1)]
    assert f"release stopped:\n  {root}: must have one release at a time, got another that runs" in lost
    assert "Traceback" not in lost
    assert faults(root) == []
    assert versions(root) == ["small-loans 1"]

    # In two other clones, with the same key, at the same time: neither knows of the other.
    homes = [tmp_path / name for name in ("one", "two")]
    roots = []
    for home in homes:
        home.mkdir()
        (home / "config").symlink_to(tmp_path / "config")
        roots.append(fresh(origin, home))
    with start(roots[0], homes[0], "release") as first, start(roots[1], homes[1], "release") as second:
        said = [process.communicate(timeout=600)[0] for process in (first, second)]

    assert [first.returncode, second.returncode] == [0, 0], said
    assert left(roots[0]) == left(roots[1]) == left(root)


def test_two_first_runs_of_a_user_end_with_one_key(tmp_path: Path) -> None:
    origin = project(tmp_path, default=False)
    for name in ("key.pem", "key.pub.pem", "allowed_signers"):
        (tmp_path / "config" / name).unlink(missing_ok=True)
    roots = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        roots.append(fresh(origin, tmp_path / name))
    with start(roots[0], tmp_path, "release") as first, start(roots[1], tmp_path, "release") as second:
        said = [process.communicate(timeout=600)[0] for process in (first, second)]

    assert [first.returncode, second.returncode] == [0, 0], said
    assert sum("you had no key" in text for text in said) == 1
    assert left(roots[0]) == left(roots[1])


def test_a_release_that_is_interrupted_is_finished_by_the_next_run(tmp_path: Path) -> None:
    origin = project(tmp_path, default=False)
    root = fresh(origin, tmp_path)
    with start(root, tmp_path, "release") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "prepare" in line:
                break
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=60)

    assert process.returncode == 130, said
    run(root, tmp_path)
    assert faults(root) == []

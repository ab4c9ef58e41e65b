"""A release that is killed at any moment is finished by the next run, to the same bytes, without a hand.

Run with `make prove`, which prints the table. FAIRMARK_KILLS=50 asks for more kills than a dozen;
FAIRMARK_KILL_DEFAULT=1 kills the release of this repository's own data, as HEAD has it, not a small one.
"""

import os
from collections import Counter
from pathlib import Path

import pytest
from kills import faults, fresh, kill, left, moments, project, run, timed, versions

pytestmark = pytest.mark.proof

COUNT = int(os.environ.get("FAIRMARK_KILLS", "12"))
DEFAULT = bool(os.environ.get("FAIRMARK_KILL_DEFAULT"))


def test_a_release_that_is_killed_is_finished_by_the_next_run(tmp_path: Path) -> None:
    origin = project(tmp_path, default=DEFAULT)
    whole = fresh(origin, tmp_path)
    whole_s = timed(whole, tmp_path)
    wanted, registered = left(whole), versions(whole)
    assert faults(whole) == []
    told: Counter[str] = Counter()
    wrong = []
    for drawn_s, whom in moments(COUNT, whole_s):
        after_s = drawn_s
        root = fresh(origin, tmp_path)
        while (words := kill(root, tmp_path, after_s, whom)) is None:  # a machine that is quicker by now
            root, after_s = fresh(origin, tmp_path), 0.6 * after_s
        try:
            mended = [line.strip() for line in run(root, tmp_path).splitlines() if "a killed " in line]
            assert left(root) == wanted
            assert faults(root) == []
            assert versions(root) == registered
        except AssertionError as error:
            wrong.append(f"{after_s:.1f} s, {whom}, {words}: {error}")
            mended = [f"NOT FINISHED: {str(error).splitlines()[-1]}"]
        told[whom] += 1
        print(f"{after_s:6.1f} s  {whom:20} {words[:60]:60} {'; '.join(mended)[:120]}", flush=True)
    print(
        f"\n{COUNT} kills within {whole_s:.0f} s of a release, each finished to the same bytes: {dict(told)}"
    )

    assert wrong == []

"""No byte of a release changes unseen, no attack goes past its own check, no untouched copy is doubted.

Run with `make prove`, which prints the tables. FAIRMARK_FLIPS asks for another number than 10,000.
"""

import os
import shutil
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from hostile_acts import every
from maker_and_forger import MINE
from release_attacks import ATTACKS, caught, flipped, flips, fully, quickly, restate, table, untouched

from fairmark.release.handover import release_at
from fairmark.verify.verify import verify

pytestmark = pytest.mark.proof
pytest_plugins = ("release_fixtures",)

COUNT = int(os.environ.get("FAIRMARK_FLIPS", "10000"))
FULL = 25
"""One flip in so many is shown to every check, the others to those that hold the bytes together."""

ROOT = Path(__file__).parents[2]
EVERY = every()


def releases(small: Path, into: Path) -> list[Path]:
    """Return the small release, and the newest that this repository holds, signed with the tests' key."""
    kept = sorted((ROOT / "releases").glob("*-v*.*.*"), key=lambda path: path.stat().st_mtime)
    copied = [Path(shutil.copytree(path, into / path.name)) for path in kept[-1:] if path.is_dir()]
    for folder in copied:
        restate(folder, MINE)
    return [small, *copied]


def test_every_flipped_bit_is_caught(small_release: Path, tmp_path: Path) -> None:
    for folder in releases(small_release, tmp_path / "kept"):
        assert caught(fully(folder)) == set()
        told: defaultdict[str, Counter[str]] = defaultdict(Counter)
        unseen = []
        for number, at in enumerate(flips(folder, COUNT, 1)):
            seen = caught(flipped(folder, *at, quickly if number % FULL else fully))
            told[at[0]].update(seen or ["NOT CAUGHT"])
            unseen += [] if seen else [at]
        print(f"\n{COUNT} flipped bits in the {len(told)} files of {folder.name}:\n{table(told)}")

        assert unseen == []


def test_every_attack_is_caught_by_its_own_check(released: Path, tmp_path: Path) -> None:
    lines, missed = [], []
    for number, attack in enumerate(ATTACKS):
        root = Path(shutil.copytree(released, tmp_path / str(number)))
        folder = root / "releases" / "loans-v0.1.0"
        attack.made(folder)
        seen = caught(attack.seen(folder))
        beside = sorted(seen - set(attack.meant))
        lines.append(f"{attack.name:45} {', '.join(sorted(attack.meant)):50} {', '.join(beside)}")
        missed += [f"{attack.name}: {check}" for check in sorted(set(attack.meant) - seen)]
        shutil.rmtree(root)
    print("\n" + "\n".join([f"{'attack':45} {'meant to catch it, and did':50} and beside it", *lines]))

    assert missed == []


def test_what_got_through_once_does_not_again(released: Path, tmp_path: Path) -> None:
    through = []
    for number, act in enumerate(EVERY):
        root = Path(shutil.copytree(released, tmp_path / str(number), symlinks=True))
        if came := act.outcome(root):
            through.append(f"{act.kind}: {act.name}: {came}")
        shutil.rmtree(root)
    counts = Counter(act.kind for act in EVERY)
    print("\n" + "\n".join(f"{times:5} acts of the kind: {kind}" for kind, times in counts.items()))

    assert through == []


def test_no_untouched_copy_raises_an_alarm(small_release: Path, tmp_path: Path) -> None:
    doubted = []
    for place in untouched(small_release, 200, tmp_path / "copies", 2):
        with release_at(str(place), None) as target:
            facts = verify(target.folder, None, MINE.public)
        doubted += [f"{place}: {fact.line()}" for fact in facts if fact.asked and not fact.held]

    assert doubted == []

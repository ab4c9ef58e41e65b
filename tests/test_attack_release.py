"""A sample of the attacks on a release: each is caught by the check that is meant to catch it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from maker_and_forger import MINE
from release_attacks import ATTACKS, Attack, caught, flipped, flips, fully, quickly, untouched

from fairmark.cli.main import main
from fairmark.release.handover import release_at
from fairmark.verify.verify import Fact, verify

pytest_plugins = ("release_fixtures",)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_is_caught_by_each_check_that_is_meant_to(attack: Attack, small_release: Path) -> None:
    attack.made(small_release)

    seen = caught(attack.seen(small_release))
    assert set(attack.meant) <= seen
    if attack.restated:
        assert not seen & {
            "statement",
            "digests",
            "inputs",
        }  # nothing but what the parts say stands in the way


@pytest.mark.parametrize(("count", "look"), [(100, quickly), (15, fully)], ids=["bytes", "every claim"])
def test_a_flipped_bit_of_any_file_is_caught(
    small_release: Path, count: int, look: Callable[[Path], list[Fact]]
) -> None:
    unseen = [at for at in flips(small_release, count, 7) if not caught(flipped(small_release, *at, look))]

    assert unseen == []


def test_a_flipped_bit_ends_the_command_with_4(
    small_release: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, place, mask = flips(small_release, 1, 8)[0]
    key = small_release.parent / "key.pem"
    key.write_text(MINE.public.pem)
    codes: list[int] = []

    def told(folder: Path) -> list[Fact]:
        codes.append(main(["verify", str(folder), "--key", str(key)]))
        return []

    flipped(small_release, name, place, mask, told)
    assert codes == [4]
    assert "NOT what was released" in capsys.readouterr().out


def test_untouched_copies_raise_no_alarm(small_release: Path, tmp_path: Path) -> None:
    for place in untouched(small_release, 5, tmp_path / "copies", 9):
        with release_at(str(place), None) as target:
            facts = verify(target.folder, None, MINE.public)

        assert all(fact.held for fact in facts if fact.asked), place


def test_an_archive_with_a_file_too_many_is_caught(small_release: Path, tmp_path: Path) -> None:
    (small_release / "more.txt").write_text("x")
    made = shutil.make_archive(str(tmp_path / "packed"), "zip", small_release.parent, small_release.name)

    with release_at(made, None) as target:
        assert caught(verify(target.folder, None, MINE.public)) == {"files"}

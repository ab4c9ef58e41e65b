"""What got through once does not get through again, by kind."""

import shutil
from collections import Counter
from pathlib import Path

import pytest
from hostile_acts import Hostile, every

pytest_plugins = ("release_fixtures",)
EVERY = every()


@pytest.mark.parametrize(
    "act", [act for act in EVERY if not act.slow], ids=lambda act: f"{act.kind}: {act.name}"
)
def test_a_hostile_act_ends_at_its_door(act: Hostile, released: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(released, tmp_path / "released", symlinks=True))

    assert act.outcome(root) is None


def test_each_kind_of_act_stands_on_the_page() -> None:
    page = (Path(__file__).parents[1] / "docs" / "attacks.md").read_text(encoding="utf-8")

    assert [kind for kind in {act.kind for act in EVERY} if f"| {kind} |" not in page] == []


def test_no_two_acts_have_one_name() -> None:
    assert max(Counter((act.kind, act.name) for act in EVERY).values()) == 1

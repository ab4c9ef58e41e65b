"""A sample of the leaves of a release: a changed one is caught, or is listed as resting on the signature."""

import random
from pathlib import Path

from leaves import Leaf, leaves, resting, unseen

pytest_plugins = ("release_fixtures",)


def test_a_sample_of_changed_leaves_is_caught_or_listed(small_release: Path) -> None:
    kinds: dict[str, Leaf] = {}
    for each in leaves(small_release):  # the first of each kind, as the proof takes it
        kinds.setdefault(each.kind, each)
    drawn = random.Random(13).sample(sorted(kinds), 8)  # noqa: S311 - where to look, not a secret

    listed = resting()
    assert {kind for kind in drawn if unseen(small_release, kinds[kind])} == listed & set(drawn)
    assert listed <= set(kinds)

"""Every leaf of a release is held by a check, or docs/attacks.md says that it rests on the signature.

Run with `make prove`. FAIRMARK_LEAVES asks for so many leaves of each kind (1 by default, 0 for every leaf).
"""

import os
from collections import defaultdict
from pathlib import Path

import pytest
from leaves import Leaf, leaves, resting, unseen, wrong

pytestmark = pytest.mark.proof
pytest_plugins = ("release_fixtures",)

EACH = int(os.environ.get("FAIRMARK_LEAVES", "1")) or None


def test_what_no_check_catches_is_what_is_written_down(small_release: Path) -> None:
    assert wrong(small_release) == set()
    kinds: defaultdict[str, list[Leaf]] = defaultdict(list)
    for each in leaves(small_release):
        kinds[each.kind].append(each)

    found = {kind for kind, those in kinds.items() if any(unseen(small_release, one) for one in those[:EACH])}
    print(
        f"\n{sum(map(len, kinds.values()))} leaves of {len(kinds)} kinds, {len(found)} rest on the signature:"
    )
    print("\n".join(sorted(found)))
    assert found == resting()

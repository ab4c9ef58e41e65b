"""Many rows at once are told the same as each alone: what is unusual about them, and what moved them."""

from pathlib import Path
from typing import Any

import pytest
from served_release import ROW, small_scorer

from fairmark.serve.scorer import Scorer, run

pytest_plugins = ("release_fixtures",)
ODD: list[dict[str, Any]] = [
    {},
    {"home": "castle"},
    {"income <€>": 1e12},
    {"income <€>": None, "home": None},
    {"since": "1870-01-01", "home": "castle"},
    {"member": False, "home": "rent"},
]


@pytest.fixture(scope="module")
def scorer(released: Path) -> Scorer:
    return small_scorer(released)


def test_a_batch_is_scored_and_flagged_as_its_rows_are(scorer: Scorer) -> None:
    rows = [ROW | each for each in ODD]
    alone = [run(scorer, [scorer.model.read(row)])[0] for row in rows]

    assert run(scorer, scorer.model.read_all(rows)) == alone
    assert len({each.flags for each in alone}) > 2


@pytest.mark.parametrize("decision", [0, 1])
def test_a_batch_is_explained_as_its_rows_are(scorer: Scorer, decision: int) -> None:
    read = [scorer.model.read(ROW | each) for each in ODD]
    raws = scorer.model.raws(read)
    alone = [scorer.explain([row], [decision])[0] for row in read]

    assert scorer.explain(read, [decision] * len(read), raws) == alone
    assert any(alone)

"""A confusion matrix holds every row once, and comes back from JSON as it was; a spoilt one is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairmark.errors import InputError
from fairmark.judge.measurements import ConfusionCounts
from fairmark.stats.confusion import confusion_matrix, kish

LABEL = np.array([1, 1, 0, 0, 0, 1])
DECISION = np.array([1, 0, 1, 0, 0, 1])
CODE = np.array([0, 0, 0, 0, 2, 2])
WEIGHT = np.array([0.5, 1.0, 2.0, 1.0, 3.0, 1.0])


def test_rows_are_counted_by_hand() -> None:
    cells = confusion_matrix(LABEL, DECISION, CODE, 3)

    assert ConfusionCounts.of(cells, 0).to_json() == {"tp": 1, "fp": 1, "fn": 1, "tn": 1}
    assert ConfusionCounts.of(cells, 1).to_json() == {"tp": 0, "fp": 0, "fn": 0, "tn": 0}
    assert ConfusionCounts.of(cells, 2).to_json() == {"tp": 1, "fp": 0, "fn": 0, "tn": 1}


def test_weights_are_summed_beside_the_counts() -> None:
    named = ConfusionCounts.of(confusion_matrix(LABEL, DECISION, CODE, 3, WEIGHT), 2).to_json()

    assert named["weighted"] == {"tp": 1.0, "fp": 0.0, "fn": 0.0, "tn": 3.0}
    assert named["squared"] == {"tp": 1.0, "fp": 0.0, "fn": 0.0, "tn": 9.0}
    assert named["effective_rows"] == pytest.approx(16 / 10)


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 4)), max_size=60))
@settings(max_examples=60, deadline=None)
def test_every_row_stands_in_one_cell(drawn: list[tuple[bool, bool, int]]) -> None:
    label, decision, code = (
        np.array(column, dtype=int) for column in (zip(*drawn, strict=True) if drawn else [[]] * 3)
    )
    cells = confusion_matrix(label, decision, code, 5)

    assert cells.count.sum() == len(drawn)
    assert cells.total().count[0, 1].sum() == label.sum()


@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_json_gives_the_cells_back(weight: np.ndarray | None) -> None:
    cells = confusion_matrix(LABEL, DECISION, CODE, 3, weight).group(0)
    back = ConfusionCounts.from_json(ConfusionCounts.of(cells).to_json(), "cells")

    assert back.to_json() == ConfusionCounts.of(cells).to_json()
    assert np.array_equal(back.matrix.count, cells.count)
    assert back.matrix.weighted == (weight is not None)


def test_equal_weights_are_as_many_rows_as_there_are() -> None:
    assert kish([2.0, 2.0, 2.0], [4.0, 4.0, 4.0]) == 3.0
    assert kish([], []) == 0.0


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ({"tp": 1, "fp": 1, "fn": 1}, "cells: tn: must be given, got nothing"),
        ({"tp": 1, "fp": 1, "fn": 1, "tn": -1}, "cells: tn: must be greater than or equal to 0, got -1"),
        ({"tp": 1, "fp": 1, "fn": 1, "tn": True}, "cells: tn: must be a valid integer, got true"),
        ({"tp": 1.5, "fp": 1, "fn": 1, "tn": 1}, "cells: tp: must be a valid integer, got 1.5"),
        (
            {"tp": 1, "fp": 0, "fn": 0, "tn": 0, "weighted": 3, "squared": 3},
            "cells: weighted: must be an object",
        ),
    ],
)
def test_cells_that_are_none_are_refused(named: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        ConfusionCounts.from_json(named, "cells")


def test_squares_too_small_for_their_weights_are_refused() -> None:
    named = ConfusionCounts.of(confusion_matrix(LABEL, DECISION, CODE, 3, WEIGHT)).to_json()
    named["squared"]["fp"] = 1.0

    with pytest.raises(InputError, match="sums of the squares of the weights"):
        ConfusionCounts.from_json(named, "cells")

"""The classes of train rows are evened out, from a seed."""

import numpy as np
import pytest

from fairmark.learn.training_data import Sample, balanced

LABEL = np.array([0] * 70 + [1] * 30, dtype=np.int8)
ROWS = Sample(np.arange(100.0, dtype=np.float64)[:, None], LABEL, np.ones(100), np.linspace(-1, 1, 100))


def test_weights_even_out_what_the_classes_weigh() -> None:
    even = balanced(ROWS, "weights", 1)

    assert [even.weight[k == LABEL].sum() for k in (0, 1)] == pytest.approx([50, 50])


def test_down_leaves_out_rows_of_the_larger_class_and_repeats_none() -> None:
    rows = balanced(ROWS, "down", 1).matrix[:, 0].tolist()

    assert len(set(rows)) == len(rows) == 60
    assert set(range(70, 100)) <= set(rows)


def test_up_repeats_rows_of_the_smaller_class_and_leaves_out_none() -> None:
    even = balanced(ROWS, "up", 1)

    assert set(even.matrix[:, 0]) == set(range(100))
    assert (len(even.label), even.label.sum()) == (140, 70)


@pytest.mark.parametrize("how", ["down", "up"])
def test_a_row_keeps_its_label_and_its_cost(how: str) -> None:
    even = balanced(ROWS, how, 1)  # type: ignore[arg-type]
    place = even.matrix[:, 0].astype(int)

    assert np.array_equal(even.label, LABEL[place])
    assert np.array_equal(even.cost, ROWS.cost[place])


def test_the_draw_hangs_on_the_seed_alone() -> None:
    drawn = [balanced(ROWS, "down", seed).matrix[:, 0].tolist() for seed in (1, 1, 2)]

    assert drawn[0] == drawn[1] != drawn[2]


def test_none_and_a_single_class_are_left_alone() -> None:
    single = Sample.plain(ROWS.matrix, np.ones(100, dtype=np.int8), ROWS.weight)

    assert balanced(ROWS, "none", 1) is ROWS
    assert balanced(single, "up", 1) is single

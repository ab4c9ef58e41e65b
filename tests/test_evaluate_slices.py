"""The worst slices are found, with bounds that hold for all of them at once, whatever the labels."""

from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from scorecard_table import rows

from fairmark.evaluate.documents import Slices
from fairmark.evaluate.slices import MISSING, Axis, Binning, axes, candidate_slices, edges, worst_slices
from fairmark.evaluate.summary_metrics import Rows
from fairmark.model.model_file import Column


def _axis(name: str, code: list[int], crossed: bool = True) -> Axis:
    return Axis(name, "feature", ["no", "yes"], np.array(code), crossed)


def _wrong(*wrong: int) -> tuple[Rows, np.typing.NDArray[np.int8]]:
    """Return eight rows of label 0 and decisions that err at these places."""
    decision = np.zeros(8, dtype=np.int8)
    decision[list(wrong)] = 1
    return rows([0] * 8, ["red"] * 8), decision


def _names(found: Slices) -> list[list[tuple[str, str]]]:
    return [[(each.name, each.value) for each in one.where] for one in found.worst]


A = _axis("a", [0, 0, 0, 0, 1, 1, 1, 1])
B = _axis("b", [0, 0, 1, 1, 0, 0, 1, 1])


def test_the_slice_that_errs_most_comes_first_with_the_exact_bound_over_all_that_were_candidate_slices() -> (
    None
):
    few, decision = _wrong(6, 7)

    found = worst_slices(few, decision, [A, B], 2, 1, 0.08)

    oracle = binomtest(2, 2).proportion_ci(confidence_level=1 - 2 * 0.08 / 8, method="exact").low
    assert found.looked_at == 8  # two values each, and four pairs
    assert _names(found) == [[("a", "yes"), ("b", "yes")]]
    assert (found.worst[0].error, found.worst[0].rows) == (1, 2)
    assert found.worst[0].low == pytest.approx(oracle)
    assert found.error == 0.25


def test_a_slice_within_a_worse_one_is_left_out() -> None:
    few, decision = _wrong(4, 5, 6, 7)

    assert _names(worst_slices(few, decision, [A, B], 2, 1, 0.05)) == [[("a", "yes")]]
    assert [("a", "yes"), ("b", "yes")] not in _names(worst_slices(few, decision, [A, B], 2, 99, 0.05))


def test_small_slices_are_not_candidate_slices() -> None:
    few, decision = _wrong(0)

    assert worst_slices(few, decision, [A, B], 4, 9, 0.05).looked_at == 4
    assert worst_slices(few, decision, [A, B], 5, 9, 0.05).worst == []


def test_a_pair_that_says_the_same_as_one_of_its_two_is_not_counted_again() -> None:
    few, decision = _wrong(0)

    assert len(candidate_slices(few, decision, [A, _axis("same", [0, 0, 0, 0, 1, 1, 1, 1])], 1)) == 4


def test_a_slice_of_everybody_is_none() -> None:
    few, decision = _wrong(0)

    assert candidate_slices(few, decision, [_axis("all", [0] * 8)], 1) == []


def test_an_axis_that_is_not_crossed_is_looked_at_alone() -> None:
    few, decision = _wrong(0)

    assert len(candidate_slices(few, decision, [A, _axis("b", B.code.tolist(), crossed=False)], 1)) == 4


def test_a_feature_and_an_attribute_of_one_name_stay_apart() -> None:
    few, decision = _wrong(0)
    attribute = Axis("a", "attribute", ["no", "yes"], B.code, True)

    assert len(candidate_slices(few, decision, [A, attribute], 1)) == 8


@given(st.lists(st.integers(0, 1), min_size=8, max_size=8))
def test_labels_never_say_which_slices_are_candidate_slices(label: list[int]) -> None:
    any_labels = rows(label, ["red"] * 8)

    assert len(candidate_slices(any_labels, np.zeros(8, dtype=np.int8), [A, B], 2)) == 8


def test_bins_hold_about_as_many_rows_and_their_words_say_where_they_end() -> None:
    values = np.arange(12, dtype=np.float64)[:, None]
    column = Column(name="x", kind="numeric", categories=None)

    axis = axes(
        [column],
        values,
        np.array([[0], [4], [8], [99], [np.nan]]),
        rows([0] * 5, ["red"] * 5),
        Binning(3, []),
    )

    assert axis[0].values == ["<4", "4 to <8", ">=8", MISSING]
    assert axis[0].code.tolist() == [0, 1, 2, 2, 3]


def test_a_column_that_is_mostly_zero_is_parted_into_zero_and_more() -> None:
    assert edges(np.array([0.0] * 9 + [5, 7]), 4).tolist() == [5]


@pytest.mark.parametrize("values", [[], [np.nan], [3.0, 3.0]])
def test_a_column_without_two_values_has_no_edges(values: list[float]) -> None:
    assert edges(np.array(values), 4).tolist() == []


def test_dates_booleans_and_groups_are_parted_in_words() -> None:
    columns = [
        Column(name="since", kind="date", categories=None),
        Column(name="own", kind="boolean", categories=None),
    ]
    matrix = np.array([[0.0, 0], [365, 1], [730, np.nan]])

    found = axes(columns, matrix, matrix, rows([0, 0, 0], ["red", "blue", "red"]), Binning(2, ["own"]))

    assert [axis.values for axis in found] == [
        ["<1971-01-01", ">=1971-01-01", MISSING],
        ["false", "true", MISSING],
        ["blue", "green", "red"],
    ]
    assert [axis.crossed for axis in found] == [False, True, True]
    assert found[1].code.tolist() == [0, 1, 2]


def test_all_bounds_hold_at_once_as_often_as_stated() -> None:
    rng = np.random.default_rng(1)
    code = rng.integers(0, 2, (5, 200))
    found = [_axis(str(k), code[k].tolist()) for k in range(5)]

    false = 0
    for _ in range(200):
        decision = (rng.random(200) < 0.3).astype(np.int8)
        worst = worst_slices(rows([0] * 200, ["red"] * 200), decision, found, 20, 1, 0.2).worst
        false += worst[0].low > 0.3

    assert false / 200 <= 0.2


@given(
    st.lists(st.integers(0, 10**12), min_size=2, max_size=6, unique=True),
    st.sampled_from(["numeric", "date"]),
)
def test_different_bins_have_different_names(values: list[int], kind: Literal["numeric", "date"]) -> None:
    # Microseconds of a few days, or numbers that six digits do not tell apart.
    numbers = (
        np.array(values, dtype=np.float64) + 1e12 if kind == "numeric" else np.array(values) / 86_400_000_000
    )
    column = Column(name="x", kind=kind, categories=None)
    matrix = numbers[:, None]

    axis = axes([column], matrix, matrix, rows([0] * len(values), ["red"] * len(values)), Binning(4, []))[0]

    assert len(set(axis.values)) == len(axis.values)


def test_a_category_called_as_the_missing_ones_is_another() -> None:
    column = Column(name="x", kind="categorical", categories=["missing or unknown"])
    matrix = np.array([[0.0], [np.nan]])

    axis = axes([column], matrix, matrix, rows([0, 0], ["red", "red"]), Binning(4, []))[0]

    assert axis.values == ['"missing or unknown"', "missing or unknown"]

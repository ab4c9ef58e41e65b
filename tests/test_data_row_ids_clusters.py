"""Several rows a person are asked about where patterns repeat beyond chance, and nowhere else."""

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from fairmark.data.row_ids import clusters, question

Columns = dict[str, NDArray[np.int64]]


def coded(frame: pd.DataFrame) -> Columns:
    return {str(name): pd.factorize(frame[name])[0].astype(np.int64) for name in frame}


def customers(count: int, each: int, seed: int = 0) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """Return customers with an age, an income, a region and a label of their own, and buys that vary."""
    draw = np.random.default_rng(seed)
    own = pd.DataFrame(
        {
            "age": draw.integers(18, 90, count),
            "income": draw.lognormal(7, 0.5, count).round(2),
            "region": draw.choice(list("abcdef"), count),
        }
    )
    many = np.repeat(np.arange(count), each)
    frame = own.iloc[many].reset_index(drop=True)
    frame["paid"] = draw.lognormal(3, 1, len(many)).round(2)
    frame["card"] = draw.integers(0, 2, len(many))
    return frame, draw.integers(0, 2, count)[many]


@pytest.mark.parametrize("each", [2, 5, 10])
def test_ten_rows_a_customer_are_asked_about_by_column(each: int) -> None:
    frame, label = customers(300, each)

    found = clusters(coded(frame), label, seed=1)

    assert found is not None
    assert found.columns == ("age", "income", "region")
    assert (found.patterns, found.rows_each, found.label_constant) == (300, each, 1.0)
    (text,) = question(found)
    assert text.startswith(
        "Do several rows belong to one person? 100% of the rows share their values of age, inc"
    )
    assert "The label goes with them" in text


def test_one_row_a_customer_is_not_asked_about() -> None:
    assert clusters(coded(customers(2000, 1)[0]), np.zeros(2000, np.int64), seed=1) is None
    assert question(None) == []


def test_few_codes_that_repeat_by_chance_are_not_asked_about() -> None:
    draw = np.random.default_rng(0)
    frame = pd.DataFrame({name: draw.integers(0, 6, 2201) for name in "abcd"})

    assert clusters(coded(frame), draw.integers(0, 2, 2201), seed=1) is None


def test_the_order_of_rows_is_no_matter() -> None:
    frame, label = customers(200, 5)
    order = np.random.default_rng(3).permutation(1000)

    one = clusters(coded(frame), label, seed=1)
    other = clusters(coded(frame.iloc[order].reset_index(drop=True)), label[order], seed=1)

    assert one is not None
    assert other is not None
    assert one.model_copy(update={"by_chance": 0}) == other.model_copy(update={"by_chance": 0})

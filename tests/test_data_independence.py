"""Part and label are tested against each other among rows alike: by hand, by chance, and by fault."""

import numpy as np
import pytest
from scipy.stats import chi2_contingency

from fairmark.data.part_tests import independence

NONE = ("statistic", "expected", "deviations", "p", "independent")


def test_the_chi_square_is_the_one_of_scipy() -> None:
    draw = np.random.default_rng(1)
    part, label = draw.integers(0, 3, 90), draw.integers(0, 2, 90)

    found = dict(independence([np.zeros(90, np.int64)], part, label, seed=0))

    table = np.array([[((part == p) & (label == y)).sum() for y in (0, 1)] for p in range(3)])
    assert found["statistic"] == pytest.approx(chi2_contingency(table, correction=False).statistic)
    # Haldane (1940): the exact mean under fixed margins is (parts - 1) n / (n - 1).
    assert abs(found["expected"] - 2 * 90 / 89) < 0.25
    assert (found["strata"], found["rows"]) == (1, 90)


def test_rows_that_are_alike_to_none_say_nothing() -> None:
    found = dict(independence([np.arange(50)], np.arange(50) % 3, np.arange(50) % 2, seed=0))

    assert found == {"strata": 0, "rows": 0, **dict.fromkeys(NONE)}


def test_no_rows_say_nothing() -> None:
    empty = np.empty(0, np.int64)

    assert independence([empty], empty, empty, seed=0).independent is None


def test_p_values_of_honest_splits_are_uniform() -> None:
    draw = np.random.default_rng(2)
    chances = []
    for seed in range(24):
        alike, label = draw.integers(0, 40, 300), draw.integers(0, 2, 300)
        found = dict(independence([alike], draw.integers(0, 3, 300), label, seed))
        assert found["independent"]
        chances.append(found["p"])

    # 2.4 of 24 expected at most 0.1: more than 9 have a chance of 5 in 100,000.
    # A mean of 24 uniform numbers is further from 0.5 than 0.23 (3.9 times 0.059) in 1 of 10,000.
    assert sum(p <= 0.1 for p in chances) <= 9
    assert abs(np.mean(chances) - 0.5) < 0.23


def test_rows_of_one_label_that_go_to_one_part_are_found() -> None:
    # What a hash of the whole content did: each pair of pattern and label in a part of its own.
    draw = np.random.default_rng(3)
    alike, label = draw.integers(0, 60, 1200), draw.integers(0, 2, 1200)
    part = draw.integers(0, 3, 120)[alike * 2 + label]

    found = dict(independence([alike], part, label, seed=0))

    assert found["independent"] is False
    assert found["p"] == 1 / 1000
    assert found["deviations"] > 20


def test_the_order_of_rows_is_no_matter() -> None:
    draw = np.random.default_rng(4)
    alike, part, label = draw.integers(0, 30, 400), draw.integers(0, 3, 400), draw.integers(0, 2, 400)
    order = draw.permutation(400)

    assert independence([alike], part, label, 5) == independence([alike[order]], part[order], label[order], 5)

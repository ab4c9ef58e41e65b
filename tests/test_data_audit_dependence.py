"""The audit says what speaks against independent rows, for which the verdict's bounds hold."""

import numpy as np
import pandas as pd

from fairmark.data.audit import dependence


def _table(copies: int = 1, rows: int = 600) -> pd.DataFrame:
    draw = np.random.default_rng(1)
    once = pd.DataFrame({"x": draw.normal(size=rows), "_label": draw.integers(0, 2, rows)})
    return pd.concat([once] * copies, ignore_index=True)


def test_independent_rows_leave_nothing_to_say() -> None:
    table = _table().assign(_time=pd.date_range("2026-01-01", periods=600, freq="h"))

    assert list(dependence(table, ["x"])) == []


def test_copied_rows_are_counted_with_and_without_their_label() -> None:
    table = _table(copies=3)
    table.loc[600:609, "_label"] = 1 - table.loc[600:609, "_label"]
    (found,) = dependence(table, ["x"])

    assert found.startswith("1,200 of 1,800 rows repeat an earlier row in every feature, 1,190 of them with")


def test_labels_in_runs_over_time_are_told() -> None:
    table = _table().assign(_time=pd.date_range("2026-01-01", periods=600, freq="h"))
    table["_label"] = (np.arange(600) // 30) % 2
    (found,) = dependence(table, ["x"])

    # 300 of each label: 1 + 2 x 300 x 300 / 600 runs are to be expected, and 20 are there.
    assert "in 20 runs where independent rows have about 301" in found
    assert "evaluate.cluster: {days: N}" in found


def test_of_a_table_that_says_whose_rows_are_nothing_is_asked() -> None:
    assert list(dependence(_table(3).assign(_person="p"), ["x"])) == []

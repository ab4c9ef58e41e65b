"""The power of a column is an AUC taken out of fold: 0.5 for noise, 1 for what gives all away."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairmark.data.audit import BINS, SMOOTHING, Power, auc, folds, levels, power

FOLDS = 3


def against(cells: "pd.Series[Any]", groups: list[str] | pd.Index, kind: str = "categorical") -> Power:
    codes, names = pd.factorize(pd.Series(groups), sort=True)
    level = levels(cells, kind)
    found = power(
        level, folds(len(level), FOLDS, 0), codes.astype(np.int64), list(names), list(range(len(names)))
    )
    assert found is not None
    return found


def test_an_auc_is_counted_by_hand() -> None:
    # Pairs of (positive, negative): 3 above 1 and 2, 2 above 1, 2 tied with 2: (2 + 1 + 0.5) of 4 pairs.
    assert auc(np.array([1.0, 2.0, 3.0]), np.array([0, 1, 1.0]), np.array([1, 1, 0.0])) == 3.5 / 4


def test_an_auc_without_both_classes_is_unknown() -> None:
    assert auc(np.array([1.0, 2.0]), np.array([1.0, 2.0]), np.zeros(2)) is None


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=60))
def test_an_auc_is_that_of_scikit_learn(rows: list[tuple[int, bool]]) -> None:
    from sklearn.metrics import roc_auc_score

    score = np.array([row[0] for row in rows], dtype=np.float64)
    label = np.array([row[1] for row in rows], dtype=np.float64)
    ours = auc(score, label, 1 - label)

    if 0 < label.sum() < len(label):
        assert ours == pytest.approx(roc_auc_score(label, score))
    else:
        assert ours is None


def test_the_power_is_that_of_a_target_encoding_fitted_without_the_fold() -> None:
    from sklearn.metrics import roc_auc_score

    draw = np.random.default_rng(1)
    level = draw.integers(0, 6, 400)
    label = (draw.random(400) < level / 8).astype(np.int64)
    fold = folds(400, FOLDS, 0)

    aucs = []
    for k in range(FOLDS):
        rest = pd.DataFrame({"level": level[fold != k], "label": label[fold != k]})
        sums = rest.groupby("level")["label"].agg(["sum", "size"])
        rate = (sums["sum"] + SMOOTHING * rest["label"].mean()) / (sums["size"] + SMOOTHING)
        aucs.append(roc_auc_score(label[fold == k], rate[level[fold == k]]))

    found = against(pd.Series(level), np.array(["no", "yes"])[label].tolist())
    assert found.auc == pytest.approx(np.mean(aucs))


def test_a_column_that_is_the_group_gives_it_away() -> None:
    groups = ["a", "b", "c"] * 40

    assert against(pd.Series(groups), groups).auc == 1


def test_noise_gives_nothing_away() -> None:
    draw = np.random.default_rng(0)

    found = against(pd.Series(draw.normal(size=20_000)), draw.choice(["a", "b"], 20_000).tolist(), "numeric")

    assert found.auc == pytest.approx(0.5, abs=0.02)


def test_a_constant_gives_nothing_away() -> None:
    assert against(pd.Series([1.0] * 60), ["a", "b"] * 30, "numeric").auc == 0.5


def test_an_id_gives_nothing_away_because_it_is_judged_out_of_fold() -> None:
    assert against(pd.Series([f"id{k}" for k in range(600)]), ["a", "b"] * 300).auc == 0.5


def test_a_level_that_tells_the_contrary_tells_as_much() -> None:
    # Each pair holds one row of both groups: knowing one row gives the other away, upside down.
    pairs = pd.Series([f"pair{k // 2}" for k in range(600)])

    assert against(pairs, ["a", "b"] * 300).auc > 0.6


def test_missing_cells_may_be_what_gives_a_group_away() -> None:
    cells = pd.Series([np.nan, 1.0, 2.0, np.nan] * 50)

    assert against(cells, ["a", "b", "b", "a"] * 50, "numeric").auc == 1


def test_a_number_may_rise_and_fall_with_the_group() -> None:
    cells = pd.Series(np.arange(900.0))

    assert against(cells, ["a"] * 300 + ["b"] * 300 + ["a"] * 300, "numeric").auc > 0.95


def test_more_than_two_groups_are_averaged_and_the_best_told_is_named() -> None:
    groups = ["a", "b", "c", "c"] * 60
    cells = pd.Series(["x" if group == "a" else "y" for group in groups])

    found = against(cells, groups)

    assert (found.group, found.group_auc) == ("a", 1)
    assert 0.5 < found.auc < 1


def test_quantile_bins_keep_equal_numbers_together_and_count_missing() -> None:
    cells = pd.Series([0.0] * 500 + list(range(1, 501)) + [np.nan] * 3)

    level = levels(cells, "numeric")

    assert len(set(level[:500])) == 1
    assert len(set(level[-3:]) - set(level[:-3])) == 1
    assert len(set(level)) <= BINS + 1


def test_folds_are_of_the_same_size_and_depend_on_the_seed() -> None:
    assert np.bincount(folds(10, 3, 0)).tolist() == [4, 3, 3]
    assert folds(100, 3, 0).tolist() != folds(100, 3, 1).tolist()

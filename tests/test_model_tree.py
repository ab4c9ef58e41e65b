"""A booster's trees are read node by node: walked by hand, they say what LightGBM says."""

import lightgbm as lgb
import numpy as np
import pytest

from fairmark.model.tree import Leaf, Node, Split, leaf_values, splits, trees
from fairmark.stats.arrays import Floats

DRAW = np.random.default_rng(5)
ROWS = np.c_[DRAW.normal(size=400), DRAW.integers(0, 5, 400), DRAW.normal(size=400)]
ROWS[:40, 0] = np.nan  # missing in training, so that a side is learnt for it
LABEL = (np.nan_to_num(ROWS[:, 0]) + np.isin(ROWS[:, 1], [1, 4]) > 0.5).astype(int)


@pytest.fixture(scope="module")
def booster() -> lgb.Booster:
    settings = {"objective": "binary", "verbosity": -1, "num_leaves": 6, "min_data_per_group": 1, "seed": 1}
    data = lgb.Dataset(ROWS, LABEL, categorical_feature=[1], params={"verbosity": -1})
    return lgb.train(settings, data, num_boost_round=8)


def reached(node: Node, row: Floats) -> float:
    if isinstance(node, Leaf):
        return node.value
    value = row[node.feature]
    if node.threshold is None:
        left = not np.isnan(value) and int(value) in node.codes
    elif np.isnan(value) and node.missing == "NaN":
        left = node.default_left
    else:
        left = np.nan_to_num(value) <= node.threshold
    return reached(node.left if left else node.right, row)


def test_the_leaves_that_a_row_reaches_sum_to_the_raw_score(booster: lgb.Booster) -> None:
    walked = [sum(reached(tree, row) for tree in trees(booster)) for row in ROWS]

    kinds = {split.threshold is None for tree in trees(booster) for split in splits(tree)}
    assert kinds == {False, True}  # by value and by category
    np.testing.assert_allclose(walked, booster.predict(ROWS, raw_score=True), rtol=0, atol=1e-12)


def test_every_train_row_goes_to_one_side_of_each_split(booster: lgb.Booster) -> None:
    assert all(
        split.rows == split.left.rows + split.right.rows for tree in trees(booster) for split in splits(tree)
    )


def test_the_first_trees_come_alone_where_they_are_asked_for(booster: lgb.Booster) -> None:
    assert trees(booster, 2) == trees(booster)[:2]


def test_a_tree_of_one_leaf_has_no_split() -> None:
    data = lgb.Dataset(np.zeros((30, 1)), np.r_[np.zeros(10), np.ones(20)], params={"verbosity": -1})
    (tree,) = trees(lgb.train({"objective": "binary", "verbosity": -1}, data, num_boost_round=1))

    assert not isinstance(tree, Split)
    assert leaf_values(tree) == [tree.value]
    assert list(splits(tree)) == []

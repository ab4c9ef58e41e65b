"""An additive model is a sum of functions of one feature and of the chosen pairs, and of nothing else."""

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from people_table import TRAIN, chosen, policy, written
from sklearn.metrics import roc_auc_score

from fairmark.data.split import read_parts
from fairmark.learn.fit import fit as fit_model
from fairmark.learn.fit_additive import fit
from fairmark.learn.training_data import Sample, ready
from fairmark.model.boosted_trees import Boosted, load
from fairmark.model.model_file import Column
from fairmark.stats.arrays import Floats

COLUMNS = [Column(name=f"x{k}", kind="numeric", categories=None) for k in range(5)]


def rows(seed: int, many: int = 1500) -> Sample:
    """Return rows whose label hangs on x0, and on whether x1 and x3 have the same sign."""
    draw = np.random.default_rng(seed)
    matrix = draw.normal(size=(many, 5))
    odds = matrix[:, 0] + 2.5 * np.sign(matrix[:, 1] * matrix[:, 3]) + 0.3 * matrix[:, 2]
    label = (draw.random(many) < 1 / (1 + np.exp(-odds))).astype(np.int8)
    return Sample.plain(matrix, label, np.ones(many))


def made(pairs: int, **more: Any) -> Boosted:
    return fit(rows(1), rows(2), COLUMNS, {"pairs": pairs, "learning_rate": 0.2, **more}, TRAIN)


def together(trees: Boosted) -> set[tuple[int, int]]:
    """Return the pairs whose effects do not add up: a second difference of the log-odds is not 0."""
    draw = np.random.default_rng(7)
    one, two = draw.normal(size=(2, 200, 5))

    def at(changed: tuple[int, ...]) -> Floats:
        mixed = one.copy()
        mixed[:, changed] = two[:, changed]
        return trees.raw(mixed)

    return {
        pair
        for pair in combinations(range(5), 2)
        if np.abs(at(()) + at(pair) - at(pair[:1]) - at(pair[1:])).max() > 1e-9
    }


@pytest.mark.parametrize("pairs", [0, 1, 2])
def test_no_more_pairs_than_asked_for_act_together(pairs: int) -> None:
    assert len(together(made(pairs))) <= pairs


def test_the_pair_that_says_most_is_found() -> None:
    test = rows(3)

    alone, paired = made(0), made(1)

    assert together(paired) == {(1, 3)}
    assert roc_auc_score(test.label, paired.raw(test.matrix)) > 0.85
    assert roc_auc_score(test.label, alone.raw(test.matrix)) < 0.75


def test_depth_is_not_a_matter_of_settings() -> None:
    assert together(made(1, max_depth=6, num_leaves=31)) == {(1, 3)}


def test_its_file_is_that_of_boosted_trees() -> None:
    trees, test = made(1), rows(3)

    assert np.array_equal(load(trees.dumps(), COLUMNS).raw(test.matrix), trees.raw(test.matrix))


def test_it_is_mitigated_as_boosted_trees_are(tmp_path: Path) -> None:
    parts = read_parts(*written(tmp_path, 1500))
    known, (table, groups) = ready(parts, TRAIN), parts.part("test")
    side = groups["side"].to_numpy()

    def ratio(strength: float) -> float:
        decided = fit_model(known, chosen("additive", strength), TRAIN, policy()).decide(table)
        rates = [decided[side == name].mean() for name in ("left", "right")]
        return float(min(rates) / max(rates))

    assert ratio(0.6) > ratio(0.0) + 0.2

"""HeldOut-out scores are of rows that their model has not learnt from, and every row is held out once."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from people_table import TRAIN, chosen, limit, policy, written

from fairmark.data.split import position, read_parts
from fairmark.errors import InputError
from fairmark.learn.fit import fitted, platt
from fairmark.learn.training_data import Moments, Ready, Sample, ready, rotated

GIVEN = policy(limit("selection_rate_ratio", "side", at_least=0.6))


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Ready:
    return ready(read_parts(*written(tmp_path_factory.mktemp("people"), 1500)), TRAIN)


def ids(matrix: np.ndarray) -> list[tuple[float, ...]]:
    return [tuple(row) for row in np.nan_to_num(matrix, nan=-9.0).tolist()]


def test_every_train_row_is_held_out_once_and_never_learnt_from_there(rows: Ready) -> None:
    folds = list(rotated(rows, 4, seed=1))

    everybody = sorted(ids(rows.train.matrix) + ids(rows.valid.matrix))
    assert sorted(row for fold in folds for row in ids(fold.valid.matrix)) == sorted(ids(rows.train.matrix))
    for fold in folds:
        assert sorted(ids(fold.train.matrix) + ids(fold.valid.matrix)) == everybody
        assert len(fold.valid.label) == len(fold.valid_groups)
        assert 0.2 < len(fold.valid.label) / len(rows.train.label) < 0.5


def test_folds_are_as_large_where_the_parts_were_drawn_by_the_same_seed(rows: Ready) -> None:
    names = pd.Series([f"row {k}" for k in range(9000)], dtype="str")
    # Of all rows those of one part, as `split` cuts it by the places of this seed.
    part = names[(position(names, 5) > 0.6) & (position(names, 5) < 0.85)][: len(rows.train.label)]

    folds = [len(fold.valid.label) for fold in rotated(replace(rows, keys=part), 4, seed=5)]

    assert sum(folds) == len(rows.train.label)
    assert max(folds) - min(folds) <= 1


def test_groups_stay_beside_their_rows(rows: Ready) -> None:
    known = {
        row: side
        for part, groups in ((rows.train, rows.train_groups), (rows.valid, rows.valid_groups))
        for row, side in zip(ids(part.matrix), groups["side"], strict=True)
    }

    for fold in rotated(rows, 3, seed=1):
        assert [known[row] for row in ids(fold.valid.matrix)] == fold.valid_groups["side"].tolist()
        assert [known[row] for row in ids(fold.train.matrix)] == fold.train_groups["side"].tolist()


def test_a_fold_hangs_on_the_row_id_and_not_on_its_place(rows: Ready) -> None:
    turned = np.arange(len(rows.train.label))[::-1]
    other = replace(
        rows,
        train=rows.train.take(turned),
        train_groups=rows.train_groups.iloc[turned].reset_index(drop=True),
        keys=rows.keys.iloc[turned],
    )

    for one, two in zip(rotated(rows, 4, seed=1), rotated(other, 4, seed=1), strict=True):
        assert sorted(ids(one.valid.matrix)) == sorted(ids(two.valid.matrix))


def test_duplicates_share_a_fold(rows: Ready) -> None:
    keys = pd.Series(["same" if k % 2 else str(k) for k in range(len(rows.train.label))])
    same = set(np.flatnonzero(keys == "same"))
    where = [
        {place for place in same if ids(rows.train.matrix[[place]])[0] in set(ids(fold.valid.matrix))}
        for fold in rotated(replace(rows, keys=keys), 3, seed=1)
    ]

    assert sorted(map(len, where)) == [0, len(same)]


def timed(rows: Ready, gap: float = 1.0, persons: int = 10_000) -> Ready:
    """Return the rows with a moment each, in an order of its own, and so many persons."""
    many = len(rows.train.label)
    moments = np.random.default_rng(4).permutation(many).astype(float)
    keys = pd.Series([f"p{k % persons}" for k in range(many)])
    return replace(rows, moments=Moments(moments, gap), keys=keys)


@pytest.mark.parametrize("gap", [1.0, 40.0])
def test_parts_in_time_are_held_out_by_models_of_earlier_rows_alone(rows: Ready, gap: float) -> None:
    known = timed(rows, gap, persons=300)
    when = dict(zip(ids(rows.train.matrix), known.moments.train.tolist(), strict=True))  # type: ignore[union-attr]
    whose = dict(zip(ids(rows.train.matrix), known.keys, strict=True))

    folds = list(rotated(known, 4, seed=1))

    later = sorted(when[row] for fold in folds for row in ids(fold.valid.matrix))
    assert len(folds) == 3
    assert later == sorted(moment for moment in when.values() if moment >= later[0])
    assert len(later) == pytest.approx(len(when) / 2, abs=2)
    for fold in folds:
        learnt, held = ids(fold.train.matrix), ids(fold.valid.matrix)
        assert max(map(when.get, learnt)) <= min(map(when.get, held)) - gap  # type: ignore[type-var,operator]
        assert not {whose[row] for row in learnt} & {whose[row] for row in held}


def test_a_stretch_of_one_label_is_held_out_with_the_next_one(rows: Ready) -> None:
    known = timed(rows)
    assert known.moments is not None
    order, label = np.argsort(known.moments.train), rows.train.label.copy()
    label[order[len(label) // 2 - 2 : len(label) * 3 // 4]] = 0
    one_label = replace(known, train=replace(rows.train, label=label))

    sizes = [len(fold.valid.label) for fold in rotated(one_label, 5, seed=1)]

    assert len(sizes) == 2
    assert sum(sizes) == pytest.approx(len(label) / 2, abs=2)


def test_train_rows_of_one_moment_are_drawn_into_folds(rows: Ready) -> None:
    moments = Moments(np.zeros(len(rows.train.label)), 1.0)

    timed_folds = rotated(replace(rows, moments=moments), 3, seed=1)

    for one, two in zip(timed_folds, rotated(rows, 3, seed=1), strict=True):
        assert ids(one.valid.matrix) == ids(two.valid.matrix)


def test_moments_are_of_parts_that_follow_each_other_alone(tmp_path: Path) -> None:
    parts = read_parts(*written(tmp_path, 600))
    day = pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(600), unit="D")
    later = day + pd.to_timedelta(np.where(parts.belongs == "valid", 900, 0), unit="D")

    mixed, ordered = (
        Moments.of(replace(parts, table=parts.table.assign(_time=time))) for time in (day, later)
    )

    assert (Moments.of(parts), mixed) == (None, None)
    assert ordered is not None
    assert ordered.gap == (903 - 597) * 86_400e6


def test_two_folds_are_validation_rows_and_train_rows(rows: Ready) -> None:
    (other,) = rotated(rows, 2, seed=1)

    assert sorted(ids(other.valid.matrix)) == sorted(ids(rows.train.matrix))
    assert sorted(ids(other.train.matrix)) == sorted(ids(rows.valid.matrix))


def test_a_fold_of_one_label_is_refused(rows: Ready) -> None:
    with pytest.raises(InputError, match=r"chosen\.folds: must leave both labels in each fold, got 700"):
        list(rotated(rows, 700, seed=1))


@pytest.mark.parametrize("family", ["boosted", "logistic"])
def test_the_model_is_the_one_of_train_rows_and_its_threshold_that_of_all_folds(
    rows: Ready, family: str
) -> None:
    alone = fitted(rows, chosen(family, strength=0.5, margin=0.0), TRAIN, GIVEN)
    folded = fitted(rows, chosen(family, strength=0.5, margin=0.0, folds=4), TRAIN, GIVEN)

    held = folded.held
    assert folded.model.scorer.dumps() == alone.model.scorer.dumps()
    assert len(held.raw) == len(rows.train.label) + len(rows.valid.label)
    np.testing.assert_array_equal(held.raw[: len(alone.held.raw)], alone.held.raw)
    assert folded.model.calibration == platt(held.raw, held.rows.label, held.rows.weight)
    score = folded.decision.score(held.raw) >= folded.model.threshold
    rates = pd.Series(score).groupby(held.rows.groups["side"].to_numpy()).mean()[["left", "right"]]
    assert rates.min() / rates.max() >= 0.6


def test_a_row_is_not_scored_by_a_model_that_has_seen_it(rows: Ready) -> None:
    """With labels that say nothing, a model that saw a row would tell its label; held out, none can."""
    draw = np.random.default_rng(0)
    train, valid = (
        Sample.plain(part.matrix, draw.permutation(part.label), part.weight)
        for part in (rows.train, rows.valid)
    )
    blind = replace(rows, train=train, valid=valid)
    deep = {"num_leaves": 63, "min_child_samples": 1, "learning_rate": 0.3}

    held = fitted(blind, chosen(settings=deep, folds=4), TRAIN, GIVEN).held

    hit = held.raw[held.rows.label == 1][:, None] > held.raw[held.rows.label == 0][None, :]
    assert 0.42 < hit.mean() < 0.58

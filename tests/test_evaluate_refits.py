"""The curves learn from nested train rows, are measured on validation rows, and never see a test row."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scorecard_table import CHECKS, CHOSEN, POLICY, TRAIN, parts

from fairmark.data.split import Parts
from fairmark.evaluate.documents import FailedPoint, LearningCurves, LearningPoint
from fairmark.evaluate.refits import LEFT_OUT, Fits, by_hash, by_time, first_rows, learning_curves
from fairmark.evaluate.summary_metrics import Rows, model_metrics

FITS = Fits(TRAIN, POLICY)
DAYS = pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(400), unit="D")


def _learnt(made: Parts) -> LearningCurves:
    return learning_curves(made, FITS.model(made, CHOSEN), CHECKS, FITS)


def test_a_curve_of_a_real_signal_rises_for_both_families() -> None:
    curves = _learnt(parts(3000)).families

    assert [curves["logistic"].plain, curves["boosted"].plain] == [False, True]
    for curve in curves.values():
        few, all_rows = curve.points
        assert isinstance(few, LearningPoint)
        assert isinstance(all_rows, LearningPoint)
        assert few.roc_auc is not None
        assert all_rows.roc_auc is not None
        assert few.train_rows == pytest.approx(0.2 * all_rows.train_rows, abs=1)
        assert few.roc_auc < all_rows.roc_auc


def test_the_last_point_is_the_model_itself_on_validation_rows() -> None:
    made = parts()

    last = _learnt(made).families["logistic"].points[-1]

    metrics = model_metrics(Rows.of(made, "valid"), FITS.model(made, CHOSEN))
    size = int((made.belongs == "train").sum())
    assert last == LearningPoint(share=1, train_rows=size, **dict(metrics))


def test_test_rows_change_nothing() -> None:
    made = parts()
    other = made.table.assign(_label=made.table["_label"].where(made.belongs != "test", 0).astype("int8"))

    assert _learnt(made) == _learnt(replace(made, table=other))


def test_fewer_rows_are_among_more_rows_whatever_the_order_of_the_table() -> None:
    made = parts()
    turned = replace(
        made,
        table=made.table[::-1].reset_index(drop=True),
        belongs=made.belongs[::-1].reset_index(drop=True),
    )

    def kept(of: Parts, share: float) -> set[str]:
        return set(first_rows(of, by_hash(of, 1), share).table["_row_id"][_train(of, share)])

    assert kept(made, 0.2) < kept(made, 0.6)
    assert kept(made, 0.2) == kept(turned, 0.2)


def _train(of: Parts, share: float) -> pd.Series:
    return first_rows(of, by_hash(of, 1), share).belongs == "train"


def test_rows_that_are_left_out_stay_in_no_part_and_the_others_where_they_are() -> None:
    made = parts()

    fewer = first_rows(made, by_hash(made, 1), 0.5).belongs

    moved = made.belongs != fewer
    assert set(made.belongs[moved]) == {"train"}
    assert set(fewer[moved]) == {LEFT_OUT}


def test_history_learns_from_the_latest_rows() -> None:
    made = parts(_time=DAYS)

    latest = first_rows(made, by_time(made, 1), 0.5)

    time = made.table["_time"]
    left, kept = time[latest.belongs == LEFT_OUT], time[latest.belongs == "train"]
    assert left.max() < kept.min()


def test_a_row_without_a_time_counts_as_the_oldest() -> None:
    made = parts()
    place = int(np.flatnonzero(made.belongs == "train")[-1])
    timed = replace(made, table=made.table.assign(_time=pd.Series(DAYS).where(np.arange(400) != place)))

    assert by_time(timed, 1)[-1] == place


def test_old_rows_that_say_the_opposite_are_seen_to_do_harm() -> None:
    made = parts(1000, _time=DAYS[0] + pd.to_timedelta(np.arange(1000), unit="D"))
    old_train = (np.arange(1000) < 600) & (made.belongs == "train")
    label = made.table["_label"].where(~old_train, 1 - made.table["_label"]).astype("int8")

    half, whole = _learnt(replace(made, table=made.table.assign(_label=label))).history or ()

    assert isinstance(half, LearningPoint)
    assert isinstance(whole, LearningPoint)
    assert (half.roc_auc or 0) > (whole.roc_auc or 1)


def test_rows_without_a_time_have_no_history() -> None:
    found = _learnt(parts())

    assert (found.history, found.why) == (None, "no time column")


def test_too_few_rows_to_learn_from_are_said_to_be() -> None:
    made = parts()
    alike = by_hash(made, CHECKS.seed)[: round(0.2 * (made.belongs == "train").sum())]
    label = made.table["_label"].where(~made.table.index.isin(alike), 1)

    few = _learnt(replace(made, table=made.table.assign(_label=label))).families["logistic"].points[0]

    assert isinstance(few, FailedPoint)
    assert "must hold both labels" in few.why

"""A row's part is decided by its id: it outlives new orders and new rows; each stratum keeps its shares."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import schemas
from hypothesis import given, settings
from hypothesis import strategies as st
from schemas import attribute, column

from fairmark.data.part_tests import require_independent, summary
from fairmark.data.schema import Schema
from fairmark.data.split import latest_rows, moved, parted, position
from fairmark.errors import InputError
from fairmark.params.parse import typed
from fairmark.params.prepare import Split

SHARE, VALID, TOLERANCE = 0.25, 0.2, 0.1


def split(**changes: Any) -> Split:
    value = {"seed": 3, "order": "hash", "alike": "spread", "test_share": SHARE, "shift": 0.05}
    value |= {"valid_share": VALID, "tolerance": TOLERANCE, "gap_days": None}
    return typed(Split, value | changes, "split")


def rows(count: int, seed: int = 0, first: int = 0) -> pd.DataFrame:
    """Return rows with an id, a label, two groups, a source and a time."""
    draw = np.random.default_rng([seed, first])
    return pd.DataFrame(
        {
            "_row_id": [f"r{k}" for k in range(first, first + count)],
            "_label": draw.integers(0, 2, count).astype(np.int8),
            "_source": "main",
            "_weight": 1.0,
            "_time": pd.Timestamp("2020-01-01") + pd.to_timedelta(draw.integers(0, 300, count), unit="D"),
            "sex": draw.choice(["F", "M"], count, p=[0.3, 0.7]),
            "race": draw.choice(["a", "b", "c"], count, p=[0.7, 0.2, 0.1]),
        }
    )


def schema(frame: pd.DataFrame, row_id: str | None = "id") -> Schema:
    attributes = {name: attribute(name, sorted(frame[name].unique())) for name in ("sex", "race")}
    cross = attribute("both", ["F & a", "F & z"], by="cross", columns=("sex", "race"))
    return schemas.schema(attributes={**attributes, "both": cross}, withheld=(), row_id=row_id)


def evidence(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[["_row_id", "_label", "sex", "race"]].assign(both=frame["sex"] + " & " + frame["race"])


def parts(frame: pd.DataFrame, row_id: str | None = "id", **changes: Any) -> "pd.Series[str]":
    found = parted(frame, evidence(frame), schema(frame, row_id), split(**changes))
    return pd.Series(found.to_numpy(), index=frame["_row_id"])


# ------------------------------------------------------------------ by row id


def test_the_place_of_a_key_is_its_digest() -> None:
    # sha256("3:abc") begins with aab5f9ae99b2e38f.
    assert position(pd.Series(["abc"]), 3)[0] == (int("aab5f9ae99b2e38f", 16) >> 11) / 2**53


@settings(max_examples=20, deadline=None)
@given(st.integers(300, 900), st.randoms(use_true_random=False))
def test_a_new_order_moves_no_row(count: int, random: Any) -> None:
    frame = rows(count)
    order = list(range(count))
    random.shuffle(order)

    assert parts(frame.iloc[order].reset_index(drop=True)).to_dict() == parts(frame).to_dict()


@settings(max_examples=20, deadline=None)
@given(st.integers(200, 3000), st.integers(0, 1000))
def test_each_stratum_keeps_its_shares(count: int, seed: int) -> None:
    frame = rows(count, seed)
    frame["part"] = parts(frame).to_numpy()

    for _, stratum in frame.groupby(["_label", "sex", "race"]):
        expected = SHARE * len(stratum)
        rest = stratum[stratum["part"] != "test"]
        assert abs((stratum["part"] == "test").sum() - expected) <= max(1, TOLERANCE * expected)
        expected = VALID * len(rest)
        assert abs((rest["part"] == "valid").sum() - expected) <= max(1, TOLERANCE * expected)


def nominal(ids: "pd.Series[str]") -> list[str]:
    places = position(ids, 3)
    cut = SHARE + VALID * (1 - SHARE)
    return ["test" if place < SHARE else "valid" if place < cut else "train" for place in places]


def test_new_rows_move_no_old_row_while_the_strata_hold_their_shares() -> None:
    frame = rows(20_000).assign(sex="F", race="a")
    frame.loc[::2, "sex"] = "M"
    more = pd.concat([frame, rows(1500, 1, first=20_000).assign(race="a")], ignore_index=True)

    before, after = parts(frame), parts(more)

    assert after[before.index].equals(before)
    assert after.tolist() == nominal(more["_row_id"])


def test_a_stratum_outside_its_share_is_moved_just_far_enough() -> None:
    frame = rows(8000).assign(sex="F", race="a")
    low = position(frame["_row_id"], 3) < SHARE
    # One stratum holds far too many rows that the nominal cut would send to the test part.
    frame.loc[low & (np.arange(8000) < 5000), "sex"] = "M"
    frame.loc[~low & (np.arange(8000) < 500), "sex"] = "M"
    frame["part"] = parts(frame).to_numpy()

    for _, stratum in frame[frame["sex"] == "M"].groupby("_label"):
        expected = SHARE * len(stratum)
        assert (stratum["part"] == "test").sum() == int(expected + TOLERANCE * expected)


def test_a_group_that_may_expect_a_test_row_has_one() -> None:
    for seed in range(30):
        frame = rows(120, seed)
        frame["race"] = np.where(np.arange(120) < 4, "rare", "a")

        assert "test" in set(parts(frame, seed=seed)[:4])


def test_a_group_that_may_expect_a_validation_row_has_one() -> None:
    for seed in range(30):
        frame = rows(160, seed)
        frame["race"] = np.where(np.arange(160) < 12, "rare", "a")

        found = parts(frame, seed=seed)[:12]

        assert "valid" in set(found) or (found != "test").sum() * VALID < 1


def patterned(count: int, patterns: int, seed: int = 0) -> pd.DataFrame:
    """Return rows of few patterns, whose label hangs on the pattern by a little."""
    frame = rows(count, seed)
    draw = np.random.default_rng([seed, 9])
    frame["x"] = draw.integers(0, patterns, count).astype(float)
    frame["_label"] = (draw.random(count) < 0.3 + 0.4 * (frame["x"] % 2)).astype(np.int8)
    return frame.assign(sex=np.where(frame["x"] % 3 > 0, "F", "M"), race="a")


def with_features(frame: pd.DataFrame, row_id: str | None = "id") -> Schema:
    return schema(frame, row_id).with_features(column("x"))


def test_rows_alike_are_kept_together_when_params_say_so() -> None:
    frame = patterned(3000, 60)
    found = parted(frame, evidence(frame), with_features(frame), split(alike="together"))

    assert found.groupby(frame["x"]).nunique().max() == 1
    assert (found == "test").mean() == pytest.approx(SHARE, abs=0.1)
    order = np.random.default_rng(0).permutation(3000)
    again = frame.iloc[order].reset_index(drop=True)
    after = parted(again, evidence(again), with_features(again), split(alike="together"))
    assert after.tolist() == found[order].tolist()


def test_rows_alike_are_spread_like_any_others() -> None:
    frame = patterned(3000, 60)
    found = parted(frame, evidence(frame), with_features(frame), split())

    assert found.groupby(frame["x"]).nunique().min() == 3


def test_a_split_that_knows_the_label_is_refused() -> None:
    frame = patterned(3000, 60)
    said = with_features(frame)
    honest = parted(frame, evidence(frame), said, split())
    # What hashing the whole content did: rows of one pattern and one label have one key.
    keys = pd.Series([f"{x}-{y}" for x, y in zip(frame["x"], frame["_label"], strict=True)])
    places = position(keys, 3)
    guilty = pd.Series(np.select([places < SHARE, places > 0.9], ["test", "valid"], "train"))

    require_independent(summary(frame, evidence(frame), said, honest, split()))
    with pytest.raises(InputError, match=r"must not depend on its label, got parts and labels that go tog"):
        require_independent(summary(frame, evidence(frame), said, guilty, split()))


def test_parts_by_time_may_differ_in_their_labels() -> None:
    frame = patterned(3000, 60)
    frame["_label"] = (np.arange(3000) < 1500).astype(np.int8)
    part = pd.Series(np.repeat(["train", "valid", "test"], 1000))

    found = summary(frame, evidence(frame), with_features(frame), part, split(order="time"))

    assert found.independence.independent is False
    require_independent(found)


def test_another_seed_parts_otherwise() -> None:
    frame = rows(400)

    assert parts(frame, seed=4).to_dict() != parts(frame).to_dict()


def test_the_published_test_file_is_the_test_part() -> None:
    frame = rows(600)
    frame.loc[400:, "_source"] = "test"

    found = parts(frame, test_share=None)

    assert (found == "test").tolist() == [False] * 400 + [True] * 200
    assert (found == "valid").sum() == pytest.approx(VALID * 400, rel=TOLERANCE, abs=8)


@given(st.lists(st.integers(0, 6), min_size=1), st.integers(0, 40))
@settings(deadline=None)
def test_a_moved_cut_is_the_nearest_that_parts_no_equal_places(places: list[int], wanted: int) -> None:
    values = np.array(places, dtype=np.float64)

    below = (values < moved(values, wanted)).sum()

    reachable = [(values < cut).sum() for cut in [*values, np.inf]]
    assert abs(below - wanted) == min(abs(count - wanted) for count in reachable)


# ------------------------------------------------------------------ by time


@settings(max_examples=20, deadline=None)
@given(st.integers(200, 1500), st.integers(0, 100))
def test_nobody_in_an_earlier_part_is_later(count: int, seed: int) -> None:
    frame = rows(count, seed).assign(race="a")
    part = parts(frame, order="time").to_numpy()
    time = frame["_time"]

    assert time[part == "train"].max() < time[part == "valid"].min()
    assert time[part == "valid"].max() < time[part == "test"].min()
    # 300 days: parting equal ones may cost a day's rows on each side.
    assert (part == "test").mean() == pytest.approx(SHARE, abs=0.02)


def test_the_latest_share_is_counted_by_hand() -> None:
    latest = latest_rows(np.arange(10, dtype=np.float64), np.arange(10) != 9, 0.3)

    # Of the nine rows 0..8, 0.3 are 2.7: the nearest cut leaves three.
    assert np.flatnonzero(latest).tolist() == [6, 7, 8]


def test_equal_times_stay_together() -> None:
    frame = rows(300)
    frame["_time"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(np.arange(300) // 30, unit="D")

    found = parts(frame, order="time")

    assert all(len(set(one)) == 1 for _, one in found.groupby(frame["_time"].to_numpy()))


def test_in_time_order_a_published_test_file_stays_the_test_part() -> None:
    frame = rows(600)
    frame.loc[400:, "_source"] = "test"

    found = parts(frame, order="time", test_share=None)

    assert (found == "test").tolist() == [False] * 400 + [True] * 200
    main = frame[:400].assign(part=found[:400].to_numpy())
    assert main[main["part"] == "train"]["_time"].max() < main[main["part"] == "valid"]["_time"].min()


def test_a_gap_keeps_rows_out_of_the_earlier_parts() -> None:
    frame = rows(3000).assign(race="a")
    plain, part = (parts(frame, order="time", gap_days=days).to_numpy() for days in (None, 20))
    time = frame["_time"]

    assert time[part == "valid"].min() - time[part == "train"].max() >= pd.Timedelta(days=20)
    assert time[part == "test"].min() - time[part == "valid"].max() >= pd.Timedelta(days=20)
    assert ((part == "test") == (plain == "test")).all()
    assert set(plain[part == "unused"]) == {"train", "valid"}


# ------------------------------------------------------------------ several rows a person


def of_persons(count: int, each: int, seed: int = 0) -> pd.DataFrame:
    frame = rows(count * each, seed)
    return frame.assign(_person=[f"p{k % count}" for k in range(count * each)], race="a")


@settings(max_examples=20, deadline=None)
@given(st.integers(60, 300), st.integers(2, 8), st.integers(0, 1000))
def test_a_person_is_in_one_part(count: int, each: int, seed: int) -> None:
    frame = of_persons(count, each, seed)
    found = parted(frame, evidence(frame), schema(frame), split())

    assert found.groupby(frame["_person"]).nunique().max() == 1
    assert set(found) == {"train", "valid", "test"}
    assert (found == "test").mean() == pytest.approx(SHARE, abs=0.15)


def test_a_part_that_lacks_persons_says_how_many_there_are() -> None:
    frame = of_persons(2, 300)

    with pytest.raises(InputError, match=r"the rows are of 2 persons, none of whom is parted"):
        parted(frame, evidence(frame), schema(frame), split())


def test_a_person_of_the_published_test_file_is_not_learnt_from() -> None:
    frame = of_persons(200, 3)
    frame.loc[450:, "_source"] = "test"
    found = parted(frame, evidence(frame), schema(frame), split(test_share=None))

    shared = set(frame["_person"][450:])
    assert (found[450:] == "test").all()
    assert set(found[frame["_person"].isin(shared) & (frame.index < 450)]) == {"unused"}


def test_by_time_no_person_and_no_later_row_is_learnt_from() -> None:
    frame = of_persons(2000, 2).assign(race="a")
    found = parted(frame, evidence(frame), schema(frame), split(order="time"))

    known = found[found != "unused"]
    assert known.groupby(frame["_person"]).nunique().max() == 1
    assert frame["_time"][found == "train"].max() < frame["_time"][found == "valid"].min()
    assert (found == "test").mean() == pytest.approx(SHARE, abs=0.02)


def test_persons_and_patterns_are_not_both_kept_together() -> None:
    frame = of_persons(100, 2)
    with pytest.raises(InputError, match=r"split.alike: must be spread where prepare.person is named"):
        parted(frame, evidence(frame), schema(frame), split(alike="together"))


@pytest.mark.parametrize(
    ("changes", "must"),
    [
        ({"gap_days": 3}, "gap_days must be null unless order is time"),
        ({"order": "time", "alike": "together"}, "alike must be spread where order is time"),
    ],
)
def test_what_has_no_effect_is_refused(changes: dict[str, Any], must: str) -> None:
    with pytest.raises(InputError, match=must):
        split(**changes)


# ------------------------------------------------------------------ refusals


def test_a_part_of_one_class_is_refused() -> None:
    frame = rows(400)
    frame["_label"] = (np.arange(400) == 7).astype(np.int8)

    with pytest.raises(
        InputError, match=r"split: the \w+ part must hold both classes .*, got \d+ rows of label 0"
    ):
        parts(frame)


def test_a_class_without_any_weight_is_refused() -> None:
    frame = rows(400)
    frame["_weight"] = frame["_label"].astype(float)

    with pytest.raises(
        InputError, match=r"train part must hold both classes \(weight above 0\), got \d+ rows of label 1"
    ):
        parts(frame)


def test_an_empty_part_is_refused() -> None:
    frame = rows(400).assign(_time=pd.Timestamp("2020-01-01"))

    with pytest.raises(InputError, match=r"part must hold both classes .*, got no rows"):
        parts(frame, order="time")


def test_a_group_without_a_test_row_is_refused_by_name() -> None:
    frame = rows(400)
    frame["race"] = "a"
    low = position(frame["_row_id"], 3).argmax()
    frame.loc[low, "race"] = "rare"

    with pytest.raises(
        InputError, match=r"rows of every group of race, got none of 'rare' \(1 in all\): merge"
    ):
        parts(frame)


def test_a_missing_attribute_needs_no_test_row() -> None:
    frame = rows(400)
    frame.loc[position(frame["_row_id"], 3).argmax(), "race"] = "missing"

    assert "missing" not in set(frame["race"][(parts(frame) == "test").to_numpy()])


def test_the_summary_counts_every_group_of_every_part() -> None:
    frame = rows(400)
    frame["x"] = 0.0
    found = parts(frame)

    counted = summary(frame, evidence(frame), with_features(frame), pd.Series(found.to_numpy()), split())

    test = frame[(found == "test").to_numpy()]
    assert dict(counted.parts.test) == {
        "rows": len(test),
        "label_rate": test["_label"].mean(),
        "groups": {
            "sex": test["sex"].value_counts().to_dict(),
            "race": test["race"].value_counts().to_dict(),
            "both": {"F & a": ((test["sex"] == "F") & (test["race"] == "a")).sum(), "F & z": 0},
        },
    }
    assert (counted.order, counted.alike) == ("hash", "spread")

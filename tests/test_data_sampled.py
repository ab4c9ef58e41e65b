"""A stratified sample keeps every part, each stratum's share, and people whole; it is the same twice."""

from dataclasses import replace

import numpy as np
import pandas as pd
from scorecard_table import parts

from fairmark.data.split import sampled, sizes


def test_parts_that_are_small_enough_are_given_back_as_they_are() -> None:
    made = parts(600)

    assert sampled(made, None, 1) is made
    assert sampled(made, 600, 1) is made


def test_each_label_and_group_keeps_its_share_to_within_a_row() -> None:
    made = parts(1500)

    fewer = sampled(made, 100, 1)

    assert fewer.belongs.value_counts().to_dict() == dict.fromkeys(("train", "valid", "test"), 100)
    for name in ("train", "valid", "test"):
        sizes = [
            evidence.groupby(["_label", "team"]).size() for _, evidence in (made.part(name), fewer.part(name))
        ]
        expected = sizes[0] * 100 / sizes[0].sum()
        assert (sizes[1].reindex(expected.index, fill_value=0) - expected).abs().max() < 1.0 + 1e-9


def test_a_sample_is_rows_of_the_table_once_each_in_order_and_the_same_twice() -> None:
    made = parts(1500)

    one, two = sampled(made, 100, 1), sampled(made, 100, 1)
    other = sampled(made, 100, 2)

    ids = made.table["_row_id"].tolist()
    places = [ids.index(each) for each in one.table["_row_id"]]
    assert places == sorted(set(places))
    assert one.table.equals(two.table)
    assert one.evidence["_row_id"].equals(one.table["_row_id"])
    assert not one.table["_row_id"].equals(other.table["_row_id"])


def test_people_are_drawn_with_all_their_rows() -> None:
    made = parts(1500)
    person = pd.Series([f"p{k}" for k in np.arange(len(made.table)) // 6])
    # Rows of a person are in one part, as `split` leaves them.
    belongs = made.belongs.groupby(person).transform("first")
    made = replace(made, table=made.table.assign(_person=person), belongs=belongs)

    fewer = sampled(made, 100, 1)

    whole = made.table["_person"].value_counts()
    kept = fewer.table["_person"].value_counts()
    assert (kept == whole[kept.index]).all()
    assert fewer.belongs.value_counts().max() <= 100


def test_parts_that_are_not_named_stay_whole_and_the_sizes_are_stated() -> None:
    made = parts(1500)
    counts = made.belongs.value_counts()

    fewer = sampled(made, 100, 1, ("train", "valid"))

    assert {name: one.to_json() for name, one in sizes(fewer, made).items()} == {
        "train": {"rows": 100, "of": int(counts["train"])},
        "valid": {"rows": 100, "of": int(counts["valid"])},
        "test": {"rows": int(counts["test"]), "of": int(counts["test"])},
    }

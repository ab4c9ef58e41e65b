"""A row is known by its id column, or by its content and how often that came before."""

import hashlib
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import ROWS, faults, lines, made

CELLS = st.tuples(st.integers(16, 18), st.sampled_from(["a", "b"]), st.sampled_from("FM")).map(
    lambda cells: f"{cells[0]},{cells[1]},{cells[2]},yes"
)


def test_the_id_is_the_digest_of_the_trimmed_texts_and_a_count(tmp_path: Path) -> None:
    table = made(tmp_path, lines("30, cook,F,yes", "41,?,M,no", "30,cook ,F,yes")).table

    first = hashlib.sha256(b"30\x1fcook\x1fF\x1fyes").hexdigest()[:16]
    second = hashlib.sha256(b"41\x1f\x1fM\x1fno").hexdigest()[:16]
    assert table["_row_id"].tolist() == [f"{first}-0", f"{second}-0", f"{first}-1"]


def test_rows_of_the_test_file_are_marked(tmp_path: Path) -> None:
    made_from = made(tmp_path, lines(*ROWS), lines(ROWS[1], ROWS[0], ROWS[1]))

    ids = made_from.table["_row_id"].tolist()
    base = ids[1].removesuffix("-0")
    assert [ids[4], ids[6]] == [f"{base}-t0", f"{base}-t1"]
    assert made_from.table["_source"].tolist() == ["main"] * 4 + ["test"] * 3


def test_duplicates_are_counted_in_each_file_and_over_both(tmp_path: Path) -> None:
    summary = made(tmp_path, lines(*ROWS, ROWS[0]), lines(ROWS[0], ROWS[0], "20,cook,F,no")).summary

    assert summary["files"]["main"]["duplicates"] == 1
    assert summary["files"]["test"]["duplicates"] == 1
    assert summary["duplicates"] == 3
    assert summary["shared_rows"] == 1


def test_labels_differ_in_no_duplicate_by_what_is_stripped(tmp_path: Path) -> None:
    summary = made(tmp_path, lines(*ROWS), lines(f"{ROWS[0]}.", f"{ROWS[1]}."), target={"strip": "."}).summary

    assert summary["shared_rows"] == 2


@settings(max_examples=30, deadline=None)
@given(st.lists(CELLS, min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_every_id_stands_once_and_outlives_a_new_order(
    tmp_path_factory: pytest.TempPathFactory, rows: list[str], random: Random
) -> None:
    folder = tmp_path_factory.mktemp("ids")
    rows = [*rows, "90,z,F,no"]
    ids = made(folder, lines(*rows)).table["_row_id"]

    random.shuffle(rows)
    again = made(folder, lines(*rows)).table["_row_id"]

    assert ids.is_unique
    assert set(again) == set(ids)


def test_an_id_column_gives_the_ids_and_is_no_feature(tmp_path: Path) -> None:
    made_from = made(tmp_path, lines(*ROWS), row_id="age", columns={})

    assert made_from.table["_row_id"].tolist() == ["30", "41", "52", "63"]
    assert "age" not in made_from.table
    assert made_from.schema["row_id"] == "age"


def test_content_is_compared_without_the_id_column(tmp_path: Path) -> None:
    summary = made(
        tmp_path, lines("1,cook,F,yes", "2,cook,F,yes", "3,cook,M,no"), row_id="age", columns={}
    ).summary

    assert summary["duplicates"] == 1


def test_ids_that_are_missing_or_stand_twice_are_refused(tmp_path: Path) -> None:
    rows = lines("7,cook,F,yes", ",cook,M,no", "7,clerk,F,no")

    assert faults(tmp_path, rows, row_id="age", columns={}) == [
        "a.csv: line 3: column age: the row id must be given, got nothing",
        "a.csv: lines 2, 4: column age: the row id must stand once, got '7'",
    ]


def test_an_id_of_both_files_is_refused(tmp_path: Path) -> None:
    test = lines("7,cook,F,yes", "41,cook,M,no")

    found = faults(tmp_path, lines(*ROWS), test, row_id="age", columns={})

    assert found == ["b.csv: line 3: column age: the row id must not stand in the main file too, got '41'"]

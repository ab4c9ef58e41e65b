"""A row is known by its id column, or by its content and how often that came before."""

import hashlib
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_tables import ROWS, faults, lines, made

from fairmark.data.row_ids import content_ids

CELLS = st.tuples(st.integers(16, 18), st.sampled_from(["a", "b"]), st.sampled_from("FM")).map(
    lambda cells: f"{cells[0]},{cells[1]},{cells[2]},yes"
)


def test_the_id_is_the_digest_of_the_trimmed_texts_without_the_label_and_a_count(tmp_path: Path) -> None:
    table = made(tmp_path, lines("30, cook,F,yes", "41,?,M,no", "30,cook ,F,yes")).table

    first = hashlib.sha256(b"30\x1fcook\x1fF").hexdigest()[:16]
    second = hashlib.sha256(b"41\x1f\x1fM").hexdigest()[:16]
    assert sorted(table["_row_id"]) == sorted([f"{first}-0", f"{second}-0", f"{first}-1"])
    assert table["_row_id"][1] == f"{second}-0"


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=12), st.data())
def test_no_label_is_in_the_set_of_ids(rows: list[tuple[int, bool]], data: st.DataObject) -> None:
    """Law: whatever the labels are, rows of one pattern have the same ids among them."""
    other = data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)))
    alike = [f"{pattern}" for pattern, _ in rows]

    before, after = (
        content_ids(alike, [f"{one}{label}" for one, label in zip(alike, labels, strict=True)], "")
        for labels in ([label for _, label in rows], other)
    )

    assert sorted(before) == sorted(after)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=12),
    st.randoms(use_true_random=False),
)
def test_the_order_of_rows_gives_no_label_another_id(rows: list[tuple[int, bool]], random: Random) -> None:
    def named(order: list[tuple[int, bool]]) -> list[tuple[str, bool]]:
        found = content_ids(
            [str(pattern) for pattern, _ in order], [f"{pattern}{y}" for pattern, y in order], ""
        )
        return sorted(zip(found, (label for _, label in order), strict=True))

    again = list(rows)
    random.shuffle(again)

    assert named(again) == named(rows)


def test_which_twin_gets_which_number_is_as_likely_for_either_label() -> None:
    """2,000 patterns of two positive and three negative rows: any two numbers are the positive ones."""
    alike, labels = np.repeat(np.arange(2000).astype(str), 5), np.tile([1, 0, 0, 1, 0], 2000)
    content = [f"{one}|{label}" for one, label in zip(alike, labels, strict=True)]

    numbers = np.array([int(one.rsplit("-", 1)[1]) for one in content_ids(alike.tolist(), content, "")])

    # The ten pairs of numbers that they can have come up alike: 33.7 is passed by 1 in 10,000.
    first, second = np.sort(numbers[labels == 1].reshape(2000, 2)).T
    counts = np.bincount(first * 5 + second, minlength=25)
    assert (counts > 0).sum() == 10
    assert ((counts[counts > 0] - 200) ** 2 / 200).sum() < 33.7


def test_rows_of_the_test_file_are_marked(tmp_path: Path) -> None:
    made_from = made(tmp_path, lines(*ROWS), lines(ROWS[1], ROWS[0], ROWS[1]))

    named = made_from.table["_row_id"].tolist()
    base = named[1].removesuffix("-0")
    assert sorted([named[4], named[6]]) == [f"{base}-t0", f"{base}-t1"]
    assert made_from.table["_source"].tolist() == ["main"] * 4 + ["test"] * 3


def test_duplicates_are_counted_in_each_file_and_over_both(tmp_path: Path) -> None:
    summary = made(tmp_path, lines(*ROWS, ROWS[0]), lines(ROWS[0], ROWS[0], "20,cook,F,no")).summary

    assert summary.files.main.duplicates == 1
    assert summary.files.all[1].duplicates == 1
    assert summary.duplicates == 3
    assert summary.shared_rows == 1


def test_labels_differ_in_no_duplicate_by_what_is_stripped(tmp_path: Path) -> None:
    summary = made(tmp_path, lines(*ROWS), lines(f"{ROWS[0]}.", f"{ROWS[1]}."), target={"strip": "."}).summary

    assert summary.shared_rows == 2


@settings(max_examples=30, deadline=None)
@given(st.lists(CELLS, min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_every_id_stands_once_and_outlives_a_new_order(
    tmp_path_factory: pytest.TempPathFactory, rows: list[str], random: Random
) -> None:
    folder = tmp_path_factory.mktemp("ids")
    rows = [*rows, "90,z,F,no"]
    first = made(folder, lines(*rows)).table["_row_id"]

    random.shuffle(rows)
    again = made(folder, lines(*rows)).table["_row_id"]

    assert first.is_unique
    assert set(again) == set(first)


def test_an_id_column_gives_the_ids_and_is_no_feature(tmp_path: Path) -> None:
    made_from = made(tmp_path, lines(*ROWS), row_id="age", columns={})

    assert made_from.table["_row_id"].tolist() == ["30", "41", "52", "63"]
    assert "age" not in made_from.table
    assert made_from.schema.row_id == "age"


def test_content_is_compared_without_the_id_column(tmp_path: Path) -> None:
    summary = made(
        tmp_path, lines("1,cook,F,yes", "2,cook,F,yes", "3,cook,M,no"), row_id="age", columns={}
    ).summary

    assert summary.duplicates == 1


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

"""The label is the positive value or the one other, however it is spelt; anything else is refused."""

from pathlib import Path
from typing import Any

import pytest
from tiny_tables import faults, lines, made

from fairmark.data.cells import Numerals, matches

NOT_GIVEN = "prepare.drop_rows: [{column: ok, when: missing, reason: ...}] leaves such rows out"
LEFT_OUT = "prepare.drop_rows: [{column: w, when: [0], reason: ...}] leaves such rows out"


@pytest.mark.parametrize(
    ("text", "value", "same"),
    [
        ("True", True, True),
        ("TRUE", True, True),
        ("yes", True, True),
        ("1", True, True),
        ("no", True, False),
        ("F", False, True),
        ("1", 1, True),
        ("1.0", 1, True),
        ("true", 1, False),
        ("2.50", 2.5, True),
        (">50K", ">50K", True),
        (">50k", ">50K", False),
    ],
)
def test_a_label_is_matched_as_a_person_means_it(text: str, value: bool | float | str, same: bool) -> None:
    assert matches(text, value, Numerals()) is same


@pytest.mark.parametrize(
    ("target", "cells", "labels"),
    [
        ({"positive": "yes", "negative": None}, ("yes", "nope"), [1, 0]),
        ({"positive": True, "negative": None}, ("FALSE", "true"), [0, 1]),
        ({"positive": 1, "negative": 2}, ("2", "1.0"), [0, 1]),
        ({"positive": ["yes", "Ja"], "negative": ["no", "nein"]}, ("Ja", "nein", "yes"), [1, 0, 1]),
        ({"positive": {"above": 50000}, "negative": None}, ("50000", "50000.5", "7e4"), [0, 1, 1]),
        ({"positive": ">50K.", "negative": "<=50K", "strip": "."}, ("<=50K.", ">50K"), [0, 1]),
    ],
)
def test_labels_are_read(
    tmp_path: Path, target: dict[str, Any], cells: tuple[str, ...], labels: list[int]
) -> None:
    text = lines(*(f"30,cook,F,{cell}" for cell in cells))

    assert made(tmp_path, text, target=target).table["_label"].tolist() == labels


def test_the_schema_shows_the_label_as_the_data_spells_it(tmp_path: Path) -> None:
    made_from = made(
        tmp_path, lines("30,cook,F,Y", "40,cook,M,N"), target={"positive": True, "negative": None}
    )

    assert made_from.schema.label.to_json() == {"column": "ok", "positive": "Y", "negative": "N"}


@pytest.mark.parametrize(
    ("target", "cells", "said"),
    [
        ({"positive": True, "negative": False}, ("Yes", "No"), ("Yes", "No")),
        ({"positive": 1, "negative": 2}, ("1.0", "2"), ("1.0", "2")),
        ({"positive": ["a", "b"], "negative": "c"}, ("b", "a", "c"), ("a or b", "c")),
        ({"positive": {"above": 5}, "negative": None}, ("1", "9"), ("above 5", "at most 5")),
    ],
)
def test_the_label_is_said_as_the_data_writes_it(
    tmp_path: Path, target: dict[str, Any], cells: tuple[str, ...], said: tuple[str, str]
) -> None:
    text = lines(*(f"30,cook,F,{cell}" for cell in cells))

    label = made(tmp_path, text, target=target).schema.label

    assert (label.positive, label.negative) == said


def test_weights_of_any_size_weigh_1_on_average(tmp_path: Path) -> None:
    rows = ["30,cook,F,yes,1e7", "40,cook,M,no,1e7", "50,cook,M,no,1e7"]
    uneven = ["30,cook,F,yes,1e48", "40,cook,M,no,3e48", "50,cook,M,no,5e48"]

    even = made(tmp_path, lines(*rows, header="age,job,sex,ok,w"), weight="w").table
    table = made(tmp_path, lines(*uneven, header="age,job,sex,ok,w"), weight="w").table

    assert even["_weight"].tolist() == [1, 1, 1]
    assert table["_weight"].tolist() == pytest.approx([1 / 3, 1, 5 / 3])


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize("cell", ["inf", "high"])
def test_a_label_that_is_no_number_is_neither_above_nor_below(tmp_path: Path, cell: str) -> None:
    found = refused(tmp_path, "1", "9", cell, positive={"above": 5}, negative=None)

    assert found == [f"a.csv: line 4: column ok: the label must be a finite number, got '{cell}'"]


def test_a_value_that_is_both_labels_is_refused(tmp_path: Path) -> None:
    found = refused(tmp_path, "1", "2", positive=[1, 2], negative=2)

    assert "a.csv: column ok: the label must be positive or negative, got both for '2'" in found


def refused(tmp_path: Path, *cells: str, **target: Any) -> list[str]:
    return faults(tmp_path, lines(*(f"30,cook,F,{cell}" for cell in cells)), target=target)


def test_a_missing_label_is_refused(tmp_path: Path) -> None:
    found = refused(tmp_path, "yes", "", "no", "?")

    assert found == [f"a.csv: lines 3, 5: column ok: the label must be given ({NOT_GIVEN}), got nothing"]


def test_a_label_that_is_stripped_to_nothing_is_missing(tmp_path: Path) -> None:
    found = refused(tmp_path, "yes.", "no", ".", strip=".")

    assert found == [f"a.csv: line 4: column ok: the label must be given ({NOT_GIVEN}), got nothing"]


def test_a_label_that_is_neither_value_is_refused(tmp_path: Path) -> None:
    found = refused(tmp_path, "yes", "no", "maybe")

    assert found == ["a.csv: line 4: column ok: the label must be yes or no, got 'maybe'"]


def test_more_than_two_values_are_listed_when_the_negative_is_not_named(tmp_path: Path) -> None:
    found = refused(tmp_path, "yes", "no", "maybe", negative=None)

    must = "the label must hold one value beside yes when target.negative is null"
    assert found == [f"a.csv: column ok: {must}, got 'maybe', 'no'"]


@pytest.mark.parametrize("negative", ["no", None])
@pytest.mark.parametrize("cell", ["yes", "no"])
def test_a_single_class_is_refused(tmp_path: Path, cell: str, negative: str | None) -> None:
    found = refused(tmp_path, cell, cell, negative=negative)

    assert found == [f"a.csv: column ok: the label must hold both classes, got only '{cell}'"]


def test_the_test_file_must_hold_the_same_two_values(tmp_path: Path) -> None:
    main = lines("30,cook,F,yes", "31,cook,M,no")
    test = lines("32,cook,F,yes", "33,cook,M,never", "34,cook,M,no")

    found = faults(tmp_path, main, test, target={"negative": None})

    assert found == ["b.csv: line 3: column ok: the label must be yes or no, got 'never'"]


@pytest.mark.parametrize(
    ("weights", "fault"),
    [
        (("1", ""), "line 3: column w: must be given, got nothing"),
        (("1", "-2"), "line 3: column w: must be at least 0, got '-2'"),
        (("1", "heavy"), "line 3: column w: must be a finite number, got 'heavy'"),
        (("1", "inf"), "line 3: column w: must be a finite number, got 'inf'"),
        (("2", "0.0"), f"line 3: column w: the weight must be above 0 ({LEFT_OUT}), got 0"),
        (
            ("1", "1e10"),
            "column w: the largest weight must be at most 1e+09 times the smallest, got 1 to 1e+10",
        ),
    ],
)
def test_a_weight_that_can_not_weigh_is_refused(tmp_path: Path, weights: tuple[str, str], fault: str) -> None:
    rows = [f"30,cook,F,{label},{weight}" for label, weight in zip(("yes", "no"), weights, strict=True)]

    found = faults(tmp_path, lines(*rows, header="age,job,sex,ok,w"), weight="w")

    assert found == [f"a.csv: {fault}"]


def test_weights_are_kept_apart_from_the_features(tmp_path: Path) -> None:
    rows = ["30,cook,F,yes,0.5", "40,cook,M,no,1.5"]

    table = made(tmp_path, lines(*rows, header="age,job,sex,ok,w"), weight="w").table

    assert table["_weight"].tolist() == [0.5, 1.5]
    assert "w" not in table

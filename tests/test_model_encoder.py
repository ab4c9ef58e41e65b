"""A table becomes one matrix of numbers, and what is missing or was never seen becomes NaN."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from schemas import column

from fairmark.errors import InputError
from fairmark.model.encoder import Encoder


def encoded(kind: str, values: Any, categories: list[str] | None = None, most: int = 9) -> list[float]:
    frame = pd.DataFrame({"x": values})
    return [
        float(v) for v in Encoder.fit(frame, [column("x", kind, categories)], most).transform(frame)[:, 0]
    ]


@pytest.mark.parametrize(
    ("kind", "values", "categories", "numbers"),
    [
        ("numeric", [1.5, None], None, [1.5, np.nan]),
        ("numeric", pd.array([7, None], dtype="Int64"), None, [7, np.nan]),
        ("boolean", pd.array([True, False, None], dtype="boolean"), None, [1, 0, np.nan]),
        ("boolean", [True, False], None, [1, 0]),
        ("ordinal", ["mid", "low", None], ["low", "mid"], [1, 0, np.nan]),
        ("categorical", ["b", "b", "a", None], None, [0, 0, 1, np.nan]),
        ("date", pd.to_datetime(["1970-01-02 12:00", "NaT"]), None, [1.5, np.nan]),
        ("date", pd.to_datetime(["1970-01-02 01:00+01:00"]), None, [1]),
    ],
)
def test_each_kind_becomes_the_number_it_stands_for(
    kind: str, values: Any, categories: list[str] | None, numbers: list[float]
) -> None:
    np.testing.assert_array_equal(encoded(kind, values, categories), numbers)


def test_only_the_most_frequent_categories_are_kept_by_name_where_they_tie() -> None:
    values = ["d", "c", "c", "b", "b", "a"]

    assert encoded("categorical", values, most=3)[:5] == pytest.approx([np.nan, 1, 1, 0, 0], nan_ok=True)
    assert encoded("categorical", values, most=3)[5] == 2


def test_a_category_never_seen_in_training_is_missing() -> None:
    encoder = Encoder.fit(pd.DataFrame({"x": ["a", "b"]}), [column("x", "categorical")], 9)

    assert np.isnan(encoder.transform(pd.DataFrame({"x": ["z", None]}))).all()


def test_a_feature_without_any_value_is_all_missing() -> None:
    assert np.isnan(encoded("categorical", pd.array([None, None], dtype="str"))).all()


def test_other_columns_and_their_order_change_nothing() -> None:
    features = [column("x"), column("y")]
    encoder = Encoder.fit(pd.DataFrame({"x": [1.0], "y": [2.0]}), features, 9)

    assert encoder.transform(pd.DataFrame({"z": ["-"], "y": [2.0], "x": [1.0]})).tolist() == [[1, 2]]
    assert encoder.transform(pd.DataFrame({"y": [], "x": []})).shape == (0, 2)


def test_an_encoder_is_what_its_json_says() -> None:
    encoder = Encoder.fit(pd.DataFrame({"x": ["ü", '"']}), [column("x", "categorical")], 9)

    assert Encoder.from_json(encoder.to_json()) == encoder
    assert (encoder.names, encoder.kinds) == (["x"], ["categorical"])


@pytest.mark.parametrize(
    ("values", "match"),
    [
        (["1", "many"], "table: x: must hold values of kind numeric, got .*many"),
        (pd.to_datetime(["2020-01-01"]), "kind numeric, got a date"),
        ([1.0, np.inf], "table: x: must be finite, got inf in row 1"),
    ],
)
def test_a_value_of_another_kind_is_refused(values: Any, match: str) -> None:
    encoder = Encoder.fit(pd.DataFrame({"x": [1.0]}), [column("x")], 9)

    with pytest.raises(InputError, match=match):
        encoder.transform(pd.DataFrame({"x": values}))


def test_a_missing_feature_is_refused() -> None:
    encoder = Encoder.fit(pd.DataFrame({"x": [1.0]}), [column("x")], 9)

    with pytest.raises(InputError, match=r"must hold every feature of the model, got none of \['x'\]"):
        encoder.transform(pd.DataFrame({"y": [1.0]}))


COLUMN = {"name": "x", "kind": "numeric", "categories": None}


@pytest.mark.parametrize(
    ("value", "match"),
    [
        ({"columns": [COLUMN, COLUMN]}, "must name each feature once"),
        ({"columns": []}, "must name each feature once"),
        ({"columns": [COLUMN | {"kind": "ordinal"}]}, "x: must list categories if named, got ordinal"),
        ({"columns": [COLUMN | {"categories": ["a"]}]}, "x: must list categories if named, got numeric"),
        ({"columns": [COLUMN | {"kind": "pickle"}]}, "columns.0.kind"),
        ([], "encoder.json"),
    ],
)
def test_anything_but_an_encoder_is_refused(value: Any, match: str) -> None:
    with pytest.raises(InputError, match=match):
        Encoder.from_json(value)

"""The reference counts rows as a person would, shows nobody alone, and is the same to whoever reads it."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from release_folder import PARAMS, SCHEMA, binned, measurements, model
from schemas import column

from fairmark.data.reference import FeatureReference, Reference
from fairmark.errors import InputError
from fairmark.evaluate.reference import quantile_edges, reference
from fairmark.judge.measurements import Measurements


def counted(
    train: list[Any], test: list[Any], kind: Any = "numeric", smallest: int = 1, bins: int = 4, **more: Any
) -> FeatureReference:
    """Return the reference of one column beside measurements of as many rows as it has."""
    found = measured(len(test))
    dtype = {"numeric": "float64", "boolean": "boolean", "date": "datetime64[us]"}.get(kind, "str")
    before, after = (pd.DataFrame({"x": pd.Series(values, dtype=dtype)}) for values in (train, test))
    after["_label"] = [*[1] * found.cells.positives, *[0] * (len(test) - found.cells.positives)]
    scores = np.linspace(0.1, 0.9, len(test))
    how: dict[str, Any] = {"bins": bins, "most": 3, "smallest": smallest}
    (feature,) = reference(before, after, [column("x", kind, **more)], scores, found, **how).features
    return feature


def measured(rows: int) -> Measurements:
    from fairmark.evaluate.measure import measure
    from fairmark.judge.findings import Shown, Strongest
    from fairmark.judge.measurements import About, MeasuredModel, MeasuredRows
    from fairmark.params.policy import Findings

    label = np.arange(rows) % 2
    half = pd.DataFrame({"sex": np.where(np.arange(rows) < rows // 2, "F", "M")})
    how: dict[str, Any] = {"confidence": 0.9, "replicates": 100, "seed": 1, "bins": 2}
    found = measure(label, label.astype(np.float64), label, None, half, {"sex": ["F", "M"]}, **how)
    none = Strongest(value=0.0, each=(Shown(of=(), value=0.0),))
    data = MeasuredRows(
        part="test", rows=rows, positives=int(label.sum()), weighted=False, rows_sha256="0" * 64
    )
    about = About(
        MeasuredModel(sha256="0" * 64, threshold=0.5), data, 0.9, dict.fromkeys(Findings.model_fields, none)
    )
    return Measurements.of(found, about)


def test_numbers_are_counted_by_hand() -> None:
    found = counted([1, 2, 3, 4, 5, 6, 7, 8], [0, 2, 2.5, np.nan])

    assert found.edges == (2.5, 4.5, 6.5)
    assert [found.train[cell] for cell in found.cells] == [2, 2, 2, 2, 0, 0, 0]
    assert [found.test[cell] for cell in found.cells] == [3, 0, 0, 0, 0, 1, 0]
    assert (found.low, found.high) == (1, 8)


def test_categories_are_counted_by_hand() -> None:
    train = ["a"] * 5 + ["b"] * 4 + ["c"] * 3 + ["d", "e"]
    found = counted(train, ["a", "d", "new", None], "categorical", categories=list("abcde"))

    assert (found.categories, found.others) == (("a", "b", "c"), ("d", "e"))
    assert [found.train[cell] for cell in found.cells] == [5, 4, 3, 2, 0, 0]
    assert [found.test[cell] for cell in found.cells] == [1, 0, 0, 1, 1, 1]


def test_dates_and_booleans_have_places_as_json_writes_them() -> None:
    dates = counted(["2020-01-01", "2020-01-03", "2020-02-01", "2021-01-01"], ["2020-01-02", None], "date")
    truth = counted([True, True, False, None], [True, None], "boolean", pair=("true", "false"))

    assert dates.place("2020-01-02") == dates.place(18263.0) == 0
    assert dates.out_of_range("2019-12-31")
    assert not dates.out_of_range("2020-12-31T23:00:00+00:00")
    assert [truth.train_rows(value) for value in (True, False, None)] == [2, 1, 1]


def test_few_rows_share_a_cell_and_show_no_extreme() -> None:
    train = [1.0] * 10 + [2.0] * 10 + [3.0] * 10 + [99.0]
    found = counted([*train, np.nan], [1.0] * 5 + [3.0] * 5, smallest=5)

    assert all(count == 0 or count >= 5 for count in (*found.train, *found.test))
    assert sum(found.train) == 32
    assert found.high == 3.0
    assert found.cell(None) != found.cell("no number")  # nothing is unseen among numbers: no row is there


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=80), st.integers(2, 12))
def test_no_bin_is_empty_of_the_rows_that_made_it(values: list[int], bins: int) -> None:
    ordered = np.sort(np.array(values, dtype=np.float64))
    edges = quantile_edges(ordered, bins)
    rows = np.bincount(np.searchsorted(edges, ordered), minlength=len(edges) + 1)

    assert rows.min() > 0
    assert len(edges) < bins


@given(st.lists(st.sampled_from("aaaabbbccd"), min_size=6, max_size=60), st.integers(1, 6))
@settings(max_examples=25)  # each makes a table and counts it, for 90 ms
def test_every_count_is_of_nobody_or_of_enough(train: list[str], smallest: int) -> None:
    found = counted(train, ["a", "b", "z", None] * 3, "categorical", smallest, categories=list("abcdz"))

    if len(found.train) > 1:
        assert all(count == 0 or count >= smallest for count in (*found.train, *found.test))


def test_what_is_written_is_read_again_and_places_rows_alike(tmp_path: Any) -> None:
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(PARAMS, sort_keys=False), encoding="utf-8")
    model().save(tmp_path / "model")
    found = binned(measurements(tmp_path / "model"), tmp_path)
    found.write(tmp_path / "reference.json")

    again = Reference.read(tmp_path / "reference.json")
    row: dict[str, Any] = {"income <€>": 2.0, "home": "own", "member": True, "since": "2020-01-01"}
    assert again.to_json() == found.to_json()
    assert again.fewest_train_rows(row) > 0
    assert again.fewest_train_rows(row | {"home": "boat"}) == 0
    assert [each.name for each in again.features] == [each.name for each in SCHEMA.features]


def test_counts_that_do_not_add_up_are_refused(tmp_path: Any) -> None:
    model().save(tmp_path / "model")
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(PARAMS, sort_keys=False), encoding="utf-8")
    value = binned(measurements(tmp_path / "model"), tmp_path).to_json()
    value["features"][0]["train"][0] += 1

    with pytest.raises(InputError, match=r"income <€>: train must add up to 16000 rows, got 16001"):
        Reference.from_json(value, "reference.json")

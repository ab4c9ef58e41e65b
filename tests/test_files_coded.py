"""Texts that are read as codes are the texts that were written, in the same order, missing ones too."""

from pathlib import Path

import numpy as np
import pandas as pd

from fairmark.data.groups import places
from fairmark.files import read_coded, read_parquet, write_parquet


def _written(path: Path) -> Path:
    draw = np.random.default_rng(5)
    town = pd.Series(draw.choice(["ü", "b", "a", "Zürich", ""], 400), dtype="str").mask(
        draw.random(400) < 0.2
    )
    frame = pd.DataFrame(
        {
            "_row_id": pd.Series([f"r{k}" for k in range(400)], dtype="str"),
            "town": town,
            "none": pd.Series([None] * 400, dtype="str"),
            "age": draw.normal(size=400),
        }
    )
    write_parquet(path, frame)
    return path


def test_the_texts_are_the_same_and_sort_as_texts(tmp_path: Path) -> None:
    path = _written(tmp_path / "table.parquet")

    plain, coded = read_parquet(path), read_coded(path)

    assert list(coded["town"].cat.categories) == sorted(plain["town"].dropna().unique())
    assert coded["_row_id"].dtype == "str"
    pd.testing.assert_frame_equal(coded.astype({"town": "str", "none": "str"}), plain)


def test_a_code_finds_its_place_where_the_text_does(tmp_path: Path) -> None:
    path = _written(tmp_path / "table.parquet")
    known = ["Zürich", "nowhere", "a"]

    plain, coded = (places(frame["town"], known) for frame in (read_parquet(path), read_coded(path)))

    assert plain.tolist() == coded.tolist()
    assert set(plain.tolist()) == {-1, 0, 2}

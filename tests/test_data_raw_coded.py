"""Texts read as codes are those read as texts: trimmed, missing where a mark is, in any number of chunks."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tiny_tables import params

from fairmark.data import raw, row_ids
from fairmark.data.raw import read_raw
from fairmark.params.prepare import Rows, Source

SOURCE = Source(name="people.csv", skip_rows=0, rows=Rows(min=1, max=10_000))


def _file(folder: Path, rows: int) -> None:
    draw = np.random.default_rng(3)
    jobs = draw.choice(["cook", " cook", "smith ", "?", "", "ü"], rows)
    cells = [f"{age},{job},{sex},{k}" for k, (age, job, sex) in enumerate(
        zip(draw.integers(16, 90, rows), jobs, draw.choice(["F", "M"], rows), strict=True)
    )]  # fmt: skip
    (folder / SOURCE.name).write_text("\n".join(["age,job,sex,number", *cells, ""]), encoding="utf-8")


@pytest.mark.parametrize("chunk", [1, 28, 4000])
def test_codes_stand_for_the_same_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    _file(tmp_path, 400)
    whole = read_raw(tmp_path, SOURCE, params())

    monkeypatch.setattr(raw, "CHUNK_CELLS", chunk)
    coded = read_raw(tmp_path, SOURCE, params(), coded=True)

    assert whole.faults.lines == coded.faults.lines == []
    assert coded.numbers.tolist() == whole.numbers.tolist()
    assert coded.texts.dtypes.astype(str).to_dict() == {
        "age": "category", "job": "category", "sex": "category", "number": "str",
    }  # fmt: skip
    assert list(coded.texts["job"].cat.categories) == list(whole.texts["job"].dropna().unique())
    pd.testing.assert_frame_equal(coded.texts.astype("str"), whole.texts)


def test_a_digest_does_not_hang_on_the_size_of_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = pd.DataFrame(
        {"a": pd.Series(list("abcab") * 9, dtype="str"), "b": pd.Series(["x", None, "y"] * 15)}
    )
    whole = row_ids.contents(texts)

    monkeypatch.setattr(row_ids, "BLOCK_ROWS", 4)

    assert row_ids.contents(texts).tolist() == whole.tolist()
    assert row_ids.contents(texts.astype("category")).tolist() == whole.tolist()

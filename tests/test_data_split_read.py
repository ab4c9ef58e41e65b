"""Table, evidence and split are read as one whole, row beside row, or not at all."""

from pathlib import Path

import pandas as pd
import pytest
from people_table import written

from fairmark.data.split import read_parts
from fairmark.errors import InputError


def test_a_part_holds_its_rows_and_their_evidence(tmp_path: Path) -> None:
    parts = read_parts(*written(tmp_path, 50))

    table, evidence = parts.part("valid")

    assert table["_row_id"].tolist() == [f"{k:016x}-0" for k in range(3, 50, 5)]
    assert evidence["_row_id"].equals(table["_row_id"])
    assert parts.attributes == ["age", "side", "side_age"]


def test_a_part_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must hold rows of part 'all', got none"):
        read_parts(*written(tmp_path, 50)).part("all")


def change(path: Path, how: str) -> None:
    frame = pd.read_parquet(path)
    match how:
        case "turn":
            frame = frame[::-1]
        case "relabel":
            frame["_label"] = 1 - frame["_label"]
        case "leak":
            frame["side"] = "left"
        case "repeat":
            frame["_row_id"] = frame["_row_id"].replace(f"{1:016x}-0", f"{0:016x}-0")
        case "part":
            frame.loc[0, "part"] = "spare"
        case column:
            frame = frame.drop(columns=column)
    frame.to_parquet(path, index=False)


@pytest.mark.parametrize(
    ("file", "how", "match"),
    [
        (1, "turn", "evidence.parquet: must hold the table's row ids in the table's order"),
        (3, "turn", "rows.parquet: must hold the table's row ids"),
        (1, "relabel", "evidence.parquet: must hold the table's labels"),
        (0, "leak", r"table.parquet: must not hold a withheld column, got \['side'\]"),
        (0, "repeat", "must hold each row id once, got '0000000000000000-0' twice"),
        (3, "part", r"rows.parquet: must part rows into .* got \['spare'\]"),
        (0, "skill", r"table.parquet: must hold the columns of schema.json, got none of \['skill'\]"),
        (1, "age", r"evidence.parquet: must hold the columns of schema.json, got none of \['age'\]"),
        (3, "part", "rows.parquet"),
    ],
)
def test_files_that_do_not_fit_together_are_refused(tmp_path: Path, file: int, how: str, match: str) -> None:
    paths = written(tmp_path, 50)
    change(paths[file], how)

    with pytest.raises(InputError, match=match):
        read_parts(*paths)

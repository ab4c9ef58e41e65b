"""Stage 3: which rows are for training, validation and test.

Reads `table`, `evidence` and `schema` of `prepare`. Writes `rows` (Parquet: `_row_id` and `part`, ordered
as the table) and `summary` (JSON: rows, label rate and groups of each part, and whether part and label are
independent). Read by `tune`, `train`,
`evaluate` and `explain`.
"""

import sys
from pathlib import Path

import pandas as pd

from fairmark.data import part_tests
from fairmark.data import split as parts
from fairmark.data.schema import Schema
from fairmark.entry import run
from fairmark.files import read_coded, write_parquet
from fairmark.params.split import Split
from fairmark.terminal import Steps


def split(table: Path, evidence: Path, schema: Path, rows: Path, summary: Path, params: Split) -> None:
    """Write the part of each row.

    Raises
    ------
    InputError
        When a part holds no rows or one class, or the test part no row of a group; when parts that were drawn
        by hash know the label.
    """
    step = Steps("split")
    frame, groups = read_coded(table), read_coded(evidence)
    described = Schema.read(schema)
    step(f"parting {len(frame):,} rows")
    part = parts.parted(frame, groups, described, params)
    step("how the parts differ")
    measured = part_tests.summary(frame, groups, described, part, params)
    part_tests.require_independent(measured)
    write_parquet(rows, pd.DataFrame({"_row_id": frame["_row_id"], "part": part}))
    measured.write(summary)


if __name__ == "__main__":
    run(split, sys.argv)

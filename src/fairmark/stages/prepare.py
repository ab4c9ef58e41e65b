"""Stage 1: from the raw files to a typed table and, apart from it, the evidence.

Reads the folder `data` (the files that `prepare.files` names). Writes `table` and `evidence` (Parquet, the
same rows in the same order), `schema` (what the columns are) and `summary` (what was read), both JSON. Every
later stage reads the first three. On any fault of the data nothing is written. It ends by saying what it took
each column for.
"""

import sys
from pathlib import Path

from fairmark.data.describe import taken_for
from fairmark.data.table import prepared
from fairmark.entry import run
from fairmark.files import write_json, write_parquet
from fairmark.sections.table import Prepare
from fairmark.terminal import say


def prepare(data: Path, table: Path, evidence: Path, schema: Path, summary: Path, params: Prepare) -> None:
    """Write the table, the evidence and their descriptions.

    Raises
    ------
    InputError
        With every fault of every raw file, one line each.
    """
    made = prepared(data, params)
    write_parquet(table, made.table)
    write_parquet(evidence, made.evidence)
    write_json(schema, made.schema)
    write_json(summary, made.summary)
    say(*taken_for(made.summary))


if __name__ == "__main__":
    run(prepare, sys.argv)

"""Stage `prepare`: from the raw files to a typed table and, apart from it, the evidence.

Reads the folder `data` (the files that `prepare.files` names). Writes `table` and `evidence` (Parquet, the
same rows in the same order), `schema` (what the columns are) and `summary` (what was read), both JSON. Every
later stage reads the first three. On any fault of the data nothing is written. It ends by saying what it took
each column for.
"""

import sys
from pathlib import Path

from fairmark.data.prepare import prepared, reading_lines
from fairmark.entry import run
from fairmark.errors import InputError
from fairmark.files import write_parquet
from fairmark.params.prepare import Prepare, Privacy
from fairmark.terminal import Steps, say


def prepare(
    data: Path, table: Path, evidence: Path, schema: Path, summary: Path, params: Prepare, privacy: Privacy
) -> None:
    """Write the table, the evidence and their descriptions.

    Raises
    ------
    InputError
        With every fault of every raw file, one line each, and with what params.yaml or the data sheet says of
        another table.
    """
    step = Steps("prepare")
    made = prepared(data, params, step)
    _refuse_others(data, params, privacy, {*made.summary.columns, *made.summary.unread})
    step("writing")
    write_parquet(table, made.table)
    write_parquet(evidence, made.evidence)
    made.schema.write(schema)
    made.summary.write(summary)
    say(*reading_lines(made.summary))


def _refuse_others(data: Path, params: Prepare, privacy: Privacy, columns: set[str]) -> None:
    roles = (params.target.column, params.row_id, params.person, params.time, params.weight)
    known = {*columns, *params.drop, *roles}
    faults = [
        f"privacy.personal: must name columns of {params.files.main.name}, got {name!r}, which it has not"
        for name in privacy.personal
        if name not in known
    ]
    sheet, main = data / "DATASHEET.md", params.files.main.name
    if not sheet.is_file():
        say(f"prepare: no {sheet.name} in {data.name}/: a release of this data says not where it comes from")
    elif Path(main).stem.casefold() not in sheet.read_text(encoding="utf-8", errors="replace").casefold():
        faults.append(f"{sheet.name}: must name {main}, the file it speaks of, got a text that does not")
    if faults:
        raise InputError(*faults)


if __name__ == "__main__":
    run(prepare, sys.argv)

"""Stage `audit`: who is in the data, which columns stand for a protected attribute, what is personal.

Reads `table`, `evidence` and `schema` of `prepare`. Writes `report` (JSON), which `document` shows. It
measures, and stops nothing.
"""

import sys
from pathlib import Path

from fairmark.data.audit import audited
from fairmark.data.schema import Schema
from fairmark.entry import run
from fairmark.files import read_coded
from fairmark.params.prepare import Audit
from fairmark.terminal import Steps


def audit(table: Path, evidence: Path, schema: Path, report: Path, params: Audit) -> None:
    """Write the audit of the table.

    Raises
    ------
    InputError
        When a file of `prepare` is missing or damaged.
    """
    step = Steps("audit")
    audited(read_coded(table), read_coded(evidence), Schema.read(schema), params, step).write(report)


if __name__ == "__main__":
    run(audit, sys.argv)

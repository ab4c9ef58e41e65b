"""Stage `split`: which rows are for training, validation and test.

Reads `table`, `evidence` and `schema` of `prepare`. Writes `rows` (Parquet: `_row_id` and `part`, ordered
as the table; with test shares by group `weight` too, `data.split.design_weights`), `summary` (JSON: rows,
label rate and groups of each part, and whether part and label are independent) and `provable` (JSON: what the
test rows can prove of the policy's limits, before anything is trained).
Read by `tune`, `train`, `evaluate`, `explain` and `document`.
"""

import sys
from pathlib import Path

import pandas as pd

from fairmark.data import part_tests
from fairmark.data import split as parts
from fairmark.data.roles import LABEL, ROW_ID
from fairmark.data.schema import Schema
from fairmark.entry import run
from fairmark.files import read_coded, write_parquet
from fairmark.judge.provable import GroupRows, ProvableLimits
from fairmark.params.policy import Policy
from fairmark.params.prepare import ByGroup, Split
from fairmark.terminal import Steps


def split(
    table: Path,
    evidence: Path,
    schema: Path,
    rows: Path,
    summary: Path,
    provable: Path,
    params: Split,
    policy: Policy,
) -> None:
    """Write the part of each row, and what the test rows can prove.

    Raises
    ------
    InputError
        When a part holds no rows or one class, or the test part no row of a group; when parts that were drawn
        by hash know the label.
    """
    step = Steps("split")
    frame, groups = read_coded(table), read_coded(evidence)
    described = Schema.read(schema)
    described.refuse_probabilities()
    step(f"parting {len(frame):,} rows")
    part = parts.parted(frame, groups, described, params)
    step("how the parts differ")
    measured = part_tests.summary(frame, groups, described, part, params)
    part_tests.require_independent(measured)
    found_parts = pd.DataFrame({ROW_ID: frame[ROW_ID], "part": part})
    if isinstance(params.test_share, ByGroup):
        found_parts["weight"] = parts.design_weights(groups, part, params.test_share.attribute)
    write_parquet(rows, found_parts)
    measured.write(summary)
    step("what the test rows can prove")
    found = proof(groups, described, part, policy)
    for each in found.hopeless:
        step(f"{each.limit}: {each.text(1.0)}")
    found.write(provable)


def proof(evidence: pd.DataFrame, schema: Schema, part: "pd.Series[str]", policy: Policy) -> ProvableLimits:
    """Return what the test rows can prove of the policy's limits on groups."""
    test = evidence[(part == "test").to_numpy()]
    groups = {}
    for name in schema.attributes:
        labels = test.groupby(name, observed=True)[LABEL]
        rows, positives = labels.size(), labels.sum()
        groups[name] = [GroupRows(str(each), int(rows[each]), int(positives[each])) for each in rows.index]
    return ProvableLimits.of(policy, groups, float(test[LABEL].mean()))


if __name__ == "__main__":
    run(split, sys.argv)

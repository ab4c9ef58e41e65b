"""One raw file, every column of it read and checked."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from fairmark.data import identity, schema
from fairmark.data.exclusion import Kept
from fairmark.data.faults import shown
from fairmark.data.kinds import Typed, typed
from fairmark.data.label import Meaning, labels, stripped
from fairmark.data.numerals import Numerals
from fairmark.data.plan import Plan
from fairmark.data.read import Raw
from fairmark.data.weight import note_zeros
from fairmark.sections.table import Prepare, Rows


@dataclass(frozen=True)
class Checked:
    """One raw file, read.

    Parameters
    ----------
    raw
        The file as texts, with its faults.
    columns
        Its features, withheld columns, time and weight, typed.
    labels
        [n] 1 = positive, 0 = negative.
    meaning
        What the positive and the negative label are.
    dropped
        Rows that each of `prepare.drop_rows` left out.
    content
        [n] digest of each row, its id apart.
    alike
        [n] the same without the label: what an id that is made from content may know.
    """

    raw: Raw
    columns: dict[str, Typed]
    labels: npt.NDArray[np.int8]
    meaning: Meaning
    dropped: tuple[int, ...]
    content: list[str]
    alike: list[str]


def checked(file: Kept, rows: Rows, plan: Plan, params: Prepare, main: Checked | None) -> Checked:
    """Return a file with every column read; whatever is wrong with it is noted in `raw.faults`.

    Parameters
    ----------
    file
        The rows of a raw file that stay.
    rows
        How many rows it may have.
    main
        The main file, when this is the test file.
    """
    raw, name = file.raw, params.target.column
    texts = raw.texts
    order = list((main.raw if main else raw).texts.columns)
    if main and len(texts.columns):
        _note_other_columns(raw, order, main.raw.faults.where)
    columns = {column: typed(texts[column], kind) for column, kind in plan.kinds.items() if column in texts}
    _note_cells(file, columns, rows, plan, params, main)
    found, meaning = np.zeros(len(texts), np.int8), Meaning("", "", [], Numerals())
    if name in texts:
        texts = texts.assign(**{name: stripped(texts[name], params.target.strip)})
        known = main.meaning if main else None
        found, meaning = labels(texts[name], params.target, known, raw.numbers, params.format, raw.faults)
    told = [column for column in order if column in texts and column != params.row_id]
    return Checked(raw, columns, found, meaning, file.dropped, *identity.digests(texts[told], name))


def _note_cells(
    file: Kept, columns: dict[str, Typed], rows: Rows, plan: Plan, params: Prepare, main: Checked | None
) -> None:
    raw = file.raw
    known = {name: (plan.said[name], plan.kinds[name], one) for name, one in columns.items()}
    if len(raw.texts.columns):
        schema.check(known, rows, raw.numbers, raw.refused + sum(file.dropped), raw.faults)
    if params.weight in columns:
        note_zeros(params.weight, columns[params.weight].cells.to_numpy(), raw.numbers, raw.faults)
    if params.person is not None and params.person in raw.texts:
        absent = raw.texts[params.person].isna().to_numpy(bool)
        raw.faults.rows(raw.numbers[absent], f"column {params.person}: the person must be given, got nothing")
    if params.row_id is not None and params.row_id in raw.texts:
        taken: pd.Series[str] | None = main.raw.texts.get(params.row_id) if main else None
        identity.note_ids(params.row_id, raw.texts[params.row_id], raw.numbers, taken, raw.faults)


def _note_other_columns(raw: Raw, wanted: Sequence[str], where: str) -> None:
    lacking = [name for name in wanted if name not in raw.texts]
    extra = [name for name in raw.texts.columns if name not in wanted]
    words = [f"none of {shown(lacking)}"] if lacking else []
    words += [f"also {shown(extra)}"] if extra else []
    if words:
        raw.faults.add(f"must have the columns of {where}, got {' and '.join(words)}")

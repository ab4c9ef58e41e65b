"""Look for single rows of the data in the files of a release, while the data is at hand.

What is looked for, and why no less and no more:

- Row ids, and the values of columns that the audit takes for names, addresses and the like: each names a
  person by itself. Texts of fewer than `SHORTEST` characters, and numbers below a million, are not told from
  the other words and numbers of a page, and are not looked for.
- Whole rows: the values of all features, or of all raw columns, one after another as a table, a line of CSV,
  a JSON list or an object with its keys would hold them. Fewer values than all are shared by many people in
  most data, and what the report explains of a person stands in another order and is counted by `personal`.
- Extremes: the lowest and the highest training value of a number, which a model of trees carries.
- Small counts behind the pictures and tables that are drawn from `artifacts/`.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fairmark.data.reference import Reference
from fairmark.data.roles import ROW_ID
from fairmark.data.schema import Schema
from fairmark.data.summaries import DataAudit, SplitSummary
from fairmark.errors import RefusedError
from fairmark.evaluate.documents import CalibrationBin
from fairmark.explain.documents import Explanations
from fairmark.files import read_parquet
from fairmark.judge.alternatives import Alternatives
from fairmark.judge.measurements import Measurements
from fairmark.params.read import Params
from fairmark.release.disclosure import BOOSTER, REPORT, shown, shown_of_evaluation
from fairmark.release.layout import ALTERNATIVES, REFERENCE
from fairmark.repo.dvc_files import names

if TYPE_CHECKING:
    import pandas as pd

SHORTEST = 4
LARGE = 1_000_000
TELLING = 12
"""Fewest characters of a whole row's values: a row of four zeros is no one's."""

_TAGS = re.compile(r"<[^<>]*>")
_WORD = re.compile(r"[^\s\"'`,;:|(){}\[\]=<>&]+")


def refuse(root: Path, folder: Path, params: Params, *, evaluation: bool = False) -> None:
    """Do nothing when the release files in `folder` show no more of single people than `params` allow.

    Parameters
    ----------
    root
        The working folder that the release is made of.
    evaluation
        Whether it is one of scores made elsewhere, without a model.

    Raises
    ------
    RefusedError
        With a line for each thing that goes beyond, which names no one.
    """
    allowed = params.privacy
    booster = folder / BOOSTER
    trees = booster.read_text(encoding="utf-8") if booster.is_file() else None
    report = (folder / REPORT).read_text(encoding="utf-8")
    measured = Measurements.read(folder / "measurements.json")
    if evaluation:
        found = shown_of_evaluation(report, measured)
    else:
        binned = Reference.read(folder / REFERENCE) if (folder / REFERENCE).is_file() else None
        rivals = Alternatives.read(folder / ALTERNATIVES) if (folder / ALTERNATIVES).is_file() else None
        found = shown(report, trees, measured, binned, rivals)
    faults = found.faults(allowed)
    faults += [
        f"{where}: every count must be of {allowed.smallest_cell} rows (privacy.smallest_cell), got {count}"
        for where, count in behind(root / "artifacts")
        if 0 < count < allowed.smallest_cell
    ]
    faults += _found(root, folder, params)
    if faults:
        raise RefusedError(*faults, "release: must hold no more personal data than privacy allows, got more")


def behind(artifacts: Path) -> Iterator[tuple[str, int]]:
    """Yield each count of rows that a page shows without its measurements: where, and how many."""
    explained = artifacts / "explain" / "explanations.json"
    if explained.is_file():
        found = Explanations.read(explained)
        for attribute, groups in found.by_group.items():
            yield from ((f"explanations by {attribute}: {name}", it.rows) for name, it in groups.items())
        for name, dependence in found.dependence.items():
            smallest = min((share for share in dependence.density if share > 0), default=0.0)
            yield f"density of {name}", round(smallest * found.rows)
    curve = artifacts / "evaluate" / "plots" / "calibration.csv"
    if curve.is_file():
        for each in CalibrationBin.read_csv(curve):
            where = f"{each.attribute} {each.group}".strip() or "all"
            yield f"calibration of {where}", each.rows
    divided = artifacts / "split" / "summary.json"
    if divided.is_file():
        for part, entry in SplitSummary.read(divided).parts.by_name.items():
            for counts in entry.groups.values():
                yield from ((f"{part} part: {name}", rows) for name, rows in counts.items())


def _found(root: Path, folder: Path, params: Params) -> list[str]:
    table = root / "artifacts" / "prepare" / "table.parquet"
    if not table.is_file():
        return []
    frame = read_parquet(table)
    texts = {name: _words(folder / name) for name in names(folder) if _is_text(folder / name)}
    naming = _naming(root, frame)
    faults = [
        f"{name}: must hold no id of a row and no name of a person, got {count} of column {column}"
        for name, words in texts.items()
        for column, count in sorted(Counter(naming[word] for word in naming.keys() & set(words)).items())
    ]
    faults += [
        f"{name}: must hold no whole row of the data, got {count}"
        for name, count in sorted(whole_rows(frame, texts).items())
    ]
    return faults + _extremes(folder, frame, root, params)


def _is_text(path: Path) -> bool:
    return b"\0" not in path.read_bytes()[:4096]


def _words(path: Path) -> list[str]:
    """Return the words and numbers of a text, in order; numbers in one way of writing them."""
    text = path.read_text(encoding="utf-8", errors="replace")
    text = _TAGS.sub(" ", text) if path.suffix == ".html" else text
    return _parts(text)


def _parts(text: str) -> list[str]:
    return [_same(word) for word in _WORD.findall(text)]


def _same(word: str) -> str:
    if word[:1] not in "0123456789+-.":
        return word
    try:
        return f"{float(word):.10g}"
    except ValueError:
        return word


def _naming(root: Path, frame: "pd.DataFrame") -> dict[str, str]:
    """Return the texts that name one person each, and the column of each: ids, and what the audit found."""
    found = dict.fromkeys(map(_same, frame[ROW_ID]), ROW_ID)
    audit = root / "artifacts" / "audit" / "audit.json"
    telling = DataAudit.read(audit).personal if audit.is_file() else ()
    if telling:
        evidence = read_parquet(root / "artifacts" / "prepare" / "evidence.parquet")
        for name in sorted({entry.column for entry in telling}):
            withheld = f"withheld:{name}"
            # What is in neither table is the column that names each row.
            cells = frame[name] if name in frame else evidence.get(withheld, frame[ROW_ID])
            found |= dict.fromkeys((_same(text.strip()) for text in cells.dropna().astype(str)), name)
    return {word: column for word, column in found.items() if _telling(word)}


def _telling(word: str) -> bool:
    try:
        # Small numbers stand in any text by chance; from a million on they are somebody's.
        return abs(float(word)) >= LARGE
    except ValueError:
        return len(word) >= SHORTEST


def whole_rows(frame: "pd.DataFrame", texts: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Return how many different rows of a table stand whole in each text; texts without any are left out.

    The texts' runs of words are held and the rows pass by, because there may be many more rows than words.

    Parameters
    ----------
    frame
        The table; reserved columns (their names begin with `_`) are no values.
    texts
        Name -> its words in order.
    """
    features = [str(name) for name in frame if not str(name).startswith("_")]
    by_key = sorted(range(len(features)), key=features.__getitem__)
    named = [_parts(name) for name in features]
    cells = [_cells(frame[name]) for name in features]
    lengths = {sum(map(len, row)) for row in zip(*cells, strict=True)}
    starts = {next((value[0] for value in row if value), "") for row in zip(*cells, strict=True)}
    # Only where a row could begin: else each word would begin a run of each length.
    plain = _runs(texts, starts, lengths)
    # A row may stand as JSON, keys sorted: then the names stand between the values.
    keyed = _runs(texts, set(named[by_key[0]][:1]), {n + sum(map(len, named)) for n in lengths})
    found: dict[str, set[tuple[str, ...]]] = {}
    for row in zip(*cells, strict=True):
        values = tuple(word for value in row for word in value)
        pairs = tuple(word for k in by_key for word in (*named[k], *row[k])) if keyed else ()
        if sum(map(len, values)) >= TELLING:
            for name in (*plain.get(values, ()), *keyed.get(pairs, ())):
                found.setdefault(name, set()).add(values)
    return {name: len(held) for name, held in found.items()}


def _cells(column: "pd.Series[str]") -> list[list[str]]:
    """Return the words of each value; a missing one has none."""
    import pandas as pd

    codes, values = pd.factorize(column)
    parts = [*(_parts(str(value)) for value in values), []]  # the last one is for the code -1: missing
    return [parts[code] for code in codes]


def _runs(
    texts: Mapping[str, Sequence[str]], starts: Collection[str], lengths: Collection[int]
) -> dict[tuple[str, ...], set[str]]:
    """Return each run of words of these lengths that begins with one of `starts`, and the texts with it."""
    found: dict[tuple[str, ...], set[str]] = {}
    for name, words in texts.items():
        for at, word in enumerate(words):
            if word in starts:
                for length in lengths:
                    found.setdefault(tuple(words[at : at + length]), set()).add(name)
    return found


def _extremes(folder: Path, frame: "pd.DataFrame", root: Path, params: Params) -> list[str]:
    """Return the numbers whose lowest or highest training value too few rows have: trees carry them."""
    parted = root / "artifacts" / "split" / "rows.parquet"
    if not (folder / "model" / "booster.txt").is_file() or not parted.is_file():
        return []
    train = frame[(read_parquet(parted)["part"] == "train").to_numpy(bool)]
    least, faults = params.privacy.smallest_cell, []
    for feature in Schema.read(folder / "schema.json").features:
        if feature.kind != "numeric":
            continue
        cells = train[feature.name].dropna()
        few = min((int((cells == edge).sum()) for edge in (cells.min(), cells.max())), default=0)
        if 0 < few < least:
            faults.append(
                f"model: the lowest and highest {feature.name} must be those of {least} rows, got {few}"
            )
    return faults

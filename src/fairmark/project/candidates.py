"""What a person has to choose: the label, whom the law protects, when and whose a row is, how much it counts.

Each is a candidate with its reason. None is chosen where a wrong choice would go unseen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fairmark.data.groups import folded
from fairmark.project.columns import Column, is_persons
from fairmark.project.words import (
    OUTCOMES,
    SUREST,
    TIMES,
    WEIGHTS,
    YES,
    protected_hint,
    proxy_hint,
    words_of,
)

FEW = 12
"""Different numbers up to which each may be a group of its own; more are cut by edges."""

IDS = frozenset({"id", "ids", "uuid", "guid", "caseid", "seqn"})
"""Words by which nothing but an id is called."""

SHOWN = 6
"""Candidates of which a line is shown."""


@dataclass(frozen=True)
class Candidate:
    """A column that may play a part.

    Parameters
    ----------
    column
        Its name.
    why
        What speaks for it.
    option
        What names it on the command line, such as `--protect sex`.
    """

    column: str
    why: str
    option: str

    def line(self) -> str:
        """Return it as one line."""
        return f"{self.option}   ({self.why})"


def targets(columns: Mapping[str, Column]) -> list[Candidate]:
    """Return the columns that may hold the label, the likeliest first, each with a positive value."""
    names, ranked = list(columns), []
    for place, (name, column) in enumerate(columns.items()):
        # `yes`, `Yes` and `no` are two values.
        if column.values is None or len({*map(folded, column.values)}) != 2:
            continue
        words = {*words_of(name)}
        hint = protected_hint(name, column.values)
        # A name says more than a place: an outcome may stand anywhere, though most often first or last.
        score = 4 * bool(words & SUREST) + 3 * bool(words & OUTCOMES) + (place in {0, len(names) - 1})
        score -= 3 * (hint is not None)
        why = [f"two values, {' and '.join(column.values)}"]
        if words & (OUTCOMES | SUREST):
            why.append("its name is that of an outcome")
        if place in {0, len(names) - 1}:
            why.append("it stands first or last")
        ranked.append((-score, place, Candidate(name, "; ".join(why), _target_option(column))))
    return [one for _, _, one in sorted(ranked, key=lambda each: each[:2])]


def _target_option(column: Column) -> str:
    return f"--target {quoted(column.name)} --positive {quoted(positives(column)[0])}"


def positives(column: Column) -> list[str]:
    """Return the values of a label column, the one that is called positive more often first."""
    values = list(column.values or ())
    place = {word: k for k, word in enumerate(YES)}
    return sorted(values, key=lambda value: (place.get(folded(value), len(YES)), value))


def quoted(text: str) -> str:
    """Return a text as a shell takes it for one word."""
    import shlex

    return shlex.quote(text)


def protected(columns: Mapping[str, Column], target: str | None) -> list[Candidate]:
    """Return the columns that may hold a protected attribute, with what says so."""
    found = []
    for name, column in columns.items():
        hint = protected_hint(name, column.values)
        if name == target or hint is None or column.kind is None or column.different < 2 or column.identifier:
            continue
        if column.kind_name == "numeric" and column.different > FEW:
            option = f"--protect {quoted(f'{name}={edges(column)}')}"
        elif column.values is None:
            continue
        else:
            option = f"--protect {quoted(name)}"
        found.append(Candidate(name, f"{hint.what}: {hint.why}", option))
    return found


def edges(column: Column) -> str:
    """Return edges that cut a numeric column into about four equal groups, in round numbers."""
    cells = column.cells.dropna().to_numpy(np.float64)
    found = np.quantile(cells, [0.25, 0.5, 0.75])
    spread = float(found[-1] - found[0]) or 1.0
    step = 10.0 ** np.floor(np.log10(spread / 2))
    step = 5 * step if spread / 2 >= 5 * step else step
    rounded = sorted({round(float(np.round(edge / step) * step), 10) for edge in found})
    kept = [edge for edge in rounded if cells.min() < edge <= cells.max()]
    return ",".join(f"{edge:.10g}" for edge in kept or [float(np.median(cells))])


def proxies(columns: Mapping[str, Column], apart: Sequence[str]) -> list[Candidate]:
    """Return columns whose names say that they may stand for a protected attribute."""
    found = []
    for name, column in columns.items():
        hint = proxy_hint(name) or protected_hint(name, column.values)
        if name not in apart and hint is not None and column.left_out is None:
            found.append(Candidate(name, f"{hint.what}: {hint.why}", f"--forbid {quoted(name)}"))
    return found


def times(columns: Mapping[str, Column]) -> list[Candidate]:
    """Return columns that may say when a row was, whole in every row; those named for it first."""
    found = []
    for name, column in columns.items():
        if column.kind_name != "date" or column.missing > 0 or column.different < 10:
            continue
        if "birth date" in column.looks:
            continue
        named = bool({*words_of(name)} & TIMES)
        why = f"a day in every row, {column.different:,} different ones"
        found.append((not named, Candidate(name, why, f"--time {quoted(name)}")))
    return [one for _, one in sorted(found, key=lambda each: each[0])]


def years(columns: Mapping[str, Column]) -> list[Candidate]:
    """Return columns of whole years, which may order rows, but tell days of one year not apart."""
    found = []
    for name, column in columns.items():
        named = {*words_of(name)} & {"year", "yr", "yearacc", "jahr", "annee", "ano"}
        if column.kind_name != "numeric" or column.missing > 0 or not named:
            continue
        cells = column.cells.to_numpy(np.float64)
        if (
            cells.min() >= 1900
            and cells.max() <= 2100
            and (cells == np.floor(cells)).all()
            and column.different > 1
        ):
            why = f"years {cells.min():.0f} to {cells.max():.0f}"
            found.append(Candidate(name, why, f"--time {quoted(name)}"))
    return found


def weights(columns: Mapping[str, Column]) -> list[Candidate]:
    """Return columns whose names say that they may hold a row's weight."""
    found = []
    for name, column in columns.items():
        if column.kind_name != "numeric" or column.missing > 0 or column.different < 3:
            continue
        if {*words_of(name)} & WEIGHTS and float(column.cells.min()) >= 0:
            why = "its name is that of a weight: of a row in a survey, or of a body?"
            found.append(Candidate(name, why, f"--weight {quoted(name)}"))
    return found


def persons(columns: Mapping[str, Column], rows: int) -> list[Candidate]:
    """Return columns that name people who have several rows."""
    found = []
    for name, column in columns.items():
        named = {*column.looks} & {"name", "e-mail", "phone", "national id"}
        if named:
            why = f"it looks like {' and '.join(sorted(named))}, and a value stands in several rows"
        elif {*words_of(name)} & IDS and not is_persons(column, rows) and _comes_back(column, rows):
            why = f"its name is that of an id, and {column.different:,} of them have {rows:,} rows"
        else:
            continue
        if column.missing == 0 and column.different < rows:
            found.append(Candidate(name, why, f"--person {quoted(name)}"))
    return found


def _comes_back(column: Column, rows: int) -> bool:
    """Return whether each value stands in a few rows, as that of a person who comes back does."""
    return FEW < column.different < rows <= 100 * column.different

"""What a person chose for a project: by options, or by answers on a terminal; nothing of it is guessed."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from fairmark.data.cells import Numerals
from fairmark.data.groups import alike, folded
from fairmark.errors import UsageError
from fairmark.project import candidates
from fairmark.project.candidates import FEW, Candidate
from fairmark.project.columns import Column, is_persons
from fairmark.project.table import Table

Ask = Callable[[str, Mapping[str, str]], str]
"""Asks a question with the answers that are proposed, each with its reason, and returns what was answered."""

NONE = "none"
"""What a person says who wants no such column."""


@dataclass(frozen=True)
class Options:
    """What was said on the command line; None and empty where nothing was.

    Parameters
    ----------
    protect
        Columns, or `column=edge,edge` for groups of numbers.
    probable
        Attributes whose groups are known by probability alone; with one, `protect` may be empty.
    """

    target: str | None = None
    positive: tuple[str, ...] = ()
    protect: tuple[str, ...] = ()
    forbid: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    row_id: str | None = None
    person: str | None = None
    time: str | None = None
    weight: str | None = None
    title: str | None = None
    name: str | None = None
    owner: str | None = None
    texts: Mapping[str, str] = field(default_factory=dict)
    probable: "tuple[Probable, ...]" = ()


@dataclass(frozen=True)
class Probable:
    """A protected attribute that no row states: the column of each group's probability, and the proxy."""

    name: str
    columns: Mapping[str, str]
    proxy: str
    version: str
    error: float


@dataclass(frozen=True)
class Protect:
    """A protected attribute: its name, its column, and the edges by which numbers are cut."""

    name: str
    column: str
    edges: tuple[float, ...] = ()


@dataclass(frozen=True)
class Choices:
    """Which column plays which part.

    Parameters
    ----------
    positive
        Values of the label that count as positive, as the file writes them, or a number above which they do.
    negative
        All other values, where there are more than one.
    unlabelled
        Rows without a label.
    why
        What is to be said of a part that was chosen without being named, by its name in `prepare`.
    """

    target: str
    positive: tuple[str, ...] | float
    negative: tuple[str, ...] | None
    unlabelled: int
    protect: tuple[Protect, ...]
    forbid: tuple[str, ...]
    drop: Mapping[str, str]
    row_id: str | None
    person: str | None
    time: str | None
    weight: str | None
    spellings: Mapping[str, Mapping[str, str]]
    why: Mapping[str, str]
    probable: tuple[Probable, ...] = ()


def chosen(table: Table, given: Options, ask: Ask | None, test: Table | None = None) -> Choices:
    """Return the parts of all columns.

    Parameters
    ----------
    ask
        Asks a person; None where there is no terminal.
    test
        The published test file, where there is one.

    Raises
    ------
    UsageError
        When something is not said and can't be asked, with the candidates and their reasons; or when what is
        said is not in the table.
    """
    _refuse_strangers(table, given)
    target = given.target or _asked_target(table, ask)
    positive = _positive(table.columns[target], table, given, ask)
    protect = _protect(table, given, target, ask)
    own = {target, *(each.column for each in protect)}
    why: dict[str, str] = {}
    person = _person(table, given, own, why)
    row_id = _row_id(table, test, given, {*own, person}, why)
    time = _time(table, given, own, why)
    weight = None if given.weight in (None, NONE) else given.weight
    taken = {*own, person, row_id, time, weight, *given.keep, *given.forbid}
    drop = dict.fromkeys(given.drop, "as you said")
    drop |= {
        name: column.left_out
        for name, column in table.columns.items()
        if column.left_out is not None and name not in taken and name not in drop
    }
    left = None if isinstance(positive, float) else _others(table.columns[target], table, positive)
    # What differs in case or spaces alone is one group, and one label.
    named = [each.column for each in protect if not each.edges]
    named += [] if isinstance(positive, float) else [target]
    return Choices(
        target,
        positive,
        left,
        int(table.texts[target].isna().sum()),
        protect,
        given.forbid,
        drop,
        row_id,
        person,
        time,
        weight,
        {name: means for name in named if (means := _spellings(table, name))},
        why,
        given.probable,
    )


def _refuse_strangers(table: Table, given: Options) -> None:
    named = [("--target", given.target), ("--row-id", given.row_id), ("--person", given.person)]
    named += [("--time", given.time), ("--weight", given.weight)]
    named += [("--protect", each.partition("=")[0]) for each in given.protect if each not in table.columns]
    for option, columns in (("--forbid", given.forbid), ("--drop", given.drop), ("--keep", given.keep)):
        named += [(option, column) for column in columns]
    faults = [
        f"{option}: must name a column of {table.path.name}, got {name!r}{_nearest(name, table)}"
        for option, name in named
        if name is not None and name not in table.columns and not (name == NONE and option not in _NEEDED)
    ]
    both = sorted({*given.drop} & {given.target, *(each.partition("=")[0] for each in given.protect)})
    faults += [
        f"--drop: must not name what --target or --protect names, got {name!r}" for name in both if name
    ]
    if faults:
        raise UsageError(*faults)


_NEEDED = {"--target", "--protect", "--forbid", "--drop", "--keep"}


def _nearest(name: str, table: Table) -> str:
    from difflib import get_close_matches

    near = {folded(column): column for column in table.columns}
    found = get_close_matches(folded(name), list(near), n=1)
    return (
        f"; did you mean {near[found[0]]!r}?" if found else f"; it has {', '.join(list(table.columns)[:12])}"
    )


def _asked_target(table: Table, ask: Ask | None) -> str:
    found = candidates.targets(table.columns)
    if ask is None:
        raise UsageError(
            "--target: must name the column that holds the outcome, got none; candidates:",
            *_lines(found, "no column holds two values; name one, with its positive value by --positive"),
        )
    proposed = {one.column: one.why for one in found[:9]}
    answer = ask("Which column holds the outcome that a model is to learn?", proposed)
    if answer not in table.columns:
        raise UsageError(f"target: must be a column of {table.path.name}, got {answer!r}")
    return answer


def _lines(found: Sequence[Candidate], otherwise: str) -> list[str]:
    return [f"  {one.line()}" for one in found[: candidates.SHOWN]] or [f"  {otherwise}"]


def _positive(column: Column, table: Table, given: Options, ask: Ask | None) -> tuple[str, ...] | float:
    other = _spellings(table, column.name)
    values = [text for each in table.texts[column.name].dropna().unique() if (text := str(each)) not in other]
    if len(values) < 2:
        raise UsageError(
            f"--target: must name a column of two values or more, got {column.name!r} with {len(values)}"
        )
    said = given.positive
    if not said:
        values_shown = [each for each in candidates.positives(column) if each not in other][:12]
        texts = table.texts[column.name].replace(other)
        rates = {value: f"{float((texts == value).mean()):.1%} of the rows" for value in values_shown}
        if ask is None:
            shown = ", ".join(f"{value} ({rate})" for value, rate in rates.items())
            some = shown or f"numbers of {column.different:,} values: say --positive '>NUMBER'"
            raise UsageError(
                f"--positive: must say which value of {column.name} counts as positive, got none; {some}"
            )
        said = (ask(f"Which value of {column.name} is the positive one (what a model is to find)?", rates),)
    above = said[0].removeprefix(">").strip()
    # A value may itself be called `>50K`: then it is meant, and no bound.
    if len(said) == 1 and said[0].startswith(">") and said[0] not in values and column.kind_name == "numeric":
        number = float(Numerals().read([above])[0])
        if not math.isfinite(number):
            raise UsageError(f"--positive: must be a number after '>', got {above!r}")
        return number
    return tuple(dict.fromkeys(_spelt(value, values, column.name) for value in said))


def _spelt(value: str, values: Sequence[str], name: str) -> str:
    """Return a value as the file spells it."""
    same = [text for text in values if text == value] or [
        text for text in values if folded(text) == folded(value)
    ]
    if not same:
        number = Numerals().read([value])[0]
        same = [text for text in values if Numerals().read([text])[0] == number]
    if len(same) != 1:
        shown = ", ".join(values[:12])
        raise UsageError(f"--positive: must be a value of {name} ({shown}), got {value!r}")
    return same[0]


def _others(column: Column, table: Table, positive: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return the other values, or None where there is one."""
    found = {str(text) for text in table.texts[column.name].dropna().unique()}
    others = tuple(sorted(found - {*positive} - {*_spellings(table, column.name)}))
    if not others:
        raise UsageError(f"--positive: must leave a value of {column.name} that is negative, got all of them")
    if len(others) > 200:
        raise UsageError(
            "--target: must be a column of few values, or of numbers with --positive '>NUMBER', got "
            f"{column.name!r} with {column.different:,}"
        )
    return others if len(others) > 1 else None


def _protect(table: Table, given: Options, target: str, ask: Ask | None) -> tuple[Protect, ...]:
    said = given.protect
    if not said and given.probable:
        return ()
    if not said:
        found = candidates.protected(table.columns, target)
        if ask is None:
            raise UsageError(
                "--protect: must name whom decisions must treat alike, by column (or column=edge,edge for "
                "numbers), got none; candidates, each a question and no advice:",
                *_lines(
                    found, f"no column's name or values tell of one; of {', '.join(list(table.columns)[:20])}"
                ),
            )
        proposed = {each.option.removeprefix("--protect ").strip("'"): each.why for each in found}
        answer = ask(
            "Whom must decisions treat alike? (columns, with edges for numbers, `;` between)", proposed
        )
        said = tuple(part.strip() for part in answer.split(";") if part.strip())
    found_all = [_protected(each, table) for each in dict.fromkeys(said)]
    names = [each.name for each in found_all]
    faults = [
        f"--protect: must name {name!r} once, got it twice" for name in {*names} if names.count(name) > 1
    ]
    faults += ["--protect: must not be the target" for each in found_all if each.column == target]
    if faults or not found_all:
        raise UsageError(*(faults or ["--protect: must name a column, got none"]))
    return tuple(found_all)


def _protected(said: str, table: Table) -> Protect:
    column, _, cut = (said, "", "") if said in table.columns else said.partition("=")
    if column not in table.columns:
        raise UsageError(
            f"--protect: must name a column of {table.path.name}, got {column!r}{_nearest(column, table)}"
        )
    found = table.columns[column]
    name = "_".join(folded(column).replace("-", "_").replace(".", "_").split())
    if cut:
        if found.kind_name != "numeric":
            raise UsageError(
                f"--protect: must have edges for numbers alone, got {said!r} of {found.kind_name} values"
            )
        edges = Numerals().read(cut.split(","))
        if not np.isfinite(edges).all():
            raise UsageError(f"--protect: must have numbers as edges, such as {column}=25,40, got {said!r}")
        cuts = tuple(sorted({float(edge) for edge in edges}))
        cells = found.cells[np.isfinite(found.cells)]
        if len(np.unique(np.searchsorted(cuts, cells, side="right"))) < 2:
            raise UsageError(
                f"--protect: must cut {column} into two groups or more, got {said!r} of numbers from "
                f"{cells.min():g} to {cells.max():g}"
            )
        return Protect(name, column, cuts)
    if found.kind_name == "numeric" and found.different > FEW:
        raise UsageError(
            f"--protect: must cut {column} into groups by edges, because it holds {found.different:,} "
            f"different numbers, got none; such as --protect {column}={candidates.edges(found)}"
        )
    if found.different < 2:
        raise UsageError(f"--protect: must name a column of two groups or more, got {column!r} of one value")
    return Protect(name, column)


def _person(table: Table, given: Options, own: set[str], why: dict[str, str]) -> str | None:
    if given.person is not None:
        return None if given.person == NONE else given.person
    found = [
        name for name, column in table.columns.items() if name not in own and is_persons(column, table.rows)
    ]
    # Of several none is taken without being named.
    if len(found) != 1:
        return None
    people = table.columns[found[0]].different
    why["person"] = (
        f"its name is that of a person's id, and {people:,} people have {table.rows:,} rows; say --person "
        "none if it is not"
    )
    return found[0]


def _row_id(
    table: Table, test: Table | None, given: Options, own: "set[str | None]", why: dict[str, str]
) -> str | None:
    if given.row_id is not None:
        return None if given.row_id == NONE else given.row_id
    for name, column in table.columns.items():
        # What is somebody's mail address names each row as well, and belongs in no table.
        shared = test is not None and bool(
            test.texts.get(name, table.texts[name]).isin(table.texts[name]).any()
        )
        if column.identifier and name not in own and not shared and not {*column.looks} - {"id-like"}:
            why["row_id"] = "each row has a value of its own there, as an id has"
            return name
    return None


def _time(table: Table, given: Options, own: set[str], why: dict[str, str]) -> str | None:
    if given.time is not None:
        return None if given.time == NONE else given.time
    found = [one for one in candidates.times(table.columns) if one.column not in own]
    if len(found) != 1:
        return None
    why["time"] = (
        f"{found[0].why}: the latest rows become the test rows, because a model meets later cases than it "
        "learnt from; say --time none if it is not the day of the decision"
    )
    return found[0].column


MOST_SPELLED = 1000
"""Different texts of a column up to which spellings of one are looked for."""


def _spellings(table: Table, column: str) -> dict[str, str]:
    """Return texts of a column that differ from another in case or spaces alone, with the commonest spelling.

    None of a column whose spellings tell more than groups or labels do, as of free texts.
    """
    counts = table.texts[column].value_counts()
    if len(counts) > MOST_SPELLED:
        return {}
    found: dict[str, str] = {}
    for same in alike(str(text) for text in counts.index):
        main = max(same, key=lambda text: (int(counts[text]), text))
        found |= {text: main for text in same if text != main}
    return found


def questions(table: Table, made: Choices) -> Iterator[str]:
    """Yield what stays to be asked of columns whose names say something that was not acted on."""
    taken = {made.target, made.row_id, made.person, made.time, made.weight, *made.forbid, *made.drop}
    taken |= {each.column for each in made.protect}
    columns = table.columns
    for name, column in columns.items():
        if column.doubt and name not in {made.target, made.row_id, made.person, made.time}:
            yield f"{name}: is it read as it is meant? {column.doubt} ({_ways(column, made)})"
    protected = [one for one in candidates.protected(columns, made.target) if one.column not in taken]
    for one in protected:
        yield f"{one.column}: protected too, or withheld? {one.why} ({one.option} or --forbid)"
    known = {name for name in taken if name is not None} | {one.column for one in protected}
    for one in candidates.proxies(columns, [*known]):
        yield f"{one.column}: may a model see it? It may stand for a group: {one.why} ({one.option})"
    yield from (f"{one.column}: {what} {one.why} ({one.option})" for what, one in _parts_open(table, made))


def _ways(column: Column, made: Choices) -> str:
    """Return what a person can do about a column that may not be what it was read as."""
    if column.name in made.drop:
        return f"it is left out; --keep {candidates.quoted(column.name)} takes it as texts"
    if column.kind_name == "date":
        return "prepare.columns says another format"
    if column.kind_name == "numeric":
        return "prepare.format.missing names what means not known"
    return f"mend those cells, or --drop {candidates.quoted(column.name)}"


def _parts_open(table: Table, made: Choices) -> Iterator[tuple[str, Candidate]]:
    """Yield what a column might say, where no column was chosen for it."""
    taken = {made.target, made.row_id, *(each.column for each in made.protect)}
    found: list[tuple[str, Candidate]] = []
    if made.time is None:
        times = (*candidates.times(table.columns), *candidates.years(table.columns))
        found += [("does it say when a decision was?", one) for one in times]
    if made.weight is None:
        found += [("is it the weight of a row?", one) for one in candidates.weights(table.columns)]
    if made.person is None:
        people = candidates.persons(table.columns, table.rows)
        found += [("does it say whose a row is?", one) for one in people]
    yield from ((what, one) for what, one in found if one.column not in taken)

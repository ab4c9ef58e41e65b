"""Collect every fault of the raw files before any of them stops the run."""

from collections.abc import Iterable, Sequence

from fairmark.errors import InputError

NAMED_ROWS = 5
"""Rows named for one kind of fault; the others are counted."""

NAMED_VALUES = 3
"""Different values shown for one kind of fault."""


class Faults:
    """Faults of one raw file: lines of the form `file: line 17: column age: must ..., got ...`.

    Parameters
    ----------
    where
        The file as the user knows it, such as `data/people.csv`.
    unit
        What a row number counts: `line` in text (physical lines, from 1), `row` in Parquet (from 1).
    """

    def __init__(self, where: str, unit: str) -> None:
        self.where = where
        self.unit = unit
        self.lines: list[str] = []

    def add(self, text: str) -> None:
        """Note a fault of the file as a whole."""
        self.lines.append(f"{self.where}: {text}")

    def rows(self, numbers: Iterable[int], text: str, values: Iterable[object] | None = None) -> None:
        """Note a fault of some rows; none at all when `numbers` is empty.

        Parameters
        ----------
        numbers
            Line or row numbers, in rising order.
        text
            What must hold, with its column, such as `column age: must be a number`.
        values
            What was found instead, in the order of `numbers`; None when `text` says it.
        """
        named = [int(number) for number in numbers]
        if not named:
            return
        got = "" if values is None else f", got {shown(values)}"
        self.add(f"{self._place(named)}: {text}{got}")

    def _place(self, numbers: Sequence[int]) -> str:
        if len(numbers) == 1:
            return f"{self.unit} {numbers[0]}"
        listed = ", ".join(str(number) for number in numbers[:NAMED_ROWS])
        rest = len(numbers) - NAMED_ROWS
        return f"{self.unit}s {listed}" + (f" and {rest:,} more" if rest > 0 else "")


def shown(values: Iterable[object]) -> str:
    """Return up to `NAMED_VALUES` different values, texts in quotes, and how many more there are."""
    different = list(dict.fromkeys(values))
    listed = ", ".join(repr(value)[:80] for value in different[:NAMED_VALUES])
    rest = len(different) - NAMED_VALUES
    return listed + (f" and {rest:,} other values" if rest > 0 else "")


def stop(faults: Iterable[Faults]) -> None:
    """Stop the run if there is any fault.

    Raises
    ------
    InputError
        With every fault of every file, one line each.
    """
    lines = [line for one in faults for line in one.lines]
    if lines:
        raise InputError(*lines)

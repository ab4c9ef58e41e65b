"""Every error that fairmark raises on purpose.

One class per different thing that a caller would do about it::

    FairmarkError
    ├── InputError          mend the data, and run again
    │   └── ParamsError     mend params.yaml, and run again
    ├── StateError          mend the working folder (commit, pull, free the disk), and run again
    │   ├── UndeterminedError   fetch what the message names: from what is here it can't be told
    │   └── UnavailableError    try again later: the journal's disk or database is full, away or held
    ├── RefusedError        the verdict is not `pass`: read it, change the model or the policy
    ├── UsageError          you called fairmark wrongly
    │   └── ConflictError       it was done before, or otherwise: look at what is there, do not repeat
    └── VerificationError   this is not what was released: trust nothing of it

Every message reads ``where: what must hold, got what was found``; all faults of a raw file are collected
(`Faults`) before any of them stops the run.
"""

from collections.abc import Iterable, Sequence

from fairmark.terminal import redacted

DEEPEST = 50
"""Causes of an error that are looked through."""

NAMED_ROWS = 5
"""Rows named for one kind of fault; the others are counted."""

NAMED_VALUES = 3
"""Different values shown for one kind of fault."""


class FairmarkError(Exception):
    """An error that a user can act on; its text is all that is shown, logged and kept: no secret is in it.

    Parameters
    ----------
    faults
        One line each, `where: what must hold, got what was found`.
    """

    exit_code = 1

    def __init__(self, *faults: str) -> None:
        self.faults: Sequence[str] = tuple(map(redacted, faults))
        super().__init__("\n".join(self.faults))


class UnforeseenError(Exception):
    """An error of another program's, said again without the secret that its text carried."""


def without_secret(error: BaseException) -> BaseException:
    """Return `error` itself, or what says the same where its text, or that of a cause, carries a secret.

    Whoever logs or keeps an error (Prefect, a terminal) shows its text and its causes' texts as they are.
    """
    found: BaseException | None = error
    texts: list[str] = []
    while found is not None and len(texts) < DEEPEST:
        texts.append(f"{type(found).__name__}: {found}")
        found = found.__cause__ or found.__context__
    if all(redacted(text) == text for text in texts):
        return error
    return UnforeseenError(redacted(texts[0])).with_traceback(error.__traceback__)


class InputError(FairmarkError):
    """The data does not hold what params.yaml says of it."""


class ParamsError(InputError):
    """params.yaml (or a params file made by a stage) does not hold what its sections demand."""


class StateError(FairmarkError):
    """The repository, the cache or the disk is not in a state that allows this."""


class UndeterminedError(StateError):
    """From what is here it can't be told, so nothing goes out; the message says what would tell it."""

    exit_code = 5


class UnavailableError(StateError):
    """What must be written down can't be now; nothing was answered, and the same call may succeed later."""


class RefusedError(FairmarkError):
    """The verdict does not let this model out."""

    exit_code = 3


class UsageError(FairmarkError):
    """The call itself is wrong."""

    exit_code = 2


class ConflictError(UsageError):
    """What was asked for was done before, or in another way: asking again changes nothing."""


class VerificationError(FairmarkError):
    """A release is not what its statement says."""

    exit_code = 4


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

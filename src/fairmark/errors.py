"""Every error that fairmark raises on purpose.

One class per different thing that a caller would do about it::

    FairmarkError
    ├── InputError          mend the data, and run again
    │   └── ParamsError     mend params.yaml, and run again
    ├── StateError          mend the working folder (commit, pull, free the disk), and run again
    │   └── UndeterminedError   fetch what the message names: from what is here it can't be told
    ├── RefusedError        the verdict is not `pass`: read it, change the model or the policy
    ├── UsageError          you called fairmark wrongly
    └── VerificationError   this is not what was released: trust nothing of it

Every message reads ``where: what must hold, got what was found``.
"""

from collections.abc import Sequence

from fairmark.terminal import redacted

DEEPEST = 50
"""Causes of an error that are looked through."""


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


class RefusedError(FairmarkError):
    """The verdict does not let this model out."""

    exit_code = 3


class UsageError(FairmarkError):
    """The call itself is wrong."""

    exit_code = 2


class VerificationError(FairmarkError):
    """A release is not what its statement says."""

    exit_code = 4

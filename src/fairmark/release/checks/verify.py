"""Check a release offline: every claim that it makes, one line each."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from fairmark.errors import FairmarkError, StateError
from fairmark.release.checks import agreement, billed, card, data_told, integrity, origin, personal
from fairmark.release.checks.fact import Fact
from fairmark.release.checks.opened import Opened
from fairmark.release.contents import SEALS, STATEMENT
from fairmark.release.signatures import seal
from fairmark.release.signatures.keys import PublicKey

Check = Callable[[Opened], str]
"""Say what held in a few words; raise StateError for what can't be told, another error for what is wrong."""

CHECKS: Mapping[str, Check] = {
    "statement": integrity.statement,
    "files": integrity.files,
    "digests": integrity.digests,
    "clean tree": integrity.tree,
    "inputs": integrity.inputs,
    "params": agreement.params,
    "pipeline": agreement.pipeline,
    "data": agreement.data,
    "outputs": agreement.outputs,
    "model": agreement.model,
    "verdict": agreement.verdict,
    "metrics": agreement.metrics,
    "schema": agreement.schema,
    "card": card.card,
    "data card": data_told.data_card,
    "personal data": personal.personal,
    "bill": billed.bill,
    "stated verdict": seal.verdict,
    "stated bill": seal.bill,
    "stated model": seal.model,
}

BEFORE = ("statement", "files", "digests")
"""What is asked of a statement that is not signed by the key: form and bytes; nothing more is parsed."""

LONGEST = 300


def verify(
    folder: Path,
    clone: Path | None = None,
    key: PublicKey | None = None,
    *,
    yours: bool = False,
    made: str | None = None,
) -> list[Fact]:
    """Return every claim of the release in `folder`, checked; nothing in it is ever run.

    Parameters
    ----------
    clone
        A clone of the repository, to check the commit and the tag; None leaves them unasked.
    key
        The public key that the release must be signed by; without one the seals can't be told.
    yours
        Whether `key` is the user's own, taken because none was given.
    made
        The hash of the tag's object where nothing names it yet: asked by who is about to release.

    Raises
    ------
    UsageError
        When there is no folder.
    """
    opened = Opened(folder)
    listed = _fact("files", integrity.files, opened)
    if "files" not in vars(opened):
        return [listed]  # a link or a pipe among them: none of them is read
    sealed = partial(seal.signed, key=key, yours=yours)
    seals = [_fact(f"seal {name}", partial(sealed, name=name), opened) for name in SEALS]
    forged = seals[SEALS.index(STATEMENT)].held is False
    facts = [
        listed
        if check is integrity.files
        else Fact(name, None, f"not read, because {STATEMENT} is not signed as it must be")
        if forged and name not in BEFORE
        else _fact(name, check, opened)
        for name, check in CHECKS.items()
    ]
    facts += seals
    tag, signed = partial(origin.tag, made=made), partial(origin.tag_seal, key=key, made=made)
    for name, compare in (("commit", origin.commit), ("tag", tag), ("tag seal", signed)):
        if clone is None:
            facts.append(Fact(name, None, "not asked: give a clone to check it", asked=False))
        else:
            facts.append(_fact(name, partial(compare, clone=clone), opened))
    return facts


def _fact(name: str, check: Check, opened: Opened) -> Fact:
    try:
        return Fact(name, True, _line(check(opened)))
    except (StateError, PermissionError) as error:
        return Fact(name, None, _line(str(error)))
    except FairmarkError as error:
        return Fact(name, False, _line("; ".join(error.faults)))
    except FileNotFoundError as error:
        return Fact(name, False, _line(f"{Path(error.filename).name}: must exist, got no such file"))
    except Exception as error:  # noqa: BLE001 - a hostile file may break any reader, and must not end the check
        # Not WRONG: nobody can tell here a file that breaks a reader from a reader that is broken.
        where = f"{type(error).__name__}: {error}"
        return Fact(name, None, _line(f"could not be checked, got an error of fairmark's own, {where}"))


def _line(text: str) -> str:
    # What a stranger wrote is shown to a terminal here: no control characters, and not without end.
    shown = "".join(char if char.isprintable() else " " for char in " ".join(text.split()))
    return shown if len(shown) <= LONGEST else shown[:LONGEST] + "…"

"""Check a release offline: every claim that it makes, one line each.

One thing that a release claims, and whether it holds.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fairmark.errors import FairmarkError, StateError
from fairmark.release import integrity, seal
from fairmark.release.folder import ReleaseFolder
from fairmark.release.layout import SEALS, STATEMENT
from fairmark.signing.keys import PublicKey
from fairmark.verify import consistency, data_card, model_card, privacy, sbom
from fairmark.verify import seals as origin

HELD = 0
WRONG = 4
UNTOLD = 5


@dataclass(frozen=True)
class Fact:
    """One claim of a release, checked.

    Parameters
    ----------
    name
        A word or two.
    held
        True when it holds, False when it is wrong, None when it can't be told.
    text
        What was found, in one line.
    asked
        False for a fact that nobody asked for (no clone, no key was given): it is shown, and doesn't count.
    """

    name: str
    held: bool | None
    text: str
    asked: bool = True

    def line(self) -> str:
        """Return the fact as one line for a person."""
        mark = {True: "ok   ", False: "WRONG", None: "?    " if self.asked else "-    "}[self.held]
        return f"{mark} {self.name}: {self.text}"


def exit_code(facts: Sequence[Fact]) -> int:
    """Return 0 when every asked fact held, 4 when one is wrong, 5 when one can't be told."""
    held = [fact.held for fact in facts if fact.asked]
    if False in held:
        return WRONG
    return HELD if held and None not in held else UNTOLD


# ------------------------------------------------------------------ verify


Check = Callable[[ReleaseFolder], str]
"""Say what held in a few words; raise StateError for what can't be told, another error for what is wrong."""

CHECKS: Mapping[str, Check] = {
    "statement": integrity.statement,
    "files": integrity.files,
    "digests": integrity.digests,
    "clean tree": integrity.tree,
    "inputs": integrity.inputs,
    "params": consistency.params,
    "pipeline": consistency.pipeline,
    "data": consistency.data,
    "outputs": consistency.outputs,
    "model": consistency.model,
    "verdict": consistency.verdict,
    "metrics": consistency.metrics,
    "schema": consistency.schema,
    "card": model_card.card,
    "data card": data_card.data_card,
    "personal data": privacy.personal,
    "bill": sbom.bill,
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
    release = ReleaseFolder(folder)
    listed = fact_of("files", integrity.files, release)
    if "files" not in vars(release):
        return [listed]  # a link or a pipe among them: none of them is read
    sealed = partial(seal.signed, key=key, yours=yours)
    seals = [fact_of(f"seal {name}", partial(sealed, name=name), release) for name in SEALS]
    forged = seals[SEALS.index(STATEMENT)].held is False
    facts = [
        listed
        if check is integrity.files
        else Fact(name, None, f"not read, because {STATEMENT} is not signed as it must be")
        if forged and name not in BEFORE
        else fact_of(name, check, release)
        for name, check in CHECKS.items()
    ]
    facts += seals
    tag, signed = partial(origin.tag, made=made), partial(origin.tag_seal, key=key, made=made)
    for name, compare in (("commit", origin.commit), ("tag", tag), ("tag seal", signed)):
        if clone is None:
            facts.append(Fact(name, None, "not asked: give a clone to check it", asked=False))
        else:
            facts.append(fact_of(name, partial(compare, clone=clone), release))
    return facts


def fact_of(name: str, check: Check, release: ReleaseFolder) -> Fact:
    """Return what a check finds, as a fact: it holds, it is wrong, or (`held` is null) it is undetermined."""
    try:
        return Fact(name, True, _line(check(release)))
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

"""Texts that are one to a reader and two to a computer: case, spaces, Unicode forms."""

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from fairmark.data.faults import Faults
from fairmark.data.kinds import Kind, Typed
from fairmark.sections.table import ByColumn, Protected


def folded(text: str) -> str:
    """Return a text without case, signs that do not show, and more than single spaces; NFKC of Unicode."""
    wide = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    shown = "".join(char for char in wide if unicodedata.category(char) != "Cf")
    return re.sub(r"\s+", " ", shown).strip()


def alike(texts: Iterable[str]) -> list[list[str]]:
    """Return the sets of different texts that are the same when `folded`, sorted."""
    same: dict[str, list[str]] = {}
    for text in sorted(set(texts)):
        same.setdefault(folded(text), []).append(text)
    return [each for each in same.values() if len(each) > 1]


def note_alike(
    protected: Mapping[str, Protected],
    kinds: Mapping[str, Kind],
    files: Sequence[Mapping[str, Typed]],
    faults: Faults,
) -> None:
    """Note texts of a protected column that would make two groups of one.

    Two texts that params.yaml lists as values are meant to be two. In other columns they are told alone.
    """
    of = [each.column for each in protected.values() if isinstance(each, ByColumn)]
    for name in dict.fromkeys(of):
        kind = kinds.get(name)
        if kind is None or kind.name != "categorical" or kind.declared:
            continue
        for texts in alike(
            text for file in files if name in file for text in file[name].texts.dropna().unique()
        ):
            means = ", ".join(f"{json.dumps(text)}: {json.dumps(texts[0])}" for text in texts[1:])
            faults.add(
                f"column {name}: groups must differ in more than case, spaces and Unicode form, got "
                f"{' and '.join(map(ascii, texts))}; params.yaml settles it by prepare.spellings: {{{name}: "
                f"{{{means}}}}}, or by listing both as values in prepare.columns"
            )

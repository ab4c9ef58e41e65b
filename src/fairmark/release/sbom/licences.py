"""How a bill of materials states a licence, and what the policy says of all that it states.

Which licence an installed distribution says that it has.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from importlib.metadata import PackageMetadata
from typing import Any, Literal, NamedTuple

from fairmark.errors import ParamsError, RefusedError
from fairmark.files import lines_of
from fairmark.params.release import Licences
from fairmark.release.sbom.cyclonedx import Component, LicenceChoice, LicenceName
from fairmark.release.sbom.licence_texts import OURS, licensing, phrase, recognised, spdx
from fairmark.release.sbom.requirements import normal

Judgement = Literal["allowed", "forbidden", "unknown"]

WHERE = "params.yaml: release.licences"
HOW = "take it out, or name it with a reason in release.licences.exceptions"


def entry(expression: str | None, words: str, acknowledgement: str) -> tuple[LicenceChoice, ...]:
    """Return the `licenses` of a component (CycloneDX 1.6, licenseChoice).

    Parameters
    ----------
    expression
        In SPDX's spelling, or None when it is not known.
    words
        What to say instead then.
    acknowledgement
        "declared" by its author, or "concluded" from a text.
    """
    if expression is None:
        return (LicenceChoice(license=LicenceName(name=words or "NOASSERTION")),)
    if expression.startswith("LicenseRef-") or " " in expression:
        return (LicenceChoice(expression=expression, acknowledgement=acknowledgement),)
    return (LicenceChoice(license=LicenceName(id=expression, acknowledgement=acknowledgement)),)


def expression_of(said: Sequence[LicenceChoice] | None) -> str | None:
    """Return the licence expression that `entry` wrote; None where it is not known."""
    if said is None or len(said) != 1:
        return None
    return spdx(said[0].expression or (said[0].license.id if said[0].license else None))


def words_of(said: Sequence[LicenceChoice] | None) -> str:
    """Return what a component says of its licence, for a person."""
    if not said:
        return "nothing"
    named = said[0].license or LicenceName()
    return said[0].expression or named.id or named.name or "nothing"


def check(parts: Sequence[Component], policy: Licences) -> str:
    """Do nothing when the policy allows the licence of all that a release requires; say what was judged.

    Judged are the application, each component of scope `required`, and the data. `A OR B` is allowed when
    one is, `A AND B` when both are, `A WITH X` when A is: an exception only adds to what A allows, and
    whether it adds enough is for a person to say. Components of scope `excluded`, which only test and
    build, are listed with their licence and not judged. Of the data's licence only a forbidden one stops a
    release, because terms of data are often a contract in words.

    Raises
    ------
    ParamsError
        When the policy forbids something that is no SPDX licence, and so would never match.
    RefusedError
        Naming every component whose licence is forbidden, or unknown where that is refused.
    """
    wrong = [name for name in policy.forbidden if spdx(name) is None]
    if wrong:
        raise ParamsError(*(f"{WHERE}.forbidden: must be SPDX identifiers, got {name!r}" for name in wrong))
    forbidden = frozenset(spdx(name) or "" for name in policy.forbidden)
    excepted = {normal(each.name) for each in policy.exceptions}
    judged = [part for part in parts if part.type == "data" or _required(part)]
    faults = list(_faults(judged, forbidden, excepted, refuse_unknown=policy.unknown == "refuse"))
    if faults:
        raise RefusedError(*faults)
    return f"the licences of {len(judged)} required components and data sets"


def judge(expression: str | None, forbidden: Iterable[str]) -> Judgement:
    """Return what a policy that forbids these SPDX identifiers says of an expression in SPDX's spelling."""
    return "unknown" if expression is None else _parsed_and_judged(expression, frozenset(forbidden))


@lru_cache(maxsize=1024)  # a bill names a few licences hundreds of times
def _parsed_and_judged(expression: str, forbidden: frozenset[str]) -> Judgement:
    return _judged(licensing().parse(expression, validate=False), forbidden)


def _required(part: Component) -> bool:
    return part.type == "application" or (part.type == "library" and part.scope != "excluded")


def _faults(
    parts: list[Component], forbidden: frozenset[str], excepted: set[str], *, refuse_unknown: bool
) -> Iterator[str]:
    for part in parts:
        name, said = f"{part.name} {part.version or ''}".strip(), words_of(part.licenses)
        expression = expression_of(part.licenses)
        verdict = "allowed" if normal(part.name) in excepted else judge(expression, forbidden)
        if verdict == "forbidden":
            yield f"{name}: must have a licence that {WHERE} allows, got {said} ({HOW})"
        elif verdict == "unknown" and refuse_unknown and part.type != "data":
            yield f"{name}: must have a licence that is known, got {said} ({HOW})"


def _judged(parsed: Any, forbidden: frozenset[str]) -> Judgement:
    from license_expression import LicenseWithExceptionSymbol

    # The whole first: a licence with an exception may be forbidden under that very name.
    if str(parsed) in forbidden:
        return "forbidden"
    if isinstance(parsed, LicenseWithExceptionSymbol):
        return _judged(parsed.license_symbol, forbidden)
    inner = [_judged(each, forbidden) for each in parsed.args]
    if not inner:
        name = str(parsed)
        return "unknown" if name.startswith("LicenseRef-") and name not in OURS else "allowed"
    # The first that is found decides: any good one of an OR, any bad one of an AND.
    order: tuple[Judgement, ...] = ("forbidden", "unknown", "allowed")
    if parsed.operator.strip() == "OR":
        order = ("allowed", "unknown", "forbidden")
    return next(each for each in order if each in inner)


FILE = re.compile(r"[^/]+\.dist-info/(?:[^/]+/)*(?:LICEN[CS]E|COPYING)(?:\.(?:txt|md|rst))?", re.IGNORECASE)
"""A file of a RECORD that holds the text of the distribution's own licence."""

LONGEST = 200
"""Characters of a distribution's own words on its licence that are kept."""

_CLASS = "License :: "
_CLASSIFIERS = {
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
    "GNU Affero General Public License v3 or later (AGPLv3+)": "AGPL-3.0-or-later",
    "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
}
"""Classifiers that mean one licence; those of BSD, Apache, GPL and others can mean several (PEP 639)."""


class Licence(NamedTuple):
    """A licence and where it was read."""

    expression: str | None
    """In SPDX's spelling, or None when it is not known."""
    words: str
    """What the distribution itself says in one line."""
    source: str
    """Which part of the metadata, or which file, says so."""

    @property
    def acknowledgement(self) -> str:
        """Return CycloneDX's word: "declared" by the author, or "concluded" from a text."""
        return "concluded" if self.source.startswith("text") else "declared"


def licence_of(metadata: PackageMetadata, texts: Callable[[], Sequence[str]]) -> Licence:
    """Return the licence by the first of License-Expression, License, a classifier and files that tells.

    Parameters
    ----------
    metadata
        Of the distribution (https://packaging.python.org/en/latest/specifications/core-metadata/).
    texts
        Gives the texts of its licence files; asked only when nothing else tells.
    """
    said = _field(metadata, "License-Expression")
    if said:
        return Licence(spdx(said), said, "License-Expression")
    field = _field(metadata, "License")
    words = lines_of(field)[0].strip()[:LONGEST] if field else ""
    if found := spdx(field) or phrase(field):
        return Licence(found, words, "License")
    if "\n" in field and (found := recognised(field)):
        return Licence(found, words, "text of License")
    classes = _classes(metadata.get_all("Classifier") or [])
    if len(classes) == 1 and (found := _CLASSIFIERS.get(classes[0])):
        return Licence(found, classes[0], "classifier")
    words = words or "; ".join(classes)
    # Files of two licences are not joined here: nothing says whether by AND or by OR.
    known = list(dict.fromkeys(recognised(text) for text in texts()))
    if len(known) == 1 and known[0]:
        return Licence(known[0], words, "text of the licence file")
    return Licence(None, words, "nothing that tells")


def _field(metadata: PackageMetadata, name: str) -> str:
    return str(metadata[name]).strip() if name in metadata else ""


def _classes(classifiers: Sequence[str]) -> list[str]:
    found = [text.rpartition(" :: ")[2] for text in classifiers if text.startswith(_CLASS)]
    return [text for text in dict.fromkeys(found) if text != "OSI Approved"]

"""Which licence an installed distribution says that it has."""

import re
from collections.abc import Callable, Sequence
from importlib.metadata import PackageMetadata
from typing import NamedTuple

from fairmark.files import lines_of
from fairmark.release.materials.licence_texts import phrase, recognised
from fairmark.release.materials.spdx import spdx

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

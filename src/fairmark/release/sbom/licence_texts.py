"""Which licence a text is: told by sentences that stand in no other licence, or not told at all.

Each sentence is from the text at https://spdx.org/licenses/ of the identifier beside it. A text that holds
the sentences of several licences is under all of them (`AND`), unless it says itself how they are joined. A
text that names or grants another licence beside those that were told is not told.

Licence expressions in SPDX's spelling, by the list that the package license-expression carries.

https://spdx.github.io/spdx-spec/v2.3/SPDX-license-expressions/
"""

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any


@lru_cache(maxsize=1024)  # a bill names a few licences hundreds of times
def spdx(text: str | None) -> str | None:
    """Return a licence expression in SPDX's spelling, or None when it is not one of known identifiers.

    Identifiers that SPDX has replaced (`GPL-2.0`, `GPL-2.0+`) become those that replaced them.
    """
    from license_expression import ExpressionError
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    if not text or "\n" in text or len(text) > 1000:
        return None
    try:
        # packaging knows SPDX's identifiers alone; license-expression also takes nicknames such as GPL.
        canonical = canonicalize_license_expression(text)
        return str(licensing().parse(canonical, validate=True, strict=True).render("{symbol.key}"))
    except (InvalidLicenseExpression, ExpressionError):
        return None


@cache
def licensing() -> Any:
    """Return license-expression's parser of expressions, with SPDX's identifiers."""
    from license_expression import get_spdx_licensing

    return get_spdx_licensing()


MATPLOTLIB = "LicenseRef-scancode-matplotlib-1.3.0"
BAKOMA = "LicenseRef-scancode-bakoma-fonts-1995"
LLNL = "LicenseRef-scancode-llnl"
OURS = frozenset({MATPLOTLIB, BAKOMA, LLNL})
"""Licences that SPDX does not list and that were read here: names of ScanCode's LicenseDB."""


@dataclass(frozen=True)
class _Rule:
    licence: str
    has: tuple[str, ...]
    lacks: tuple[str, ...] = ()


_SOURCE = "redistributions of source code must retain the above copyright notice"
_BINARY = "redistributions in binary form must reproduce the above copyright notice"
_ENDORSE = "endorse or promote products derived from this software without specific prior written permission"
_ADVERTISE = "all advertising materials mentioning features"

_JOINED = (
    # python-dateutil
    _Rule(
        "(Apache-2.0 AND BSD-3-Clause) OR BSD-3-Clause",
        ("the above bsd license applies to all code even that also covered by apache 2 0", _ENDORSE),
    ),
    # text-unidecode
    _Rule(
        "Artistic-1.0-Perl OR GPL-1.0-or-later",
        (
            "under the terms of either gpl or gplv2 see",
            "or artistic license see below",
            "you may embed this package s interpreter within an executable of yours",
        ),
    ),
    # grandalf
    _Rule(
        "GPL-2.0-only OR EPL-1.0",
        (
            "under either one of the two licenses listed below",
            "the gnu general public license version 2 or the eclise public license v 1 0",
        ),
    ),
    # libgit2 and pygit2
    _Rule(
        "GPL-2.0-only WITH GCC-exception-2.0",
        (
            "the only valid version of the gpl as far as this project is concerned is this particular",
            "unlimited permission to link the compiled version of this library into combinations",
            "distribute those combinations without any restriction coming from the use of this file",
            "gnu general public license version 2 june 1991",
        ),
    ),
)
"""Texts that say how the licences in them are joined."""

_RULES = (
    _Rule(
        "MIT",
        (
            "permission is hereby granted free of charge to any person obtaining a copy of this software",
            "the above copyright notice and this permission notice shall be included in all copies",
        ),
        ("except as contained in this notice",),
    ),
    _Rule("BSD-3-Clause", (_SOURCE, _BINARY, _ENDORSE), (_ADVERTISE,)),
    _Rule("BSD-2-Clause", (_SOURCE, _BINARY), (_ADVERTISE, "endorse or promote")),
    _Rule("Apache-2.0", ("apache license version 2 0 january 2004", "grant of patent license")),
    _Rule(
        "ISC",
        (
            "permission to use copy modify and or distribute this software for any purpose with or without",
            "provided that the above copyright notice and this permission notice appear in all copies",
        ),
    ),
    _Rule("MPL-2.0", ("mozilla public license version 2 0", "covered software")),
    _Rule(
        "PSF-2.0",
        ("python software foundation license version 2", "between the python software foundation"),
    ),
    _Rule(MATPLOTLIB, ("license agreement for matplotlib versions 1 3 0 and later",)),
    _Rule(
        LLNL,
        (
            "permission to use copy modify and distribute this software for any purpose without fee",
            "provided that this entire notice is included in all copies of any software",
            "lawrence livermore national laboratory under contract no w 7405 eng 48",
        ),
    ),
)

_TRACES = {
    "permission is hereby granted": {"MIT"},
    "permission to use copy": {"ISC", LLNL},
    "redistribution and use in source": {"BSD-2-Clause", "BSD-3-Clause"},
    "mit license": {"MIT"},
    "mit licence": {"MIT"},
    "bsd license": {"BSD-2-Clause", "BSD-3-Clause"},
    "apache license": {"Apache-2.0"},
    "mozilla public licen": {"MPL-2.0"},
    "python software foundation license": {"PSF-2.0"},
    "matplotlib versions": {MATPLOTLIB},
    "all advertising materials": set(),
    "affero": set(),
    "business source license": set(),
    "cc0": set(),
    "cnri": {"PSF-2.0"},
    "commons clause": set(),
    "creative commons": set(),
    "eclipse public": set(),
    "gnu": {"MPL-2.0", "PSF-2.0"},
    "gpl": {"PSF-2.0"},
    "non commercial": set(),
    "public domain": set(),
    "same license as": set(),
    "server side public license": set(),
}
"""Words that name or grant a licence -> the licences whose own texts or titles hold them."""

_ASIDES = re.compile(
    # amqp, vine and others of Celery: a footnote, and the licence of their documentation
    r"gpl compatible"
    r"|combine \w+ with other software that is released under the gpl .{,160} making your changes open source"
    r"|the documentation portion of \w+ the rendered contents of the docs directory .{,300}by sa 4 0"
    # gitdb: test files
    r"|the files at gitdb test fixtures .{,400}they are not found in the distribution package"
)
"""What a text says of something else than what is installed."""

_PHRASES = {
    "apache 2": "Apache-2.0",
    "apache 2 0": "Apache-2.0",
    "apache license 2 0": "Apache-2.0",
    "apache license version 2 0": "Apache-2.0",
    "bakoma fonts licence": BAKOMA,
    "bsd 2 clause license": "BSD-2-Clause",
    "bsd 3": "BSD-3-Clause",
    "bsd 3 clause": "BSD-3-Clause",
    "bsd 3 clause license": "BSD-3-Clause",
    "3 clause bsd license": "BSD-3-Clause",
    "isc license": "ISC",
    "mit licence": "MIT",
    "mit license": "MIT",
    "mpl 2 0": "MPL-2.0",
    "new bsd": "BSD-3-Clause",
    "the mit license": "MIT",
}
"""What people write in a few words and can mean only one thing; "BSD" and "GPL" can mean several."""

_SECTION = re.compile(r"^[ \t]*Name:", re.MULTILINE)
_LINE = re.compile(r"^[ \t]*License:[ \t]*(.*)$", re.MULTILINE)


def phrase(text: str) -> str | None:
    """Return the licence that a few words name, as an SPDX expression, or None."""
    return _PHRASES.get(_plain(text))


def recognised(text: str) -> str | None:
    """Return the licence of a text as an SPDX expression, or None when any part of it is not known.

    A text may end in sections `Name: ... License: ...`, as those of NumPy, SciPy and Matplotlib do for what
    their wheels bundle: each section's licence is joined by `AND`.
    """
    own, *bundled = _SECTION.split(text)
    found = [_whole(own), *(_section(part) for part in bundled)]
    if None in found:
        return None
    return _all([licence for licence in found if licence])


def _section(text: str) -> str | None:
    line = _LINE.search(text)
    words = line[1].strip() if line else ""
    return (spdx(words) or phrase(words)) if words else _whole(text)


def _whole(text: str) -> str | None:
    plain = _plain(text)
    # Texts that join licences first, for each licence would find its own part in them.
    for rule in _JOINED:
        if _holds(rule, plain):
            return rule.licence
    found = [rule.licence for rule in _RULES if _holds(rule, plain)]
    rest = _ASIDES.sub("", plain)
    # Words of a licence that no rule found: the text says more than was understood, and so is not known.
    strange = [trace for trace, of in _TRACES.items() if trace in rest and not of.intersection(found)]
    return None if strange else _all(found) or None


def _holds(rule: _Rule, plain: str) -> bool:
    return all(words in plain for words in rule.has) and not any(words in plain for words in rule.lacks)


def _all(licences: list[str]) -> str:
    once = list(dict.fromkeys(licences))
    return " AND ".join(f"({each})" if " OR " in each and len(once) > 1 else each for each in once)


def _plain(text: str) -> str:
    """Return the words of a text: lower case, no punctuation, one space between."""
    return " ".join(re.findall(r"[a-z0-9]+", text.lower()))

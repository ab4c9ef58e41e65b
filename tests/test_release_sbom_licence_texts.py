"""A licence text is named when all of it is known, and never as something that its author denies."""

from importlib.metadata import distribution, distributions

import pytest

from fairmark.release.sbom.licence_texts import phrase, recognised, spdx
from fairmark.release.sbom.licences import FILE

MIT = """\
Copyright (c) 2020 Somebody

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights ...
The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.
"""
BSD_2 = """\
Redistribution and use in source and binary forms, with or without
modification, are permitted provided that the following conditions are met:
1. Redistributions of source code must retain the above copyright notice, ...
2. Redistributions in binary form must reproduce the above copyright notice, ...
"""
BSD_3 = (
    BSD_2
    + """\
3. Neither the name of X nor the names of its contributors may be used to endorse
or promote products derived from this software without specific prior written permission.
"""
)
BSD_4 = BSD_3 + "4. All advertising materials mentioning features or use of this software must ..."


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        (MIT, "MIT"),
        (BSD_2, "BSD-2-Clause"),
        (BSD_3, "BSD-3-Clause"),
        (BSD_4, None),
        (MIT.replace("\n", "\r\n   ").upper(), "MIT"),
        (MIT + BSD_3, "MIT AND BSD-3-Clause"),
        (MIT + "Parts of it are under the GNU Lesser General Public License.", None),
        (MIT + "Except as contained in this notice, the name of X shall not be used", None),
        (BSD_3 + "It may not be sold: see the Commons Clause.", None),
        ("All rights reserved.", None),
        ("", None),
    ],
)
def test_a_text_is_named_when_all_of_it_is_known(text: str, licence: str | None) -> None:
    assert recognised(text) == licence


def test_what_a_text_says_that_it_bundles_is_joined_to_it() -> None:
    text = BSD_3 + "\nName: libfoo\nLicense: Zlib\n\nName: libbar\nLicense: FTL OR GPL-2.0-or-later\n"

    assert recognised(text) == "BSD-3-Clause AND Zlib AND (FTL OR GPL-2.0-or-later)"
    assert recognised(text + "\nName: libbaz\nLicense: ask us\n") is None
    assert recognised(text + f"\nName: libbaz\nLicense:\n{MIT}") == recognised(
        text + "Name: b\nLicense: MIT\n"
    )


@pytest.mark.parametrize(
    ("name", "licence"),
    [
        # As Fedora's packages state them.
        ("pygit2", "GPL-2.0-only WITH GCC-exception-2.0"),
        ("text-unidecode", "Artistic-1.0-Perl OR GPL-1.0-or-later"),
        ("python-dateutil", "(Apache-2.0 AND BSD-3-Clause) OR BSD-3-Clause"),
        ("grandalf", "GPL-2.0-only OR EPL-1.0"),
    ],
)
def test_a_text_that_says_how_its_licences_are_joined_is_taken_at_its_word(name: str, licence: str) -> None:
    (text,) = _texts(name)

    assert recognised(text) == licence
    assert spdx(licence) == licence


def test_an_installed_text_is_named_as_its_author_declares_it_or_not_at_all() -> None:
    compared = 0
    for each in distributions():
        # Where a library has put the backport's reader in the standard one's place, a missing field raises.
        declared = each.metadata.get("License-Expression", "")  # type: ignore[attr-defined]
        for text in _texts(each.metadata["Name"]) if declared and " " not in declared else ():
            named = recognised(text)
            assert named is None or declared in named.split(" AND "), each.metadata["Name"]
            compared += named is not None

    assert compared > 80


@pytest.mark.parametrize(
    ("words", "licence"),
    [
        ("Apache License, Version 2.0", "Apache-2.0"),
        ("New BSD", "BSD-3-Clause"),
        ("BSD", None),
        ("GPL", None),
    ],
)
def test_a_few_words_count_when_they_can_mean_one_thing_only(words: str, licence: str | None) -> None:
    assert phrase(words) == licence


def _texts(name: str) -> list[str]:
    found = [file for file in distribution(name).files or [] if FILE.fullmatch(str(file))]
    return [file.locate().read_text(errors="replace") for file in found]  # type: ignore[attr-defined]

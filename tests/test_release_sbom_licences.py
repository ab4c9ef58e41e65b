"""The policy on licences stops what it forbids and what nobody knows, and says what to do about it."""

import re
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from environment_files import read_environment
from release_folder import ROOT

from fairmark.errors import ParamsError, RefusedError
from fairmark.params.read import read_params
from fairmark.params.release import LicenceException, Licences
from fairmark.release.sbom.build import library_component
from fairmark.release.sbom.cyclonedx import Component
from fairmark.release.sbom.licence_texts import spdx
from fairmark.release.sbom.licences import check, entry, expression_of, judge
from fairmark.release.sbom.requirements import here, locked

pytest_plugins = ("release_fixtures",)

BAD = ("AGPL-3.0-only", "GPL-3.0-only")


def policy(**changed: Any) -> Licences:
    plain = Licences(forbidden=list(BAD), unknown="refuse", exceptions=[])
    return plain.model_copy(update=changed)


def bill(*parts: tuple[str, str | None], kind: str = "library", scope: str = "required") -> list[Component]:
    own = Component(type="application", bom_ref="own", name="own", licenses=entry("MIT", "", "declared"))
    return [
        own,
        *(
            Component(
                type=kind,
                bom_ref=name,
                name=name,
                version="1.0",
                scope=scope,
                licenses=entry(spdx(licence), str(licence), "declared"),
            )
            for name, licence in parts
        ),
    ]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("mit", "MIT"),
        ("GPL-2.0", "GPL-2.0-only"),
        ("GPL-2.0+", "GPL-2.0-or-later"),
        (
            "Apache-2.0 with LLVM-exception and (MIT or ISC)",
            "Apache-2.0 WITH LLVM-exception AND (MIT OR ISC)",
        ),
        ("GPL", None),
        ("AGPL-3", None),
        ("MIT OR", None),
        ("MIT License", None),
        ("LicenseRef-Proprietary", None),
        ("MIT\nISC", None),
        ("", None),
        (None, None),
    ],
)
def test_an_expression_is_written_as_spdx_does_or_not_known(text: str | None, written: str | None) -> None:
    assert spdx(text) == written


@pytest.mark.parametrize(
    ("expression", "judgement"),
    [
        ("MIT", "allowed"),
        ("AGPL-3.0-only", "forbidden"),
        ("MIT OR AGPL-3.0-only", "allowed"),
        ("MIT AND AGPL-3.0-only", "forbidden"),
        ("(MIT OR AGPL-3.0-only) AND ISC", "allowed"),
        ("(MIT AND GPL-3.0-only) OR AGPL-3.0-only", "forbidden"),
        ("GPL-3.0-only WITH GCC-exception-3.1", "forbidden"),
        ("LGPL-3.0-only", "allowed"),
        ("GPL-2.0-only", "allowed"),
        ("LicenseRef-scancode-proprietary-license", "unknown"),
        ("MIT AND LicenseRef-scancode-proprietary-license", "unknown"),
        ("MIT OR LicenseRef-scancode-proprietary-license", "allowed"),
        ("GPL-3.0-only AND LicenseRef-scancode-proprietary-license", "forbidden"),
        (None, "unknown"),
    ],
)
def test_one_good_licence_is_enough_of_an_or_and_one_bad_too_much_of_an_and(
    expression: str | None, judgement: str
) -> None:
    assert judge(expression, BAD) == judgement


def test_judging_is_the_logic_of_and_and_or() -> None:
    values = {"MIT": True, "ISC": True, "AGPL-3.0-only": False, "GPL-3.0-only": False}
    for a, b, c in product(values, repeat=3):
        for text, wanted in (
            (f"{a} AND ({b} OR {c})", values[a] and (values[b] or values[c])),
            (f"{a} OR {b} AND {c}", values[a] or (values[b] and values[c])),
        ):
            assert (judge(spdx(text), BAD) == "allowed") is wanted, text


def test_a_deprecated_name_of_a_forbidden_licence_is_forbidden() -> None:
    with pytest.raises(
        RefusedError, match=r"one 1\.0: must have a licence that .* allows, got AGPL-3\.0-only"
    ):
        check(bill(("one", "AGPL-3.0")), policy())
    with pytest.raises(RefusedError, match="got GPL-3"):
        check(bill(("one", "GPL-3.0-only")), policy(forbidden=["GPL-3.0"]))


def test_every_component_at_fault_is_named_with_what_to_do() -> None:
    listed = bill(("one", "AGPL-3.0-only"), ("two", "MIT"), ("three", None), ("four", "BSD"))

    with pytest.raises(RefusedError) as refused:
        check(listed, policy())

    assert [fault.split()[0] for fault in refused.value.faults] == ["one", "three", "four"]
    assert all("release.licences.exceptions" in fault for fault in refused.value.faults)
    assert refused.value.faults[2].startswith("four 1.0: must have a licence that is known, got BSD (")


def test_unknown_licences_go_through_where_the_policy_allows_them() -> None:
    listed = bill(("one", None))

    assert check(listed, policy(unknown="allow")) == "the licences of 2 required components and data sets"
    with pytest.raises(RefusedError, match="one"):
        check(bill(("one", "AGPL-3.0-only")), policy(unknown="allow"))


def test_an_exception_lets_one_distribution_through_whatever_its_spelling() -> None:
    let = policy(exceptions=[LicenceException(name="One_Thing", reason="We read it.")])

    check(bill(("one.thing", "AGPL-3.0-only")), let)
    with pytest.raises(RefusedError, match="other"):
        check(bill(("one.thing", None), ("other", None)), let)


def test_what_only_tests_and_builds_is_not_judged() -> None:
    check(bill(("one", "AGPL-3.0-only"), ("two", None), scope="excluded"), policy())


def test_data_is_stopped_by_a_forbidden_licence_and_not_by_a_contract_in_words() -> None:
    check(bill(("data/a.csv", "by contract 7"), kind="data"), policy())
    with pytest.raises(RefusedError, match=r"data/a\.csv"):
        check(bill(("data/a.csv", "AGPL-3.0-only"), kind="data"), policy())


def test_a_forbidden_name_that_could_never_match_is_a_fault_of_the_params() -> None:
    with pytest.raises(
        ParamsError, match=r"release\.licences\.forbidden: must be SPDX identifiers, got 'AGPL-3'"
    ):
        check(bill(), policy(forbidden=["AGPL-3", "GPL-3.0-only"]))


def test_a_licence_is_told_from_the_component_that_it_was_written_to() -> None:
    for expression in ("MIT", "MIT AND ISC", "LicenseRef-scancode-llnl", None):
        assert expression_of(entry(expression, "words", "declared")) == expression
    two = [*entry("MIT", "", "declared"), *entry("ISC", "", "declared")]
    assert expression_of(two) is None  # and or or: nothing says


def test_the_default_environment_passes_the_default_policy(whole_environment: Path) -> None:
    _, there = read_environment(whole_environment)
    default = read_params(ROOT / "params.yaml").release.licences
    required = locked((ROOT / "requirements.lock").read_text(encoding="utf-8"), here())
    parts = [
        library_component(Component(type="library", bom_ref=n, name=n, version=i.version), i, n in required)
        for n, i in there.items()
    ]
    listed = [*bill(), *parts]

    assert re.fullmatch(r"the licences of \d{3} required components and data sets", check(listed, default))
    assert sum(expression_of(part.licenses) is None for part in parts) == len(default.exceptions)
    with pytest.raises(RefusedError, match="lightgbm"):
        check(listed, default.model_copy(update={"forbidden": ["MIT"]}))

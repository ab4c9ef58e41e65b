"""How a bill of materials states a licence, and what the policy says of all that it states."""

from collections.abc import Iterable, Iterator
from typing import Any, Literal

from fairmark.errors import ParamsError, RefusedError
from fairmark.release.materials.licence_texts import OURS
from fairmark.release.materials.locks import normal
from fairmark.release.materials.spdx import licensing, spdx
from fairmark.sections.release import Licences

Judgement = Literal["allowed", "forbidden", "unknown"]

WHERE = "params.yaml: release.licences"
HOW = "take it out, or name it with a reason in release.licences.exceptions"


def entry(expression: str | None, words: str, acknowledgement: str) -> list[dict[str, Any]]:
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
        return [{"license": {"name": words or "NOASSERTION"}}]
    if expression.startswith("LicenseRef-") or " " in expression:
        return [{"expression": expression, "acknowledgement": acknowledgement}]
    return [{"license": {"id": expression, "acknowledgement": acknowledgement}}]


def expression_of(part: dict[str, Any]) -> str | None:
    """Return the licence expression of a component that `entry` wrote; None where it is not known."""
    found = part.get("licenses") or [{}]
    first = found[0]
    text = first.get("expression") or first.get("license", {}).get("id")
    return spdx(text) if len(found) == 1 else None


def words_of(part: dict[str, Any]) -> str:
    """Return what a component says of its licence, for a person."""
    first = (part.get("licenses") or [{}])[0]
    found = first.get("license", {})
    return str(first.get("expression") or found.get("id") or found.get("name") or "nothing")


def check(bill: dict[str, Any], policy: Licences) -> str:
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
    parts = [bill["metadata"]["component"], *bill["components"]]
    judged = [part for part in parts if part["type"] == "data" or _required(part)]
    faults = list(_faults(judged, forbidden, excepted, refuse_unknown=policy.unknown == "refuse"))
    if faults:
        raise RefusedError(*faults)
    return f"the licences of {len(judged)} required components and data sets"


def judge(expression: str | None, forbidden: Iterable[str]) -> Judgement:
    """Return what a policy that forbids these SPDX identifiers says of an expression in SPDX's spelling."""
    if expression is None:
        return "unknown"
    return _judged(licensing().parse(expression, validate=False), frozenset(forbidden))


def _required(part: dict[str, Any]) -> bool:
    return part["type"] == "application" or (part["type"] == "library" and part.get("scope") != "excluded")


def _faults(
    parts: list[dict[str, Any]], forbidden: frozenset[str], excepted: set[str], *, refuse_unknown: bool
) -> Iterator[str]:
    for part in parts:
        name, said = f"{part['name']} {part.get('version', '')}".strip(), words_of(part)
        verdict = "allowed" if normal(part["name"]) in excepted else judge(expression_of(part), forbidden)
        if verdict == "forbidden":
            yield f"{name}: must have a licence that {WHERE} allows, got {said} ({HOW})"
        elif verdict == "unknown" and refuse_unknown and part["type"] != "data":
            yield f"{name}: must have a licence that is known, got {said} ({HOW})"


def _judged(parsed: Any, forbidden: frozenset[str]) -> Judgement:
    from license_expression import LicenseWithExceptionSymbol

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

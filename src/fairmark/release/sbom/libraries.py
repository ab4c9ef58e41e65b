"""fairmark and what is installed beside it, as components of a bill of materials."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fairmark.errors import StateError
from fairmark.release.sbom import licences
from fairmark.release.sbom.installed import Installed, source_sha256
from fairmark.release.sbom.requirements import here, locked
from fairmark.release.sbom.wheels import TABLE, archives, unlike
from fairmark.repo.commit import Trace

Component = dict[str, Any]

SOURCE_METHOD = "SHA-256 over the sorted lines `sha256  path` of the package's own files"
LOCKS = ("requirements.lock", "requirements-dev.lock")


def check(root: Path, components: Mapping[str, Component], there: Mapping[str, Installed]) -> set[str]:
    """Return the names of what a release requires, of all that is installed.

    Raises
    ------
    StateError
        When what is installed is not what the lock files list, or more than that.
    """
    texts = [(root / path).read_text(encoding="utf-8") for path in LOCKS]
    wanted, other = (locked(text, here()) for text in texts)
    known = other | wanted
    faults = list(_unlike(components, there, wanted, known))
    digests = {name: each.sha256 for name, each in there.items() if name in known}
    faults += unlike(archives("\n".join(texts)), _table(root), digests)
    if faults:
        raise StateError(*(f"environment: {fault} (run make .venv/.ready)" for fault in faults))
    return set(wanted)


def _table(root: Path) -> str:
    place = root / TABLE
    return place.read_text(encoding="utf-8") if place.is_file() else ""


def _unlike(
    components: Mapping[str, Component],
    there: Mapping[str, Installed],
    wanted: Mapping[str, str],
    known: Mapping[str, str],
) -> Iterator[str]:
    for name in sorted({"fairmark", *wanted} - set(components)):
        yield f"must have {name} installed, got none"
    for name in sorted(set(components) - set(there)):
        yield f"must have {name} in site-packages, got it elsewhere"
    for name in sorted(set(components) - {"fairmark"}):
        got = components[name]["version"]
        if name not in known:
            yield f"must hold what the lock files list, got {name} {got} beside it"
        elif got != known[name]:
            yield f"must have {name} {known[name]}, got {got}"


def application(part: Component, found: Installed, trace: Trace) -> Component:
    """Return the component of fairmark itself, hashed by its own source files."""
    folder = Path(__file__).resolve().parents[2]
    # A purl of type pypi would claim that a package index serves it.
    return _told(part, found, source_sha256(folder)) | {
        "type": "application",
        "purl": f"pkg:generic/fairmark@{part['version']}",
        "pedigree": {"commits": [{"uid": trace.commit}]},
        "properties": [_property("fairmark:hash", SOURCE_METHOD)],
    }


def library(part: Component, found: Installed, required: bool) -> Component:
    """Return the component of an installed distribution; what only tests and builds is `excluded`."""
    licence = found.licence
    said = [("fairmark:licence:from", licence.source), ("fairmark:licence:words", licence.words)]
    properties = [_property(name, text) for name, text in said if text]
    scope = {"scope": "required" if required else "excluded", "properties": properties}
    return _told(part, found, found.sha256) | scope


def _told(part: Component, found: Installed, digest: str) -> Component:
    licence = found.licence
    return _without_paths(part) | {
        "hashes": [{"alg": "SHA-256", "content": digest}],
        "licenses": licences.entry(licence.expression, licence.words, licence.acknowledgement),
    }


def _without_paths(part: Component) -> Component:
    references = [ref for ref in part.get("externalReferences", []) if not ref["url"].startswith("file:")]
    rest = {key: item for key, item in part.items() if key != "externalReferences"}
    return rest | {"externalReferences": references} if references else rest


def _property(name: str, value: str) -> dict[str, str]:
    return {"name": name, "value": value}

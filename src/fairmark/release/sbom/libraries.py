"""fairmark and what is installed beside it, as components of a bill of materials."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from fairmark.errors import StateError
from fairmark.release.sbom import licences
from fairmark.release.sbom.cyclonedx import Commit, Component, Pedigree, Property, sha256_hash
from fairmark.release.sbom.installed import Installed, source_sha256
from fairmark.release.sbom.requirements import here, locked
from fairmark.release.sbom.wheels import TABLE, archives, unlike
from fairmark.repo.commit import Trace

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
        got = str(components[name].version)
        if name not in known:
            yield f"must hold what the lock files list, got {name} {got} beside it"
        elif got != known[name]:
            yield f"must have {name} {known[name]}, got {got}"


def application(part: Component, found: Installed, trace: Trace) -> Component:
    """Return the component of fairmark itself, hashed by its own source files."""
    folder = Path(__file__).resolve().parents[2]
    # A purl of type pypi would claim that a package index serves it.
    said = {
        "type": "application",
        "purl": f"pkg:generic/fairmark@{part.version}",
        "pedigree": Pedigree(commits=(Commit(uid=trace.commit),)),
        "properties": (Property(name="fairmark:hash", value=SOURCE_METHOD),),
    }
    return _described(part, found, source_sha256(folder)).model_copy(update=said)


def library(part: Component, found: Installed, required: bool) -> Component:
    """Return the component of an installed distribution; what only tests and builds is `excluded`."""
    licence = found.licence
    said = [("fairmark:licence:from", licence.source), ("fairmark:licence:words", licence.words)]
    properties = tuple(Property(name=name, value=text) for name, text in said if text)
    scope = {"scope": "required" if required else "excluded", "properties": properties}
    return _described(part, found, found.sha256).model_copy(update=scope)


def _described(part: Component, found: Installed, digest: str) -> Component:
    """Return a component with its hash and its licence, and without what names a path of this machine."""
    licence = found.licence
    links = tuple(each for each in part.external_references or () if not each.url.startswith("file:"))
    kept = {name: getattr(part, name) for name in part.model_fields_set - {"external_references"}}
    said = {
        "hashes": (sha256_hash(digest),),
        "licenses": licences.entry(licence.expression, licence.words, licence.acknowledgement),
    }
    return Component(**kept | said | ({"external_references": links} if links else {}))

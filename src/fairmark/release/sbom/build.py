"""The bill of materials: everything installed, the model and the data, as CycloneDX 1.6.

`cyclonedx-py` lists the environment and what depends on what; it runs in an environment of its own, because
what it installs slows every import of Prefect. It gives no hashes, and of a licence whatever words there
are, so both are read by `installed`. The model and the data are added as JSON
(https://cyclonedx.org/docs/1.6/json/).
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fairmark.data.schema import Schema
from fairmark.errors import InputError, StateError
from fairmark.files import lines_of, sha256
from fairmark.judge.measurements import Measurements
from fairmark.judge.verdict import Verdict
from fairmark.model.model_file import ModelFile
from fairmark.params.read import Params
from fairmark.release.layout import GATHERED, MEASUREMENTS, MODEL
from fairmark.release.sbom import licences
from fairmark.release.sbom.cyclonedx import (
    Bill,
    Commit,
    Component,
    Dependency,
    Listing,
    Metadata,
    Pedigree,
    Property,
    sha256_hash,
)
from fairmark.release.sbom.data import data_component, tables
from fairmark.release.sbom.installed import CHECKED, METHOD, Installed, installed, source_sha256
from fairmark.release.sbom.model import ModelDocuments, model_component
from fairmark.release.sbom.requirements import MARKER, TABLE, archives, here, locked, normal, unlike
from fairmark.repo.commit import Trace
from fairmark.repo.dvc_files import address, data_outputs, files_of

SOURCE_METHOD = "SHA-256 over the sorted lines `sha256  path` of the package's own files"
LOCKS = ("requirements.lock", "requirements-dev.lock")


def check_environment(
    root: Path, components: Mapping[str, Component], there: Mapping[str, Installed]
) -> set[str]:
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


def fairmark_component(part: Component, found: Installed, trace: Trace) -> Component:
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


def library_component(part: Component, found: Installed, required: bool) -> Component:
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


def bill(root: Path, trace: Trace, params: Params, verdict: Verdict, tools_python: Path) -> Bill:
    """Return the bill of materials of the environment that runs, of the model and of the data.

    Parameters
    ----------
    verdict
        The verdict on the model.
    tools_python
        The Python of the environment that holds cyclonedx-py (`tools` finds it).

    Raises
    ------
    RefusedError
        When the policy does not allow the licence of something that the release requires.
    StateError
        When cyclonedx-py fails, or the environment is not what the lock files list.
    """
    with ThreadPoolExecutor(1) as pool:
        listing = pool.submit(list_environment, tools_python)  # a program of its own, which takes a second
        there = installed()
        found = listing.result()
    parts = {normal(part.name): part for part in found.components}
    required = check_environment(root, parts, there)
    application = fairmark_component(parts.pop("fairmark"), there["fairmark"], trace)
    installs = [library_component(part, there[name], name in required) for name, part in parts.items()]
    data = _data(root, params)
    model = _model(root, params, verdict, data)
    rests_on = Dependency(
        ref=model.bom_ref,
        depends_on=tuple(sorted([application.bom_ref, *(part.bom_ref for part in data)])),
    )
    metadata = Metadata(
        tools=found.metadata.tools,
        properties=(
            *found.metadata.properties,
            Property(name="fairmark:hash", value=METHOD),
            Property(name="fairmark:hash:checked", value=CHECKED),
            *(Property(name=MARKER + key, value=text) for key, text in here().items()),
        ),
        timestamp=trace.committed,
        component=application,
    )
    made = Bill.of(found, metadata, [*installs, model, *data], rests_on)
    licences.check(made.everything, params.release.licences)
    return made


def tools(root: Path) -> Path:
    """Return the Python of the tools environment: beside $FAIRMARK_CYCLONEDX, else in .venv-tools.

    Raises
    ------
    StateError
        When there is no cyclonedx-py.
    """
    named = os.environ.get("FAIRMARK_CYCLONEDX")
    script = Path(named) if named else root / ".venv-tools" / "bin" / "cyclonedx-py"
    python = script.resolve().parent / "python"
    if not script.is_file() or not python.exists():
        raise StateError(f"{script}: must be installed, got none (run make .venv-tools/.ready)")
    return python


def list_environment(tools_python: Path) -> Listing:
    """Return the bill of this environment as cyclonedx-py lists it, run by the Python of the tools."""
    words = ["environment", "--sv", "1.6", "--of", "JSON", "--output-reproducible", "--no-validate"]
    # Neither the caller's import path nor its working folder may add a component.
    clean = {key: text for key, text in os.environ.items() if not key.startswith("PYTHON")}
    clean.pop("SOURCE_DATE_EPOCH", None)
    answer = subprocess.run(
        [str(tools_python), "-m", "cyclonedx_py", *words, "-o", "-", sys.executable],
        capture_output=True,
        check=False,
        cwd=tools_python.parent,
        encoding="utf-8",
        env=clean | {"PYTHONSAFEPATH": "1"},
    )
    try:
        return Listing.from_json(json.loads(answer.stdout), "cyclonedx-py")
    except ValueError as error:
        last = (lines_of(answer.stderr.strip()) or ["nothing"])[-1]
        raise StateError(f"cyclonedx-py: must list the environment, got {last}") from error
    except InputError as error:
        raise StateError(*error.faults) from error


def _model(root: Path, params: Params, verdict: Verdict, data: list[Component]) -> Component:
    found = ModelDocuments(
        measurements=Measurements.read(root / MEASUREMENTS),
        schema=Schema.read(root / GATHERED["schema.json"]),
        verdict=verdict,
        model=ModelFile.of(root / MODEL),
    )
    return model_component(root / MODEL, params, found, tables(data))


def _data(root: Path, params: Params) -> list[Component]:
    return [
        data_component(name, address(root / name), sha256(root / name), params)
        for path in sorted(data_outputs(root))
        for name in files_of(root, path)
    ]

"""The bill of materials: everything installed, the model and the data, as CycloneDX 1.6.

`cyclonedx-py` lists the environment and what depends on what; it runs in an environment of its own, because
what it installs slows every import of Prefect. It gives no hashes, and of a licence whatever words there
are, so both are read here (`distributions`). The model and the data are added as JSON
(https://cyclonedx.org/docs/1.6/json/).
"""

import json
import os
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from fairmark.data.schema import Schema
from fairmark.errors import StateError
from fairmark.files import lines_of, read_json, sha256, steady
from fairmark.judge.measurements import Measurements
from fairmark.judge.verdict import Verdict
from fairmark.params.read import Params
from fairmark.release.layout import GATHERED, MEASUREMENTS, MODEL
from fairmark.release.sbom import libraries, licences
from fairmark.release.sbom.data import data_component, tables
from fairmark.release.sbom.installed import CHECKED, METHOD, installed
from fairmark.release.sbom.model import ModelDocuments, model_component
from fairmark.release.sbom.requirements import MARKER, here, normal
from fairmark.repo.commit import Trace
from fairmark.repo.dvc_files import address, data_outputs, files_of

Component = dict[str, Any]


def bill(root: Path, trace: Trace, params: Params, verdict: Verdict, tools_python: Path) -> dict[str, Any]:
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
        listing = pool.submit(_environment, tools_python)  # a program of its own, which takes a second
        there = installed()
        value = listing.result()
    parts = {normal(part["name"]): part for part in value["components"]}
    required = libraries.check(root, parts, there)
    application = libraries.application(parts.pop("fairmark"), there["fairmark"], trace)
    installs = [libraries.library(part, there[name], name in required) for name, part in parts.items()]
    data = _data(root, params)
    model = _model(root, params, verdict, data)
    value["components"] = sorted([*installs, model, *data], key=lambda part: str(part["bom-ref"]))
    value["dependencies"] += [
        {
            "ref": model["bom-ref"],
            "dependsOn": sorted([application["bom-ref"], *(part["bom-ref"] for part in data)]),
        }
    ]
    value["dependencies"].sort(key=lambda entry: entry["ref"])
    value["metadata"] |= {"timestamp": trace.committed, "component": application}
    value["metadata"]["properties"] += [
        _property("fairmark:hash", METHOD),
        _property("fairmark:hash:checked", CHECKED),
        *(_property(MARKER + key, text) for key, text in here().items()),
    ]
    value = dict(steady(value))
    # Derived from the content, so that the same content has the same number.
    value["serialNumber"] = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, json.dumps(value, sort_keys=True))}"
    licences.check(value, params.release.licences)
    return value


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


def _environment(tools_python: Path) -> dict[str, Any]:
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
        value: dict[str, Any] = json.loads(answer.stdout)
    except ValueError as error:
        last = (lines_of(answer.stderr.strip()) or ["nothing"])[-1]
        raise StateError(f"cyclonedx-py: must list the environment, got {last}") from error
    return value


def _model(root: Path, params: Params, verdict: Verdict, data: list[Component]) -> Component:
    found = ModelDocuments(
        measurements=Measurements.read(root / MEASUREMENTS),
        schema=Schema.read(root / GATHERED["schema.json"]),
        verdict=verdict,
        model=read_json(root / MODEL / "model.json"),
    )
    return model_component(root / MODEL, params, found, tables(data))


def _data(root: Path, params: Params) -> list[Component]:
    return [
        data_component(name, address(root / name), sha256(root / name), params)
        for path in sorted(data_outputs(root))
        for name in files_of(root, path)
    ]


def _property(name: str, value: str) -> dict[str, str]:
    return {"name": name, "value": value}

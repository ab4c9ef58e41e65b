"""The bill of materials: everything installed, the model and the data, as CycloneDX 1.6.

`cyclonedx-py` lists the environment; it runs in an environment of its own, because what it installs
slows every import of Prefect. CycloneDX's Python library knows no model card, so the model and the data
are added to the parsed JSON (https://cyclonedx.org/docs/1.6/json/).
"""

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

from fairmark.errors import StateError
from fairmark.files import read_json, sha256
from fairmark.params import Params
from fairmark.release.contents import MEASUREMENTS, MODEL
from fairmark.release.hashes import address, data_outputs, files_of, folder_sha256, names
from fairmark.release.locks import MARKER, here, locked, normal
from fairmark.release.trace import Trace

Component = dict[str, Any]


def bill(
    root: Path, trace: Trace, params: Params, verdict_json: dict[str, Any], tools_python: Path
) -> dict[str, Any]:
    """Return the bill of materials of the environment that runs, of the model and of the data.

    Parameters
    ----------
    verdict_json
        The verdict, as `Verdict.to_json` gives it.
    tools_python
        The Python of the environment that holds cyclonedx-py (`tools` finds it).

    Raises
    ------
    StateError
        When cyclonedx-py fails, or fairmark is not installed in the environment that runs.
    """
    value = _environment(tools_python)
    components = {part["name"]: _without_paths(part) for part in value["components"]}
    if "fairmark" not in components:
        raise StateError("environment: must have fairmark installed, got none (run make .venv/.ready)")
    application = _application(components.pop("fairmark"), trace)
    required = locked((root / "requirements.lock").read_text(encoding="utf-8"), here())
    libraries = [_scoped(part, required) for part in components.values()]
    data = _data(root, params)
    model = _model(root, params, verdict_json, data)
    value["components"] = sorted([*libraries, model, *data], key=lambda part: str(part["bom-ref"]))
    value["dependencies"] += [
        {
            "ref": model["bom-ref"],
            "dependsOn": sorted([application["bom-ref"], *(d["bom-ref"] for d in data)]),
        }
    ]
    value["dependencies"].sort(key=lambda entry: entry["ref"])
    value["metadata"] |= {"timestamp": trace.committed, "component": application}
    value["metadata"]["properties"] += [_property(MARKER + key, text) for key, text in here().items()]
    # Derived from the content, so that the same content has the same number.
    value["serialNumber"] = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, json.dumps(value, sort_keys=True))}"
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
        last = (answer.stderr.strip().splitlines() or ["nothing"])[-1]
        raise StateError(f"cyclonedx-py: must list the environment, got {last}") from error
    return value


def _application(part: Component, trace: Trace) -> Component:
    # A purl of type pypi would claim that a package index serves it.
    return part | {
        "type": "application",
        "purl": f"pkg:generic/fairmark@{part['version']}",
        "pedigree": {"commits": [{"uid": trace.commit}]},
    }


def _without_paths(part: Component) -> Component:
    references = [ref for ref in part.get("externalReferences", []) if not ref["url"].startswith("file:")]
    rest = {key: item for key, item in part.items() if key != "externalReferences"}
    return rest | {"externalReferences": references} if references else rest


def _scoped(part: Component, required: dict[str, str]) -> Component:
    return part | {"scope": "required" if normal(part["name"]) in required else "excluded"}


def _model(root: Path, params: Params, verdict_json: dict[str, Any], data: list[Component]) -> Component:
    project, folder = params.project, root / MODEL
    overall = read_json(root / MEASUREMENTS)["overall"]
    card = {
        "modelParameters": {
            "approach": {"type": "supervised"},
            "task": "binary classification",
            "datasets": [{"ref": part["bom-ref"]} for part in data],
        },
        "quantitativeAnalysis": {
            "performanceMetrics": [_metric(kind, overall[kind]) for kind in sorted(overall)]
        },
        "considerations": {
            "useCases": [project.intended_use],
            "technicalLimitations": [project.out_of_scope],
        },
    }
    return {
        "type": "machine-learning-model",
        "bom-ref": f"model:{project.name}",
        "name": project.name,
        "description": project.summary,
        "hashes": [_hash("SHA-256", folder_sha256(folder))],
        "components": [_model_file(folder, name) for name in names(folder)],
        "modelCard": card,
        "properties": [
            _property("fairmark:hash", "SHA-256 over the sorted lines `sha256  name` of the files"),
            _property("fairmark:verdict", str(verdict_json["outcome"])),
        ],
    }


def _model_file(folder: Path, name: str) -> Component:
    hashes = [_hash("SHA-256", sha256(folder / name))]
    return {"type": "file", "bom-ref": f"model-file:{name}", "name": name, "hashes": hashes}


def _metric(kind: str, measured: dict[str, Any]) -> dict[str, Any]:
    low, high = measured.get("low"), measured.get("high")
    found = {"type": kind, "value": str(measured["value"])}
    if low is None or high is None:
        return found
    return found | {"confidenceInterval": {"lowerBound": str(low), "upperBound": str(high)}}


def _data(root: Path, params: Params) -> list[Component]:
    return [
        {
            "type": "data",
            "bom-ref": f"data:{name}",
            "name": name,
            "description": params.project.data_origin,
            "licenses": [_licence(params.project.data_licence)],
            # MD5 is the address under which DVC keeps the file, SHA-256 is the seal.
            "hashes": [_hash("MD5", address(root / name)), _hash("SHA-256", sha256(root / name))],
            "data": [{"type": "dataset", "name": name}],
        }
        for path in sorted(data_outputs(root))
        for name in files_of(root, path)
    ]


def _licence(text: str) -> dict[str, Any]:
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    try:
        return {"expression": canonicalize_license_expression(text)}
    except InvalidLicenseExpression:
        return {"license": {"name": text}}


def _hash(algorithm: str, content: str) -> dict[str, str]:
    return {"alg": algorithm, "content": content}


def _property(name: str, value: str) -> dict[str, str]:
    return {"name": name, "value": value}

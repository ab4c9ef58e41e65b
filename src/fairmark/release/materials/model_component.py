"""The model as a component of a bill of materials, with its whole card (CycloneDX 1.6, `modelCard`).

https://cyclonedx.org/docs/1.6/json/#components_items_modelCard. CycloneDX's Python library knows no model
card, so it is written here as JSON. It is a function of files that a release holds, so that whoever has the
release can make it again and compare.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fairmark.files import sha256
from fairmark.params import Params
from fairmark.release.hashes import folder_sha256, names
from fairmark.release.materials.considerations import considerations

Component = dict[str, Any]

METHOD = "SHA-256 over the sorted lines `sha256  name` of the files"
FAMILIES = {"boosted": "gradient-boosted decision trees", "logistic": "logistic regression, as a scorecard"}


def model_component(
    folder: Path,
    params: Params,
    found: Mapping[str, Mapping[str, Any]],
    data: Sequence[str],
) -> Component:
    """Return the component of type `machine-learning-model`.

    Parameters
    ----------
    folder
        The model's.
    found
        What measurements.json, schema.json, verdict.json and the model's model.json hold: `{"measurements",
        "schema", "verdict", "model"}`.
    data
        The references of the data components.
    """
    project, measured, verdict = params.project, found["measurements"], found["verdict"]
    return {
        "type": "machine-learning-model",
        "bom-ref": f"model:{project.name}",
        "name": project.name,
        "description": project.summary,
        "hashes": [{"alg": "SHA-256", "content": folder_sha256(folder)}],
        "components": [_file(folder, name) for name in names(folder)],
        "modelCard": {
            "modelParameters": _parameters(found["model"], found["schema"], data),
            "quantitativeAnalysis": {"performanceMetrics": list(metrics(measured))},
            "considerations": considerations(params, found),
        },
        "properties": [
            _property("fairmark:hash", METHOD),
            _property("fairmark:verdict", verdict["state"]),
            *(
                _property(f"fairmark:limit:{name}", outcome)
                for name, outcome in sorted(verdict["limits"].items())
            ),
            _property("fairmark:threshold", found["model"]["threshold"]),
            *_thresholds(found["model"].get("thresholds")),
            _property("fairmark:measured:rows", measured["data"]["rows"]),
            _property("fairmark:measured:confidence", measured["confidence"]),
        ],
    }


def _thresholds(own: Mapping[str, Any] | None) -> Iterator[dict[str, str]]:
    """Yield the thresholds of groups that have one of their own."""
    if own is not None:
        for group, cut in sorted(own["groups"].items()):
            yield _property(f"fairmark:threshold:{own['attribute']}: {group}", cut)


def metrics(measured: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every measure: of all rows, of each group (its slice), and the gaps of each attribute.

    A slice reads `attribute: group`, or for a gap between groups `attribute`.
    """
    for kind, entry in sorted(measured["overall"].items()):
        yield _metric(kind, entry, None)
    for attribute, groups in sorted(measured["groups"].items()):
        for group, cell in sorted(groups.items()):
            for kind, entry in sorted(cell["measures"].items()):
                yield _metric(kind, entry, f"{attribute}: {group}")
    for attribute, gaps in sorted(measured["disparities"].items()):
        for kind, entry in sorted(gaps.items()):
            yield _metric(kind, entry, attribute)


def _metric(kind: str, entry: Mapping[str, Any], part: str | None) -> dict[str, Any]:
    low, high, value = entry.get("low"), entry.get("high"), entry["value"]
    said = {"type": kind, "value": f"none: {entry.get('why', '')}" if value is None else str(value)}
    if part is not None:
        said["slice"] = part
    if low is None or high is None:
        return said
    return said | {"confidenceInterval": {"lowerBound": str(low), "upperBound": str(high)}}


def _parameters(model: Mapping[str, Any], schema: Mapping[str, Any], data: Sequence[str]) -> dict[str, Any]:
    chosen, label = model["chosen"], schema["label"]
    settings = [f"{name} {value}" for name, value in sorted(chosen["settings"].items())]
    kinds = {feature["name"]: feature["kind"] for feature in schema["features"]}
    return {
        "approach": {"type": "supervised"},
        "task": "binary classification",
        "architectureFamily": FAMILIES.get(model["family"], model["family"]),
        "modelArchitecture": ", ".join([model["family"], *settings]),
        "datasets": [{"ref": ref} for ref in data],
        "inputs": [{"format": f"{name}: {kinds.get(name, 'unknown')}"} for name in model["features"]],
        "outputs": [
            {"format": f"score: the calibrated probability of {label['positive']}, 0 to 1"},
            {"format": f"decision: 1 from a score of {model['threshold']} on, else 0"},
        ],
    }


def _file(folder: Path, name: str) -> Component:
    hashes = [{"alg": "SHA-256", "content": sha256(folder / name)}]
    return {"type": "file", "bom-ref": f"model-file:{name}", "name": name, "hashes": hashes}


def _property(name: str, value: object) -> dict[str, str]:
    return {"name": name, "value": str(value)}

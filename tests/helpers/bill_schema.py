"""The published schema of CycloneDX 1.6, from the files that cyclonedx-python-lib carries."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest


def validator(tools: Path) -> Any:
    """Return a validator of the strict schema, or skip where there are no schema files."""
    found = sorted(tools.parent.parent.rglob("cyclonedx/schema/_res/bom-1.6.SNAPSHOT.schema.json"))
    if not found:
        pytest.skip("needs the schema files that cyclonedx-python-lib carries")
    schema, folder = json.loads(found[0].read_text()), found[0].parent
    return jsonschema_rs.validator_for(
        schema, retriever=lambda uri: json.loads((folder / uri.rsplit("/", 1)[1]).read_text())
    )


def whole(*parts: dict[str, Any]) -> dict[str, Any]:
    """Return a bill of materials of these components alone."""
    return {"bomFormat": "CycloneDX", "specVersion": "1.6", "components": list(parts)}

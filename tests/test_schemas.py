"""Each document that stages write has a JSON Schema in docs/schemas, made from its class alone."""

import json
from pathlib import Path

import jsonschema_rs
import pytest

from fairmark.schemas import DOCUMENTS, published

ROOT = Path(__file__).parents[1]
WRITTEN = {
    "schema": "artifacts/prepare/schema.json",
    "prepare-summary": "artifacts/prepare/summary.json",
    "data-audit": "artifacts/audit/audit.json",
    "split-summary": "artifacts/split/summary.json",
}
"""Where the pipeline writes each document."""


def test_the_published_schemas_are_those_of_the_classes() -> None:
    folder = ROOT / "docs" / "schemas"

    assert {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()} == published()


@pytest.mark.parametrize("name", sorted(WRITTEN))
def test_what_the_pipeline_wrote_is_a_document_of_its_class_to_the_byte(name: str, tmp_path: Path) -> None:
    DOCUMENTS[name].read(ROOT / WRITTEN[name]).write(tmp_path / "again.json")

    assert (tmp_path / "again.json").read_bytes() == (ROOT / WRITTEN[name]).read_bytes()


@pytest.mark.parametrize("name", sorted(WRITTEN))
def test_what_the_pipeline_wrote_fits_the_published_schema(name: str) -> None:
    schema = json.loads(published()[f"{name}.schema.json"])

    jsonschema_rs.validator_for(schema).validate(json.loads((ROOT / WRITTEN[name]).read_text()))

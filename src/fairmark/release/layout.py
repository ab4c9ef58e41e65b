"""What a release folder holds, and which file of the working folder each part comes from."""

from fairmark.signing.model_signature import MODEL_SEAL

MODEL = "artifacts/train/model"
MEASUREMENTS = "artifacts/evaluate/measurements.json"
DATASHEET = "data/DATASHEET.md"

STATEMENT = "statement.json"
VERDICT = "verdict.json"
BILL = "sbom.cdx.json"

VERDICT_SEAL = "verdict.intoto.json"
BILL_SEAL = "sbom.intoto.json"

SEALS = (MODEL_SEAL, BILL_SEAL, STATEMENT, VERDICT_SEAL)
"""The signed files. The statement names every other file of the release."""

PINNED = ("data.dvc", "dvc.lock", "params.yaml", "requirements-dev.lock", "requirements.lock")
"""Files of the commit that say what was run on what."""

SOURCES = (
    "src",
    "flows",
    ".dvc/config",
    "Dockerfile",
    "Makefile",
    "dvc.yaml",
    "prefect.yaml",
    "pyproject.toml",
)
"""Files and folders of the commit, of those there are, that two releases are compared by as their code."""

GATHERED = {
    "model": MODEL,
    "measurements.json": MEASUREMENTS,
    "metrics.json": "artifacts/evaluate/metrics.json",
    "schema.json": "artifacts/prepare/schema.json",
    "model-card.md": "artifacts/document/model-card.md",
    "model-card.html": "artifacts/document/model-card.html",
    "data-card.md": "artifacts/document/data-card.md",
    "data-card.html": "artifacts/document/data-card.html",
    "report.html": "artifacts/document/report.html",
    **{name: name for name in PINNED},
}
"""Name in the release -> path in the working folder. Beside these a release has a verdict, a bill of
materials, the seals, and the data sheet where the data has one."""

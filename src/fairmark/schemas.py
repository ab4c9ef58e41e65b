"""JSON Schemas (2020-12) of the documents that stages write: `python -m fairmark.schemas docs/schemas`.

A schema is made from the class that reads and writes the document, so that a reader in another language can
hold a file to it.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from fairmark.data.reference import Reference
from fairmark.data.schema import Schema
from fairmark.data.summaries import DataAudit, PrepareSummary, SplitSummary
from fairmark.evaluate.documents import (
    CalibrationBin,
    CheckResults,
    GroupMeasure,
    HeadlineMetrics,
    PrecisionRecallPoint,
    RocPoint,
)
from fairmark.explain.documents import Explanations, FeatureImportance
from fairmark.files import write_text
from fairmark.governance.finding_records import FindingRecord
from fairmark.judge.alternatives import Alternatives
from fairmark.judge.measurements import Measurements
from fairmark.judge.provable import ProvableLimits
from fairmark.judge.verdict import Verdict
from fairmark.learn.summaries import SearchSummary, TrainSummary, TrialRow
from fairmark.model.model_file import EncoderFile, ModelFile
from fairmark.params.scores import ScoresFile
from fairmark.record import Record
from fairmark.release.sbom.cyclonedx import Bill
from fairmark.release.statement import Statement
from fairmark.watch.documents import WatchSummary

DIALECT = "https://json-schema.org/draft/2020-12/schema"

DOCUMENTS: Mapping[str, type[Record]] = {
    "schema": Schema,
    "prepare-summary": PrepareSummary,
    "data-audit": DataAudit,
    "split-summary": SplitSummary,
    "provable": ProvableLimits,
    "search-summary": SearchSummary,
    "trial": TrialRow,
    "train-summary": TrainSummary,
    "encoder": EncoderFile,
    "model": ModelFile,
    "measurements": Measurements,
    "metrics": HeadlineMetrics,
    "reference": Reference,
    "checks": CheckResults,
    "alternatives": Alternatives,
    "roc-point": RocPoint,
    "precision-recall-point": PrecisionRecallPoint,
    "calibration-bin": CalibrationBin,
    "group-measure": GroupMeasure,
    "explanations": Explanations,
    "feature-importance": FeatureImportance,
    "verdict": Verdict,
    "statement": Statement,
    "bill": Bill,
    "watch": WatchSummary,
    "scores": ScoresFile,
    "finding": FindingRecord,
}
"""Each document's class, by the name of its schema."""


def published() -> dict[str, str]:
    """Return the text of each JSON Schema, by its file name."""
    return {f"{name}.schema.json": _text(document) for name, document in DOCUMENTS.items()}


def _text(document: type[Record]) -> str:
    value = {"$schema": DIALECT, **document.model_json_schema()}
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def main(folder: Path) -> None:
    """Write every JSON Schema into a folder."""
    for name, text in published().items():
        write_text(folder / name, text)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

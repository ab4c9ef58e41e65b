"""The stage that writes the pages of an evaluation: the report and the card of decisions made elsewhere.

Reads what the stages before it wrote below the folder `artifacts`, and the file `scores`. Writes into `out`
evaluation-card.md and report.html. The verdict is judged here, on no day, as `stages.document` does.
"""

import sys
from pathlib import Path

from fairmark.data.schema import Schema
from fairmark.data.summaries import DataAudit, PrepareSummary
from fairmark.entry import run
from fairmark.errors import InputError
from fairmark.files import write_text
from fairmark.judge.measurements import Measurements
from fairmark.judge.verdict import judge
from fairmark.params.evaluate import Document
from fairmark.params.policy import Policy
from fairmark.params.release import Project
from fairmark.params.scores import Scores


def document_scores(
    artifacts: Path, scores: Scores, out: Path, settings: Document, project: Project, policy: Policy
) -> None:
    """Write the report and the card of an evaluation.

    Raises
    ------
    InputError
        When an output of another stage is missing, or its measurements lack a group.
    """
    # Here, because pages need an extra, and what is missing is told by who runs the stage.
    from fairmark.report.evaluation import evaluation_card, evaluation_page
    from fairmark.report.inputs import Curves, MeasuredFacts

    schema = Schema.read(artifacts / "prepare" / "schema.json")
    measurements = Measurements.read(artifacts / "evaluate" / "measurements.json")
    verdict = judge(measurements, policy, None, expected_groups=schema.groups)
    if verdict.faults:
        raise InputError(*(f"measurements.json: {fault}" for fault in verdict.faults))
    facts = MeasuredFacts(
        project=project,
        policy=policy,
        document=settings,
        measurements=measurements.in_order(schema.groups),
        curves=Curves.read(artifacts / "evaluate" / "plots"),
        verdict=verdict,
    )
    prepared = PrepareSummary.read(artifacts / "prepare" / "summary.json")
    audit = DataAudit.read(artifacts / "audit" / "audit.json").in_order(schema.groups)
    write_text(out / "evaluation-card.md", evaluation_card(facts, scores, schema))
    write_text(out / "report.html", evaluation_page(facts, scores, schema, prepared, audit))


if __name__ == "__main__":
    run(document_scores, sys.argv)

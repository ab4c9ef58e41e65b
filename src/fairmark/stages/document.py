"""Stage `document`: the report, the model card and the data card, each card in two forms.

Reads what every stage before it wrote in small files (`report.inputs.FILES`, below the folder `artifacts`),
the sections of params.yaml that it names, and what the search chose. Writes into the folder `out`
model-card.md, model-card.html, data-card.md, data-card.html and report.html, each of which needs no other
file, and which show no more single people than `privacy` allows. The verdict on them is judged here, by the
same pure function as in a release, on no day: waivers are shown and not applied. The release takes the pages.
"""

import sys
from pathlib import Path

from fairmark.data.schema import Schema
from fairmark.data.summaries import DataAudit, PrepareSummary, SplitSummary
from fairmark.entry import run
from fairmark.errors import InputError
from fairmark.evaluate.documents import CheckResults
from fairmark.explain.documents import Explanations
from fairmark.files import write_text
from fairmark.judge.alternatives import Alternatives
from fairmark.judge.measurements import Measurements
from fairmark.judge.provable import ProvableLimits
from fairmark.judge.verdict import judge
from fairmark.learn.summaries import SearchSummary, TrainSummary, read_trials
from fairmark.params.evaluate import Document
from fairmark.params.learn import Chosen
from fairmark.params.policy import Policy
from fairmark.params.prepare import Prepare, Privacy
from fairmark.params.release import Project, Release


def document(  # noqa: PLR0913, PLR0917 - it names every section that it reads
    artifacts: Path,
    chosen: Chosen,
    out: Path,
    settings: Document,
    project: Project,
    policy: Policy,
    prepare: Prepare,
    privacy: Privacy,
    release: Release,
) -> None:
    """Write the cards and the report into the folder `out`, from the files of `artifacts` that `FILES` names.

    Raises
    ------
    InputError
        When an output of another stage is missing or is not what that stage writes, and when measurements
        are of another model or lack a group.
    """
    # Here, because pages need an extra, and what is missing is told by who runs the stage.
    from fairmark.report.data import data_card, data_card_page, trimmed
    from fairmark.report.inputs import FILES, Curves, Facts
    from fairmark.report.model_card import card, card_page
    from fairmark.report.page import page

    at = {name: artifacts / file for name, file in FILES.items()}
    measurements, described, made = (
        Measurements.read(at["measurements"]),
        Schema.read(at["schema"]),
        TrainSummary.read(at["trained"]),
    )
    groups, goal = described.groups, measurements.model.goal
    policy = policy.following(None if goal is None else goal.measure)
    verdict = judge(
        measurements,
        policy,
        None,
        expected_threshold=made.threshold,
        expected_thresholds=made.thresholds.model_dump() if made.thresholds else None,
        expected_groups=groups,
    )
    if verdict.faults:
        raise InputError(*(f"{at['measurements']}: {fault}" for fault in verdict.faults))
    facts = Facts(
        project=project,
        policy=policy,
        document=settings,
        chosen=chosen,
        schema=described,
        prepared=PrepareSummary.read(at["prepared"]),
        audit=DataAudit.read(at["audit"]).in_order(groups),
        split=SplitSummary.read(at["split"]),
        provable=ProvableLimits.read(at["provable"]),
        trials=read_trials(at["trials"]),
        search=SearchSummary.read(at["search"]),
        measurements=measurements.in_order(groups),
        curves=Curves.read(at["curves"]),
        checks=CheckResults.read(at["checks"]),
        alternatives=Alternatives.read(at["alternatives"]),
        explanations=trimmed(Explanations.read(at["explanations"]), privacy.decisions_shown),
        verdict=verdict,
    )
    card_text, data_text = card(facts), data_card(facts, prepare, privacy, release)
    pages = {
        "model-card.md": card_text,
        "model-card.html": card_page(facts, card_text),
        "data-card.md": data_text,
        "data-card.html": data_card_page(facts, data_text),
        "report.html": page(facts),
    }
    for name, text in pages.items():
        write_text(out / name, text)


if __name__ == "__main__":
    run(document, sys.argv)

"""Write the pages that a person reads: the report, the model card and the data card, both in two forms.

Reads what every stage before it wrote in small files, the sections of params.yaml that it names, and what the
search chose. Writes model-card.md, model-card.html, data-card.md, data-card.html and report.html, each of
which needs no other file, and which show no more single people than `privacy` allows. The verdict on them is
judged here, by the same pure function as in a release, on no day: waivers are shown and not applied. The
release takes the pages along.
"""

import sys
from pathlib import Path

from fairmark.entry import run
from fairmark.errors import InputError
from fairmark.evaluate.documents import CheckResults
from fairmark.files import read_json, write_text
from fairmark.judge.verdict import judge
from fairmark.params.evaluate import Document
from fairmark.params.learn import Chosen
from fairmark.params.policy import Policy
from fairmark.params.prepare import Prepare
from fairmark.params.project import Project
from fairmark.params.release import Privacy, Release


def document(  # noqa: PLR0913, PLR0917 - it names every path and section that it reads
    schema: Path,
    prepared: Path,
    audit: Path,
    split: Path,
    trials: Path,
    search: Path,
    trained: Path,
    measurements: Path,
    plots: Path,
    checks: Path,
    importance: Path,
    explanations: Path,
    tuned: Path,  # noqa: ARG001 - read as `chosen`
    model_card: Path,
    model_card_page: Path,
    data_card_text: Path,
    data_card_html: Path,
    report: Path,
    settings: Document,
    project: Project,
    policy: Policy,
    prepare: Prepare,
    privacy: Privacy,
    release: Release,
    chosen: Chosen,
) -> None:
    """Write the cards and the report.

    Raises
    ------
    InputError
        When an output of another stage is missing or is not what that stage writes, and when measurements
        are of another model or lack a group.
    """
    # Here, because pages need an extra, and what is missing is told by who runs the stage.
    from fairmark.report.data_card import data_card, data_card_page, trimmed
    from fairmark.report.inputs import Facts, in_order, read_curves, read_rows
    from fairmark.report.model_card import card, card_page
    from fairmark.report.page import page

    found, described, made = read_json(measurements), read_json(schema), read_json(trained)
    groups = {name: attribute["groups"] for name, attribute in described["attributes"].items()}
    verdict = judge(
        found,
        policy,
        None,
        expected_threshold=made["threshold"],
        expected_thresholds=made.get("thresholds"),
        expected_groups=groups,
    )
    if verdict.faults:
        raise InputError(*(f"{measurements}: {fault}" for fault in verdict.faults))
    facts = Facts(
        project=project,
        policy=policy,
        document=settings,
        chosen=chosen,
        schema=described,
        prepared=read_json(prepared),
        audit=in_order(read_json(audit), groups),
        split=read_json(split),
        trials=read_rows(trials),
        search=read_json(search),
        trained=made,
        measurements=in_order(found, groups),
        curves=read_curves(plots),
        checks=CheckResults.read(checks),
        importance=read_rows(importance),
        explanations=trimmed(read_json(explanations), privacy.decisions_shown),
        verdict=verdict,
    )
    words, told = card(facts), data_card(facts, prepare, privacy, release)
    pages = {
        model_card: words,
        model_card_page: card_page(facts, words),
        data_card_text: told,
        data_card_html: data_card_page(facts, told),
        report: page(facts),
    }
    for path, text in pages.items():
        write_text(path, text)


if __name__ == "__main__":
    run(document, sys.argv)

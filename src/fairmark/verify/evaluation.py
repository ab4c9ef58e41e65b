"""Check what only the release of an evaluation has: whose scores were judged, its card, what it can't say.

All of it is offline and without the rows: that the scores are those of the table is held by `dvc.lock` and by
the data's address, that they are those of a model in use by nothing here.
"""

import re
from collections.abc import Iterator

from fairmark.errors import VerificationError
from fairmark.params.scores import UNKNOWN
from fairmark.release.disclosure import REPORT, shown_of_evaluation
from fairmark.release.folder import ReleaseFolder
from fairmark.release.layout import EVALUATION_CARD, SCORES, STATEMENT
from fairmark.report.labels import count, measured
from fairmark.stats.measures import MEASURED
from fairmark.stats.measures import label as title
from fairmark.verify.card_text import CardTable, Heading, blocks, shown
from fairmark.verify.consistency import same

JUDGED_BY = ("evaluate", "document")
"""Stages that read scores.yaml."""


def scores(release: ReleaseFolder) -> str:
    """Check that the measurements are of the scores that scores.yaml names, at their threshold."""
    found, model, stages = release.scores, release.measurements.model, release.lock.stages
    faults = [
        f"dvc.lock: {name}: must have run with {SCORES}, got a stage that did not"
        for name in JUDGED_BY
        if name not in stages or "scores" not in stages[name].params.get(SCORES, {})
    ]
    if extra := sorted({*stages} - {"prepare", "audit", *JUDGED_BY}):
        faults.append(f"dvc.lock: must have the stages that scores can have, got {', '.join(extra)[:80]!a}")
    if faults:
        raise VerificationError(*faults)
    same(model.threshold, found.measured_threshold, "measurements.json", f"at the threshold of {SCORES}")
    if model.thresholds is not None or model.goal is not None:
        raise VerificationError("measurements.json: must be of one threshold, got thresholds of a model")
    if re.fullmatch(r"[0-9a-f]{64}", model.sha256) is None:
        raise VerificationError(
            f"measurements.json: must name its scores by SHA-256, got {model.sha256[:80]!a}"
        )
    stated = release.statement.predicate.build_definition.internal_parameters.not_known
    same([*(stated or ())], [*UNKNOWN], STATEMENT, "open on all that scores alone can't say")
    return f"scores {model.sha256[:12]}… of {found.made_by[:60]} ({found.version[:40]}), {_decided(release)}"


def _decided(release: ReleaseFolder) -> str:
    found = release.scores
    if found.decision is not None:
        return f"decided as the column {found.decision} says"
    return f"positive from {found.measured_threshold:g} on"


def card(release: ReleaseFolder) -> str:
    """Check that the card shows what was measured, and names all that is open."""
    found = [*blocks(release.text(EVALUATION_CARD), EVALUATION_CARD)]
    tables = [row for block in found if isinstance(block, CardTable) for row in (block.header, *block.rows)]
    lines = [
        f"{'#' * block.level} {block.text}" if isinstance(block, Heading) else block.text
        for block in found
        if not isinstance(block, CardTable)
    ]
    if tables != (wanted := [*_tables(release)]):
        at = next((k for k, pair in enumerate(zip(tables, wanted, strict=False)) if pair[0] != pair[1]), None)
        got = f"{len(tables)} rows" if at is None else " | ".join(tables[at])[:120]
        must = f"{len(wanted)} rows" if at is None else " | ".join(wanted[at])
        raise VerificationError(f"{EVALUATION_CARD}: its tables must say {must}, got {got!a}")
    scored = release.scores
    stated = [
        f"# Evaluation card: {release.params.project.title}",
        f"## Verdict: {release.statement.predicate.build_definition.internal_parameters.verdict}",
        f"## Measured on {count(release.measurements.data.rows)} rows",
        *(f"- {each}" for each in UNKNOWN),
    ]
    by = f"Decisions were made elsewhere, by {scored.made_by} ({scored.version}), and are judged here "
    # Once: another line of the kind beside the true one could be read in its place.
    lacking = [each for each in map(shown, stated) if lines.count(each) != 1]
    lacking += [by] if sum(line.startswith(shown(by)) for line in lines) != 1 else []
    if lacking:
        raise VerificationError(
            f"{EVALUATION_CARD}: must say once {lacking[0][:120]!a}, got a card that says it otherwise"
        )
    return f"{len(tables)} rows of its tables are what was measured, and all that is open stands on it"


def _tables(release: ReleaseFolder) -> Iterator[tuple[str, ...]]:
    found, decimals = release.measurements, release.params.document.decimals
    yield ("measure", "value")
    for name in MEASURED:
        if name in found.overall:
            yield (shown(title(name)), shown(measured(found.overall[name], decimals)))
    yield ("attribute", "gap", "value")
    for attribute, entries in found.disparities.items():
        for name, entry in entries.items():
            yield (shown(attribute), shown(title(name)), shown(measured(entry, decimals)))
    if found.by_probability:
        from fairmark.report.by_probability import by_probability

        for it in by_probability(found, decimals):
            yield tuple(column.label for column in it.rates.columns)
            yield from (tuple(map(shown, row)) for row in it.rates.rows)


def personal(release: ReleaseFolder) -> str:
    """Check that it shows no more of few people than its own params allow."""
    found, allowed = shown_of_evaluation(release.text(REPORT), release.measurements), release.params.privacy
    if faults := found.faults(allowed):
        raise VerificationError(*faults)
    least = "no count" if found.cell is None else f"counts of {found.cell[0]} or more"
    return f"{least} ({allowed.smallest_cell}), nobody's decision is explained"

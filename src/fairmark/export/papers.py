"""The papers of a release: its card, its report and the self-assessment, from the files that were sealed.

The report of a paper is made of the verdict, the measurements, the reference and params.yaml of the release.
What else there is (curves by group, the search, explanations, stress) stands on the release's own page alone,
and the paper says so.
"""

import datetime as dt
from collections.abc import Iterator, Sequence

from fairmark.export.figures import limit_figures, score_figure
from fairmark.export.paper import Block, Heading, Paper, grid, of_markdown, said
from fairmark.governance.assessment import DESIGN, Answer, DesignDecision, Item, counted, questionnaire
from fairmark.judge.finding_text import one_sided
from fairmark.judge.verdict import decisive
from fairmark.params.policy import Policy
from fairmark.release.folder import ReleaseFolder
from fairmark.release.layout import EVALUATION, EVALUATION_CARD
from fairmark.release.statement import release_digest
from fairmark.report.labels import SIGNS, count, measured, number, sentence
from fairmark.report.verdict import NOT_KNOWN, PERSONS_UNKNOWN
from fairmark.stats.measures import MEASURED, meaning
from fairmark.stats.measures import label as title

ON_THE_PAGE = (
    "Curves by group, the search, explanations of decisions and further checks stand in report.html of the "
    "release, which is sealed as this paper's figures are."
)


def card_paper(release: ReleaseFolder) -> Paper:
    """Return the card of a release, word by word."""
    name = EVALUATION_CARD if release.kind is EVALUATION else "model-card.md"
    found = of_markdown(release.text(name))
    return Paper(found.title, _named(release), found.blocks)


def report_paper(release: ReleaseFolder) -> Paper:
    """Return the report: the verdict and each limit, every measure, gaps by group, and what was released."""
    blocks = (*_verdict(release), *_limits(release), *_measures(release), *_groups(release), *_made(release))
    return Paper(f"Report: {release.params.project.title}", _named(release), blocks)


def assessment_paper(project: str, release: str, items: Sequence[Item], today: dt.date) -> Paper:
    """Return the self-assessment as it stands on a day, with the evidence of a release."""
    asked, refusing = questionnaire(), sum(item.refuses for item in items)
    told = ", ".join(f"{number} {kind}" for kind, number in counted(items).items())
    state = f"{refusing} required open or stale" if refusing else "every required question is answered"
    blocks: list[Block] = [
        said(f"{state.capitalize()}. Questions and choices: {told}.", bold=True),
        said(f"By the requirements of {asked.source}. The scale: {'; '.join(asked.scale)}."),
    ]
    for part in dict.fromkeys(item.requirement for item in items):
        blocks.append(Heading(1, part))
        for item in (each for each in items if each.requirement == part):
            blocks += _item(item)
    return Paper(f"Self-assessment: {project}", f"{release}, as of {today}", tuple(blocks))


def _named(release: ReleaseFolder) -> str:
    return f"Release {release.statement.tag}, statement {release_digest(release.folder)}"


def _policy(release: ReleaseFolder) -> Policy:
    goal = release.measurements.model.goal
    return release.params.policy.following(None if goal is None else goal.measure)


def _verdict(release: ReleaseFolder) -> Iterator[Block]:
    verdict, policy = release.verdict, _policy(release)
    yield Heading(1, "Verdict")
    yield said(f"Verdict: {verdict.state}.", bold=True)
    for text in verdict.stands_on:
        yield said(f"Stands on {text}", item=True)
    for text in verdict.lines:
        yield said(text, item=True)
    if beware := one_sided(release.measurements.overall):
        yield said(beware, bold=True)
    yield said(sentence(verdict))
    if verdict.guarantee:
        yield said(verdict.guarantee)
    if verdict.judged_on:
        yield said(f"Judged on {verdict.judged_on}, the day by which waivers stand.")
    yield said(f"The goal of the policy: {policy.goal}")
    yield said(f"Its price: {policy.price}")


def _limits(release: ReleaseFolder) -> Iterator[Block]:
    verdict, policy, decimals = release.verdict, _policy(release), release.params.document.decimals
    rows, reasons = [], []
    for limit in policy.required:
        worst = decisive([each for each in verdict.findings if each.limit == limit.name])
        where = f" by {limit.attribute}" if limit.attribute else ""
        group = f" ({worst.group})" if worst.group else ""
        # Where no column says whose a row is, a share of 0 was counted of nothing.
        unknown = limit.measure == "shared_persons" and release.params.prepare.person is None
        rows.append(
            (
                limit.name,
                f"{title(limit.measure)}{where} {SIGNS[worst.at]} {number(worst.limit_value, decimals)}",
                "gate" if limit.gate else "reported",
                NOT_KNOWN if unknown else f"{number(worst.value, decimals)}{group}",
                NOT_KNOWN if unknown else number(worst.bound, decimals),
                verdict.limits[limit.name],
            )
        )
        law = f" Law: {policy.citation(limit)}" if limit.law else ""
        found = PERSONS_UNKNOWN if unknown else worst.text
        text = f"{limit.name}: {found} Why this limit: {limit.reason}{law}"
        reasons.append(said(text, item=True))
    yield Heading(1, "Each limit")
    header = ("Limit", "Requires", "Role", "Measured", "Bound", "Outcome")
    yield from grid("The policy's limits, each by the comparison that decides it", header, rows, (3, 4))
    yield from reasons
    yield from (figure for _, figure in limit_figures(release, policy))
    for kind, records in (("Waiver", policy.waivers), ("Override", policy.overrides)):
        for each in records:
            groups = f" for {', '.join(each.groups)}" if each.groups else ""
            yield said(
                f"{kind} of {each.limit}{groups} by {each.decided_by}, decided {each.decided}, stands until "
                f"{each.last_day}: {each.reason}",
                item=True,
            )


def _measures(release: ReleaseFolder) -> Iterator[Block]:
    seen, decimals = release.measurements, release.params.document.decimals
    names = [*(n for n in MEASURED if n in seen.overall), *sorted({*seen.overall} - {*MEASURED})]
    yield Heading(1, "Quality")
    yield said(
        f"{count(seen.data.rows)} test rows, {count(seen.data.positives)} of them positive. Intervals are "
        f"two-sided and hold at {seen.confidence:g} each."
    )
    rows = [(title(name), measured(seen.overall[name], decimals), meaning(name) or "") for name in names]
    yield from grid("All test rows", ("Measure", "Value (interval)", "What it says"), rows, (1,))
    if figure := score_figure(release):
        yield figure


def _groups(release: ReleaseFolder) -> Iterator[Block]:
    seen, decimals = release.measurements, release.params.document.decimals
    yield Heading(1, "Groups")
    for attribute, groups in seen.groups.items():
        yield Heading(2, f"By {attribute}")
        names = [name for name in MEASURED if any(name in entry.measures for entry in groups.values())]
        rows = [("Test rows", *(count(entry.rows) for entry in groups.values()))]
        rows += [
            (title(name), *(measured(entry.measures.get(name), decimals) for entry in groups.values()))
            for name in names
        ]
        numbers = range(1, len(groups) + 1)
        yield from grid(f"Measures by {attribute}", ("Measure", *groups), rows, numbers)
        gaps = [
            (title(name), measured(entry, decimals), entry.lowest or "none", entry.highest or "none")
            for name, entry in seen.disparities.get(attribute, {}).items()
        ]
        caption = f"Gaps by {attribute} (a ratio of 1 and a difference of 0 are parity)"
        yield from grid(caption, ("Measure", "Value (interval)", "Lowest", "Highest"), gaps, (1,))
        few = [
            f"{group} ({count(entry.rows)} test rows)"
            for group, entry in groups.items()
            if entry.evidence < release.params.policy.min_group_rows
        ]
        if few:
            yield said(f"Too few rows to say much: {', '.join(few)}.")


def _made(release: ReleaseFolder) -> Iterator[Block]:
    project, seen, decimals = release.params.project, release.measurements, release.params.document.decimals
    cuts = seen.model.thresholds.groups.items() if seen.model.thresholds else ()
    own = "".join(f", {number(cut, decimals)} for {group}" for group, cut in cuts)
    rows = [
        ("Release", release.statement.tag),
        ("Statement, SHA-256", release_digest(release.folder)),
        ("Commit", release.commit),
        ("Model, SHA-256", seen.model.sha256),
        ("Decision threshold", f"{number(seen.model.threshold, decimals)}{own}"),
        ("Test rows, SHA-256 of their ids", seen.data.rows_sha256),
        ("Owner", project.owner),
        ("Intended use", project.intended_use),
        ("Out of scope", project.out_of_scope),
        ("Data", f"{project.data_origin}. Licence: {project.data_licence}"),
    ]
    yield Heading(1, "What was released")
    yield from grid("The release", ("What", "Value"), rows)
    yield said(ON_THE_PAGE)


def _item(item: Item) -> Iterator[Block]:
    need = "" if item.requirement == DESIGN else ", required" if item.required else ", optional"
    yield Heading(2, item.ask)
    yield said(f"{item.standing}{need}. {item.section}".strip(), bold=True)
    for link in item.links:
        yield said(f"{link.says}: {link.value} ({link.file}, {link.key})", item=True)
    answer = item.answer
    if isinstance(answer, Answer):
        yield said(answer.text)
        scale = f"{answer.scale} of 5, " if answer.scale else ""
        yield said(f"{scale}{answer.by}, {answer.date or 'no day'}")
    elif isinstance(answer, DesignDecision):
        yield said(answer.decision)
        yield said(f"It may fail to perform: {answer.performance}", item=True)
        yield said(f"It may hold up its users: {answer.bottleneck}", item=True)
        yield said(f"It may harm people: {answer.societal}", item=True)
        yield said(f"{answer.by}, {answer.date or 'no day'}")
    if item.why:
        yield said(item.why.capitalize() + ".")

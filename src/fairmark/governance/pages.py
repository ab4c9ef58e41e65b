"""The pages of governance, each one HTML file that asks for nothing and runs nothing.

The index of releases, and the self-assessment.
"""

import datetime as dt
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import jinja2

from fairmark.governance.assessment import DESIGN, PRODUCTION, Answer, Item, counted, questionnaire
from fairmark.governance.findings import HIGH, ValidationFinding
from fairmark.governance.release_index import IndexedRelease, ReleaseIndex
from fairmark.report.labels import NUMBER, Column, Table, count, number
from fairmark.report.rendering import html
from fairmark.report.verdict import STYLES
from fairmark.stats.measures import label as title

CONTENTS = (
    ("state", "State"),
    ("findings", "Findings"),
    ("waivers", "Waivers"),
    ("releases", "Releases"),
    ("measures", "Measures"),
    ("reading", "How to read this page"),
)


@dataclass(frozen=True)
class _Shown:
    """A release as its card shows it."""

    of: IndexedRelease
    style: str
    word: str
    link: str
    facts: Sequence[tuple[str, str]]
    lapsed: Sequence[str]


def index_page(found: ReleaseIndex, today: dt.date, folder: Path) -> str:
    """Return the page as HTML; the same index on the same day gives the same text.

    Parameters
    ----------
    folder
        Where the page will lie: its links to the reports lead from there.
    """
    releases = [_shown(each, today, folder) for each in found.releases]
    overdue = found.overdue(today)
    return html(
        "index.html.j2",
        more=jinja2.PackageLoader("fairmark.governance"),
        contents=CONTENTS,
        day=today,
        it=found,
        state=_state(found, today),
        tiles=_tiles(found, today),
        releases=releases,
        open=sorted(found.open, key=lambda each: (each.opened.due, each.number)),
        overdue={each.number for each in overdue},
        closed=len(found.findings) - len(found.open),
        severity={each.number: _severity(each, today) for each in found.open},
        waivers=[*_waivers(found, today)],
        measures=_measures(found),
    )


def _severity(each: ValidationFinding, today: dt.date) -> str:
    """Return the style of an open finding; an overdue one never looks as if all were well."""
    if each.opened.severity == HIGH:
        return "fail"
    return "unsure" if each.opened.severity == "medium" or each.overdue(today) else "pass"


def _state(found: ReleaseIndex, today: dt.date) -> Mapping[str, str]:
    held = found.holding(PRODUCTION)
    wrong = found.wrong
    late = found.overdue(today)
    names = ", ".join(f"{each.name} {each.version}: {each.word}" for each in held)
    text = f"In production: {names}." if held else "Nothing is in production."
    if wrong:
        told = "1 entry does" if wrong == 1 else f"{wrong} entries do"
        return {"style": "fail", "word": "not as signed", "text": f"{told} not hold; each says why. {text}"}
    if late:
        word = f"{len(late)} finding{'s' if len(late) > 1 else ''} overdue"
        return {"style": "unsure", "word": word, "text": text}
    if not found.releases:
        return {"style": "unsure", "word": "no release yet", "text": "Nothing was released."}
    if not held:
        return {"style": "unsure", "word": "nothing in production", "text": text}
    return {"style": "pass", "word": "in production", "text": text}


def _tiles(found: ReleaseIndex, today: dt.date) -> Sequence[tuple[str, str, str]]:
    newest = max(
        (each for each in found.releases if each.tagged), key=lambda it: it.tagged or 0, default=None
    )
    late, high = len(found.overdue(today)), sum(each.opened.severity == HIGH for each in found.open)
    ends = [w.until for each in found.releases if each.stages and each.found for w in each.found.waivers]
    return [
        ("Releases", count(len(found.releases)),
         f"newest {newest.version}, {newest.tagged:%Y-%m-%d}" if newest else "none with a tag"),
        ("In production", count(len(found.holding(PRODUCTION))), "by signed promotions"),
        ("Findings open", count(len(found.open)), f"{late} overdue, {high} of high severity"),
        ("Waivers in use", count(len(ends)), f"first to end: {min(ends)}" if ends else "of what stages hold"),
    ]  # fmt: skip


def _shown(each: IndexedRelease, today: dt.date, folder: Path) -> _Shown:
    word = each.word
    style = "fail" if each.faults else STYLES[each.found.state] if each.found else "unsure"
    link = "" if each.report is None else quote(os.path.relpath(each.report, folder))
    waivers = each.found.waivers if each.found else ()
    lapsed = [w.limit for w in waivers if w.until < today]
    return _Shown(each, style, word, link, [*each.facts()], lapsed)


def _waivers(found: ReleaseIndex, today: dt.date) -> Iterator[Mapping[str, str]]:
    """Yield the waivers of releases that a stage holds, those that end first before the others."""
    used = [(w, each) for each in found.releases if each.stages and each.found for w in each.found.waivers]
    for waiver, each in sorted(used, key=lambda pair: (pair[0].until, pair[1].name, pair[0].limit)):
        yield {
            "style": "fail" if waiver.until < today else "unsure",
            "word": "ended" if waiver.until < today else f"until {waiver.until}",
            "what": f"{'Override' if waiver.override else 'Waiver'} of {waiver.limit}"
            + (f" for {', '.join(waiver.groups)}" if waiver.groups else ""),
            "by": waiver.by,
            "release": f"{each.name} {each.version}",
            "stages": ", ".join(stage for stage, _ in each.stages),
        }


def _measures(found: ReleaseIndex) -> Table | None:
    """Return the measures of every release side by side, or None where there are none."""
    known = [each for each in found.releases if each.found]
    names = list(dict.fromkeys(name for each in known if each.found for name in each.found.measures))
    rows = []
    for each in known:
        assert each.found is not None  # noqa: S101 - of the list above
        cells = [each.found.measures.get(name) for name in names]
        values = [number(cell.value if cell else None, each.found.decimals) for cell in cells]
        rows.append((f"{each.name} {each.version}", each.word, *values))
    if not rows:
        return None
    heads = [title(name) + (f" by {attribute}" if attribute else "") for name, attribute in names]
    columns = [Column("Release"), Column("Verdict"), *(Column(head, NUMBER) for head in heads)]
    return Table("Measures of test rows, newest release first", columns, rows)


STANDINGS = {"evidence": "pass", "answered": "pass", "stale": "unsure", "open": "fail"}
LOW = 3
"""Below it an answer says that little or nothing was done."""


def assessment_page(project: str, release: str | None, items: Sequence[Item], today: dt.date) -> str:
    """Return the page as HTML; the same answers on the same day give the same text.

    Parameters
    ----------
    release
        The release whose evidence is shown; None where there is none.
    """
    refusing = sum(item.refuses for item in items)
    titles = list(dict.fromkeys(item.requirement for item in items if item.requirement != DESIGN))
    return html(
        "assessment.html.j2",
        more=jinja2.PackageLoader("fairmark.governance"),
        project=project,
        release=release,
        day=today.isoformat(),
        counts=counted(items),
        refusing=refusing,
        style_="fail" if refusing else "pass",
        asked=questionnaire(),
        styles=STANDINGS,
        low=[item.id for item in items if isinstance(item.answer, Answer) and (item.answer.scale or 5) < LOW],
        parts=[(title, [item for item in items if item.requirement == title]) for title in titles],
        design=[item for item in items if item.requirement == DESIGN],
    )

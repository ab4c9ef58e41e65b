"""The data card: what the data is, which of it is personal, and what a release may show of it.

The headings follow "Datasheets for datasets" (Gebru et al. 2021) as far as they can be answered from params
and from what the stages counted; nothing on it is a value of a single row.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fairmark.explain.documents import Explanations
from fairmark.params.prepare import Csv, Prepare
from fairmark.params.privacy import Privacy
from fairmark.params.release import Release
from fairmark.report import data
from fairmark.report.environment import html, markdown
from fairmark.report.inputs import Facts
from fairmark.report.labels import count, listed, number
from fairmark.report.markdown import rendered

NOT_READ = "not read"
ROLES = {"protected": "protected", "forbidden": "withheld"}


@dataclass(frozen=True)
class Described:
    """One raw column as the card tells it.

    Parameters
    ----------
    name, kind, role, missing, personal
        As shown.
    finding
        What has to be looked at, or an empty text.
    """

    name: str
    kind: str
    role: str
    missing: str
    personal: str
    finding: str


def data_card(facts: Facts, prepare: Prepare, privacy: Privacy, release: Release) -> str:
    """Return the data card in Markdown; the same facts give the same text."""
    columns = list(described(facts, prepare, privacy))
    rows = facts.prepared.rows
    return markdown(
        "data-card.md.j2",
        project=facts.project,
        governance=release.governance,
        format=_format(prepare),
        rows=count(rows),
        files=[file.to_json() | {"rows": count(file.rows)} for file in facts.prepared.files.all],
        excluded=[rule.to_json() | {"rows": count(rule.rows)} for rule in facts.prepared.excluded],
        respelt={name: count(rows) for name, rows in facts.prepared.respelt.items()},
        unread=facts.prepared.unread,
        read_off=[name for name, each in facts.prepared.columns.items() if not each.said],
        repeated=count(facts.prepared.duplicates),
        shared=count(facts.prepared.shared_rows),
        label=facts.schema.label,
        rate=number(facts.prepared.positives / rows, facts.decimals),
        positives=count(facts.prepared.positives),
        columns=columns,
        findings=_findings(columns, privacy),
        parts=data.parts(facts).rows,
        groups=[_groups(facts, attribute) for attribute in facts.audit.groups],
        privacy=privacy,
        shown=_shown(facts),
        id_column=prepare.row_id,
        listed=listed,
    )  # fmt: skip


def data_card_page(facts: Facts, text: str) -> str:
    """Return the card's Markdown as one HTML page that asks for nothing and runs nothing."""
    return html("data-card.html.j2", project=facts.project, body=rendered(text))


def described(facts: Facts, prepare: Prepare, privacy: Privacy) -> Iterator[Described]:
    """Yield every raw column, in the order of the file where params name it."""
    known = {column.name: column for column in facts.schema.columns}
    looks = _looks(facts)
    for name in _names(facts, prepare):
        role, entry = _role(name, facts, prepare), known.get(name)
        declared = name in privacy.personal or role == "protected"
        look = looks.get(name)
        finding = f"looks like {look} and is not declared personal" if look and not declared else ""
        missing = facts.prepared.missing.get(name)
        yield Described(
            name=name,
            kind=entry.kind if entry else ("two classes" if role == "label" else NOT_READ),
            role=role,
            missing="" if missing is None else number(missing, facts.decimals),
            personal=("yes" if declared else "no") + (f", looks like {look}" if look else ""),
            finding=finding,
        )


def _looks(facts: Facts) -> Mapping[str, str]:
    """Return what the audit's own detector takes each column for."""
    found: dict[str, str] = {}
    for entry in facts.audit.personal:
        share = number(entry.share, facts.decimals)
        said = f"{entry.kind} in {share} of its cells"
        found[entry.column] = " and ".join(filter(None, [found.get(entry.column), said]))
    return found


def _names(facts: Facts, prepare: Prepare) -> Sequence[str]:
    if isinstance(prepare.format, Csv) and prepare.format.header:
        return prepare.format.header
    made = [column.name for column in facts.schema.columns]
    roles = [prepare.row_id, prepare.person, prepare.time, prepare.weight, facts.schema.label.column]
    apart = [*roles, *prepare.drop, *facts.prepared.index]
    return list(dict.fromkeys([*made, *(name for name in apart if name)]))


def _role(name: str, facts: Facts, prepare: Prepare) -> str:
    roles: dict[str | None, str] = {
        facts.schema.label.column: "label",
        prepare.row_id: "id",
        prepare.person: "person",
        prepare.weight: "weight",
        prepare.time: "time",
    }
    for entry in facts.schema.withheld:
        roles.setdefault(entry.name, ROLES[entry.why])
    roles |= dict.fromkeys(facts.schema.feature_names, "feature")
    roles |= dict.fromkeys(facts.prepared.index, "index of the file")
    return roles.get(name, "dropped")


def _findings(columns: Sequence[Described], privacy: Privacy) -> list[str]:
    here = {each.name for each in columns}
    return [f"{each.name} {each.finding}" for each in columns if each.finding] + [
        f"{name} is declared personal, and the data has no such column"
        for name in privacy.personal
        if name not in here
    ]


def _format(prepare: Prepare) -> str:
    if isinstance(prepare.format, Csv):
        sign = {"\t": "tabs", " ": "spaces"}.get(prepare.format.separator, prepare.format.separator)
        return f"separated text ({sign}), {prepare.format.encoding}"
    return "Parquet"


def _groups(facts: Facts, attribute: str) -> Mapping[str, Any]:
    found = facts.audit.groups[attribute]
    return {
        "attribute": attribute,
        "rows": [
            (
                group,
                count(entry.rows),
                number(entry.share, facts.decimals),
                number(entry.label_rate, facts.decimals),
                number(entry.missing, facts.decimals),
            )
            for group, entry in found.items()
        ],
    }


def _shown(facts: Facts) -> Mapping[str, int]:
    """Return how many single people the report shows: decisions explained, lines drawn."""
    lines = max((len(entry.ice) for entry in facts.explanations.dependence.values()), default=0)
    return {"decisions": len(facts.explanations.decisions), "lines": lines}


def trimmed(explanations: Explanations, most: int) -> Explanations:
    """Return explanations that show at most `most` single people, decisions before lines.

    A line of a dependence picture (ICE) is the scores of one row: with the model at hand the row's values can
    be worked out from it, so each counts as a person shown.
    """
    kept = explanations.decisions[:most]
    lines = most - len(kept)
    drawn = {
        name: entry.model_copy(update={"ice": entry.ice[:lines]})
        for name, entry in explanations.dependence.items()
    }
    return explanations.model_copy(update={"decisions": kept, "dependence": drawn})

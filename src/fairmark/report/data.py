"""Who is in the data, as pages and the data card show it, and what a release may show of it.

The headings of the data card follow "Datasheets for datasets" (Gebru et al. 2021) as far as they can be
answered from params and from what the stages counted; nothing on it is a value of a single row.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from fairmark.explain.documents import Explanations
from fairmark.judge.provable import Provable
from fairmark.params.prepare import Csv, Prepare, Privacy
from fairmark.params.release import Release
from fairmark.report.inputs import Facts
from fairmark.report.labels import NUMBER, STRIP, Column, Table, count, listed, number
from fairmark.report.rendering import html, markdown, rendered
from fairmark.report.svg import axis, bar, tag, unit

TITLES = {"train": "Train", "valid": "Validation", "test": "Test"}
NOT_READ = "not read"
ROLES = {"protected": "protected", "forbidden": "withheld"}


def parts(facts: Facts) -> Table:
    """Return the rows and the label rate of each part."""
    rows = [
        (TITLES[name], count(part.rows), number(part.label_rate, facts.decimals))
        for name, part in facts.split.parts.by_name.items()
    ]
    columns = [Column("Part"), Column("Rows", NUMBER), Column("Share labelled positive", NUMBER)]
    return Table("The parts of the data", columns, rows)


def made(facts: Facts) -> str:
    """Return how the rows were parted, in a sentence or a few."""
    split = facts.split
    test = "the test part is the published test file" if split.test_file else "the test part is a share"
    if split.order == "time":
        latest = "" if split.test_file else ", the latest rows"
        how = f"Parts follow time: {test}{latest}, and the validation part the latest of the others."
        if split.gap_days is not None:
            how += f" Rows of the {split.gap_days:g} days before a later part are in none."
    else:
        how = f"Parts are drawn by a hash of each row's id within label and groups; {test}."
        how += " Rows alike in every feature are kept together." if split.alike == "together" else ""
    if split.persons is not None:
        people = split.persons
        later = f"{count(people.valid)} in validation, {count(people.test)} in test"
        how += f" No person is in two parts: {count(people.train)} in train, {later}."
    return how


def files(facts: Facts) -> Table:
    """Return the raw files with their rows, repeated rows and SHA-256."""
    rows = [
        (file.name, count(file.rows), count(file.duplicates), tag("code", file.sha256))
        for file in facts.prepared.files.all
    ]
    columns = [Column("File"), Column("Rows", NUMBER), Column("Repeated rows", NUMBER), Column("SHA-256")]
    return Table("The raw files", columns, rows)


def groups(facts: Facts, attribute: str) -> Table:
    """Return the rows, label rate and missing cells of each group of an attribute."""
    summaries = facts.audit.groups[attribute]
    scale = unit(0, 1)
    rows = [
        (
            _named(group, few=entry.small),
            count(entry.rows),
            bar(scale, 0, entry.share, "plain"),
            number(entry.share, facts.decimals),
            number(entry.label_rate, facts.decimals),
            number(entry.missing, facts.decimals),
        )
        for group, entry in summaries.items()
    ]
    columns = [
        Column(attribute),
        Column("Rows", NUMBER),
        Column("Share", STRIP),
        Column("Share of rows", NUMBER),
        Column("Labelled positive", NUMBER),
        Column("Missing cells", NUMBER),
    ]
    return Table(f"Everybody in the data by {attribute}", columns, rows, ("", "", axis(scale), "", "", ""))


def _named(group: str, *, few: bool) -> Markup:
    flag = tag("span", "few rows", class_="flag") if few else Markup()
    return tag("span", group, class_="who") + flag


SHOWN_PAIRS = 40
"""Pairs that a page shows of what test rows can prove: the hardest of each limit first."""


def provable(facts: Facts) -> Table | None:
    """Return what the test rows could prove of each pair of groups before any model, or nothing."""
    by_limit: dict[str, list[Provable]] = {}
    for each in facts.provable.pairs:
        by_limit.setdefault(each.limit, []).append(each)
    most = max(3, SHOWN_PAIRS // max(len(by_limit), 1))
    rows = [
        (
            each.limit,
            " / ".join(each.groups),
            " and ".join(count(size) for size in each.rows),
            number(each.rate, 2),
            "nothing would" if each.needed is None else number(each.needed, facts.decimals),
            "not counted" if each.at_parity is None else number(each.at_parity, 2),
            "not counted" if each.halfway is None else number(each.halfway, 2),
            each.missing() or "\N{EN DASH}",
        )
        for own in by_limit.values()
        for each in own[:most]
    ]
    columns = [
        Column("Limit"),
        Column("Groups"),
        Column("Rows that count", NUMBER),
        Column("Rate assumed", NUMBER),
        Column("Must be measured", NUMBER),
        Column("Power at parity", NUMBER),
        Column("Power halfway", NUMBER),
        Column("Test rows missing"),
    ]
    caption = "What these test rows can prove of gated limits, whatever the model"
    return Table(caption, columns, rows) if rows else None


def hopeless(facts: Facts) -> str:
    """Return in a sentence which pairs can't pass whatever the model, or nothing."""
    pairs = [f"{each.limit} of {' / '.join(each.groups)}" for each in facts.provable.hopeless]
    if not pairs:
        return ""
    more = f" and {len(pairs) - 12:,} more" if len(pairs) > 12 else ""
    return f"These rows are too few to show, not even by equal rates: {', '.join(pairs[:12])}{more}."


def proxies(facts: Facts) -> Table | None:
    """Return the columns that give a protected attribute away, or nothing when none stands out."""
    scale = unit(0.5, 1)
    rows = [
        (
            entry.column,
            entry.attribute,
            bar(scale, 0.5, entry.auc, "plain"),
            number(entry.auc, facts.decimals),
            "withheld from the model" if entry.withheld else "the model may use it",
        )
        for entry in facts.audit.proxies
    ]
    columns = [
        Column("Column"),
        Column("Stands for"),
        Column("From 0.5 to 1", STRIP),
        Column("AUC", NUMBER),
        Column("What became of it"),
    ]
    caption = "Proxies: how well one column alone tells the groups apart (0.5 is not at all, 1 is wholly)"
    return Table(caption, columns, rows, ("", "", axis(scale), "", "")) if rows else None


def leakage(facts: Facts) -> Table | None:
    """Return the columns that predict the label suspiciously well on their own, or nothing."""
    rows = [(entry.column, number(entry.auc, facts.decimals)) for entry in facts.audit.leakage]
    columns = [Column("Column"), Column("AUC for the label", NUMBER)]
    return Table("Suspects of leakage", columns, rows) if rows else None


def personal(facts: Facts) -> Table | None:
    """Return the columns that hold personal data, never their values, or nothing."""
    rows = [(entry.column, entry.kind, number(entry.share, facts.decimals)) for entry in facts.audit.personal]
    columns = [Column("Column"), Column("What it looks like"), Column("Share of rows", NUMBER)]
    return (
        Table("Columns that seem to hold personal data; their values are shown nowhere", columns, rows)
        if rows
        else None
    )


def strongest(facts: Facts) -> tuple[str, str] | None:
    """Return the column that predicts the label best on its own, and its AUC."""
    powers = facts.audit.label_power
    if not powers:
        return None
    best = max(sorted(powers), key=lambda name: powers[name])
    return best, number(powers[best], facts.decimals)


def withheld(facts: Facts) -> Sequence[str]:
    """Return the columns that the model never sees."""
    return [column.name for column in facts.schema.withheld]


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
        parts=parts(facts).rows,
        provable=provable(facts),
        hopeless=hopeless(facts),
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
    looks: dict[str, str] = {}
    for entry in facts.audit.personal:
        share = number(entry.share, facts.decimals)
        look = f"{entry.kind} in {share} of its cells"
        looks[entry.column] = " and ".join(filter(None, [looks.get(entry.column), look]))
    return looks


def _names(facts: Facts, prepare: Prepare) -> Sequence[str]:
    if isinstance(prepare.format, Csv) and prepare.format.header:
        return prepare.format.header
    made = [column.name for column in facts.schema.columns]
    roles = [prepare.row_id, prepare.person, prepare.time, prepare.weight, facts.schema.label.column]
    others = [*roles, *prepare.drop, *facts.prepared.index]
    return list(dict.fromkeys([*made, *(name for name in others if name)]))


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


def _groups(facts: Facts, attribute: str) -> Mapping[str, object]:
    summaries = facts.audit.groups[attribute]
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
            for group, entry in summaries.items()
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

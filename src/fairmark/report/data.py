"""Who is in the data, which columns stand for a protected attribute, and which know the label too well."""

from collections.abc import Sequence

from markupsafe import Markup

from fairmark.report.charts.strips import axis, bar, unit
from fairmark.report.charts.svg import tag
from fairmark.report.inputs import Facts
from fairmark.report.labels import NUMBER, STRIP, Column, Table, count, number

TITLES = {"train": "Train", "valid": "Validation", "test": "Test"}


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
    found = facts.audit.groups[attribute]
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
        for group, entry in found.items()
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

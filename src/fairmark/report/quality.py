"""Quality and fairness as measured: strips and tables by group, gaps, ROC, precision-recall, calibration."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from fairmark.judge.measured import Measured
from fairmark.judge.measurements import Disparity, GroupMeasures
from fairmark.report.charts import Bin, calibration, curve
from fairmark.report.inputs import MeasuredFacts
from fairmark.report.labels import NUMBER, STRIP, Column, Picture, Table, count, measured, number
from fairmark.report.svg import Scale, axis, tag, unit, whisker
from fairmark.stats.measures import COMPARED, EQUALIZED_ODDS, MEASURED, MEASURES, STRIPS
from fairmark.stats.measures import label as title

FEW = "few rows"


def overall(facts: MeasuredFacts) -> Table:
    """Return the headline measures of the test part with their intervals."""
    entries = facts.measurements.overall
    scale = unit(0, 1)
    rows = [
        (
            title(name),
            _strip(scale, entries[name]) if MEASURES[name].most <= 1 else Markup(),
            _value(facts, entries[name]),
        )
        for name in MEASURED
        if name in entries
    ]
    columns = [Column("Measure"), Column("From 0 to 1", STRIP), Column("Value (interval)", NUMBER)]
    caption = f"All {count(facts.measurements.data.rows)} test rows"
    return Table(caption, columns, rows, ("", axis(scale), ""))


def strips(facts: MeasuredFacts, attribute: str) -> list[Table]:
    """Return a table of strips for each of the `STRIPS` rates, a mark standing for all test rows."""
    groups = facts.measurements.groups[attribute]
    return [_rate(facts, attribute, name, groups) for name in STRIPS]


def everything(facts: MeasuredFacts, attribute: str) -> Table:
    """Return every measure of every group of an attribute, one row for each measure."""
    groups = facts.measurements.groups[attribute]
    names = [name for name in MEASURED if any(name in entry.measures for entry in groups.values())]
    columns = [Column("Measure"), *(Column(group, NUMBER) for group in groups)]
    rows: list[Sequence[str]] = [
        ("Test rows", *(count(entry.rows) for entry in groups.values())),
        ("Positive rows", *(count(entry.positives) for entry in groups.values())),
    ]
    rows += [
        (title(name), *(_value(facts, entry.measures.get(name)) for entry in groups.values()))
        for name in names
    ]
    return Table(f"Every measure by {attribute}", columns, rows)


def disparities(facts: MeasuredFacts, attribute: str) -> Table:
    """Return the ratio and the difference of each rate between the groups of an attribute."""
    entries = facts.measurements.disparities.get(attribute, {})
    columns = [
        Column("Rate"),
        Column("Ratio", STRIP),
        Column("Ratio (interval)", NUMBER),
        Column("Difference (interval)", NUMBER),
        Column("Lowest, highest"),
    ]
    rows = [
        _gap(facts, rate, entries.get(f"{rate}_ratio"), entries.get(f"{rate}_difference"))
        for rate in COMPARED
    ]
    rows.append(_gap(facts, "equalized_odds", None, entries.get(EQUALIZED_ODDS)))
    return Table(f"Gaps by {attribute}", columns, rows, ("", axis(unit(0, 1)), "", "", ""))


def _gap(
    facts: MeasuredFacts, rate: str, ratio: Disparity | None, difference: Disparity | None
) -> Sequence[str]:
    known = ratio or difference
    ends = [] if known is None else [known.lowest, known.highest]
    return (
        title(rate),
        _strip(unit(0, 1), ratio),
        _value(facts, ratio) if ratio else "",
        _value(facts, difference) if difference else "",
        ", ".join(end for end in ends if end),
    )


def small_groups(facts: MeasuredFacts) -> list[tuple[str, str, str]]:
    """Return `(attribute, group, test rows)` of every group below the policy's minimum."""
    return [
        (attribute, group, count(entry.rows))
        for attribute, groups in facts.measurements.groups.items()
        for group, entry in groups.items()
        if facts.small(entry.evidence)
    ]


def _rate(facts: MeasuredFacts, attribute: str, name: str, groups: Mapping[str, GroupMeasures]) -> Table:
    entries = {group: entry.measures.get(name) for group, entry in groups.items()}
    everybody = facts.measurements.overall.get(name)
    whole = None if everybody is None else everybody.value
    scale = _room([entry for entry in entries.values() if entry], whole)
    rows = [
        (_named(facts, group, groups[group]), _strip(scale, entry, whole), _value(facts, entry))
        for group, entry in entries.items()
    ]
    columns = [Column(attribute), Column("Rate", STRIP), Column("Value (interval)", NUMBER)]
    return Table(f"{title(name)} by {attribute}", columns, rows, ("", axis(scale), ""))


def _room(entries: Sequence[Measured], whole: float | None) -> Scale:
    """Return a scale from 0 to a round number above every value; a tall interval may run out of it."""
    ends = [whole, *(value for entry in entries for value in (entry.value, entry.high))]
    known = [value for value in ends if value is not None]
    highest = max(known, default=1.0)
    end = next((step for step in (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0) if step >= highest), highest)
    return unit(0, end)


def _strip(scale: Scale, entry: Measured | None, mark: float | None = None) -> Markup:
    if entry is None or entry.value is None:
        return Markup()
    return whisker(scale, entry.value, entry.low, entry.high, mark)


def _value(facts: MeasuredFacts, entry: Measured | None) -> str:
    """Return a value in bold with its interval after it, or why there is none."""
    words = measured(entry, facts.decimals)
    value, space, within = words.partition(" (")
    if entry is None or entry.value is None or not space:
        return words
    return tag("b", value) + Markup(" ") + tag("span", f"({within}", class_="within")


def _named(facts: MeasuredFacts, group: str, entry: GroupMeasures) -> Markup:
    flag = tag("span", FEW, class_="flag") if facts.small(entry.evidence) else Markup()
    return (
        tag("span", group, class_="who")
        + Markup(" ")
        + tag("span", f"{count(entry.rows)} rows", class_="rows")
        + flag
    )


def roc(facts: MeasuredFacts) -> Picture | None:
    """Return the ROC curve of all test rows, or nothing when it could not be drawn."""
    points = [(point.false_positive_rate, point.true_positive_rate) for point in facts.curves.roc]
    area = measured(facts.measurements.overall.get("roc_auc"), facts.decimals)
    words = f"ROC curve; area under it {area}"
    drawn = curve(points, "false positive rate", "true positive rate", [(0, 0), (1, 1)], words)
    return Picture(drawn, f"{words}. The dashed line is guessing.") if points else None


def precision_recall(facts: MeasuredFacts) -> Picture | None:
    """Return the precision-recall curve of all test rows, or nothing when it could not be drawn."""
    points = [(point.recall, point.precision) for point in facts.curves.precision_recall]
    overall = facts.measurements.overall
    area, rate = measured(overall.get("pr_auc"), facts.decimals), overall["base_rate"].value
    words = f"Precision by recall; area under it {area}"
    if rate is None or not points:
        return None
    drawn = curve(points, "recall", "precision", [(0, rate), (1, rate)], words)
    return Picture(drawn, f"{words}. The dashed line is guessing ({number(rate, facts.decimals)}).")


def calibrations(facts: MeasuredFacts) -> Picture | None:
    """Return the calibration of all test rows, or nothing when it could not be drawn."""
    points = _of(facts, "", "")
    error = measured(facts.measurements.overall.get("calibration_error"), facts.decimals)
    words = f"Observed share by mean score; calibration error {error}"
    drawn = calibration(points, [], words)
    return Picture(drawn, f"{words}. On the dashed line a score means what it says.") if points else None


def by_group(facts: MeasuredFacts, attribute: str) -> Sequence[Picture]:
    """Return a small picture of the calibration of each group, with that of all rows behind it."""
    behind = _of(facts, "", "")
    groups = facts.measurements.groups[attribute]
    return [_small(facts, group, entry, _of(facts, attribute, group), behind)
            for group, entry in groups.items()]  # fmt: skip


def _small(
    facts: MeasuredFacts, group: str, entry: GroupMeasures, bins: Sequence[Bin], behind: Sequence[Bin]
) -> Picture:
    error = measured(entry.measures.get("calibration_error"), facts.decimals)
    few = ", few" if facts.small(entry.evidence) else ""
    words = f"{group}: error {error}; {count(entry.rows)} rows{few}"
    return Picture(calibration(bins, behind, words), words)


def _of(facts: MeasuredFacts, attribute: str, group: str) -> list[Bin]:
    return [
        Bin(each.mean_score, each.positive_share, each.low, each.high)
        for each in facts.curves.calibration
        if (each.attribute, each.group) == (attribute, group)
    ]

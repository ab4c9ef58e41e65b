"""ROC, precision-recall and calibration, from the plots that `evaluate` writes."""

from collections.abc import Sequence

from fairmark.judge.measurements import GroupMeasures
from fairmark.report.charts.curves import Bin, calibration, curve
from fairmark.report.charts.svg import Point
from fairmark.report.inputs import Facts, Row
from fairmark.report.labels import Picture, count, measured, number


def roc(facts: Facts) -> Picture | None:
    """Return the ROC curve of all test rows, or nothing when it could not be drawn."""
    points = _points(facts.curves.get("roc", []), "false_positive_rate", "true_positive_rate")
    area = measured(facts.measurements.overall.get("roc_auc"), facts.decimals)
    words = f"ROC curve; area under it {area}"
    drawn = curve(points, "false positive rate", "true positive rate", [(0, 0), (1, 1)], words)
    return Picture(drawn, f"{words}. The dashed line is guessing.") if points else None


def precision_recall(facts: Facts) -> Picture | None:
    """Return the precision-recall curve of all test rows, or nothing when it could not be drawn."""
    points = _points(facts.curves.get("precision_recall", []), "recall", "precision")
    overall = facts.measurements.overall
    area, rate = measured(overall.get("pr_auc"), facts.decimals), overall["base_rate"].value
    words = f"Precision by recall; area under it {area}"
    if rate is None or not points:
        return None
    drawn = curve(points, "recall", "precision", [(0, rate), (1, rate)], words)
    return Picture(drawn, f"{words}. The dashed line is guessing ({number(rate, facts.decimals)}).")


def calibrations(facts: Facts) -> Picture | None:
    """Return the calibration of all test rows, or nothing when it could not be drawn."""
    points = _calibrated(_of(facts, "", ""))
    error = measured(facts.measurements.overall.get("calibration_error"), facts.decimals)
    words = f"Observed share by mean score; calibration error {error}"
    drawn = calibration(points, [], words)
    return Picture(drawn, f"{words}. On the dashed line a score means what it says.") if points else None


def by_group(facts: Facts, attribute: str) -> Sequence[Picture]:
    """Return a small picture of the calibration of each group, with that of all rows behind it."""
    behind = _calibrated(_of(facts, "", ""))
    groups = facts.measurements.groups[attribute]
    return [_small(facts, group, entry, _calibrated(_of(facts, attribute, group)), behind)
            for group, entry in groups.items()]  # fmt: skip


def _small(
    facts: Facts, group: str, entry: GroupMeasures, bins: Sequence[Bin], behind: Sequence[Bin]
) -> Picture:
    error = measured(entry.measures.get("calibration_error"), facts.decimals)
    few = ", few" if facts.small(entry.evidence) else ""
    words = f"{group}: error {error}; {count(entry.rows)} rows{few}"
    return Picture(calibration(bins, behind, words), words)


def _of(facts: Facts, attribute: str, group: str) -> Sequence[Row]:
    rows = facts.curves.get("calibration", [])
    return [row for row in rows if row.get("attribute", "") == attribute and row.get("group", "") == group]


def _calibrated(rows: Sequence[Row]) -> list[Bin]:
    return [
        Bin(float(row["mean_score"]), float(row["positive_share"]), float(row["low"]), float(row["high"]))
        for row in rows
    ]


def _points(rows: Sequence[Row], across: str, upward: str) -> list[Point]:
    return [(float(row[across]), float(row[upward])) for row in rows if not row.get("attribute")]

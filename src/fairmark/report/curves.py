"""ROC, precision-recall and calibration, from the plots that `evaluate` writes."""

from collections.abc import Sequence

from fairmark.judge.measurements import GroupMeasures
from fairmark.report.charts.curves import Bin, calibration, curve
from fairmark.report.inputs import Facts
from fairmark.report.labels import Picture, count, measured, number


def roc(facts: Facts) -> Picture | None:
    """Return the ROC curve of all test rows, or nothing when it could not be drawn."""
    points = [(point.false_positive_rate, point.true_positive_rate) for point in facts.curves.roc]
    area = measured(facts.measurements.overall.get("roc_auc"), facts.decimals)
    words = f"ROC curve; area under it {area}"
    drawn = curve(points, "false positive rate", "true positive rate", [(0, 0), (1, 1)], words)
    return Picture(drawn, f"{words}. The dashed line is guessing.") if points else None


def precision_recall(facts: Facts) -> Picture | None:
    """Return the precision-recall curve of all test rows, or nothing when it could not be drawn."""
    points = [(point.recall, point.precision) for point in facts.curves.precision_recall]
    overall = facts.measurements.overall
    area, rate = measured(overall.get("pr_auc"), facts.decimals), overall["base_rate"].value
    words = f"Precision by recall; area under it {area}"
    if rate is None or not points:
        return None
    drawn = curve(points, "recall", "precision", [(0, rate), (1, rate)], words)
    return Picture(drawn, f"{words}. The dashed line is guessing ({number(rate, facts.decimals)}).")


def calibrations(facts: Facts) -> Picture | None:
    """Return the calibration of all test rows, or nothing when it could not be drawn."""
    points = _of(facts, "", "")
    error = measured(facts.measurements.overall.get("calibration_error"), facts.decimals)
    words = f"Observed share by mean score; calibration error {error}"
    drawn = calibration(points, [], words)
    return Picture(drawn, f"{words}. On the dashed line a score means what it says.") if points else None


def by_group(facts: Facts, attribute: str) -> Sequence[Picture]:
    """Return a small picture of the calibration of each group, with that of all rows behind it."""
    behind = _of(facts, "", "")
    groups = facts.measurements.groups[attribute]
    return [_small(facts, group, entry, _of(facts, attribute, group), behind)
            for group, entry in groups.items()]  # fmt: skip


def _small(
    facts: Facts, group: str, entry: GroupMeasures, bins: Sequence[Bin], behind: Sequence[Bin]
) -> Picture:
    error = measured(entry.measures.get("calibration_error"), facts.decimals)
    few = ", few" if facts.small(entry.evidence) else ""
    words = f"{group}: error {error}; {count(entry.rows)} rows{few}"
    return Picture(calibration(bins, behind, words), words)


def _of(facts: Facts, attribute: str, group: str) -> list[Bin]:
    return [
        Bin(each.mean_score, each.positive_share, each.low, each.high)
        for each in facts.curves.calibration
        if (each.attribute, each.group) == (attribute, group)
    ]

"""The evidence beside the measurements: learning, features, slices, stress, abstention, leakage."""

from collections.abc import Mapping, Sequence
from typing import Any

from fairmark.evaluate.documents import DeferredGroup, FailedReInclusion, SummaryMetrics
from fairmark.report import check_text, thresholds
from fairmark.report.charts.strips import axis, unit, whisker
from fairmark.report.inputs import Facts
from fairmark.report.labels import NUMBER, STRIP, Column, Table, listed, number
from fairmark.report.learning import learning, probe, slices
from fairmark.report.stress import (
    disturbed,
    nudge_text,
    single_feature_table,
    single_feature_text,
    stress_table,
    stress_text,
)


def checks_view(facts: Facts) -> Mapping[str, Any]:
    """Return every check as pictures, tables and sentences."""
    whole = disturbed(facts)
    return {
        "learning": {
            "told": [
                check_text.learning_text(facts),
                *([history] if (history := check_text.history_text(facts)) else []),
            ],
            "pictures": learning(facts),
        },
        "probe": {"told": check_text.probe_text(facts), "table": probe(facts)},
        "withheld": {"told": check_text.excluded_text(facts), "table": re_included(facts)},
        "slices": {"told": check_text.slices_text(facts), "table": slices(facts)},
        "stress": {
            "told": [
                stress_text(facts, whole),
                *(said for said in (single_feature_text(facts), nudge_text(facts)) if said is not None),
            ],
            "swapped": facts.checks.stress.swapped,
            "decisions": thresholds.swapped(facts),
            "table": stress_table(facts, whole),
            "each": single_feature_table(facts),
        },
        "abstain": {"told": check_text.abstention_text(facts), "table": abstention(facts)},
        "leakage": {
            "told": [check_text.duplicates_text(facts), *leakage_text(facts)],
            "alone": single_feature_aucs(facts),
        },
    }


def re_included(facts: Facts) -> Table | None:
    """Return what forbidden columns do when they are included again, or nothing when none is forbidden."""
    found = facts.checks.excluded
    if not found.re_included:
        return None
    names = ("ROC AUC", "Accuracy", f"Selection rate ratio by {facts.foremost}")
    columns = [Column("Given back to the model"), *(Column(name, NUMBER) for name in names)]
    rows: list[Sequence[str]] = [("none: as it is", *_values(facts, found.without))]
    rows += [
        (listed(each.columns), f"no model: {each.why}", "", "")
        if isinstance(each, FailedReInclusion)
        else (listed(each.columns), *_values(facts, each))
        for each in found.re_included
    ]
    more = f"; not looked at: {listed(found.not_looked_at)}" if found.not_looked_at else ""
    caption = f"Forbidden columns given back, on validation rows; none of these models is kept{more}"
    return Table(caption, columns, rows, marked=frozenset({0}))


def _values(facts: Facts, metrics: SummaryMetrics) -> list[str]:
    values = (metrics.roc_auc, metrics.accuracy, facts.ratio(metrics))
    return [number(value, facts.decimals) for value in values]


def abstention(facts: Facts) -> Table:
    """Return error and fairness of the rows that the model decides itself, and who is deferred."""
    one = facts.foremost
    groups = list(facts.measurements.groups[one])
    columns = [
        Column("Decided by the model"),
        Column("Error", NUMBER),
        Column(f"Selection rate ratio by {one}", NUMBER),
        *(Column(f"Sent, {group}", NUMBER) for group in groups),
    ]
    rows = [
        (
            number(band.decided, facts.decimals),
            number(band.kept.error, facts.decimals),
            number(facts.ratio(band.kept), facts.decimals),
            *(number(_share(band.deferred[one].get(group)), facts.decimals) for group in groups),
        )
        for band in facts.checks.abstention.bands
    ]
    caption = f"When the rows nearest to the threshold go to a human: test rows, and the share sent by {one}"
    return Table(caption, columns, rows)


def _share(group: DeferredGroup | None) -> float | None:
    return None if group is None else group.share


def leakage_text(facts: Facts) -> list[str]:
    """Return what speaks for or against the model knowing what it could not know when it decides."""
    found = facts.checks.leakage
    said = []
    leading = found.concentration
    if leading.feature is not None:
        share = number(leading.share, facts.decimals)
        said.append(
            f"The feature that moves scores most, {leading.feature}, makes {share} of all that moves them."
        )
    train = number(found.duplicates.train.share, facts.decimals)
    expected = number(found.duplicates.valid_in_train.share, facts.decimals)
    said.append(
        f"{train} of the test rows have an equal row, in all features, among the train rows; of the "
        f"validation rows, which stand for chance, it is {expected}."
    )
    dates = found.look_ahead.dates
    if dates is None:
        said.append(f"Features dated after the row's own time were not looked for: {found.look_ahead.why}.")
    else:
        late = [name for name, date in dates.items() if date.share]
        said.append(
            f"Dated after the row's own time: {listed(late)}."
            if late
            else "No feature is dated after the row's own time."
        )
    return said


def single_feature_aucs(facts: Facts) -> Table:
    """Return how well each feature predicts the label by itself."""
    scale = unit(0.5, 1)
    rows = [
        (
            name,
            whisker(scale, value, 0.5, value, None) if value is not None else "",
            number(value, facts.decimals),
        )
        for name, value in sorted(
            facts.checks.leakage.alone.items(), key=lambda pair: (-(pair[1] or 0), pair[0])
        )
    ]
    columns = [Column("Feature"), Column("From 0.5 to 1", STRIP), Column("ROC AUC alone", NUMBER)]
    return Table(
        "How well each feature alone predicts the label of test rows", columns, rows, ("", axis(scale), "")
    )

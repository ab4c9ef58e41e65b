"""The evidence beside the measurements: learning, features, slices, stress, abstention, leakage."""

from collections.abc import Mapping

from fairmark.evaluate.documents import DeferredGroup
from fairmark.report.experiments import (
    excluded_text,
    history_text,
    learning,
    learning_text,
    probe,
    probe_text,
    re_included,
    slices,
    slices_text,
)
from fairmark.report.inputs import Facts
from fairmark.report.labels import NUMBER, STRIP, Column, Table, count, listed, number
from fairmark.report.stress import (
    disturbed,
    nudge_text,
    single_feature_table,
    single_feature_text,
    stress_table,
    stress_text,
    swapped,
)
from fairmark.report.svg import axis, unit, whisker


def checks_view(facts: Facts) -> Mapping[str, Mapping[str, object]]:
    """Return every check as pictures, tables and sentences."""
    whole = disturbed(facts)
    sample = [text] if (text := sample_text(facts)) else []
    return {
        "learning": {
            "text": [
                learning_text(facts),
                *([history] if (history := history_text(facts)) else []),
                *sample,
            ],
            "pictures": learning(facts),
        },
        "probe": {"text": probe_text(facts), "table": probe(facts)},
        "withheld": {"text": excluded_text(facts), "table": re_included(facts)},
        "slices": {"text": slices_text(facts), "table": slices(facts)},
        "stress": {
            "text": [
                stress_text(facts, whole),
                *(text for text in (single_feature_text(facts), nudge_text(facts)) if text is not None),
                *sample,
            ],
            "swapped": facts.checks.stress.swapped,
            "decisions": swapped(facts),
            "table": stress_table(facts, whole),
            "each": single_feature_table(facts),
        },
        "abstain": {"text": abstention_text(facts), "table": abstention(facts)},
        "leakage": {
            "text": [duplicates_text(facts), *leakage_text(facts)],
            "alone": single_feature_aucs(facts),
        },
    }


def sample_text(facts: Facts) -> str | None:
    """Return how many rows of each part were looked at, or nothing where it was all of them."""
    sample = facts.checks.sample
    if sample is None:
        return None
    parts = [
        f"{count(one.rows)} of {count(one.of)} {name} rows"
        for name, one in sample.items()
        if one.rows < one.of
    ]
    return (
        f"This was looked at on a stratified sample by label and group, {listed(parts)}, with the model "
        "learnt again from as many rows where models are compared."
    )


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


def abstention_text(facts: Facts) -> str:
    """Return what the widest band does to errors and to groups."""
    none, most = facts.checks.slices.error, facts.checks.abstention.bands[-1]
    if most.decided is None or most.decided >= 1:
        return "No row is sent to a human."
    one, kept = facts.foremost, most.kept
    ratio = facts.measurements.disparities.get(one, {}).get("selection_rate_ratio")
    now = None if ratio is None else ratio.value
    text = (
        f"When the {number(1 - most.decided, facts.decimals)} of rows nearest to the threshold go to a "
        f"human, the error of the others is {number(kept.error, facts.decimals)} instead of "
        f"{number(none, facts.decimals)}, and their selection rate ratio by {one} is "
        f"{number(facts.ratio(kept), facts.decimals)} instead of {number(now, facts.decimals)}"
    )
    text += _consequence(now, facts.ratio(kept))
    gap = most.deferral_gap.get(one)
    if gap is None:
        return text
    if gap.low <= 0:
        return f"{text} No group is shown to be sent more often than another."
    return (
        f"{text} {gap.highest} is sent more often than {gap.lowest}, by "
        f"{number(gap.value, facts.decimals)} (at least {number(gap.low, facts.decimals)})."
    )


def _consequence(now: float | None, then: float | None) -> str:
    if now is None or then is None or then >= now:
        return "."
    return ": whoever decides the rest would have to draw the groups together again."


def duplicates_text(facts: Facts) -> str:
    """Return whether quality rests on rows that the model has seen before."""
    auc = facts.checks.leakage.duplicates.without.roc_auc
    whole = facts.measurements.overall["roc_auc"]
    if auc is None or whole.low is None:
        return "Too few rows to say whether quality rests on rows that were seen before."
    fresh, known = number(auc, facts.decimals), number(whole.value, facts.decimals)
    if auc >= whole.low:
        return (
            f"ROC AUC is {fresh} on test rows that equal none that was learnt from, and {known} on all: its "
            "quality does not rest on rows that it has seen before."
        )
    return (
        f"ROC AUC is {fresh} on test rows that equal none that was learnt from, below the {known} of all: "
        "part of its quality is memory of rows that it has seen before."
    )


def leakage_text(facts: Facts) -> list[str]:
    """Return what speaks for or against the model knowing what it could not know when it decides."""
    leakage = facts.checks.leakage
    sentences = []
    leading = leakage.concentration
    if leading.feature is not None:
        share = number(leading.share, facts.decimals)
        sentences.append(
            f"The feature that moves scores most, {leading.feature}, makes {share} of all that moves them."
        )
    train = number(leakage.duplicates.train.share, facts.decimals)
    expected = number(leakage.duplicates.valid_in_train.share, facts.decimals)
    sentences.append(
        f"{train} of the test rows have an equal row, in all features, among the train rows; of the "
        f"validation rows, which stand for chance, it is {expected}."
    )
    dates = leakage.look_ahead.dates
    if dates is None:
        sentences.append(
            f"Features dated after the row's own time were not looked for: {leakage.look_ahead.why}."
        )
    else:
        late = [name for name, date in dates.items() if date.share]
        sentences.append(
            f"Dated after the row's own time: {listed(late)}."
            if late
            else "No feature is dated after the row's own time."
        )
    return sentences


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

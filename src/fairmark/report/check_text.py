"""What each further check shows of this model, in plain sentences made from its numbers."""

from fairmark.evaluate.documents import LearningPoint, ReIncludedFeatures, SummaryMetrics
from fairmark.report.inputs import Facts
from fairmark.report.labels import count, listed, number
from fairmark.report.learning import place


def learning_text(facts: Facts) -> str:
    """Return what the last rows brought, against how exactly quality is known at all."""
    curve = facts.checks.learning.families.get(facts.chosen.family)
    known = [
        (point.train_rows, point.roc_auc)
        for point in (curve.points if curve is not None else ())
        if isinstance(point, LearningPoint) and point.roc_auc is not None
    ]
    if len(known) < 2:
        return "Too few points to say what more rows would bring."
    (fewer, before), (more, after) = known[-2:]
    change = after - before
    whole = facts.measurements.overall["roc_auc"]
    said = (
        f"From {count(fewer)} to {count(more)} rows, ROC AUC went from "
        f"{number(before, facts.decimals)} to {number(after, facts.decimals)}"
    )
    if whole.low is None or whole.high is None:
        return f"{said}."
    noise = (whole.high - whole.low) / 2
    close = f"the {number(noise, facts.decimals)} by which it is uncertain on test rows"
    if change > noise:
        return f"{said}, more than {close}: more rows would still help."
    if change < -noise:
        return f"{said}: the later rows made it worse, by more than {close}."
    return f"{said}, a change within {close}: more rows of this kind would bring little."


def history_text(facts: Facts) -> str | None:
    """Return which length of history serves best, or nothing where rows have no time."""
    known = [
        (point.share, point.roc_auc)
        for point in facts.checks.learning.history or ()
        if isinstance(point, LearningPoint) and point.roc_auc is not None
    ]
    if not known:
        return None
    share, best = max(known, key=lambda point: point[1])
    return (
        f"Of all lengths of history, the latest {share:g} of the train rows ranks validation rows "
        f"best: ROC AUC {number(best, facts.decimals)}, against "
        f"{number(known[-1][1], facts.decimals)} with the longest."
    )


def probe_text(facts: Facts) -> str:
    """Return which features are no better than chance, and what the model is without them."""
    found = facts.checks.probe
    if not found.indistinct:
        return "Every feature does more for the model than a column of pure chance."
    said = f"No better than a column of pure chance: {listed(found.indistinct)}."
    dropped = found.dropped
    if dropped is None:
        return said
    change = dropped.roc_auc_change
    without = "them" if len(found.indistinct) > 1 else "it"
    said += f" Learnt again without {without}, {_both(facts, dropped.before, dropped.after)}"
    if change.low is None or change.high is None:
        return f"{said}."
    if change.low > 0:
        return f"{said}: it is better off without {without}."
    if change.high < 0:
        return f"{said}: a small loss, but more than chance makes, so {without} may stay."
    return f"{said}: nothing is lost, so {without} may go."


def slices_text(facts: Facts) -> str:
    """Return where errors are most, of which kind, and how sure that is."""
    found = facts.checks.slices
    if not found.worst:
        return "No slice had enough rows to be looked at."
    worst = found.worst[0]
    where = " and ".join(place(facts, part) for part in worst.where)
    wrong_yes, wrong_no = worst.cells.fp, worst.cells.fn
    kind = "wrongly decided yes" if wrong_yes > wrong_no else "wrongly decided no"
    sure = "It is shown to err more than the whole. " if worst.above_overall else ""
    return (
        f"Of {count(found.looked_at)} slices of one or two features or groups, the model errs most where "
        f"{where}: {number(worst.error, facts.decimals)} of {count(worst.rows)} test rows, at least "
        f"{number(worst.low, facts.decimals)}, against {number(found.error, facts.decimals)} of all. "
        f"{sure}Of its errors there, {count(max(wrong_yes, wrong_no))} of {count(wrong_yes + wrong_no)} are "
        f"{kind}."
    )


def abstention_text(facts: Facts) -> str:
    """Return what the widest band does to errors and to groups."""
    none, most = facts.checks.slices.error, facts.checks.abstention.bands[-1]
    if most.decided is None or most.decided >= 1:
        return "No row is sent to a human."
    one, kept = facts.foremost, most.kept
    ratio = facts.measurements.disparities.get(one, {}).get("selection_rate_ratio")
    now = None if ratio is None else ratio.value
    said = (
        f"When the {number(1 - most.decided, facts.decimals)} of rows nearest to the threshold go to a "
        f"human, the error of the others is {number(kept.error, facts.decimals)} instead of "
        f"{number(none, facts.decimals)}, and their selection rate ratio by {one} is "
        f"{number(facts.ratio(kept), facts.decimals)} instead of {number(now, facts.decimals)}"
    )
    said += _owed(now, facts.ratio(kept))
    gap = most.deferral_gap.get(one)
    if gap is None:
        return said
    if gap.low <= 0:
        return f"{said} No group is shown to be sent more often than another."
    return (
        f"{said} {gap.highest} is sent more often than {gap.lowest}, by "
        f"{number(gap.value, facts.decimals)} (at least {number(gap.low, facts.decimals)})."
    )


def _owed(now: float | None, then: float | None) -> str:
    if now is None or then is None or then >= now:
        return "."
    return ": whoever decides the rest would have to draw the groups together again."


def duplicates_text(facts: Facts) -> str:
    """Return whether quality rests on rows that the model has seen before."""
    auc = facts.checks.leakage.duplicates.without.roc_auc
    whole = facts.measurements.overall["roc_auc"]
    if auc is None or whole.low is None:
        return "Too few rows to say whether quality rests on rows that were seen before."
    found, known = number(auc, facts.decimals), number(whole.value, facts.decimals)
    if auc >= whole.low:
        return (
            f"ROC AUC is {found} on test rows that equal none that was learnt from, and {known} on all: its "
            "quality does not rest on rows that it has seen before."
        )
    return (
        f"ROC AUC is {found} on test rows that equal none that was learnt from, below the {known} of all: "
        "part of its quality is memory of rows that it has seen before."
    )


def excluded_text(facts: Facts) -> str:
    """Return what the forbidden columns would bring, all given back."""
    found = facts.checks.excluded
    known = [each for each in found.re_included if isinstance(each, ReIncludedFeatures)]
    if not known:
        return "No column is forbidden, or none could be given back."
    most = known[-1]
    what = "all of them" if len(most.columns) > 1 else most.columns[0]
    both = _both(facts, found.without, most)
    return f"Learnt again with the same settings and {what} among the features, {both}."


def _both(facts: Facts, before: SummaryMetrics, after: SummaryMetrics) -> str:
    """Return quality and fairness of two models, the second first."""
    return ", ".join(
        f"{name} is {number(then, facts.decimals)} instead of {number(now, facts.decimals)}"
        for name, now, then in (
            ("ROC AUC", before.roc_auc, after.roc_auc),
            ("accuracy", before.accuracy, after.accuracy),
            (f"the selection rate ratio by {facts.foremost}", facts.ratio(before), facts.ratio(after)),
        )
    )

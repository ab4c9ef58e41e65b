"""Experiments as tables, pictures and sentences: more rows, fewer or more features, worst slices."""

from collections.abc import Callable, Mapping, Sequence

from fairmark.evaluate.documents import (
    FailedPoint,
    FailedReInclusion,
    LearningPoint,
    ReIncludedFeatures,
    SliceCondition,
    SummaryMetrics,
)
from fairmark.report.inputs import WITHHELD, Facts
from fairmark.report.labels import NUMBER, STRIP, Column, Picture, Table, count, listed, number
from fairmark.report.svg import Frame, around, axis, label, unit, whisker

Points = Sequence[LearningPoint | FailedPoint]


def learning(facts: Facts) -> list[Picture]:
    """Return learning curves: quality and fairness by the number of rows learnt from, a line a family."""
    curves: Mapping[str, Points] = {
        name: curve.points for name, curve in facts.checks.learning.families.items()
    }
    drawn = [("rows learnt from", curves)]
    if facts.checks.learning.history is not None:
        drawn.append(("latest rows learnt from", {facts.chosen.family: facts.checks.learning.history}))
    ratio = f"Selection rate ratio by {facts.foremost}"
    return [
        picture
        for across, curves in drawn
        for picture in (
            _curve(facts, across, "ROC AUC", curves, lambda point: point.roc_auc),
            _curve(facts, across, ratio, curves, facts.ratio),
        )
        if picture is not None
    ]


def _curve(
    facts: Facts,
    across: str,
    upward: str,
    curves: Mapping[str, Points],
    value: Callable[[LearningPoint], float | None],
) -> Picture | None:
    lines = {
        name: [
            (float(point.train_rows), y)
            for point in points
            if isinstance(point, LearningPoint) and (y := value(point)) is not None
        ]
        for name, points in curves.items()
    }
    known = [y for points in lines.values() for _, y in points]
    if not known:
        return None
    most = max(x for points in lines.values() for x, _ in points)
    frame = Frame(340, 260, (0, most), around(known, 0, 1))
    own = facts.chosen.family
    last = {name: points[-1] for name, points in lines.items() if points}
    words = f"{upward} on validation rows by {across}; with the most rows: " + ", ".join(
        f"{name} {number(value, facts.decimals)}" for name, (_, value) in last.items()
    )
    paths = [
        part
        for name, points in sorted(lines.items(), key=lambda pair: pair[0] == own)
        for part in (
            frame.path(points, "curve" if name == own else "other"),
            *(frame.dot(point, "dot" if name == own else "dot other") for point in points),
        )
    ]
    # The own family is named above its line and the others below theirs, so that close lines stay legible.
    paths += [
        label(name, frame.x(x), frame.y(y) + (-9 if name == own else 18), "end", "name")
        for name, (x, y) in last.items()
    ]
    plain = [name for name, curve in facts.checks.learning.families.items() if curve.plain]
    note = f" Dashed: {listed(plain)}, with plain settings." if set(plain) & set(last) else ""
    return Picture(frame.picture(words, frame.axes(across, upward), *paths), f"{words}.{note}")


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
    text = (
        f"From {count(fewer)} to {count(more)} rows, ROC AUC went from "
        f"{number(before, facts.decimals)} to {number(after, facts.decimals)}"
    )
    if whole.low is None or whole.high is None:
        return f"{text}."
    # Half of the interval on test rows: a smaller change can't be told from chance.
    noise = (whole.high - whole.low) / 2
    close = f"the {number(noise, facts.decimals)} by which it is uncertain on test rows"
    if change > noise:
        return f"{text}, more than {close}: more rows would still help."
    if change < -noise:
        return f"{text}: the later rows made it worse, by more than {close}."
    return f"{text}, a change within {close}: more rows of this kind would bring little."


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


def probe(facts: Facts) -> Table:
    """Return what shuffling each feature costs beyond shuffling a column of pure chance."""
    features = facts.checks.probe.features
    known = [end for each in features for end in (each.excess.value, each.excess.low, each.excess.high)]
    scale = unit(*around([0.0, *(value for value in known if value is not None)], -1, 1))
    rows = [
        (
            each.feature,
            whisker(scale, each.excess.value, each.excess.low, each.excess.high, 0),
            number(each.excess.value, max(facts.decimals, 4)),
            "useful" if each.useful else "no better than chance",
        )
        for each in features
    ]
    columns = [
        Column("Feature"),
        Column("Fall", STRIP),
        Column("Fall of ROC AUC", NUMBER),
        Column("So it is"),
    ]
    caption = "What the model loses when a feature is shuffled, beyond what it loses with a random column"
    return Table(caption, columns, rows, ("", axis(scale), "", ""))


def probe_text(facts: Facts) -> str:
    """Return which features are no better than chance, and what the model is without them."""
    probe = facts.checks.probe
    if not probe.indistinct:
        return "Every feature does more for the model than a column of pure chance."
    text = f"No better than a column of pure chance: {listed(probe.indistinct)}."
    dropped = probe.dropped
    if dropped is None:
        return text
    change = dropped.roc_auc_change
    without = "them" if len(probe.indistinct) > 1 else "it"
    text += f" Learnt again without {without}, {_both(facts, dropped.before, dropped.after)}"
    if change.low is None or change.high is None:
        return f"{text}."
    if change.low > 0:
        return f"{text}: it is better off without {without}."
    if change.high < 0:
        return f"{text}: a small loss, but more than chance makes, so {without} may stay."
    return f"{text}: nothing is lost, so {without} may go."


def re_included(facts: Facts) -> Table | None:
    """Return what forbidden columns do when they are included again, or nothing when none is forbidden."""
    excluded = facts.checks.excluded
    if not excluded.re_included:
        return None
    names = ("ROC AUC", "Accuracy", f"Selection rate ratio by {facts.foremost}")
    columns = [Column("Given back to the model"), *(Column(name, NUMBER) for name in names)]
    rows: list[Sequence[str]] = [("none: as it is", *_values(facts, excluded.without))]
    rows += [
        (listed(each.columns), f"no model: {each.why}", "", "")
        if isinstance(each, FailedReInclusion)
        else (listed(each.columns), *_values(facts, each))
        for each in excluded.re_included
    ]
    more = f"; not looked at: {listed(excluded.not_looked_at)}" if excluded.not_looked_at else ""
    caption = f"Forbidden columns given back, on validation rows; none of these models is kept{more}"
    return Table(caption, columns, rows, marked=frozenset({0}))


def _values(facts: Facts, metrics: SummaryMetrics) -> list[str]:
    values = (metrics.roc_auc, metrics.accuracy, facts.ratio(metrics))
    return [number(value, facts.decimals) for value in values]


def excluded_text(facts: Facts) -> str:
    """Return what the forbidden columns would bring, all given back."""
    excluded = facts.checks.excluded
    known = [each for each in excluded.re_included if isinstance(each, ReIncludedFeatures)]
    if not known:
        return "No column is forbidden, or none could be given back."
    most = known[-1]
    what = "all of them" if len(most.columns) > 1 else most.columns[0]
    both = _both(facts, excluded.without, most)
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


def slices(facts: Facts) -> Table | None:
    """Return the slices with the highest lower bound of their error rate, or nothing without any."""
    checked = facts.checks.slices
    if not checked.worst:
        return None
    scale = unit(0, max(each.error for each in checked.worst) or 1)
    rows = [
        (
            " and ".join(place(facts, part) for part in each.where),
            whisker(scale, each.error, each.low, each.error, checked.error),
            number(each.error, facts.decimals),
            number(each.low, facts.decimals),
            count(each.rows),
        )
        for each in checked.worst
    ]
    columns = [
        Column("Where"),
        Column("Error", STRIP),
        Column("Error", NUMBER),
        Column("At least", NUMBER),
        Column("Test rows", NUMBER),
    ]
    overall = number(checked.error, facts.decimals)
    caption = f"The slices with the most errors; the dashed mark is the error of all test rows, {overall}"
    return Table(caption, columns, rows, ("", axis(scale), "", "", ""))


def place(facts: Facts, part: SliceCondition) -> str:
    """Return one condition of a slice, without the value of a personal column."""
    value = WITHHELD if part.name in facts.personal else part.value
    return f"{part.name}: {value}"


def slices_text(facts: Facts) -> str:
    """Return where errors are most, of which kind, and how sure that is."""
    slices = facts.checks.slices
    if not slices.worst:
        return "No slice had enough rows to be looked at."
    worst = slices.worst[0]
    where = " and ".join(place(facts, part) for part in worst.where)
    wrong_yes, wrong_no = worst.cells.fp, worst.cells.fn
    kind = "wrongly decided yes" if wrong_yes > wrong_no else "wrongly decided no"
    sure = "It is shown to err more than the whole. " if worst.above_overall else ""
    return (
        f"Of {count(slices.looked_at)} slices of one or two features or groups, the model errs most where "
        f"{where}: {number(worst.error, facts.decimals)} of {count(worst.rows)} test rows, at least "
        f"{number(worst.low, facts.decimals)}, against {number(slices.error, facts.decimals)} of all. "
        f"{sure}Of its errors there, {count(max(wrong_yes, wrong_no))} of {count(wrong_yes + wrong_no)} are "
        f"{kind}."
    )

"""What more rows would bring, which features bring nothing, and where the model errs most."""

from collections.abc import Callable, Mapping, Sequence

from fairmark.evaluate.documents import FailedPoint, LearningPoint, SliceCondition
from fairmark.report.charts.strips import axis, unit, whisker
from fairmark.report.charts.svg import Frame, around, label
from fairmark.report.inputs import WITHHELD, Facts
from fairmark.report.labels import NUMBER, STRIP, Column, Picture, Table, count, listed, number

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


def slices(facts: Facts) -> Table | None:
    """Return the slices with the highest lower bound of their error rate, or nothing without any."""
    found = facts.checks.slices
    if not found.worst:
        return None
    scale = unit(0, max(each.error for each in found.worst) or 1)
    rows = [
        (
            " and ".join(place(facts, part) for part in each.where),
            whisker(scale, each.error, each.low, each.error, found.error),
            number(each.error, facts.decimals),
            number(each.low, facts.decimals),
            count(each.rows),
        )
        for each in found.worst
    ]
    columns = [
        Column("Where"),
        Column("Error", STRIP),
        Column("Error", NUMBER),
        Column("At least", NUMBER),
        Column("Test rows", NUMBER),
    ]
    overall = number(found.error, facts.decimals)
    caption = f"The slices with the most errors; the dashed mark is the error of all test rows, {overall}"
    return Table(caption, columns, rows, ("", axis(scale), "", "", ""))


def place(facts: Facts, part: SliceCondition) -> str:
    """Return one condition of a slice, without the value of a personal column."""
    value = WITHHELD if part.name in facts.personal else part.value
    return f"{part.name}: {value}"

"""Explanations as a reader sees them: importance, what draws groups apart, dependence, single decisions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from markupsafe import Markup

from fairmark.explain.documents import (
    Contribution,
    Decision,
    Dependence,
    ExplainedDecision,
    LimeOpinion,
    Reason,
    value_text,
)
from fairmark.report.charts import crowded, dependence_picture
from fairmark.report.inputs import WITHHELD, Facts
from fairmark.report.labels import NUMBER, STRIP, Column, Picture, Table, count, listed, number
from fairmark.report.svg import Scale, axis, bar, step, unit, whisker

TRUSTED = 0.5
"""Share of the variation near a row from which on LIME's account of it is called more than half."""


def importance(facts: Facts) -> Table:
    """Return the features that move the score most, in log-odds."""
    ranked = facts.explanations.importance[: facts.document.top]
    scale = unit(0, max((each.mean_abs_shap for each in ranked), default=0) or 1)
    rows = [
        (
            each.feature,
            bar(scale, 0, each.mean_abs_shap, "plain"),
            number(each.mean_abs_shap, facts.decimals),
        )
        for each in ranked
    ]
    caption = (
        f"How far each feature moves the score, on average over {count(facts.explanations.rows)} test rows"
    )
    columns = [Column("Feature"), Column("Size", STRIP), Column("Mean move, log-odds", NUMBER)]
    return Table(caption, columns, rows, ("", axis(scale), ""))


def by_group(facts: Facts, attribute: str) -> Table:
    """Return the mean move of each feature within every group of an attribute, and their sum."""
    groups = facts.explanations.by_group[attribute]
    known = {group: entry.mean_shap for group, entry in groups.items() if entry.mean_shap is not None}
    names = _widest(list(known.values()), facts)
    columns = [Column("Feature"), *(Column(f"{group} ({groups[group].rows})", NUMBER) for group in known)]
    rows: list[Sequence[str]] = [
        (name, *(signed(means[name], facts.decimals) for means in known.values())) for name in names
    ]
    whole = tuple(signed(sum(means.values()), facts.decimals) for means in known.values())
    caption = f"Mean move of each feature by {attribute}, log-odds (explained rows in brackets)"
    return Table(caption, columns, [*rows, ("All features together", *whole)], marked=frozenset({len(rows)}))


def _widest(means: Sequence[Mapping[str, float]], facts: Facts) -> list[str]:
    """Return the features whose mean moves lie furthest apart between groups."""
    names = [each.feature for each in facts.explanations.importance]

    def spread(name: str) -> float:
        return max(entry[name] for entry in means) - min(entry[name] for entry in means) if means else 0

    return sorted(names, key=lambda name: (-spread(name), name))[: facts.document.top]


def signed(value: float, decimals: int) -> str:
    """Return a move with its sign."""
    text = number(value, decimals)
    return f"+{text}" if value > 0 and text.strip("0.") else text


def dependences(facts: Facts) -> tuple[list[Picture], list[Table]]:
    """Return a picture for each number or date and a table for each name, the most important first."""
    by_feature = facts.explanations.dependence
    order = [each.feature for each in facts.explanations.importance if each.feature in by_feature]
    shown = [name for name in order if name not in facts.personal and by_feature[name].grid]
    along = [name for name in shown if by_feature[name].edges and len(by_feature[name].grid) > 1]
    top = _ceiling([by_feature[name] for name in along])
    pictures = [_numbers(name, by_feature[name], top, facts) for name in along]
    return pictures, [_names(name, by_feature[name], facts) for name in shown if name not in along]


def _ceiling(entries: Sequence[Dependence]) -> float:
    highest = max(
        (score for entry in entries for line in [entry.mean, *entry.ice] for score in line), default=1
    )
    return min(1.0, 0.1 * (int(highest / 0.1) + 1))


def _numbers(name: str, entry: Dependence, top: float, facts: Facts) -> Picture:
    low, high = min(entry.mean), max(entry.mean)
    at_low, at_high = (value_text(entry.grid[entry.mean.index(value)]) for value in (low, high))
    words = (
        f"Mean score along {name}: lowest {number(low, facts.decimals)} at {at_low}, "
        f"highest {number(high, facts.decimals)} at {at_high}"
    )
    steps = (
        " The axis has a step for each drawn value, because most rows share one." if crowded(entry) else ""
    )
    return Picture(dependence_picture(entry, name, top, words), f"{words}.{steps}{_gap(entry, facts)}")


def _names(name: str, entry: Dependence, facts: Facts) -> Table:
    scale, share = unit(0, max(entry.mean) or 1), Scale(0, max(entry.near) or 1, 0, 1)
    rows = [
        (
            value_text(value),
            bar(scale, 0, mean, "plain"),
            number(mean, facts.decimals),
            bar(share, 0, part, "density", ruled=False),
            number(part, facts.decimals),
        )
        for value, mean, part in zip(entry.grid, entry.mean, entry.near, strict=True)
    ]
    unshown = f" {entry.unshown} rarer names are not drawn." if entry.unshown else ""
    columns = [
        Column(name),
        Column("Score", STRIP),
        Column("Mean score", NUMBER),
        Column("Density", STRIP),
        Column("Share of rows", NUMBER),
    ]
    caption = f"Mean score by {name}.{unshown}{_gap(entry, facts)}"
    return Table(caption, columns, rows, ("", axis(scale), "", "", ""))


def _gap(entry: Dependence, facts: Facts) -> str:
    if entry.missing is None:
        return ""
    share, mean = number(entry.missing.share, facts.decimals), number(entry.missing.mean, facts.decimals)
    return f" Where it is missing ({share} of the rows): {mean}."


@dataclass(frozen=True)
class DecisionView:
    """One single decision as the page shows it."""

    why: str
    row: int
    yes: bool
    answer: str
    score: str
    threshold: str | None
    """By which threshold it was made, where groups have their own."""
    waterfall: Table
    opinion: str
    reasons: Sequence[Reason]


def decisions(facts: Facts) -> list[DecisionView]:
    """Return each single decision as a waterfall from the base value to its log-odds, with its reasons."""
    label = facts.schema.label
    return [
        DecisionView(
            why=each.why,
            row=each.row,
            yes=each.decision == 1,
            answer=label.positive if each.decision == 1 else label.negative,
            score=number(each.score, facts.decimals),
            threshold=of_decision(each, facts),
            waterfall=_waterfall(each, facts),
            opinion=_opinion(each.lime, facts),
            reasons=[_reason(reason, facts) for reason in each.reasons],
        )
        for each in facts.explanations.decisions
    ]


def coverage(facts: Facts) -> list[str]:
    """Return in words how much of what moved decisions the principal reasons name, a sentence a decision."""
    return [
        f"Of what moved the {count(each.rows)} explained rows decided {name} towards it, the principal "
        f"reasons name {number(each.covered, facts.decimals)} on average and at least "
        f"{number(each.least, facts.decimals)} in all but a twentieth of them; in "
        f"{number(each.left_out, facts.decimals)} a reason is left out that moved at least half as far as "
        "the first."
        for name, each in (facts.explanations.reasons or {}).items()
        if each.covered is not None
    ]


def stability(facts: Facts) -> list[str]:
    """Return in words whether refits give the same reasons, and of how many refits that is said."""
    found, shown = facts.explanations.stability, facts.decimals
    if found is None:
        return []
    if not found.refits:
        return [f"Whether explanations hold when the model is learnt again was not measured: {found.why}."]
    known = [each for each in found.correlation if each is not None]
    alike = f"features rank with a correlation of {number(min(known), shown)} at least; " if known else ""
    whole = (
        f"Learnt again {found.refits} times, from train rows drawn with replacement and with other seeds: "
        f"{alike}{number(found.otherwise, shown)} of {count(found.rows)} rows are decided otherwise."
    )
    return [
        whole,
        *(
            f"Of rows decided {name} both times, {number(each.kept, shown)} of the principal reasons come "
            f"again, the first one in {number(each.first, shown)}, and all in {number(each.every, shown)}."
            for name, each in (found.reasons or {}).items()
            if each.kept is not None
        ),
    ]


def ranks(facts: Facts) -> Table | None:
    """Return the ranks of the first features in the model and in each refit."""
    found = facts.explanations.stability
    if found is None or not found.refits:
        return None
    columns = [Column("Feature"), Column("Rank", NUMBER)]
    columns += [Column(f"Refit {place + 1}", NUMBER) for place in range(found.refits)]
    rows = [(each.feature, str(each.rank), *map(str, each.again)) for each in found.features]
    caption = f"Ranks of the first features by importance, in the model and {found.refits} refits"
    return Table(caption, columns, rows)


def _reason(reason: Reason, facts: Facts) -> Reason:
    """Return a reason without what no page shows: a personal value, and a group that would tell one."""
    name = reason.feature
    if name in facts.schema.attributes and is_withheld(name, facts):
        effect = "with another group's threshold it would be otherwise"
        return Reason(feature=name, value=WITHHELD, effect=effect)
    return reason.model_copy(update={"value": WITHHELD}) if name in facts.personal else reason


def _waterfall(entry: ExplainedDecision, facts: Facts) -> Table:
    moves, rest = entry.contributions[: facts.document.top], entry.contributions[facts.document.top :]
    lime = entry.lime.moves
    steps = [(f"{move.feature} = {_value(move, facts)}", [move]) for move in moves]
    steps += [(f"{len(rest)} other features", list(rest))] if rest else []
    sizes = [sum(move.shap for move in each) for _, each in steps]
    ends = list(accumulate(sizes, initial=entry.base))
    scale = unit(min(ends), max(ends) if max(ends) > min(ends) else min(ends) + 1)
    rows: list[Sequence[str]] = [
        ("average of all rows", _end(scale, ends[0]), number(ends[0], facts.decimals), "")
    ]
    for (name, each), size, start, end in zip(steps, sizes, ends, ends[1:], strict=False):
        strip = step(scale, start, end, "up" if size > 0 else "down")
        other = signed(sum(lime[move.feature] for move in each), facts.decimals)
        rows.append((name, strip, signed(size, facts.decimals), other))
    rows.append(("this row, log-odds", _end(scale, ends[-1]), number(ends[-1], facts.decimals), ""))
    caption = f"From the average to row {entry.row} of the sample"
    columns = [
        Column("Feature and value"),
        Column("Way", STRIP),
        Column("SHAP", NUMBER),
        Column("LIME", NUMBER),
    ]
    return Table(caption, columns, rows, ("", axis(scale), "", ""), frozenset({0, len(rows) - 1}))


def _end(scale: Scale, value: float) -> Markup:
    return whisker(scale, value, None, None, None)


def _value(move: Contribution, facts: Facts) -> str:
    return WITHHELD if move.feature in facts.personal else value_text(move.value)


def _opinion(lime: LimeOpinion, facts: Facts) -> str:
    """Return how far a linear model around the row (LIME) tells the same story."""
    if lime.fidelity is None:
        return "LIME finds no made-up row near this one that is scored otherwise."
    fidelity = number(lime.fidelity, facts.decimals)
    half = "more than" if lime.fidelity > TRUSTED else "no more than"
    sentences = [
        f"LIME's linear model accounts for {half} half of how the score varies near this row ({fidelity})."
    ]
    if lime.agreement is not None:
        order = number(lime.agreement, facts.decimals)
        sentences.append(f"Its features stand in SHAP's order to {order}; 1 is the same order, 0 is none.")
    if lime.against:
        sentences.append(f"The two disagree in direction on {listed(lime.against)}.")
    for name, features in (("SHAP", lime.only_shap), ("LIME", lime.only_lime)):
        if features:
            sentences.append(f"Only {name} has {listed(features)} among its first three.")
    return " ".join(sentences)


def of_decision(decision: Decision, facts: Facts) -> str | None:
    """Return which threshold a decision was made by, and whether another group's would have turned it."""
    applied = decision.applied_threshold
    if applied is None:
        return None
    name = applied.attribute
    hidden = is_withheld(name, facts)
    group = WITHHELD if hidden else applied.group
    value = WITHHELD if hidden else number(applied.threshold, facts.decimals)
    whose = f"of {name} {group}" if applied.own else "of those whose group has none of its own"
    text = f"It was decided by the threshold {whose}, {value}."
    if applied.otherwise:
        other = "another group" if hidden else listed(applied.otherwise)
        answer = "no" if decision.decision == 1 else "yes"
        return f"{text} By that of {other} the decision would be {answer}."
    return f"{text} No other group's would turn the decision."


def is_withheld(name: str, facts: Facts) -> bool:
    """Return whether the values of a feature or attribute are kept from pages: personal ones are."""
    made = facts.schema.attributes.get(name)
    return name in facts.personal or (made is not None and bool(facts.personal & set(made.columns)))

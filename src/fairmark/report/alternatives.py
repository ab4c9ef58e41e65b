"""Less discriminatory alternatives as a reader sees them: what rivals gain, cost and decide otherwise."""

from collections.abc import Sequence
from dataclasses import dataclass

from fairmark.judge.alternatives import Alternatives, Range, Rival, SwappedGroup
from fairmark.params.policy import RIVAL, Limit
from fairmark.report.inputs import Facts
from fairmark.report.labels import NUMBER, Column, Table, count, interval, number
from fairmark.stats.measures import label as title

COUNTED = {"accuracy", "profit"}
"""Qualities that are means of rows: a loss is so much a thousand decisions."""


@dataclass(frozen=True)
class AlternativesView:
    """The sentences and tables of the section."""

    text: Sequence[str]
    beside: Table | None
    steady: Table | None
    calibration: Sequence[Table]
    swaps: Sequence[Table]
    reasons: Sequence[str]


def alternatives_view(facts: Facts) -> AlternativesView:
    """Return what the report says of rivals."""
    found = facts.alternatives
    reasons = [f"{each.name} ({each.what}): {each.why}" for each in found.rivals]
    reasons += [f"{each.name}, not measured on test rows: {each.why}" for each in found.unmeasured]
    if not found.rivals:
        return AlternativesView([f"There is nothing to compare: {found.why}."], None, None, [], [], reasons)
    return AlternativesView(
        text=[*sentences(facts), _how(found)],
        beside=_beside(facts),
        steady=_steady(facts),
        calibration=[_calibration(facts, name) for name in found.calibration],
        swaps=[_swaps(facts, rival) for rival in found.rivals],
        reasons=reasons,
    )


def sentences(facts: Facts) -> list[str]:
    """Return what the rivals come to in a few sentences; the gate's first, where there is one."""
    found = facts.alternatives
    said = [each.text for each in facts.verdict.findings if each.limit == RIVAL]
    if not facts.policy.alternatives:
        said.append("The policy gates none of it (policy.alternatives).")
    return [*said, *(in_words(facts, rival) for rival in found.rivals)]


def in_words(facts: Facts, rival: Rival) -> str:
    """Return one rival beside the chosen model, in a sentence."""
    shown, gained = facts.decimals, []
    for limit in _limits(facts):
        gain = rival.mean.gained.get(limit.name)
        if gain is not None and limit.gate:
            way = "nearer to parity" if gain > 0 else "farther from parity"
            way = way if float(number(abs(gain), shown)) else "apart from it, which is as near to parity,"
            times, of = rival.steady[limit.name], 1 + len(rival.refits)
            gained.append(
                f"{number(abs(gain), shown)} {way} by {limit.name} (nearer in {times} of {of} fits, and in "
                f"{number(rival.resampled.fairer.get(limit.name), shown)} of the resamples)"
            )
    lost = rival.mean.lost
    costs = f"costs {number(lost, shown)}" if lost >= 0 else f"brings {number(-lost, shown)}"
    goal = title(facts.alternatives.goal).lower() if facts.alternatives.goal != "profit" else "profit a row"
    each = ""
    if facts.alternatives.goal in COUNTED:
        unit = "right decisions" if facts.alternatives.goal == "accuracy" else "units of profit"
        each = f", {number(abs(lost) * 1000, 1)} {unit} a thousand"
    return f"{rival.name} is {'; '.join(gained) or 'compared by no gated limit'}; it {costs} of {goal}{each}."


def _how(found: Alternatives) -> str:
    """Return what was learnt again and drawn, and what that says."""
    again = "on a sample of the rows, the chosen model too, " if found.sampled else ""
    return (
        f"Rivals are trials of the search's frontier, learnt again {again}as they were tried; test rows "
        f"chose none. Both models were then learnt {found.refits} times more from train rows drawn with "
        "replacement, with other seeds, and thresholds from validation rows alone; means are over all of "
        f"these fits. Ranges hold {found.confidence:g} of {count(found.resamples)} resamples of the "
        f"{count(found.rows)} test rows. They are point values and ranges of few fits, and keep no level."
    )


def _limits(facts: Facts) -> list[Limit]:
    """Return the limits on groups that any model was measured by."""
    known = facts.alternatives.test.limits if facts.alternatives.test is not None else {}
    return [limit for limit in facts.policy.limits if limit.name in known]


def _beside(facts: Facts) -> Table:
    found, shown, limits = facts.alternatives, facts.decimals, _limits(facts)
    columns = [
        Column("Model"),
        Column(f"{title(found.goal)}, validation", NUMBER),
        Column(f"{title(found.goal)}, test", NUMBER),
        *(Column(f"{limit.name}, {part}", NUMBER) for limit in limits for part in ("validation", "test")),
    ]
    models = [("chosen", found.valid, found.test)]
    models += [(each.name, each.valid, each.test) for each in found.rivals]
    rows: list[Sequence[str]] = [
        (
            name,
            *(number(part.quality, shown) for part in (valid, test)),
            *(number(part.limits.get(limit.name), shown) for limit in limits for part in (valid, test)),
        )
        for name, valid, test in models
        if valid is not None and test is not None
    ]
    caption = "The chosen model and its rivals, at thresholds from held-out rows"
    return Table(caption, columns, rows, marked=frozenset({0}))


def _steady(facts: Facts) -> Table:
    found, shown = facts.alternatives, facts.decimals
    columns = [
        Column("Rival"),
        Column("Of"),
        Column("As made", NUMBER),
        *(Column(f"Refit {place + 1}", NUMBER) for place in range(found.refits)),
        Column("Mean", NUMBER),
        Column("Resamples", NUMBER),
    ]
    rows: list[Sequence[str]] = []
    for rival in found.rivals:
        each = [rival.beside, *rival.refits]
        lost = [number(one.lost, shown + 1) for one in (*each, rival.mean)]
        rows.append(
            (rival.name, f"{title(found.goal)} lost", *lost, _within(rival.resampled.lost, shown + 1))
        )
        for limit in _limits(facts):
            gains = [number(one.gained.get(limit.name), shown) for one in (*each, rival.mean)]
            within = _within(rival.resampled.gained.get(limit.name), shown)
            rows.append((rival.name, f"gained by {limit.name}", *gains, within))
    caption = "What each rival gains (above 0: nearer to parity) and costs on test rows, fit by fit"
    return Table(caption, columns, rows)


def _within(found: Range | None, decimals: int) -> str:
    return "" if found is None else interval(found.low, found.high, decimals)


def _calibration(facts: Facts, attribute: str) -> Table:
    """Return scores and positives of each group before, with the chosen model, and after, with each rival."""
    found, shown = facts.alternatives, facts.decimals
    names = ["chosen", *(rival.name for rival in found.rivals)]
    columns = [
        Column("Group"),
        Column("Positive", NUMBER),
        *(Column(f"{name}: {what}", NUMBER) for name in names for what in ("mean score", "error")),
    ]
    rows: list[Sequence[str]] = []
    for group, before in found.calibration[attribute].items():
        each = [before, *(rival.calibration[attribute][group] for rival in found.rivals)]
        numbers = [number(value, shown) for one in each for value in (one.mean_score, one.error)]
        rows.append((group, number(before.positive_share, shown), *numbers))
    caption = (
        f"Calibration within groups of {attribute}: mean score beside the share of positives, and its error"
    )
    return Table(caption, columns, rows)


def _swaps(facts: Facts, rival: Rival) -> Table:
    columns = [
        Column("Group"),
        Column("Score of the chosen model"),
        Column("Would be decided yes", NUMBER),
        Column("Would be decided no", NUMBER),
    ]
    rows: list[Sequence[str]] = []
    for attribute, groups in rival.swaps.items():
        for group, found in groups.items():
            rows += _bands(f"{group} ({attribute})", found)
    least = facts.alternatives.smallest_cell
    caption = f"Who would be decided otherwise by {rival.name}: test rows, counts of {least} or more"
    return Table(caption, columns, rows)


def _bands(group: str, found: SwappedGroup) -> list[Sequence[str]]:
    if found.bands is None:
        return [(group, "withheld: too few rows", "", "")]
    rows: list[Sequence[str]] = [
        (group, f"{each.low:.2g} to {each.high:.2g}", count(each.into), count(each.out))
        for each in found.bands
        if each.into or each.out
    ]
    return rows or [(group, "nobody", count(0), count(0))]

"""What a finding says: what was found, against which limit, and what to do about it."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence

from fairmark.judge.by_probability import ProxyPair, ProxyShare
from fairmark.judge.constant_answer import AccuracyGain
from fairmark.judge.limits import Compared
from fairmark.judge.measured import Measured
from fairmark.params.policy import Policy, Waiver
from fairmark.stats.measures import QUANTITIES, RARER, spoken

Numbers = tuple[float | None, float | None, float | None]


def sentences(
    each: Compared,
    outcome: str,
    numbers: Numbers,
    more: Mapping[str, int] | None,
    policy: Policy,
    earlier: int | None,
) -> Iterator[str]:
    """Yield the sentences about one comparison; `numbers` are its value, its bound and the opposite one."""
    value, bound, opposite = numbers
    where = _where(each)
    if value is None or bound is None or opposite is None:
        yield f"{where} can't be computed: {each.empty}."
        yield "Measure on test rows of every group concerned, or record a waiver in policy.waivers."
    else:
        yield f"{where} is {_number(value)}{_rows(each)}; {_against(each, outcome, bound, opposite)}."
        if isinstance(each.comparison, ProxyShare | ProxyPair):
            yield from _by_proxy(each, each.comparison, outcome)
            return
        yield from _advice(each, outcome, value, more, _again(policy, earlier))
        yield from _rare(each, outcome)
    lost = max((sum(part.lost) for part in each.comparison.parts), default=0.0)
    if lost > 0:
        yield f"The bounds hold wherever {lost:,.0f} rows of a group that is not known may belong."
    few = [
        f"{group} has {number:,}"
        for group, (number, _) in zip(each.groups, each.evidence, strict=False)
        if number < policy.min_group_rows
    ]
    if few:
        whom = "persons in test rows" if each.persons else "test rows"
        yield f"Few {whom}: {' and '.join(few)}, below the policy's {policy.min_group_rows:,}."


RARE = 0.01
"""Share selected under which, or over 1 minus which, hardly anything is decided."""


def one_sided(overall: Mapping[str, Measured]) -> str:
    """Return in words that nearly everybody or nearly nobody is selected, or nothing."""
    entry = overall.get("selection_rate")
    rate = None if entry is None else entry.value
    if rate is None or RARE <= rate <= 1 - RARE:
        return ""
    who = "Nearly everybody" if rate > RARE else "Nearly nobody"
    share = f"{_number(rate)} of the test rows"
    return f"{who} is selected ({share}): such groups are alike because hardly anything is decided."


def _where(each: Compared) -> str:
    limit = each.limit
    rate = f" ({spoken(each.rate)})" if not limit.measure.startswith(each.rate) else ""
    group = f", {each.group}," if each.group else ""
    return f"{spoken(limit.measure)}{rate}" + (f" by {limit.attribute}{group}" if limit.attribute else "")


def _by_proxy(each: Compared, comparison: ProxyShare | ProxyPair, outcome: str) -> Iterator[str]:
    """Yield what bounds of groups that are known by probability stand on, and how far rows can lead."""
    attribute, (low, high) = each.limit.attribute, comparison.identified
    error = comparison.parts[0].rate.error
    off = f", to within {error:g}," if error else ""
    yield (
        f"No row states {attribute}: the value weighs each row by its probability ({comparison.proxy}), and "
        f"is right where decisions say nothing more of {attribute} than that; the bounds hold whoever is of "
        f"a group, if the mean probability of each bin is right{off} and rows are independent."
    )
    if outcome == "insufficient evidence":
        yield (
            f"With any number of rows like these the bounds are {_number(low)} and {_number(high)}: a "
            "sharper proxy or groups that people state themselves can decide, or record a waiver in "
            "policy.waivers."
        )
    elif outcome == "fail":
        yield "Change the model (a longer search, more mitigation, other features) or, openly, the policy."


def _rows(each: Compared) -> str:
    if isinstance(each.comparison, ProxyShare | ProxyPair):
        return f" on {' and '.join(f'{rows:,}' for rows in each.rows)} expected test rows"
    return f" on {' and '.join(f'{rows:,}' for rows in each.rows)} test rows"


def _against(each: Compared, outcome: str, bound: float, opposite: float) -> str:
    limit = each.limit
    least = limit.at_least is not None
    edge = (
        f"{'at least' if least else 'at most'} {_number((limit.at_least if least else limit.at_most) or 0.0)}"
    )
    near, far = ("lower", "upper") if least else ("upper", "lower")
    match outcome:
        case "pass":
            return f"its {near} bound {_number(bound)} clears the limit of {edge}"
        case "fail":
            return f"even its {far} bound {_number(opposite)} misses the limit of {edge}"
    return (
        f"its {near} bound {_number(bound)} does not clear the limit of {edge}, and its {far} bound "
        f"{_number(opposite)} does not miss it"
    )


def _again(policy: Policy, earlier: int | None) -> str:
    """Return in words which verdict may judge more rows: looking until it decides would break the level."""
    budget = policy.budget
    if budget is None:
        return "get them, and plan the next verdict in policy.budget before it"
    number = (earlier or 0) + 2
    if number > budget.verdicts:
        return f"no verdict on {budget.test_set} is left for them: get new rows alone, under another name"
    part = f"at {policy.level_after(number - 1):.3g} of the level"
    return f"get them, for verdict {number} of {budget.verdicts}, {part}"


def _advice(
    each: Compared, outcome: str, value: float, more: Mapping[str, int] | None, again: str
) -> Iterator[str]:
    if outcome == "fail":
        if each.limit.at_most is not None and _ranks(each.limit.measure):
            yield "Too good to be true: look for features that hold the label before anything else."
            return
        yield "Change the model (a longer search, more mitigation, other features) or, openly, the policy."
    elif outcome == "insufficient evidence":
        waived = "or record a waiver in policy.waivers"
        if each.limit.at_most is not None and _ranks(each.limit.measure):
            beyond = "More than can be believed" if value > each.limit.at_most else "So near the ceiling"
            yield (
                f"{beyond}: look for features that hold the label, or that are known only after the "
                "decision, before you get more rows."
            )
        if more is None:
            yield f"No reasonable number of rows decides at {_number(value)}: change the model {waived}."
            return
        if cause := _too_few(each, more):
            yield f"{cause} Change the threshold or the model, {waived}."
            return
        needed = " and ".join(
            f"{rows:,} more test rows{f' of {group}' if group else ''}" for group, rows in more.items()
        )
        sure = "would decide with chance 0.8, if these rates are the true ones"
        yield f"About {needed} {sure}; {again}, {waived}."


def _ranks(name: str) -> bool:
    """Return whether a measure says how well scores rank the labels: of scores, and higher is better."""
    quantity = QUANTITIES[name]
    return quantity.how == "value" and quantity.measure.scored and quantity.better == "higher"


def _rare(each: Compared, outcome: str) -> Iterator[str]:
    """Yield which measure can show a gain that accuracy can't, where one label is rare.

    Only of what is open: a model that is shown to be worse is none to choose another measure for.
    """
    comparison = each.comparison
    if outcome != "insufficient evidence" or not isinstance(comparison, AccuracyGain):
        return
    share = comparison.positives
    if not min(share, 1 - share) < RARER:
        return
    answer, right = ("no", 1 - share) if share < RARER else ("yes", share)
    yield (
        f'{_number(share)} of the test rows are positive, so that "{answer}" to everybody is right for '
        f"{_number(right)} of them, and accuracy can hardly show more. A measure of both labels can: "
        "policy.constant_answer: {measures: [balanced_accuracy], at_least: 0, not_required: null}, with "
        "train.threshold: {maximise: balanced_accuracy, by: null}, so that decisions are made by it as well."
    )


MANIFOLD = 10
"""Times the rows at hand, above which more rows are no advice."""


def _too_few(each: Compared, more: Mapping[str, int]) -> str:
    """Return why no number of rows that can be had decides: of which rate how few rows there are."""
    if sum(more.values()) <= MANIFOLD * sum(each.rows):
        return ""
    beyond = f"so near the limit, that {sum(more.values()):,} more rows would be needed."
    if _ranks(each.limit.measure):  # which counts pairs of rows, and no rows
        return f"The {spoken(each.rate)} lies {beyond}"
    parts = each.comparison.parts
    counts = " and ".join(
        f"{part.hits:,.0f} of {part.rows:,.0f}{f' ({part.group})' if part.group else ''}" for part in parts
    )
    return f"The {spoken(each.rate)} counts {counts}: so few, or {beyond}"


def waived(
    waivers: Sequence[Waiver], standing: Waiver | None, today: dt.date | None, *, failed: bool = False
) -> Iterator[str]:
    """Yield what is to be said of the waivers of an open comparison, or the overrides of a failed one."""
    kind, done = ("override", "A failure let through") if failed else ("waiver", "Waived")
    for waiver in waivers:
        days = f"{waiver.decided} to {waiver.expires}"
        if waiver.due is not None:
            days += f", rows that decide due {waiver.due}"
        if waiver is standing:
            yield f"{done} by {waiver.decided_by} ({days}): {waiver.reason}"
        elif today is None:
            entry = f"{kind} by {waiver.decided_by} ({days}) is on record"
            yield f"{'An' if failed else 'A'} {entry}; the day says whether it stands."
        elif standing is None:
            state = "has expired" if today > waiver.expires else "does not stand yet"
            if waiver.last_day < today <= waiver.expires:
                state = f"stands no longer: the rows that would decide were due on {waiver.due}"
            yield f"The {kind} by {waiver.decided_by} ({days}) {state}."


def _number(value: float) -> str:
    """Return five significant digits: enough to tell a bound from a limit that it just misses."""
    return f"{value:.5g}"

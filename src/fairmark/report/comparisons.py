"""Groups against a reference group: differences within strata, odds ratios, mean scores, other thresholds."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fairmark.evaluate.documents import ConditionalDisparity, GroupComparison, GroupComparisons, Stratified
from fairmark.report.inputs import Facts
from fairmark.report.labels import MINUS, NUMBER, Column, Table, interval, listed, number

LEAST_P = 0.001


@dataclass(frozen=True)
class AttributeTables:
    """The tables of one attribute: selection rates, and scores."""

    rates: Table
    scores: Table


@dataclass(frozen=True)
class Comparisons:
    """What compares groups with their reference groups, as a page shows it."""

    text: str
    attributes: Sequence[AttributeTables]
    sentences: Sequence[str]


def comparisons_view(facts: Facts) -> Comparisons | None:
    """Return what compares each group with its reference group; None where the checks hold no such thing."""
    found = facts.checks.comparisons
    if found is None:
        return None
    known = {name: each for name, each in found.attributes.items() if each is not None}
    return Comparisons(
        _text(found),
        [
            AttributeTables(_rates(facts, name, each), _ratios(facts, name, each))
            for name, each in known.items()
        ],
        [text for name, each in known.items() for text in within_strata(facts, name, each)],
    )


def _text(found: GroupComparisons) -> str:
    within = (
        f"Within strata means among rows alike in {listed(list(found.strata))}. "
        if found.strata
        else "No strata are named (evaluate.references.strata). "
    )
    sure = (
        f"Each interval holds for itself at {1 - found.level:g}, and is no matter of the gate."
        if found.why is None
        else f"There are neither intervals nor tests, since {found.why}."
    )
    return (
        f"Test rows of each group against those of one reference group. {within}Whether a stratum justifies "
        f"a difference is no question of statistics: one that stands for the group explains any away. {sure}"
    )


def _rates(facts: Facts, attribute: str, found: ConditionalDisparity) -> Table:
    """Return differences of selection rates, as they are and within strata, with the odds ratio."""
    rows = []
    for group, each in found.groups.items():
        rows.append(
            (
                group,
                _difference(facts, each.overall),
                _difference(facts, each.within),
                _odds(facts, each.overall),
                _odds(facts, each.within),
                _p(each.within or each.overall),
            )
        )
    columns = [
        Column("Group"),
        Column("Difference of rates", NUMBER),
        Column("Within strata", NUMBER),
        Column("Odds ratio", NUMBER),
        Column("Within strata", NUMBER),
        Column("p", NUMBER),
    ]
    caption = (
        f"By {attribute}, against {found.reference}: differences and odds ratios of selection "
        "(0 and 1 = alike)"
    )
    return Table(caption, columns, rows)


def _ratios(facts: Facts, attribute: str, found: ConditionalDisparity) -> Table:
    """Return the standardised mean difference of scores, and the ratio at other shares selected."""
    shares = [at.share for at in next(iter(found.groups.values())).ratios]
    rows = [
        (
            group,
            _apart(facts, each),
            *(number(at.ratio, facts.decimals) for at in each.ratios),
        )
        for group, each in found.groups.items()
    ]
    columns = [
        Column("Group"),
        Column("Mean score", NUMBER),
        *(Column(f"Best {share:.0%}", NUMBER) for share in shares),
    ]
    caption = (
        f"By {attribute}, against {found.reference}: the mean score in standard deviations from the "
        "reference's (0 = alike), and the ratio of selection rates were that share of the best-scored "
        "selected (1 = parity)"
    )
    return Table(caption, columns, rows)


def _difference(facts: Facts, one: Stratified | None) -> str:
    if one is None or one.difference is None:
        return "\N{EN DASH}"
    within = interval(one.difference_low, one.difference_high, facts.decimals)
    return number(one.difference, facts.decimals) + (f" ({within})" if within else "")


def _odds(facts: Facts, one: Stratified | None) -> str:
    if one is None or one.odds_ratio is None:
        return "\N{EN DASH}"
    within = interval(one.odds_low, one.odds_high, facts.decimals)
    return number(one.odds_ratio, facts.decimals) + (f" ({within})" if within else "")


def _p(one: Stratified) -> str:
    if one.p is None:
        return "\N{EN DASH}"
    return f"<{LEAST_P:g}" if one.p < LEAST_P else f"{one.p:.3f}"


def _apart(facts: Facts, each: GroupComparison) -> str:
    if each.scores is None:
        return "\N{EN DASH}"
    within = interval(each.scores.low, each.scores.high, facts.decimals)
    return number(each.scores.value, facts.decimals) + (f" ({within})" if within else "")


def within_strata(facts: Facts, attribute: str, found: ConditionalDisparity) -> Iterator[str]:
    """Yield in words, group by group, how much of a difference is left within strata."""
    for group, each in found.groups.items():
        if each.within is None:
            continue
        whole, within = each.overall.difference, each.within.difference
        if whole is None or within is None:
            continue
        ends = (each.within.difference_low, each.within.difference_high)
        if ends[0] is None or ends[1] is None:
            sure = ""
        elif ends[0] > 0 or ends[1] < 0:
            sure = ", more than chance makes"
        else:
            sure = ", which chance may make"
        turned = " It points the other way there." if whole * within < 0 else ""
        yield (
            f"{attribute} {group} is selected {_signed(facts, whole)} against {found.reference}, and "
            f"{_signed(facts, within)} within strata{sure}.{turned}"
        )


def _signed(facts: Facts, value: float) -> str:
    text = number(value, facts.decimals)
    return text if text.startswith(MINUS) or not float(text) else f"+{text}"

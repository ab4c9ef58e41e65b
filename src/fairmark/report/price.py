"""What drawing groups together cost, in plain words: against the best model that looks at quality alone."""

from fairmark.report.facts import Facts, Row
from fairmark.report.search import done, names
from fairmark.report.words import listed, measured, number, title

OTHER_GOALS = ("true_positive_rate_difference", "false_positive_rate_difference")
"""Equal opportunity, and the other half of equalised odds: what equal selection rates are paid with."""


def price_told(facts: Facts) -> list[str]:
    """Return what was mitigated, what it cost in quality, and what it did to the goals of the same groups."""
    plain = next((row for row in done(facts) if "unmitigated" in names(row)), None)
    chosen = next((row for row in done(facts) if "chosen" in names(row)), None)
    attributes = list(dict.fromkeys(step.attribute for step in facts.chosen.mitigation if step.strength > 0))
    said = []
    if plain is not None and chosen is not None and plain is not chosen:
        said.append(_cost(facts, plain, chosen, attributes))
        moves = [_moved(facts, plain, chosen, attribute) for attribute in attributes]
        said += [move for move in moves if move]
    said += [_errors(facts, attribute) for attribute in attributes]
    return [each for each in said if each]


def _cost(facts: Facts, plain: Row, chosen: Row, attributes: list[str]) -> str:
    parts = []
    for name in ("accuracy", "roc_auc"):
        change = float(chosen[name]) - float(plain[name])
        size, way = number(abs(change), facts.decimals), "higher" if change > 0 else "lower"
        parts.append(f"{_plain(name)} {f'{size} {way}' if float(size) else 'unchanged'}")
    what = f"Drawing groups together by {listed(attributes)}" if attributes else "The search"
    against = "against the best model that looks at quality alone"
    return f"{what} leaves {listed(parts)} on validation rows, {against}."


def _moved(facts: Facts, plain: Row, chosen: Row, attribute: str) -> str:
    """Return what became of every limit on one attribute."""
    found = []
    for limit in facts.policy.limits:
        key = f"limit.{limit.name}"
        if limit.attribute == attribute and plain.get(key) and chosen.get(key):
            before, after = float(plain[key]), float(chosen[key])
            fairer = after > before if limit.at_least is not None else after < before
            first, last = (number(value, facts.decimals) for value in (before, after))
            became = f"goes from {first} to {last} ({'better' if fairer else 'worse'})"
            found.append(f"the {_plain(limit.measure)} {became if first != last else f'stays {first}'}")
    return f"By {attribute}, {listed(found)}." if found else ""


def _errors(facts: Facts, attribute: str) -> str:
    """Return what is left between groups in true and false positive rates on test rows."""
    between = facts.measurements["disparities"].get(attribute, {})
    found = [
        f"the {_plain(name)} is {measured(entry, facts.decimals)}, {entry['highest']} highest"
        for name in OTHER_GOALS
        if (entry := between.get(name)) and entry["value"] is not None
    ]
    return f"By {attribute}, on test rows, {listed(found)}." if found else ""


def _plain(measure: str) -> str:
    name = title(measure)
    return name if name.isupper() or name.startswith("ROC") else name[0].lower() + name[1:]

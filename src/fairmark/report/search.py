"""The search as a reader sees it: quality against fairness of every trial, what was chosen, its price.

What drawing groups together cost, in plain words: against the best model that looks at quality alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from fairmark.learn.summaries import Cell, RivalRow, TrialRow
from fairmark.params.policy import Limit
from fairmark.report.charts import Mark, frontier
from fairmark.report.inputs import Facts
from fairmark.report.labels import NUMBER, Column, Table, count, listed, measured, number
from fairmark.stats.measures import TILES
from fairmark.stats.measures import label as title

FAMILIES = {"logistic": "logistic models", "boosted": "boosted trees", "additive": "additive models"}
SHAPES = {"logistic": "squares", "boosted": "dots", "additive": "diamonds"}
"""How `charts.frontier` draws trials of each family."""
SKIPPED = ("state", "failure", "frontier", "chosen", "role")
"""Columns of trials.csv that the table says in other ways, or not at all."""


@dataclass(frozen=True)
class FrontierView:
    """The picture of the frontier, for wide and for narrow pages."""

    wide: Markup
    narrow: Markup
    caption: str


@dataclass(frozen=True)
class SearchView:
    """The sentence, the picture and the tables of the search."""

    sentence: str
    frontier: FrontierView | None
    chosen: Table
    asked: Table | None
    price: Table | None
    count: str
    trials: Table
    rivals: Table | None


def search_view(facts: Facts) -> SearchView:
    """Return the sentence, the picture and the tables of the search."""
    unknown = facts.search.not_searched
    left = f" Limits that validation rows can't be held against: {listed(unknown)}." if unknown else ""
    failed, pruned = (sum(row.state == state for row in facts.trials) for state in ("failed", "pruned"))
    lost = f" {failed} trials came to nothing." if failed else ""
    lost += f" {pruned} trials were given up early: others of like fairness were ahead." if pruned else ""
    sample = [
        f"{count(one.rows)} of {count(one.of)} {name} rows"
        for name, one in (facts.search.sample or {}).items()
        if one.rows < one.of
    ]
    strata = "label and group" if facts.chosen.blind is None else "label"
    seen = f" Trials saw a stratified sample by {strata}, {listed(sample)}." if sample else ""
    return SearchView(
        sentence=f"{facts.search.note}{lost}{seen}{left}",
        frontier=_frontier(facts),
        chosen=compared(facts),
        asked=asked(facts),
        price=price(facts),
        count=count(len(facts.trials)),
        trials=trials(facts),
        rivals=rivals(facts),
    )


def asked(facts: Facts) -> Table | None:
    """Return what the search asked of the chosen trial, and what it found, or nothing where it did not say.

    The margins of limits on groups, what makes decisions of use, and the range of each strength.
    """
    rows = [*_margins(facts), *_use(facts), *_brackets(facts)]
    if not rows:
        return None
    columns = [Column("What"), Column("Asked for", NUMBER), Column("Found", NUMBER)]
    caption = f"What the search asked of the chosen trial, on held-out rows.{_folded([facts.search.best])}"
    return Table(caption, columns, rows)


def _margins(facts: Facts) -> list[Sequence[str]]:
    """Return a line for each limit with a margin, and one for the bound that the gate can expect."""
    shown, best = facts.decimals, facts.search.best
    rows: list[Sequence[str]] = []
    for limit in facts.policy.limits:
        margin = (facts.search.margins or {}).get(limit.name)
        if margin is None:
            continue
        at, sign = (limit.at_least, 1) if limit.at_least is not None else (limit.at_most or 0.0, -1)
        side = "at least" if sign > 0 else "at most"
        called = _first_upper(_called(limit))
        goal = number(at + sign * margin, shown)
        rows.append(
            (
                f"{called}: {number(at, shown)} and a margin of {number(margin, shown)}",
                f"{side} {goal}",
                number(best.limit(limit.name), shown),
            )
        )
        if (bound := (facts.search.expected or {}).get(limit.name)) is not None:
            rows.append(
                (f"{called}: bound on as many test rows", f"{side} {number(at, shown)}", number(bound, shown))
            )
    return rows


def _use(facts: Facts) -> list[Sequence[str]]:
    """Return what decisions must show to be of use, and what they show."""
    of_use, best, shown = facts.search.of_use, facts.search.best, facts.decimals
    if of_use is None:
        return []
    least, most = of_use.selected
    rows: list[Sequence[str]] = [
        (
            "Better than the better of yes and no to everybody",
            f"at least {number(of_use.margin, shown)}",
            number(best.gain, shown),
        ),
        (
            "Share selected",
            f"{number(least, shown)} to {number(most, shown)}",
            number(best.selection_rate, shown),
        ),
    ]
    if of_use.plain is not None:
        ahead = facts.search.over_plain
        found = "no plain model is as near to the limits" if ahead is None else number(ahead, shown)
        what = (
            "Better, in quality or AUC and by more than a standard error, than a plain model within the same "
            "limits, or that one is taken"
        )
        rows.append((what, f"at least {number(of_use.plain, shown)}", found))
    return rows


def _brackets(facts: Facts) -> list[Sequence[str]]:
    """Return the range of each strength of the chosen family, and the strength that was chosen."""
    best, shown = facts.search.best, facts.decimals
    return [
        (
            f"Strength of {each.constraint.replace('_', ' ')} by {each.attribute}, bracketed by trials",
            f"{number(each.low, shown)} to {number(each.high, shown)}",
            number(best.number_in(f"strength.{each.attribute}.{each.constraint}"), shown),
        )
        for each in facts.search.brackets or []
        if each.family == best.family
    ]


def rivals(facts: Facts) -> Table | None:
    """Return Fairlearn's mitigators beside the chosen trial, and why each is not taken, if asked for."""
    if facts.search.rivals is None:
        return None
    limits = [limit for limit in facts.policy.limits if limit.attribute is not None]
    heads = [
        title(facts.search.goal),
        title("selection_rate"),
        *(_first_upper(_called(each)) for each in limits),
    ]
    columns = [
        Column("Method"),
        *(Column(head, NUMBER) for head in heads),
        Column("Keeps the gated limits"),
        Column("What it is"),
        Column("Why it is not taken"),
    ]
    best = facts.search.best
    rows: list[Sequence[str]] = [
        (
            f"Trial {best.number}, chosen",
            number(best.quality, facts.decimals),
            number(best.selection_rate, facts.decimals),
            *(number(best.limit(each.name), facts.decimals) for each in limits),
            "yes" if best.feasible else "no",
            "one model, the same for everybody",
            "",
        )
    ]
    rows += [
        (
            f"{each.method}: {each.setting}",
            number(each.quality, facts.decimals),
            number(each.selection_rate, facts.decimals),
            *(number(each.limits.get(limit.name), facts.decimals) for limit in limits),
            "yes" if each.keeps else "no",
            _kind(each),
            each.why,
        )
        for each in facts.search.rivals
    ]
    caption = (
        "Fairlearn's mitigators, none of which is ever chosen, on validation rows. A lottery is measured by "
        f"its expectation, and no rival has to keep a margin.{_folded([best])}"
    )
    return Table(caption, columns, rows, marked=frozenset({0}))


def _kind(rival: RivalRow) -> str:
    words = [f"a lottery over {rival.models} models" if rival.models > 1 else "one model"]
    if rival.randomised and rival.models == 1:
        words = ["one model and a lottery"]
    return words[0] + (", told the group" if rival.reads_group else "")


def done(facts: Facts) -> list[TrialRow]:
    """Return the trials that came to something."""
    return [row for row in facts.trials if row.state == "complete"]


def names(row: TrialRow) -> tuple[str, ...]:
    """Return what a trial is called: chosen, baseline, unmitigated, or nothing."""
    return tuple(
        name
        for name, holds in (
            ("chosen", row.chosen),
            ("unmitigated", row.role == "unmitigated"),
            ("baseline", row.role == "baseline"),
        )
        if holds
    )


def _frontier(facts: Facts) -> FrontierView | None:
    """Return the picture for wide and narrow pages, or nothing when no limit on groups was measured."""
    across, key, limit = _fairness(facts)
    marks = [
        Mark(
            row.number,
            fairness,
            row.quality,
            row.family,
            names(row),
            best=row.frontier,
        )
        for row in done(facts)
        if (fairness := row.number_in(key)) is not None and row.quality is not None
    ]
    if not marks or across is None:
        return None
    goal = facts.search.goal
    floors = [
        each.at_least
        for each in facts.policy.limits
        if each.attribute is None and each.measure == goal and each.gate
    ]
    floor = max((floor for floor in floors if floor is not None), default=None)
    upward = f"{title(goal).lower()} on validation rows"
    wide, narrow = (frontier(marks, across, upward, (limit, floor), wide=wide) for wide in (True, False))
    families = sorted({mark.family for mark in marks})
    drawn = [f"{SHAPES[family]} are {called}" for family, called in FAMILIES.items() if family in families]
    shapes = f" {_first_upper(', '.join(drawn))}." if len(families) > 1 else ""
    nought = " Room is 0 where the limit is." if key == "fairness" else ""
    caption = (
        "Every trial, better to the right and upwards; the line is the frontier: what none beats in "
        f"both.{shapes}{nought} Point values on validation rows; the verdict rests on bounds on test rows."
        f"{_folded(facts.trials)}"
    )
    return FrontierView(wide, narrow, caption)


def _fairness(facts: Facts) -> tuple[str | None, str, float | None]:
    """Return the name of the fairness axis, its column of trials.csv, and where the limit stands.

    One floor on groups is drawn by its own measure. Several limits, or a ceiling, are drawn by the room that
    is left to the nearest of them, which is 0 at the limit and grows with fairness.
    """
    on_groups = [limit for limit in facts.policy.limits if limit.attribute is not None]
    gated = [limit for limit in on_groups if limit.gate]
    if not gated:
        reported = [limit for limit in on_groups if limit.at_least is not None and _measured(facts, limit)]
        return (
            (_called(reported[0]), f"limit.{reported[0].name}", None)
            if reported
            else (None, "fairness", None)
        )
    only = gated[0]
    if len(gated) == 1 and only.at_least is not None and _measured(facts, only):
        return _called(only), f"limit.{only.name}", only.at_least
    return "room to the nearest limit on groups", "fairness", 0.0


def _first_upper(text: str) -> str:
    """Return a text with its first letter large; attribute names keep their case."""
    return text[:1].upper() + text[1:]


def _called(limit: Limit) -> str:
    return f"{title(limit.measure).lower()} by {limit.attribute}"


def _measured(facts: Facts, limit: Limit) -> bool:
    return any(row.limit(limit.name) is not None for row in done(facts))


def _shown(row: TrialRow, key: str, decimals: int) -> str:
    value = row.number_in(key)
    return "\N{EN DASH}" if value is None else number(value, decimals)


def compared(facts: Facts) -> Table:
    """Return the chosen trial beside the baseline and the unmitigated one, measure by measure."""
    shown = [
        row for role in ("baseline", "unmitigated", "chosen") for row in done(facts) if role in names(row)
    ]
    rows = list({row.number: row for row in shown}.values())
    goal = facts.search.goal
    measures = [(title(goal), "quality")] if goal not in TILES else []
    measures += [(title(name), name) for name in TILES]
    measures += [
        (_first_upper(_called(limit)), f"limit.{limit.name}")
        for limit in facts.policy.limits
        if limit.attribute
    ]
    body: list[Sequence[str]] = [("Family", *(row.family for row in rows))]
    body += [(name, *(_shown(row, key, facts.decimals) for row in rows)) for name, key in measures]
    body.append(("Keeps every gated limit", *("yes" if row.feasible else "no" for row in rows)))
    body.append(("What there is to read", *(_to_read(row, facts) for row in rows)))
    body.append(("Size, bytes", *(count(row.size_bytes or 0) for row in rows)))
    heads = [f"{' = '.join(names(row))} (trial {row.number})".capitalize() for row in rows]
    caption = "The simple first model, the best plain one, and the chosen one, on validation rows"
    caption = f"{caption}.{_folded(rows)}" if _folded(rows) else caption
    return Table(caption, [Column("Measure"), *(Column(head, NUMBER) for head in heads)], body)


def _to_read(row: TrialRow, facts: Facts) -> str:
    """Return what a person who wants to follow the model has before him."""
    if row.rounds is None:
        return f"points for {len(facts.schema.features)} features"
    if row.family == "additive":
        pairs = row.number_in("additive.pairs") or 0
        return f"shapes of {len(facts.schema.features)} features and of {pairs:.0f} pairs at most"
    leaves = row.get(f"{row.family}.num_leaves")
    return f"{count(row.rounds)} trees" + (f" of {leaves} leaves" if leaves else "")


def price(facts: Facts) -> Table | None:
    """Return what changes from the unmitigated trial to the chosen one, or nothing when they are the same."""
    plain = next((row for row in done(facts) if "unmitigated" in names(row)), None)
    chosen = next((row for row in done(facts) if "chosen" in names(row)), None)
    if plain is None or chosen is None or plain is chosen:
        return None
    keys = [(title(name), name) for name in ("accuracy", "roc_auc")]
    keys += [
        (_first_upper(_called(limit)), f"limit.{limit.name}")
        for limit in facts.policy.limits
        if limit.attribute
    ]
    rows = [
        (
            name,
            _shown(plain, key, facts.decimals),
            _shown(chosen, key, facts.decimals),
            _change(plain, chosen, key, facts.decimals),
        )
        for name, key in keys
    ]
    columns = [Column("Measure"), *(Column(head, NUMBER) for head in ("Unmitigated", "Chosen", "Change"))]
    return Table(
        "The price: from the best model that looks at quality alone, on validation rows"
        + (f".{_folded([chosen])}" if _folded([chosen]) else ""),
        columns,
        rows,
    )


def _change(before: TrialRow, after: TrialRow, key: str, decimals: int) -> str:
    first, last = before.number_in(key), after.number_in(key)
    if first is None or last is None:
        return "\N{EN DASH}"
    change = last - first
    text = number(change, decimals)
    return f"+{text}" if change > 0 and text.strip("0.") else text


def _folded(rows: Sequence[TrialRow]) -> str:
    """Return which rows finalists were measured on, or nothing without any."""
    if not any(row.role == "finalist" for row in rows):
        return ""
    return " Finalists are measured on train and validation rows, held out in turn."


def trials(facts: Facts) -> Table:
    """Return every trial with all its choices and measures."""
    cells = [row.cells() for row in facts.trials]
    keys = [key for key in (cells[0] if cells else {}) if key not in SKIPPED]
    columns = [Column("Trial"), *(Column(_heading(key), NUMBER) for key in keys[1:])]
    rows = [
        (_trial(row), *(_cell(cells_of.get(key), facts.decimals) for key in keys[1:]))
        for row, cells_of in zip(facts.trials, cells, strict=True)
    ]
    marked = frozenset(place for place, row in enumerate(facts.trials) if row.chosen)
    return Table("Every trial of the search", columns, rows, marked=marked)


def _heading(key: str) -> str:
    return key.removeprefix("limit.").replace("_", " ").replace(".", " ")


def _trial(row: TrialRow) -> str:
    notes = [*names(row), *(["finalist"] if row.role == "finalist" else [])]
    if row.state == "failed":
        notes.append(f"failed: {row.failure}")
    elif row.state == "pruned":
        notes.append(f"pruned at round {row.rounds}")
    return f"{row.number} {', '.join(notes)}".strip()


def _cell(value: Cell, decimals: int) -> str:
    """Return a value of a trial: whole numbers as they are, others rounded, truth as yes or no."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() else number(value, max(decimals, 4))
    return "" if value is None else str(value)


OTHER_GOALS = ("true_positive_rate_difference", "false_positive_rate_difference")
"""Equal opportunity, and the other half of equalised odds: what equal selection rates are paid with."""


def price_text(facts: Facts) -> list[str]:
    """Return what was mitigated, what it cost in quality, and what it did to the goals of the same groups."""
    plain = next((row for row in done(facts) if "unmitigated" in names(row)), None)
    chosen = next((row for row in done(facts) if "chosen" in names(row)), None)
    attributes = list(dict.fromkeys(step.attribute for step in facts.chosen.mitigation if step.strength > 0))
    sentences = []
    if plain is not None and chosen is not None and plain is not chosen:
        sentences.append(_cost(facts, plain, chosen, attributes))
        moves = [_moved(facts, plain, chosen, attribute) for attribute in attributes]
        sentences += [move for move in moves if move]
    sentences += [_errors(facts, attribute) for attribute in attributes]
    return [each for each in sentences if each]


def _cost(facts: Facts, plain: TrialRow, chosen: TrialRow, attributes: list[str]) -> str:
    parts = []
    for name in ("accuracy", "roc_auc"):
        change = (chosen.number_in(name) or 0.0) - (plain.number_in(name) or 0.0)
        size, way = number(abs(change), facts.decimals), "higher" if change > 0 else "lower"
        parts.append(f"{_plain(name)} {f'{size} {way}' if float(size) else 'unchanged'}")
    what = f"Drawing groups together by {listed(attributes)}" if attributes else "The search"
    against = "against the best model that looks at quality alone"
    return f"{what} leaves {listed(parts)} on validation rows, {against}."


def _moved(facts: Facts, plain: TrialRow, chosen: TrialRow, attribute: str) -> str:
    """Return what became of every limit on one attribute."""
    moves = []
    for limit in facts.policy.limits:
        before, after = plain.limit(limit.name), chosen.limit(limit.name)
        if limit.attribute == attribute and before is not None and after is not None:
            fairer = after > before if limit.at_least is not None else after < before
            first, last = (number(value, facts.decimals) for value in (before, after))
            became = f"goes from {first} to {last} ({'better' if fairer else 'worse'})"
            moves.append(f"the {_plain(limit.measure)} {became if first != last else f'stays {first}'}")
    return f"By {attribute}, {listed(moves)}." if moves else ""


def _errors(facts: Facts, attribute: str) -> str:
    """Return what is left between groups in true and false positive rates on test rows."""
    between = facts.measurements.disparities.get(attribute, {})
    rates = [
        f"the {_plain(name)} is {measured(entry, facts.decimals)}, {entry.highest} highest"
        for name in OTHER_GOALS
        if (entry := between.get(name)) and entry.value is not None
    ]
    return f"By {attribute}, on test rows, {listed(rates)}." if rates else ""


def _plain(measure: str) -> str:
    name = title(measure)
    return name if name.isupper() or name.startswith("ROC") else name[0].lower() + name[1:]

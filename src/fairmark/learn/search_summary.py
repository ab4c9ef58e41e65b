"""The summary of a search, and what is said of it: what was chosen and why, or why nothing was."""

import math
from typing import Any

from fairmark.learn.policy_limits import EVENTS
from fairmark.learn.ranking import Trial, is_ahead, lead, ranked
from fairmark.learn.search_results import SearchResults
from fairmark.learn.summaries import BracketRow, SearchSummary
from fairmark.params.learn import Assurance

UNEVEN = 1 / 3
"""Share of the rarer label below which another measure than accuracy is proposed, where nothing is of use."""


def _missed(trial: Trial) -> str:
    """Return the gated limits that a trial misses, and by how much."""
    short = sorted((name, -slack) for name, slack in trial.outcome.slacks.items() if slack < 0)
    return ", ".join(f"{name} by {slack:.3g}" for name, slack in short)


def summary(results: SearchResults) -> SearchSummary:
    """Return the summary of the search."""
    baseline, unmitigated = results.of("baseline"), results.of("unmitigated")
    unknown = {limit.name for limit in results.policy.limits} - set(results.best.outcome.measures)
    best = results.row(results.best)
    return SearchSummary(
        trials=len(results.trials),
        failed=len(results.trials) - len(results.done) - len(results.pruned),
        feasible=len(results.feasible),
        goal=results.goal,
        margin=None if isinstance(results.tune.margin, Assurance) else results.tune.margin,
        chosen=results.best.number,
        best=best,
        nearest=None if results.feasible else best,
        baseline=results.row(baseline) if baseline else None,
        unmitigated=results.row(unmitigated) if unmitigated else None,
        frontier=[results.row(trial) for trial in results.frontier],
        not_searched=sorted(unknown),
        not_measured=results.not_measured,
        note=note(results),
        **_more(results),
    )


def _more(results: SearchResults) -> dict[str, Any]:
    """Return what the summary says where params ask for it."""
    more: dict[str, Any] = {}
    if results.tune.pruning is not None:
        more["pruned"] = len(results.pruned)
    if isinstance(results.tune.margin, Assurance):
        more["assurance"] = results.tune.margin
        more["expected"] = results.best.outcome.bounds
        more["margins"] = _margins(results)
    if results.best.outcome.over_time:
        more["over_time"] = results.best.outcome.over_time
    if results.brackets:
        more["brackets"] = [
            BracketRow(
                family=family,  # type: ignore[arg-type]
                attribute=results.tune.mitigation[n].attribute,
                constraint=results.tune.mitigation[n].constraint,
                low=low,
                high=high,
            )
            for (family, n), (low, high) in sorted(results.brackets.items())
        ]
    if results.tune.useful is not None:
        more["useful"] = len(results.useful)
        more["of_use"] = results.tune.useful
        # Without a plain trial, or where only one of both is of use, no difference is a number.
        pair = results.beside_plain
        ahead = math.inf if pair is None else lead(*pair, results.tune.price)
        more["over_plain"] = ahead if math.isfinite(ahead) and results.tune.useful.plain is not None else None
    if results.best.chosen.maximise is not None:
        more["maximise"] = results.best.chosen.maximise
    return more


def _margins(results: SearchResults) -> dict[str, float]:
    """Return what a value's room to its limit has more than its slack, of gated limits on groups."""
    outcome, found = results.best.outcome, {}
    for limit in results.policy.limits:
        value, slack = outcome.measures.get(limit.name), outcome.slacks.get(limit.name)
        if limit.attribute is None or value is None or slack is None:
            continue
        room = value - limit.at_least if limit.at_least is not None else (limit.at_most or 0.0) - value
        found[limit.name] = room - slack
    return found


def note(results: SearchResults) -> str:
    """Return what was chosen, and why, in words; what could not be measured comes first."""
    said = [
        _unmeasured(results),
        _chosen(results),
        _over_plain(results),
        _over_time(results),
        _folds(results),
    ]
    return " ".join(filter(None, said))


def _chosen(results: SearchResults) -> str:
    # Of the best trial, also where a plain one is taken for it: that is said after it.
    best_of_few = results.top.role == "finalist"
    folded = results.top.chosen.folds is not None
    held = "train and validation rows held out in turn" if folded else "validation rows"
    best, known = results.top, f"{len(results.final)} {'finalists' if best_of_few else 'trials'}"
    if results.feasible:
        every = "every gated limit that was measured" if results.not_measured else "every gated limit"
        top = max(trial.outcome.quality for trial in results.feasible)
        of = f"the {len(results.feasible)} of {known} that keep {every} on {held}, {_margin(results)}"
        if best.outcome.quality < top:
            return (
                f"Trial {best.number} has the best AUC of those within {results.tune.tie:g} standard errors "
                f"of the best {results.goal.replace('_', ' ')} ({top:.4g}) of {of}."
            )
        return f"Trial {best.number} has the best {results.goal} of {of}."
    of_use = " of those that are of use" if len(results.useful) < len(results.final) else ""
    nearest = ranked(results.final)[0]
    none = f"None of {known} keeps every gated limit on {held}, {_margin(results)}. "
    if nearest.outcome.violation >= best.outcome.violation:
        return f"{none}Trial {best.number} is the nearest{of_use}: it misses {_missed(best)}."
    cost = best.outcome.quality - nearest.outcome.quality
    return (
        f"{none}Trial {best.number} is worth most{of_use}, where one unit nearer may cost "
        f"{results.tune.price:g} of the {results.goal.replace('_', ' ')} (tune.price): it misses "
        f"{_missed(best)}. The nearest, trial {nearest.number}, misses {_missed(nearest)}, and costs "
        f"{cost:.3g} more."
    )


def _margin(results: SearchResults) -> str:
    """What is said of the margin."""
    margin = results.tune.margin
    if isinstance(margin, Assurance):
        return (
            f"those on groups with the margin by which the gate's bound clears them with chance "
            f"{margin.chance:g} on as many test rows as there are"
        )
    return f"those on groups with a margin of {margin:g}"


def _unmeasured(results: SearchResults) -> str:
    if not results.not_measured:
        return ""
    return (
        f"Not measured by the search: {', '.join(results.not_measured)}, because too few groups have "
        f"{results.policy.min_group_rows:,} held-out rows (policy.min_group_rows), or {EVENTS} of the label "
        "that is read. The trial was chosen by the other limits and by quality; the verdict alone looks "
        "at these."
    )


def _over_plain(results: SearchResults) -> str:
    """Return how the chosen trial stands beside plain models held to the same limits, if asked."""
    asked = None if results.tune.useful is None else results.tune.useful.plain
    if asked is None or results.beside_plain is None:
        return ""
    top, plain = results.beside_plain
    taken = f"trial {results.best.number} is taken"
    if plain is top:
        same = results.best is results.top
        return (
            ""
            if same
            else f"It is plain, and within a standard error a logistic regression ranks as well: {taken}."
        )
    ahead = lead(top, plain, results.tune.price)
    what = f"a plain model with one threshold for all (trial {plain.number}, {plain.chosen.family})"
    if ahead < asked:
        return (
            f"Trial {top.number} is no more than {ahead:.2g} better than {what}, less than {asked:g} "
            f"(tune.useful.plain), and {taken}."
        )
    if not is_ahead(top, plain, asked, results.tune.price):
        return (
            f"Trial {top.number} is {ahead:.2g} better than {what}, which is within a standard error of "
            f"so few rows, and {taken}."
        )
    if results.ranks_worse:
        return f"Trial {top.number} decides {ahead:.2g} better than {what}, and ranks worse: {taken}."
    if math.isinf(ahead):
        return f"Within the same limits {what} is of no use, or does not keep them."
    best = "It" if top is results.top else f"Before it was cross-fitted it (trial {top.number})"
    return f"{best} is {ahead:.2g} better than {what} held to the same limits."


def _over_time(results: SearchResults) -> str:
    """Return how far limits on groups hold over time, where held-out rows follow each other in it."""
    lines = []
    for name, found in results.best.outcome.over_time.items():
        known = [value for value in found.stretches if value is not None]
        if not known:
            continue
        whole, last = results.best.outcome.measures.get(name), found.stretches[-1]
        spread = f"{min(known):.3g} to {max(known):.3g}"
        line = (
            f"Over time {name} is {spread} in {len(found.stretches)} stretches, each scored by a model "
            f"of earlier rows, {'unknown' if last is None else f'{last:.3g}'} in the latest"
        )
        line += "" if whole is None else f", and {whole:.3g} in all of them together"
        if found.missed:
            line += (
                f": the rows show it missed in {found.missed}, a drift that no margin from the number of "
                "rows covers, so that later rows may miss it too"
            )
        lines.append(f"{line}.")
    return " ".join(lines)


def _folds(results: SearchResults) -> str:
    return f"Every trial is cross-fitted, because {results.crossfitted}." if results.crossfitted else ""


def report(results: SearchResults, positives: float) -> list[str]:
    """Return, where no trial is of use, what there is instead and what can be done.

    Of all trials, not of the finalists alone: these may be one, which can't say what a limit costs.

    Parameters
    ----------
    positives
        Share of train rows with a positive label.
    """
    nearest = max(results.done, key=lambda t: (t.outcome.gain or 0.0, -t.number))
    fair = min(results.done, key=lambda t: (t.outcome.violation, -(t.outcome.gain or 0.0), t.number))
    lines = [
        f"tune: must find decisions of use (tune.useful), got none in {len(results.done)} trials: no model",
        f"nearest to being of use: {_in_words(nearest)}",
        f"nearest to the limits: {_in_words(fair)}",
    ]
    top = max(trial.outcome.quality for trial in results.done)
    for limit in results.policy.limits:
        kept = [t for t in results.done if t.outcome.slacks.get(limit.name, -1.0) >= 0]
        if not limit.gate or limit.name not in results.done[0].outcome.slacks:
            continue
        best = max((t.outcome.quality for t in kept), default=None)
        cost = (
            "no trial keeps it"
            if best is None
            else f"costs {top - best:.3g} of {results.goal.replace('_', ' ')}"
        )
        lines.append(f"{limit.name}: {cost}")
    # Of an even label one answer to all is right for a half, and hard to beat for nobody.
    if min(positives, 1 - positives) < UNEVEN and results.goal in {"accuracy", "f1"}:
        answer = "no" if positives < UNEVEN else "yes"
        lines.append(
            f'{positives:.3g} of the train rows are positive, so that "{answer}" to everybody is hard to '
            f"beat by {results.goal}: train.threshold: {{maximise: balanced_accuracy, by: null}} asks for "
            "both labels alike"
        )
    return [*lines, f"what can be done: {'; '.join(_ways(results, nearest))}"]


def _ways(results: SearchResults, nearest: Trial) -> list[str]:
    """Return what a person can change so that there is a model, where not one is of use."""
    useful, found = results.tune.useful, nearest.outcome
    ways = []
    if useful is not None and (found.gain or 0.0) >= useful.margin and "may be chance" in found.useless[0]:
        ways.append("get more rows: that the best decisions are of use may be chance in these")
    elif useful is not None and (found.gain or 0.0) >= useful.margin:
        least, most = useful.selected
        ways.append(
            f"let another share be selected than {least:g} to {most:g} (tune.useful.selected), or say "
            "what decisions are worth (train.threshold.maximise), which moves it"
        )
    else:
        # Trials of every kind are no better than one answer to all, those without limits among them: no
        # limit is to blame.
        ways.append(
            f"give features that say more of the label, or more rows (an AUC of {found.area:.3f}, "
            "where 0.5 is chance, is the best of what these say)"
        )
        ways.append(
            "say what decisions are worth (train.threshold.maximise): another measure, a profit, or a "
            "capacity may be served by the same ranking"
        )
    if useful is not None and (found.gain or 0.0) > 0:
        ways.append(f"take less for of use (tune.useful.margin, now {useful.margin:g})")
    return ways


def _in_words(trial: Trial) -> str:
    outcome = trial.outcome
    short = [f"{name} by {-slack:.3g}" for name, slack in sorted(outcome.slacks.items()) if slack < 0]
    missed = f", misses {', '.join(short)}" if short else ", keeps every limit"
    return (
        f"trial {trial.number} ({trial.chosen.family}), AUC {outcome.area:.3f}, quality "
        f"{outcome.quality:.4g}{missed}; {'; '.join(outcome.useless)}"
    )

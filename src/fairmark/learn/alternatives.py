"""Rivals of the chosen trial on the search's frontier, and why each was not taken.

They are what a less discriminatory alternative is looked for among: trials that none beats in both quality
and room to the policy's limits on groups. A search that is blind to groups, or has no gated limit on them,
has no such front of its own; then trials are compared by what was measured of them, which moves no choice.
"""

from fairmark.learn.ranking import Room, Trial, front_of
from fairmark.learn.search_results import SearchResults
from fairmark.learn.summaries import Alternative
from fairmark.params.policy import Policy


def alternatives(results: SearchResults, policy: Policy) -> list[Alternative]:
    """Return the rivals: those with more room to limits on groups first, the nearest in quality leading.

    Parameters
    ----------
    policy
        Whose limits on groups room is measured to, also where the search did not aim for them.
    """
    best = results.best
    aims = results.tune.blind != "choice" and any(each.gate and each.attribute for each in policy.limits)

    def aimed(trial: Trial) -> float:
        return trial.fairness(policy)

    def measured(trial: Trial) -> float:
        return room(trial, policy)

    by: Room = aimed if aims else measured
    front = front_of(results.done, by)
    # One that came again as a finalist is known from more rows there, and is the same model.
    whole = {_choices(trial): trial for trial in sorted(front, key=lambda trial: trial.role == "finalist")}
    others = [trial for choices, trial in whole.items() if choices != _choices(best)]
    fairer = [trial for trial in others if by(trial) > by(best)]
    rest = [trial for trial in others if by(trial) <= by(best)]
    # A court asks first for what costs least among the less disparate, then for how far one could go.
    fairer.sort(key=lambda trial: (-trial.outcome.quality, trial.number))
    rest.sort(key=lambda trial: (-by(trial), trial.number))
    return [
        Alternative(
            number=trial.number,
            chosen=trial.chosen,
            quality=trial.outcome.quality,
            limits={
                limit.name: trial.outcome.measures.get(limit.name)
                for limit in policy.limits
                if limit.attribute is not None
            },
            why=_why(trial, results),
        )
        for trial in (*fairer, *rest)
    ]


def _choices(trial: Trial) -> str:
    """Return what tells models apart: the same choices on more held-out rows are the same model's."""
    return trial.chosen.model_copy(update={"folds": None}).model_dump_json()


def room(trial: Trial, policy: Policy) -> float:
    """Return the least room of the measured values to the gated limits on groups, no margin taken off.

    Where none gates, to those that are reported. 0 is at a limit; a value that is not defined counts as a
    whole unit beyond it; 0 without any limit on groups.
    """
    on_groups = [each for each in policy.limits if each.attribute and each.name in trial.outcome.measures]
    found = []
    for limit in [each for each in on_groups if each.gate] or on_groups:
        value = trial.outcome.measures[limit.name]
        # Not defined is not near: no measured value stands farther from a limit of a share.
        if value is None:
            found.append(-1.0)
        else:
            found.append(
                value - limit.at_least if limit.at_least is not None else (limit.at_most or 0.0) - value
            )
    return min(found, default=0.0)


def _why(trial: Trial, results: SearchResults) -> str:
    """Return why a trial was not taken."""
    outcome, best = trial.outcome, results.best
    if outcome.useless:
        return f"Its decisions are of no use: {'; '.join(outcome.useless)}."
    short = [f"{name} by {-slack:.3g}" for name, slack in sorted(outcome.slacks.items()) if slack < 0]
    if short and best.outcome.violation < outcome.violation:
        return f"It misses {', '.join(short)} on held-out rows, the search's margin taken off."
    if best.role == "finalist" and trial.role != "finalist":
        again = [t for t in results.final if t.role == "finalist" and _choices(t) == _choices(trial)]
        if again:
            return f"Its choices were cross-fitted as trial {again[0].number}, which came out behind."
        return (
            "It was measured on validation rows alone, and was not among the best trials, which were "
            "cross-fitted before one of them was chosen."
        )
    goal = results.goal.replace("_", " ")
    if (cost := best.outcome.quality - outcome.quality) > 0:
        kept = (
            "misses limits as well, and has"
            if short
            else "keeps every gated limit that was measured, and has"
        )
        return f"It {kept} {cost:.3g} less {goal} on held-out rows."
    if results.best is results.plain:
        return "It is not enough better than the plain model that was taken (tune.useful.plain)."
    return f"Its {goal} is within tune.tie standard errors of the chosen trial's, which ranks better (AUC)."

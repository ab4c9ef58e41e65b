"""The order of a search's trials: which goes first, and when one is better than a plain model."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fairmark.learn.summaries import Role
from fairmark.learn.trial import Outcome, fairness
from fairmark.params.learn import Chosen
from fairmark.params.policy import Policy


@dataclass(frozen=True)
class Trial:
    """A numbered trial, its hyperparameters, and its results."""

    number: int
    role: Role
    chosen: Chosen
    outcome: Outcome

    def fairness(self, policy: Policy) -> float:
        """Return the least slack of the gated limits on groups; 0 without such a limit."""
        return fairness(policy, self.outcome.slacks)


Room = Callable[[Trial], float]
"""Says of a trial how fair it is; more is fairer."""


def front_of(trials: Sequence[Trial], by: Room) -> list[Trial]:
    """Return the Pareto front of quality and `by`: the trials that none dominates, best quality first."""
    # By falling quality: a trial is on the front when it is fairer than all before it, in one pass over them.
    front: list[Trial] = []
    for trial in sorted(trials, key=lambda t: (-t.outcome.quality, -by(t), t.number)):
        if not front or by(trial) > by(front[-1]):
            front.append(trial)
    return front


def ranked(trials: Sequence[Trial], tie: float = 0.0, price: float = math.inf) -> list[Trial]:
    """Return the trials that ran to their end, the best first.

    Those that are of use, then the others; among them those that keep every gated limit by quality, then the
    others by their gain less `price` for each unit of what is missing, which is a point of the convex hull of
    their Pareto front; of equals the nearer, then the earlier one. With an infinite price it is the nearest.
    First of all stands, of the trials that are as near to the limits as the best and within `tie` standard
    errors of its quality, the one of the best AUC (the one standard error rule of Breiman et al. 1984,
    section 3.4.3, with ranking in the place of size).
    """
    done = [trial for trial in trials if trial.outcome.failure is None and not trial.outcome.pruned]

    def place(trial: Trial) -> tuple[float, ...]:
        found = trial.outcome
        missed = found.violation > 0
        worth = found.worth(price) if missed and math.isfinite(price) else 0.0
        return (bool(found.useless), missed, -worth, found.violation, -found.quality, trial.number)

    order = sorted(done, key=place)
    if not order or not tie:
        return order
    top = order[0].outcome
    # Trials within `tie` standard errors can't be told apart by quality; among them the AUC says which ranks
    # better, whatever the threshold.
    alike = [
        each
        for each in order
        if (bool(each.outcome.useless), each.outcome.violation) == (bool(top.useless), top.violation)
        and each.outcome.quality >= top.quality - tie * top.error
    ]
    first = max(alike, key=lambda t: (t.outcome.area, t.outcome.quality, -t.number))
    return [first, *(each for each in order if each is not first)]


def lead(best: Trial, plain: Trial, price: float) -> float:
    """Return how much better a trial is than a plain model, in gain or in AUC, whichever is more.

    Outside the limits the gain is taken less the price of the violation. Infinite where only the first is of
    use, or within the limits.
    """
    one, two = best.outcome, plain.outcome
    if (bool(one.useless), one.violation > 0) != (bool(two.useless), two.violation > 0):
        return math.inf
    return max(one.worth(price) - two.worth(price), one.area - two.area)


def is_ahead(best: Trial, plain: Trial, least: float, price: float) -> bool:
    """Return whether a trial is better than a plain model by `least`, and by more than a standard error.

    In gain or in AUC, as `lead` has it. The difference of two results on the same rows has the variance
    2 (1 - r) of one of them, r their correlation, which is less than one's own from r = 1/2 on; results of
    two models of the same rows correlate by more.
    """
    one, two = best.outcome, plain.outcome
    if math.isinf(lead(best, plain, price)):
        return True
    gained = one.worth(price) - two.worth(price)
    # Of an AUC that is 1 no error is known, as of any result without spread: then `least` decides.
    return gained > max(least, one.gain_error) or one.area - two.area > max(least, one.area_error)


def ranks_worse(best: Trial, plain: Sequence[Trial]) -> bool:
    """Return whether a trial ranks rows worse than one of some plain models of which none is of less use.

    Decisions at one threshold vary more from rows to rows than an AUC does, and the best of many trials owes
    part of its lead to chance: where nothing but quality is asked, a lead that the ranking denies is none.
    """
    one = best.outcome
    rivals = [each.outcome for each in plain if bool(each.outcome.useless) == bool(one.useless)]
    return any(one.area < two.area for two in rivals if (one.violation > 0) == (two.violation > 0))


def is_as_good(plain: Trial, first: Trial) -> bool:
    """Return whether a plain logistic regression ranks rows within a standard error of the first plain model.

    The one standard error rule (Breiman et al. 1984, section 3.4.3): of models that can't be told apart the
    smallest. Few rows can't tell trees from a line, and then the line does better on rows to come.
    """
    one, two = plain.outcome, first.outcome
    alike = (bool(one.useless), one.violation) == (bool(two.useless), two.violation)
    return plain.chosen.family == "logistic" and alike and two.area - one.area <= two.area_error

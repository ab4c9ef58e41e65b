"""Human oversight: who answers, the model or a person, and what becomes of a case (EU AI Act, Article 14).

Pure: from a scored row, the policy that the release was signed with and the time, to an answer. In the loop a
person confirms what `refer` names before it stands; on the loop it goes out and a person can overturn it for
`overturn_days`; in command it is as on the loop, once a named person has opened the service.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

from fairmark.journal.entry import DAY_US
from fairmark.params.serve import Oversight

By = Literal["model", "person"]
Why = Literal["adverse", "low_confidence", "unknown_category", "out_of_range", "sparse", "no_model"]
"""Why a row is referred: as `refer` in params.yaml, or because no model could answer."""
Flag = Literal["unknown_category", "out_of_range", "sparse"]


class Flagged(msgspec.Struct, frozen=True, gc=False):
    """What is unusual about one value, or about the whole row (`field` is None)."""

    flag: Flag
    field: str | None = None


class Scored(msgspec.Struct, frozen=True, gc=False):
    """What a model says of one row.

    Parameters
    ----------
    score
        The calibrated probability of the positive label, 0..1.
    decision
        1 where the score is at least the threshold, else 0.
    flags
        What is unusual about it.
    raw
        The log-odds before calibration, from which reasons are told; None where nobody asks for them.
    """

    score: float
    decision: int
    flags: tuple[Flagged, ...] = ()
    raw: float | None = None

    @property
    def confidence(self) -> float:
        """The probability that the decision is right, by the calibrated score: 0..1, 1 is certain."""
        return self.score if self.decision == 1 else 1 - self.score


class Ruling(msgspec.Struct, frozen=True, gc=False):
    """Who answers a row, and until when.

    Parameters
    ----------
    by
        `person`: the decision does not stand before a person has confirmed it.
    decision
        What is answered; None where a person answers.
    proposal
        What the model says; None where no model could.
    referred
        Why a person looks at it; empty where nobody has to.
    review_due_us
        Until when the case is due; None without a case.
    overturn_until_us
        Until when a person can overturn a decision that went out; None for one that did not.
    """

    by: By
    decision: int | None
    proposal: int | None
    referred: tuple[Why, ...]
    review_due_us: int | None
    overturn_until_us: int | None


def reasons_to_refer(scored: Scored, policy: Oversight) -> tuple[Why, ...]:
    """Return why a person looks at a scored row: each of `refer` that holds for it, in its order."""
    refer = policy.refer
    flags = {each.flag for each in scored.flags}
    asked: tuple[tuple[Why, bool], ...] = (
        ("adverse", refer.adverse and scored.decision == policy.adverse_decision),
        ("low_confidence", scored.confidence < refer.confidence_below),
        ("unknown_category", refer.unknown_category and "unknown_category" in flags),
        ("out_of_range", refer.out_of_range and "out_of_range" in flags),
        ("sparse", refer.sparse and "sparse" in flags),
    )
    return tuple(why for why, holds in asked if holds)


def ruling(scored: Scored | None, policy: Oversight, now_us: int) -> Ruling:
    """Return who answers a row; without a score it is always a person."""
    review = now_us + policy.review_days * DAY_US
    if scored is None:
        return Ruling("person", None, None, ("no_model",), review, None)
    referred = reasons_to_refer(scored, policy)
    if referred and policy.mode == "in_the_loop":
        return Ruling("person", None, scored.decision, referred, review, None)
    until = now_us + policy.overturn_days * DAY_US
    return Ruling("model", scored.decision, scored.decision, referred, review if referred else None, until)


def needs_reasons(rule: Ruling, policy: Oversight) -> bool:
    """Return whether an answer carries reason codes: it is adverse, or a person looks at it."""
    return rule.proposal is not None and (bool(rule.referred) or rule.proposal == policy.adverse_decision)


def is_open_to_overturning(rule_us: int | None, now_us: int) -> bool:
    """Return whether a decision that went out can still be overturned: until the stated time, not after."""
    return rule_us is not None and now_us <= rule_us


def outcome_of_review(proposal: int | None, decision: int) -> Literal["confirmation", "override"]:
    """Return what a person's decision on a case is: the model's own words again, or others."""
    return "confirmation" if proposal == decision else "override"


def chosen_reasons(moves: Sequence[tuple[str, float]], decision: int, most: int) -> list[tuple[str, float]]:
    """Return the features that moved a score most towards a decision, the strongest first, at most `most`.

    The second method of 12 CFR 1002.9, supplement I, comment 9(b)(2)-5, as `explain.decisions.reasons`.

    Parameters
    ----------
    moves
        Each feature with its Shapley value, log-odds.
    """
    sign = 1 if decision == 1 else -1
    # What spoke for the other decision is no reason for this one, however far it moved the score.
    towards = [(name, value) for name, value in moves if sign * value > 0]
    # Ties by name, so that a replay tells the same reasons in the same order.
    return sorted(towards, key=lambda move: (-abs(move[1]), move[0]))[:most]

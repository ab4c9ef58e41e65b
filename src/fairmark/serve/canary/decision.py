"""What follows from the evidence of a canary: continue, grow, promote, return, or a named person decides.

Pure: the same counts, terms and state give the same advice, so a canary that was killed goes on from its
journal as if nothing had been.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fairmark.errors import RefusedError
from fairmark.serve.canary.evidence import (
    PAIRED_PRIOR,
    Counts,
    Family,
    Part,
    Terms,
    Unjudged,
    deciding,
    families,
    total_evidence,
)
from fairmark.serve.canary.state import CanaryState
from fairmark.stats import confidence_sequence

Action = Literal["continue", "grow", "promote", "return", "insufficient evidence", "keep"]
"""keep: it answers everybody, and has done so long enough."""

SHOWN = 2
"""Parts of a limit that are told with their bounds: those with the least evidence for them."""


@dataclass(frozen=True)
class Progress:
    """How far a canary has come.

    Parameters
    ----------
    state
        As the journal's last entry sets it.
    at_share
        Decisions of the challenger since then, shown to people.
    exposed
        Decisions of the challenger shown to people, at all shares.
    shadowed
        Rows that the challenger scored and showed to nobody.
    days
        Since it began.
    """

    state: CanaryState
    at_share: int
    exposed: int
    shadowed: int
    days: float


@dataclass(frozen=True)
class Measured:
    """One limit or margin as it stands.

    Parameters
    ----------
    name, what
        The limit, and what is compared, in words.
    outcome
        `met`, `missed`, `open`, or `not judged`.
    e_missed, e_met
        E-values: against "it is met", and the least of its parts against "it is missed".
    lines
        In words and numbers.
    """

    name: str
    what: str
    outcome: Literal["met", "missed", "open", "not judged"]
    required: bool
    e_missed: float
    e_met: float
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Advice:
    """What is to be done, why, and on what evidence.

    Parameters
    ----------
    action
        What follows.
    share
        Of the traffic, next; as it is where nothing changes.
    evidence
        The e-value of all limits and margins together against "all are met".
    needed
        1 / level: what an e-value must reach.
    reasons
        What decided, in lines.
    measured
        Every limit and margin.
    """

    action: Action
    share: float
    evidence: float
    needed: float
    reasons: tuple[str, ...]
    measured: tuple[Measured, ...]

    @property
    def document(self) -> Mapping[str, object]:
        """The advice as JSON has it."""
        return {
            "action": self.action,
            "share": self.share,
            "evidence": _finite(self.evidence),
            "needed": self.needed,
            "reasons": list(self.reasons),
            "limits": [
                {
                    "name": each.name,
                    "what": each.what,
                    "outcome": each.outcome,
                    "required": each.required,
                    "e_missed": _finite(each.e_missed),
                    "e_met": _finite(each.e_met),
                    "lines": list(each.lines),
                }
                for each in self.measured
            ],
        }


def decide(
    counts: Counts, terms: Terms, progress: Progress, champion: str | None, *, told: bool = True
) -> Advice:
    """Return what follows from what a canary's decisions came to.

    Harm goes first, at any time. A share grows after `least` decisions without harm; the last share is left
    when everything that is required has been shown, or after `most` decisions or `most_days` for a person.

    Parameters
    ----------
    champion
        Digest of the release in production.
    told
        Whether limits are told in lines, with their bounds, also where nothing follows.

    Raises
    ------
    RefusedError
        When there is no champion: nothing could be returned to, and nothing compared with.
    """
    # Before anything is counted: with nothing to return to, no evidence could be acted on.
    refuse_without_champion(champion)
    found, left = families(counts, terms)
    total = float(total_evidence(found)[-1]) if counts.rows else 0.0
    level = terms.rules.level
    harmed = total >= -np.log(level)
    action, share, reasons = _next(found, terms, progress, total, harmed=harmed)
    worst, told = deciding(found), told or action != "continue"
    judged = [_measured(each, level, missed=harmed and each is worst, told=told) for each in found]
    measured = (*judged, *(_unjudged(each) for each in left))
    if harmed:
        # Told by what decided, whatever else is told of limits: the limit and the groups of most evidence.
        reasons += _harm_lines(worst, level)
    else:
        reasons += tuple(line for each in judged if _decides(each, action) for line in each.lines)
    return Advice(action, share, _exp(total), 1 / level, reasons or (_waiting(progress, terms),), measured)


def _decides(each: Measured, action: Action) -> bool:
    """Return whether an action is told with a limit's lines."""
    return action == "promote" or (
        action == "insufficient evidence" and each.required and each.outcome != "met"
    )


def refuse_without_champion(champion: str | None) -> None:
    """Do nothing when there is a champion.

    Raises
    ------
    RefusedError
        Otherwise.
    """
    if champion is None:
        raise RefusedError(
            "canary: must have a champion in production to be compared with and returned to, got none "
            "(the first release goes there by a named person: fairmark promote RELEASE --to production)"
        )


def _next(
    found: Sequence[Family], terms: Terms, progress: Progress, total: float, *, harmed: bool
) -> tuple[Action, float, tuple[str, ...]]:
    """Return what comes next, the share it comes with, and why; no reason where nothing is to be done."""
    rules, state = terms.rules, progress.state
    # Harm goes before growing and before time running out, in every phase: nobody is to wait for it.
    if harmed:
        why = (
            f'evidence of {_exp(total):,.0f} against "every limit is met"; {1 / rules.level:,.0f} returns it'
        )
        return "return", 0.0, (why,)
    if state.phase == "shadow" and not _over(progress, terms) and progress.shadowed >= rules.shadow:
        return "grow", rules.shares[0], (f"no harm in {progress.shadowed:,} decisions of the shadow",)
    if state.share >= 1:
        # It has taken over and is still looked at: a fault that needs many people shows only now.
        held = progress.at_share >= rules.hold or progress.days >= 2 * rules.most_days
        return ("keep" if held else "continue"), 1.0, ()
    if state.phase == "share" and progress.at_share >= rules.least:
        larger = [share for share in rules.shares if share > state.share]
        if not larger and all(each.ready(rules.level) for each in found):
            return "promote", 1.0, (f"every limit shown to be met, {progress.exposed:,} decisions",)
        if larger and not _over(progress, terms):
            return "grow", larger[0], (f"no harm in {progress.at_share:,} decisions at {state.share:.0%}",)
    if state.phase in {"shadow", "share"} and _over(progress, terms):
        so_far = f"{progress.exposed:,} decisions in {progress.days:.1f} days"
        most = f"{rules.most:,} decisions or {rules.most_days} days end it"
        return "insufficient evidence", state.share, (f"{so_far}, {most}, and this is not shown:",)
    return "continue", state.share, ()


def _over(progress: Progress, terms: Terms) -> bool:
    return progress.exposed >= terms.rules.most or progress.days >= terms.rules.most_days


def _waiting(progress: Progress, terms: Terms) -> str:
    rules = terms.rules
    if progress.state.phase not in {"shadow", "share"}:
        return f"no canary is under way: {progress.state.phase}"
    if progress.state.share >= 1:
        return f"{progress.at_share:,} of {rules.hold:,} decisions since it took over"
    if progress.state.phase == "shadow":
        return f"{progress.shadowed:,} of {rules.shadow:,} decisions of the shadow"
    here = f"{progress.at_share:,} decisions at {progress.state.share:.0%}, {rules.least:,} at least"
    return f"{here}; {progress.exposed:,} of {rules.most:,} at all shares"


def _measured(each: Family, level: float, *, missed: bool, told: bool) -> Measured:
    against = float(each.missed[-1]) if len(each.missed) else 0.0
    # The largest evidence that there ever was counts (Ville's inequality holds for it), part by part; all
    # parts must have been shown, so the least of them decides.
    met = min((float(part.shown.max(initial=0.0)) for part in each.parts if not part.waived), default=np.inf)
    outcome: Literal["met", "missed", "open"] = "met" if met >= -np.log(level) else "open"
    if missed or against >= -np.log(level):
        outcome = "missed"
    lines = _lines(each, level) if told else ()
    return Measured(each.name, each.what, outcome, each.required, _exp(against), _exp(met), lines)


def _unjudged(each: Unjudged) -> Measured:
    return Measured(
        each.name, each.why, "not judged", False, 1.0, 1.0, (f"{each.name}: not judged here: {each.why}",)
    )


def _lines(each: Family, level: float) -> tuple[str, ...]:
    """Return a line for each of the parts with the least evidence for them."""
    said = f", {each.why}" if each.why else ""
    parts = sorted(each.parts, key=lambda part: float(part.shown[-1]) if len(part.shown) else 0.0)
    return tuple(f"{each.name}: {_part(each, part, level)}{said}" for part in parts[:SHOWN])


def _harm_lines(each: Family, level: float) -> tuple[str, ...]:
    """Return a line for each of the parts with the most evidence against them, the first that decided."""
    parts = sorted(each.parts, key=lambda part: -float(part.against[-1]))
    kept = [part for part in parts[:SHOWN] if part is parts[0] or part.against[-1] >= -np.log(level)]
    return tuple(f"{each.name}: {_part(each, part, level, harm=True)}" for part in kept)


def _part(each: Family, part: Part, level: float, *, harm: bool = False) -> str:
    value, (low, high), rows = _bounds(each, part, level)
    names = " / ".join(part.groups) if each.kind == "ratio" else " less ".join(part.groups)
    side = "at least" if each.at_least else "at most"
    limit = f"{side} {each.limit:g}"
    if each.kind == "difference" and not each.at_least:
        # The pair is told as "first less second", and the first must not be less by more than the limit.
        limit = f"at least {-each.limit:g}"
    now = "no rows" if value is None else f"{value:.3f}, within {low:.3f} to {high:.3f} at every look"
    count = " and ".join(f"{int(n):,}" for n in rows)
    waived = f", waived by {part.waived}" if part.waived else ""
    reached = f"e-value {_exp(float(part.shown.max(initial=0.0))):,.3g} of {1 / level:,.0f} that it is met"
    if harm:
        reached = f"e-value {_exp(float(part.against[-1])):,.3g} that it is missed"
    return f"{each.what}, {names}: {now}; {limit}; rows {count}; {reached}{waived}"


def _bounds(
    each: Family, part: Part, level: float
) -> tuple[float | None, tuple[float, float], tuple[float, ...]]:
    """Return the observed value of a part, its confidence sequence and its rows; two bounds at level / 2."""
    at, tail = list(part.at), level / 2
    if each.kind == "paired":
        counts = each.hits[:, at[0]]
        lost, rows = counts.sum(axis=0), float(counts.sum())
        value = (lost[2] - lost[0]) / rows if rows else None
        return value, confidence_sequence.paired(counts, tail, PAIRED_PRIOR), (rows,)
    x, n, prior = each.hits[:, at], each.rows[:, at], each.prior.of(at)
    hits, rows_ = x.sum(axis=0), n.sum(axis=0)
    counted = tuple(float(one) for one in rows_)
    if each.kind == "rate":
        low, high = confidence_sequence.rate(hits, rows_, level, prior)
        return (hits[0] / rows_[0] if rows_[0] else None), (float(low[0]), float(high[0])), counted
    if not rows_.all():
        return None, confidence_sequence.REACH[each.kind], counted
    rate = hits / rows_
    if each.kind == "ratio":
        value = float(rate[0] / rate[1]) if rate[1] else None
    else:
        value = float(rate[0] - rate[1])
    bounds = confidence_sequence.pair if each.blocks else confidence_sequence.pair_counts
    return (
        value,
        bounds(x if each.blocks else hits, n if each.blocks else rows_, each.kind, tail, prior),
        counted,
    )


def _exp(log_e: float) -> float:
    # exp overflows at 710: an e-value so large is told as it is, and no infinity reaches JSON.
    return float(np.exp(min(log_e, 700.0)))


def _finite(value: float) -> float:
    return float(min(value, 1e300))

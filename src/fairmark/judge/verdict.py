"""The one pure function that turns measurements and limits into a verdict with known error rates.

A sign that the answer is known beforehand (`findings`) is no comparison and has no share of the level: above
the policy's number it leaves insufficient evidence, until a waiver of the policy answers it.

Three outcomes for each comparison: **pass**, the bound towards the limit clears it; **fail**, the opposite
bound misses it; **insufficient evidence**, neither. A limit fails if any of its comparisons does, is
undecided if any is, and passes else; the gated limits make the verdict by the same rule. A waiver of the
policy lets an undecided comparison go on, an override one that fails: both keep their outcome, name who
decided, and count as met for the verdict. What could not be measured at all is neither's to let through.

Two statements are made, each with its own chance to be wrong of at most the level.

**May it go out** (`outcome`). By *intersection-union*, every bound towards a limit errs with chance <= level.
A model passes only if all comparisons clear. If it misses any limit, that one comparison has to err for a
pass: P(pass) <= P(it errs) <= level (Berger 1982, theorem 1), with no correction.

**What may be said of each line** (`together`). With m comparisons, those that Holm's steps (1979) show: the
chance that any of these is wrong is at most the level, however they depend on each other. `joint_bound` is
what goes with it (Strassburger and Bretz 2008): the limit for what is shown, and for what is not the bound at
the last step. Of what is met by itself alone the text says that it is not said together with the others.

*bonferroni* (every bound towards a limit errs with chance <= level / m) makes all bounds hold at once, by
Boole's inequality, and *holm* lets the second statement decide the first; both ask for more rows. Sidak's
1 - (1 - level)^(1/m) is not used: for correlated one-sided bounds it can err more than stated.

Under each, what is shown to miss its limit is shown by Holm's steps too, so that the chance that a model
which meets all its limits is failed is at most the level. A pair can be apart either way and still counts
once (`comparisons._Two`). Limits that are only reported are a family of their own each, by the same rules.

Of an attribute with many groups, pairs follow from bounds of the groups (`comparisons.Pooled`), two a group:
these are what shares the level, and what errs.

All of it is for independent units: rows, or persons where it is known whose a row is. Bounds of counts are
exact (`exact_test`, Clopper-Pearson); of weighted rows, of persons and of measures of scores they are those
of bounded means (`bounded_means`): Gaffke's, proven for shares and conjectured beyond them. PR AUC has
none that keeps a level, and gates nothing.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Literal, Self

from pydantic import JsonValue, model_validator

from fairmark.errors import InputError
from fairmark.judge import findings
from fairmark.judge.alternatives import rival_signs
from fairmark.judge.comparisons import Comparison
from fairmark.judge.finding_text import Numbers, sentences, waived
from fairmark.judge.limits import (
    Aim,
    Compared,
    compared,
    invalid,
    let_through,
    rows_needed,
    shown,
    with_power,
)
from fairmark.judge.measurements import (
    Evidence,
    Expected,
    MeasuredModel,
    MeasuredRows,
    Measurements,
    faults,
    read_measurements,
)
from fairmark.params.policy import EARLIER, RIVALS, Limit, Overlay, Policy, Waiver
from fairmark.record import Record
from fairmark.stats.measures import QUANTITIES

Outcome = Literal["pass", "fail", "insufficient evidence"]
Correction = Literal["bonferroni", "holm", "intersection-union"]

MET: Outcome = "pass"
MISSED: Outcome = "fail"
UNSURE: Outcome = "insufficient evidence"

OVERRIDE = "override: "
State = Literal["pass", "pass with waiver", "insufficient evidence", "fail"]
WAIVED: State = "pass with waiver"
"""A pass that would be none without what somebody decided and put on record: a waiver or an override."""


class Finding(Record):
    """What was found for one comparison of one limit.

    `bound` is the one that has to clear the limit, `opposite` the one that would miss it; None where nothing
    could be measured. `more_rows` says how many more test rows of which group would decide ("" = of all).
    """

    limit: str
    measure: str
    attribute: str | None
    group: str | None
    """One group, two as "lower / higher", or None for all rows."""
    groups: tuple[str, ...]
    outcome: Outcome
    value: float | None
    bound: float | None
    opposite: float | None
    limit_value: float
    at: Literal["at_least", "at_most"]
    rows: int | None
    """Test rows in the comparison, all groups of it together."""
    small: bool
    """True where a group of it has fewer test rows than the policy's minimum."""
    more_rows: dict[str, int] | None
    text: str
    waived_by: str | None
    """Who lets it go on, until when and why; of an override it starts with `OVERRIDE`."""
    gate: bool
    together: bool | None = None
    """Whether it may be said to be met together with every other line that may: the chance that any of these
    is wrong is at most the level (Holm)."""
    joint_bound: float | None = None
    """Its bound in that statement: the limit where it may be said."""

    @property
    def overridden(self) -> bool:
        """Whether it fails and an override lets it go on."""
        return self.outcome == MISSED and self.waived_by is not None

    @property
    def met(self) -> bool:
        """Whether it passes, or somebody on record lets it go on."""
        return self.outcome == MET or self.waived_by is not None


class OverlayVerdict(Record):
    """The verdict of one overlay of the policy, on the same measurements as the default policy's."""

    name: str
    jurisdiction: str
    must_pass: bool
    """Whether the release waits for it."""
    verdict: "Verdict"

    @model_validator(mode="after")
    def _of_one_policy(self) -> Self:
        if self.verdict.overlays:
            raise ValueError(f"verdict must be that of one policy, got {len(self.verdict.overlays)} overlays")
        return self

    @property
    def line(self) -> str:
        """The overlay, whose law it is, and its own word."""
        held = "" if self.must_pass else "; shown, and no release waits for it"
        return f"{self.name} ({self.jurisdiction}): {self.verdict.state}{held}"


class Verdict(Record):
    """The document verdict.json: the outcome, with every finding behind it and what its error rates are.

    Where the policy has overlays, `outcome` and `state` are those by which a release goes out: a pass only
    where the default policy and each overlay that must pass say so. All else is of the default policy.
    """

    outcome: Outcome
    findings: tuple[Finding, ...]
    faults: tuple[str, ...]
    """What is wrong with the measurements themselves; with any of them the outcome is fail."""
    level: float
    correction: Correction
    comparisons: int
    """How many gated comparisons share the level."""
    guarantee: str
    judged_on: str | None
    limits: dict[str, Outcome]
    """The outcome of each limit; waivers count as passes, overrides leave a `fail`."""
    state: State
    """The one word for the verdict, wherever it is told: `pass with waiver` where a pass rests on one."""
    earlier: int | None = None
    """How many other verdicts were given on the test set before; None where nobody counted."""
    own: State | None = None
    """The word of the default policy alone, where it has overlays."""
    overlays: tuple[OverlayVerdict, ...] = ()

    @classmethod
    def of(
        cls,
        outcome: Outcome,
        findings: Sequence[Finding],
        policy: Policy,
        today: dt.date | None,
        *,
        faults: Sequence[str] = (),
        comparisons: int = 0,
        guarantee: str = "",
    ) -> Self:
        """Return the verdict of these findings."""
        return cls(
            outcome=outcome,
            findings=tuple(findings),
            faults=tuple(faults),
            level=policy.level,
            correction=policy.correction,
            comparisons=comparisons,
            guarantee=guarantee,
            judged_on=None if today is None else today.isoformat(),
            limits=_by_limit(findings),
            state=WAIVED if outcome == MET and _through(findings) else outcome,
        )

    @model_validator(mode="after")
    def _of_its_findings(self) -> Self:
        if self.limits != _by_limit(self.findings):
            raise ValueError(f"limits must be what the findings say, got {self.limits}")
        if (self.own is None) != (not self.overlays):
            raise ValueError(f"own must be given with overlays, and only then, got {self.own}")
        through = bool(_through(self.findings))
        states = [each.verdict.state for each in self.overlays if each.must_pass]
        if self.own is not None:
            if through != (self.own == WAIVED) and _outcome(self.own) == MET:
                raise ValueError(f"own must be as the findings say, got {self.own}")
            if self.outcome != (worst := _worst_of([self.own, *states])):
                raise ValueError(f"outcome must be {worst}, as policy and overlays say, got {self.outcome}")
        waived = self.outcome == MET and (through or WAIVED in states)
        state = WAIVED if waived else self.outcome
        if self.state != state:
            raise ValueError(f"state must be {state}, as the findings say, got {self.state}")
        return self

    def beside(self, overlays: Sequence[OverlayVerdict]) -> Self:
        """Return this verdict of the default policy with those of its overlays; without any, as it is."""
        if not overlays:
            return self
        states = [self.state, *(each.verdict.state for each in overlays if each.must_pass)]
        worst = _worst_of(states)
        state = WAIVED if worst == MET and WAIVED in states else worst
        update: dict[str, object] = {
            "outcome": worst,
            "state": state,
            "own": self.state,
            "overlays": tuple(overlays),
        }
        if self.guarantee:
            update["guarantee"] = f"{self.guarantee} {FAMILIES}"
        return self.model_copy(update=update)

    @property
    def policy_state(self) -> State:
        """The word of the default policy alone."""
        return self.own or self.state

    @property
    def deciding(self) -> "tuple[tuple[str, Verdict], ...]":
        """What a release waits for: this verdict, and those of overlays that must pass, by their names.

        The default policy's has the name "".
        """
        return (("", self), *((each.name, each.verdict) for each in self.overlays if each.must_pass))

    @property
    def let_through(self) -> tuple[tuple[str, Finding], ...]:
        """Each gated comparison that the release's pass rests on a record for, with its limit's whole name.

        What an overlay only takes over from the default policy, record included, is told once.
        """
        known = {(each.limit, each.group, each.waived_by) for each in _through(self.findings)}
        return tuple(
            (in_overlay(name, each.limit), each)
            for name, verdict in self.deciding
            for each in _through(verdict.findings)
            if not name or (each.limit, each.group, each.waived_by) not in known
        )

    @property
    def lines(self) -> tuple[str, ...]:
        """A line for each policy with its own word, where there are several."""
        if not self.overlays:
            return ()
        return (f"default policy: {self.policy_state}", *(each.line for each in self.overlays))

    @property
    def stands_on(self) -> tuple[str, ...]:
        """What a pass rests on beside what was shown: each gated limit that a record lets go on, and who."""
        through: dict[tuple[str, str], list[str]] = {}
        for limit, each in self.let_through:
            if each.waived_by is not None:
                through.setdefault((limit, each.waived_by), []).append(each.group or "all rows")
        return tuple(
            f"{limit} ({_few(groups)}) by {by.removeprefix(OVERRIDE)}"
            + (", although it fails" if by.startswith(OVERRIDE) else "")
            for (limit, by), groups in through.items()
        )


FAMILIES = (
    "It is for the default policy: each overlay has its own level for its own comparisons, so that whoever "
    "misses a limit of one of them passes under it with chance at most that level, and nothing is said of "
    "all overlays together."
)


def in_overlay(overlay: str, limit: str) -> str:
    """Return the name of a limit among those of several policies; that of the default policy as it is."""
    return f"{overlay}/{limit}" if overlay else limit


def _outcome(state: State) -> Outcome:
    return MET if state == "pass with waiver" else state


def _worst_of(states: Sequence[State]) -> Outcome:
    return min(map(_outcome, states), key=SEVERITY.index)


def _through(findings: Sequence[Finding]) -> list[Finding]:
    """Return the gated comparisons that a record lets go on."""
    return [each for each in findings if each.gate and each.waived_by is not None]


def _by_limit(findings: Sequence[Finding]) -> dict[str, Outcome]:
    """Return the worst outcome of each limit; waivers count as passes, overrides leave a `fail`."""
    by_limit: dict[str, list[Finding]] = {}
    for finding in findings:
        by_limit.setdefault(finding.limit, []).append(finding)
    return {
        name: MISSED if any(each.overridden for each in own) else _worst(own)
        for name, own in by_limit.items()
    }


def _few(groups: Sequence[str]) -> str:
    """Return up to three groups, and how many more there are."""
    more = f" and {len(groups) - 3} more" if len(groups) > 3 else ""
    return ", ".join(groups[:3]) + more


SEVERITY = (MISSED, UNSURE, MET)


def rank(finding: Finding) -> tuple[int, float]:
    """Return the order of comparisons of one limit: the worst outcome first, then the least room."""
    # Without a bound nothing is known of the room: it stands before every comparison that has one.
    room = float("-inf") if finding.bound is None else finding.bound - finding.limit_value
    return SEVERITY.index(finding.outcome), room if finding.at == "at_least" else -room


def decisive(findings: Sequence[Finding]) -> Finding:
    """Return the comparison that decides a limit: the worst outcome, and of these the least room."""
    return min(findings, key=rank)


@dataclass(frozen=True)
class Tails:
    """The chance that one bound errs: of those that have to clear, of those that would miss, and `joint`.

    `joint` is that of what is said of all lines together.
    """

    clear: float
    miss: float
    joint: float


def tails(comparisons: float, level: float, correction: Correction) -> Tails:
    """Return how a family of `comparisons` shares `level` before any of them is decided."""
    part = level / max(comparisons, 1)
    return Tails(level if correction == "intersection-union" else part, part, part)


def judge(
    measurements: Measurements,
    policy: Policy,
    today: dt.date | None,
    *,
    expected_model: str | None = None,
    expected_threshold: float | None = None,
    expected_groups: Mapping[str, Sequence[str]] | None = None,
    expected_thresholds: Mapping[str, JsonValue] | None = None,
    earlier: int | None = None,
) -> Verdict:
    """Return the verdict on measurements; nothing that is at odds or missing ever passes.

    Parameters
    ----------
    measurements
        What `evaluate` wrote.
    today
        The day by which waivers stand or have expired; None shows waivers and applies none.
    expected_model, expected_threshold, expected_groups
        The digest and the threshold of the model that is to be released, and every group by attribute: a
        document that speaks of others fails.
    expected_thresholds
        The entry `thresholds` of its model.json. None beside an expected threshold says that there is none,
        so that decisions by thresholds of groups' own fail. They fail too where the policy does not name
        their attribute in `protected_at_prediction`.
    earlier
        How many other verdicts were given on this test set before, as the audit trail tells; None where
        nobody counted, which judges as the first does and says so.
    """
    goal = measurements.model.goal
    expected = Expected(expected_model, expected_threshold, expected_groups, expected_thresholds)
    wrong, measure = faults(measurements, expected), None if goal is None else goal.measure
    if wrong:
        return refused(wrong, policy.following(measure), today)
    found = _judged(measurements, policy.following(measure), today, earlier)
    # Each overlay is a family of comparisons of its own: it neither gives nor takes any of the level.
    return found.beside(
        [
            _of_overlay(each, _judged(measurements, policy.under(each).following(measure), today, earlier))
            for each in policy.overlays
        ]
    )


def _of_overlay(overlay: Overlay, verdict: Verdict) -> OverlayVerdict:
    return OverlayVerdict(
        name=overlay.name,
        jurisdiction=overlay.jurisdiction,
        must_pass=overlay.must_pass,
        verdict=verdict,
    )


def _judged(
    measurements: Measurements, policy: Policy, today: dt.date | None, earlier: int | None
) -> Verdict:
    """Return the verdict of one policy, without its overlays."""
    if wrong := [*forbidden(measurements.model, policy)]:
        return _failed(wrong, policy, today)
    decided, gated = _decisions(measurements, policy, earlier)
    judged = [_finding(each, policy, today, earlier) for each in decided]
    outcome = _worst([finding for finding in judged if finding.gate]) if gated else UNSURE
    stopped = any(f.gate and f.outcome == MISSED and not f.met for f in judged)
    outcome = MISSED if stopped else outcome
    kinds = _kinds(policy, weighted=measurements.cells.units is not None)
    said = _guarantee(gated, policy, policy.level_after(earlier), kinds)
    promise = f"{said} {_of_units(measurements.data)}{_sampled(measurements.data)}" if gated else said
    found = Verdict.of(outcome, judged, policy, today, comparisons=gated, guarantee=promise)
    return found if earlier is None else found.model_copy(update={"earlier": earlier})


def judge_document(
    value: object,
    policy: Policy,
    today: dt.date | None,
    *,
    expected_model: str | None = None,
    expected_threshold: float | None = None,
    expected_groups: Mapping[str, Sequence[str]] | None = None,
    expected_thresholds: Mapping[str, JsonValue] | None = None,
    earlier: int | None = None,
) -> Verdict:
    """Return the verdict on parsed JSON: that of `judge`, or a failure that says what is malformed in it."""
    try:
        measurements = read_measurements(value)
    except InputError as error:
        return refused(error.faults, policy, today)
    return judge(
        measurements,
        policy,
        today,
        expected_model=expected_model,
        expected_threshold=expected_threshold,
        expected_groups=expected_groups,
        expected_thresholds=expected_thresholds,
        earlier=earlier,
    )


def refused(wrong: Sequence[str], policy: Policy, today: dt.date | None) -> Verdict:
    """Return the failure of every limit, under the policy and its overlays, of measurements with faults."""
    overlays = [_of_overlay(each, _failed(wrong, policy.under(each), today)) for each in policy.overlays]
    return _failed(wrong, policy, today).beside(overlays)


def _failed(wrong: Sequence[str], policy: Policy, today: dt.date | None) -> Verdict:
    text = "No verdict on these measurements, so it fails: " + "; ".join(wrong[:5])
    findings = [_refused(limit, text) for limit in policy.required]
    return Verdict.of(MISSED, findings, policy, today, faults=wrong)


@dataclass(frozen=True)
class _Decision:
    """What is decided of one comparison, whatever the day: nothing of it hangs on a waiver."""

    each: Compared | findings.Sign | str
    limit: Limit
    outcome: Outcome
    numbers: Numbers
    more: Mapping[str, int] | None
    together: bool | None = None
    joint_bound: float | None = None
    tails: Tails | None = None


def _decisions(
    measurements: Measurements, policy: Policy, earlier: int | None
) -> tuple[list[_Decision], int]:
    """Return the decision on every comparison, and how many gated comparisons share the level.

    Judging again on another day, or to verify, decides nothing anew in the same process.
    """
    # A waiver changes no decision, so that another day, or another waiver, finds the same case decided
    # already.
    rules = policy.model_copy(update={"waivers": [], "overrides": [], "overlays": []})
    text = measurements.model_dump_json(include=_READ)
    evidence = replace(measurements.evidence, earlier=earlier)
    return _decided_once(_Case(f"{text}{rules.model_dump_json()}{earlier}", evidence, rules))


_READ = {"cells", "overall", "groups", "findings", "model", "alternatives", "by_probability"}


@dataclass(frozen=True)
class _Case:
    """What is to be decided; two are the same where their texts are."""

    text: str
    measurements: Evidence = field(compare=False)
    policy: Policy = field(compare=False)


# Of one verdict the default policy and its overlays.
@lru_cache(maxsize=16)
def _decided_once(case: _Case) -> tuple[list[_Decision], int]:
    measurements, policy = case.measurements, case.policy
    plans = [(limit, planned(limit, measurements, policy)) for limit in policy.required]
    gated = [each for limit, plan in plans if limit.gate for each in plan if isinstance(each, Compared)]
    level = policy.level_after(measurements.earlier)
    gate = shared(gated, policy, level)
    decided: list[_Decision] = []
    for limit, plan in plans:
        reported = [each for each in plan if isinstance(each, Compared)]
        shares = gate if limit.gate else shared(reported, policy, level)
        if limit.gate:
            shares = _weighted(shares, gated, limit, policy, level)
        decided += _of_limit(limit, plan, shares, policy, _at_next(policy, measurements.earlier))
    return decided, len(gated)


def _at_next(policy: Policy, earlier: int | None) -> float:
    """Return how large the next verdict's part of the level is beside that of this one."""
    return policy.level_after((earlier or 0) + 1) / policy.level_after(earlier)


NEAREST = 12
"""Open comparisons of one limit that are told how many rows would decide, which costs most of all."""


def _of_limit(
    limit: Limit, plan: Sequence[Compared | findings.Sign | str], shares: Tails, policy: Policy, after: float
) -> list[_Decision]:
    """Return the decisions on the comparisons of one limit, in their order.

    More rows would be judged by the next verdict, whose part of the level is `after` times that of this one.
    """
    at, side = _limit_of(limit)
    least = side == "at_least"
    decided = []
    for each in plan:
        if isinstance(each, Compared):
            tail = own(each, shares, policy)
            outcome, numbers = _decided(each.comparison, at, tail, at_least=least)
            together, joint = _jointly(each, outcome, tail)
            decided.append(_Decision(each, limit, outcome, numbers, None, together, joint, tail))
            continue
        if isinstance(each, findings.Sign):
            outcome, numbers = UNSURE if each.shown else MET, (each.value, each.value, each.value)
        else:
            outcome, numbers = MISSED, (None, None, None)
        decided.append(_Decision(each, limit, outcome, numbers, None))
    still = [k for k, one in enumerate(decided) if one.outcome == UNSURE and one.numbers[1] is not None]
    # Those nearest to clearing the limit first: these are the ones that more rows would decide.
    still.sort(key=lambda k: float(decided[k].numbers[1] or 0.0) * (1 if least else -1))
    for k in still[:NEAREST]:
        if isinstance(each := decided[k].each, Compared):
            tail = own(each, shares, policy)
            aim = Aim(at, least, with_power(tail.clear * after), with_power(tail.miss * after))
            more = rows_needed(each.comparison, aim)
            decided[k] = replace(decided[k], more=more)
    return decided


def _jointly(each: Compared, outcome: Outcome, shares: Tails) -> tuple[bool | None, float | None]:
    """Return whether a comparison may be said to be met together with all others, and its joint bound.

    The bounds that go with Holm's steps (Strassburger and Bretz 2008; Guilbaud 2008): the limit itself for
    what is shown, and for what is not the bound at the last tail.
    """
    if each.comparison.value is None or outcome == MISSED:
        return None, None
    at, side = _limit_of(each.limit)
    if _is_shown(each, shares.joint, good=True):
        return True, at
    bound = each.comparison.low if side == "at_least" else each.comparison.high
    return False, bound(shares.joint, at)


def forbidden(model: MeasuredModel, policy: Policy) -> Iterator[str]:
    """Yield that decisions read an attribute which the policy keeps from them."""
    own = model.thresholds
    if own is not None and own.attribute not in policy.protected_at_prediction:
        yield (
            "measurements.model.thresholds: must be by an attribute of policy.protected_at_prediction, "
            f"{policy.protected_at_prediction}, got {own.attribute}"
        )


def planned(limit: Limit, evidence: Evidence, policy: Policy) -> Sequence[Compared | findings.Sign | str]:
    """Return the comparisons or the signs of a limit, or why there are none."""
    if limit.measure in findings.NAMES:
        return findings.planned(limit, evidence.findings)
    if limit.measure == EARLIER and policy.budget is not None:
        return findings.spent(limit, policy, policy.budget, evidence.earlier)
    if limit.measure == RIVALS:
        return rival_signs(limit, policy, evidence.alternatives)
    wrong = invalid(limit, evidence.groups, evidence.by_probability)
    if wrong:
        return [f"policy.limits.{limit.name}.{wrong}"]
    return compared(limit, evidence, policy.min_group_rows, policy.bounds) or [
        f"policy.limits.{limit.name}: must compare two groups, got one"
    ]


def shared(each: Sequence[Compared], policy: Policy, level: float) -> Tails:
    """Return how these comparisons share the level that a verdict spends."""
    met, missed = (step_down(each, level, good=good) for good in (True, False))
    plain = tails(sum(one.bounds for one in each), level, policy.correction)
    return Tails(met if policy.correction == "holm" else plain.clear, missed, met)


def _weighted(shares: Tails, gated: Sequence[Compared], limit: Limit, policy: Policy, level: float) -> Tails:
    """Return the tails of a gated limit where limits have weights, or stand after others."""
    if all(each.limit.weight == 1 and not each.limit.after for each in gated):
        return shares
    joint = gatekeeping(gated, policy.stages(), level).get(limit.name, shares.joint)
    if policy.correction == "holm":
        return replace(shares, clear=joint, joint=joint)
    if policy.correction == "bonferroni":
        total = sum(each.bounds * each.limit.weight for each in gated)
        shares = replace(shares, clear=level * limit.weight / total)
    return replace(shares, joint=joint)


def gatekeeping(gated: Sequence[Compared], stages: Mapping[str, int], level: float) -> dict[str, float]:
    """Return the tail of each limit at which its comparisons are shown together with all others.

    Within a stage by Holm's steps with weights (1979, section 3), and from stage to stage by serial
    gatekeeping: a later stage has the whole level once all of the earlier ones is shown, and nothing before
    (Westfall and Krishen 2001; the graphs of Bretz, Maurer, Brannath and Posch 2009 hold both).
    """
    found: dict[str, float] = {}
    open_ = True
    for stage in sorted({stages.get(each.limit.name, 0) for each in gated}):
        here = [each for each in gated if stages.get(each.limit.name, 0) == stage]
        left = list(here)
        part = 0.0
        while open_ and left:
            part = level / sum(each.bounds * each.limit.weight for each in left)
            still = [
                one for one in left if one.pooled or not _is_shown(one, part * one.limit.weight, good=True)
            ]
            if len(still) == len(left):
                break
            left = still
        found |= {each.limit.name: part * each.limit.weight for each in here}
        open_ = open_ and not left
    return found


def step_down(each: Sequence[Compared], level: float, *, good: bool) -> float:
    """Return the tail at which comparisons are shown to meet (`good`) or to miss limits, by Holm (1979).

    The chance that any of those shown is wrong is at most `level`. What is shown at level / all frees its
    share for the others, until nothing more is: all of it is shown at the last tail as well. Pooled pairs
    rest on bounds that they share, and keep their part.
    """
    total = sum(one.bounds for one in each)
    tail, before = level / max(total, 1), 0
    while True:
        found = [one for one in each if not one.pooled and _is_shown(one, tail, good=good)]
        left = total - sum(one.bounds for one in found)
        if len(found) == before or left <= 0:
            return tail
        tail, before = level / max(left, 1), len(found)


def _is_shown(each: Compared, tail: float, *, good: bool) -> bool:
    if each.comparison.value is None:
        return False
    at, side = _limit_of(each.limit)
    return shown(each.comparison, Aim(at, side == "at_least", tail, tail), good=good)


def own(each: Compared, shares: Tails, policy: Policy) -> Tails:
    """Return the tails of one comparison: where each bound stands alone, a pooled pair halves its own."""
    # A pooled pair rests on one bound of each of two groups, and errs when either does. Under Bonferroni that
    # is counted in `bounds`; where each bound stands alone, the two halves of its tail add up to it.
    alone = each.pooled and policy.correction == "intersection-union"
    return replace(shares, clear=shares.clear / 2) if alone else shares


def _worst(findings: Sequence[Finding]) -> Outcome:
    outcomes = {MET if finding.met else finding.outcome for finding in findings}
    return MISSED if MISSED in outcomes else UNSURE if UNSURE in outcomes else MET


def _kinds(policy: Policy, *, weighted: bool) -> str:
    """Return in words which bounds of the gated comparisons are exact, proven or conjectured."""
    gated = {QUANTITIES[each.measure].measure for each in policy.limits if each.gate and _known(each.measure)}
    gated |= {QUANTITIES[each.measure].measure for each in policy.gains if _known(each.measure)}
    scored = {each.name for each in gated if each.scored}
    by = {
        "weighted rows and persons": policy.bounds.rates if weighted else None,
        "losses": policy.bounds.losses if scored - {"roc_auc"} else None,
        "ROC AUC": policy.bounds.auc if "roc_auc" in scored else None,
    }
    said = [] if weighted else ["bounds of counts are exact"]
    said += [f"those of {of} are {SURE[each]}" for of, each in by.items() if each is not None]
    text = "; ".join(said).removeprefix("bounds of ").removeprefix("those of ")
    return f"Bounds of {text}." if text else ""


SURE = {
    "betting": "proven (betting)",
    "pairs": "proven (Hoeffding's of pairs)",
    "gaffke": "Gaffke's, proven for shares and conjectured beyond",
    "placements": "Gaffke's of placements, conjectured and right to the first order",
}
"""How sure each bound of `policy.bounds` is."""


def _known(measure: str) -> bool:
    return measure in QUANTITIES


def _guarantee(comparisons: int, policy: Policy, level: float, kinds: str) -> str:
    if not comparisons:
        return "The policy gates nothing, so nothing is shown."
    share, sure = f"{level:.4g}", f"{1 - level:.4g}"
    kept = (
        f"The chance that a model which meets every gated limit is failed is at most {share} as well, and "
        f"so is the chance that any line said to be met together with the others is not (Holm). {kinds}"
    )
    match policy.correction:
        case "bonferroni":
            first = (
                f"With chance at least {sure} all {comparisons} gated bounds hold at once (Bonferroni), so "
                f"that a model which misses any limit passes with chance at most {share}."
            )
        case "holm":
            first = (
                f"With chance at least {sure} none of the {comparisons} gated lines is wrongly said to be "
                f"met (Holm), so that a model which misses any limit passes with chance at most {share}."
            )
        case _:
            first = (
                f"A model which misses any gated limit passes with chance at most {share} "
                f"(intersection-union test of {comparisons} comparisons); each bound holds by itself with "
                f"chance {sure}."
            )
    if policy.budget is None:
        first += " It is for one verdict on these test rows: nobody counts others (policy.budget)."
    else:
        first += (
            f" Of all {policy.budget.verdicts} verdicts that may be given on the test set, of other models "
            f"or with more rows, any is a wrong pass with chance at most {policy.level:g}."
        )
    return f"{first} {kept}"


def _of_units(data: MeasuredRows) -> str:
    """Return what is taken to be independent: what the guarantee stands on."""
    if data.persons is None:
        return (
            "It is for rows that are independent of each other: no column says which rows hang together "
            "(prepare.person, evaluate.cluster)."
        )
    units = data.units or "persons"
    if data.persons == data.rows:
        return f"It is for {units} that are independent of each other, each with one row."
    return (
        f"The {data.rows:,} test rows are of {data.persons:,} {units}: the guarantee is for {units} that are "
        "independent of each other, however the rows of one hang together."
    )


def _sampled(data: MeasuredRows) -> str:
    if data.sampled_by is None:
        return ""
    return (
        f" Groups of {data.sampled_by} gave different shares of their rows to the test part: measures of all "
        f"rows, and by other attributes, are weighted back, and those by {data.sampled_by} count rows."
    )


def _limit_of(limit: Limit) -> tuple[float, Literal["at_least", "at_most"]]:
    if limit.at_least is not None:
        return limit.at_least, "at_least"
    return float(limit.at_most or 0.0), "at_most"


def _refused(limit: Limit, text: str) -> Finding:
    value, at = _limit_of(limit)
    return Finding(
        limit=limit.name,
        measure=limit.measure,
        attribute=limit.attribute,
        group=None,
        groups=(),
        outcome=MISSED,
        value=None,
        bound=None,
        opposite=None,
        limit_value=value,
        at=at,
        rows=None,
        small=False,
        more_rows=None,
        text=text,
        waived_by=None,
        gate=limit.gate,
    )


def _finding(decision: _Decision, policy: Policy, today: dt.date | None, earlier: int | None) -> Finding:
    each, outcome = decision.each, decision.outcome
    if isinstance(each, str):
        return _refused(decision.limit, f"No verdict on this limit, so it fails: {each}")
    if isinstance(each, findings.Sign):
        return _sign(each, policy, today)
    numbers = decision.numbers
    covering = [w for w in _recorded(outcome, policy) if covers(w, each.limit.name, each.groups)]
    within = [w for w in covering if _within(w, each.limit, numbers[1])]
    waiver = next((w for w in within if today and w.decided <= today <= w.last_day), None)
    words = [
        *sentences(each, outcome, numbers, decision.more, policy, earlier),
        *_apart(decision),
        *waived(within, waiver, today, failed=outcome == MISSED),
        *_beyond([w for w in covering if w not in within], numbers[1]),
        *(_lets_through(waiver, each, decision.tails) if waiver is not None and outcome == UNSURE else ()),
    ]
    return _refused(decision.limit, " ".join(words)).model_copy(
        update={
            "group": each.group,
            "groups": each.groups,
            "outcome": outcome,
            "value": numbers[0],
            "bound": numbers[1],
            "opposite": numbers[2],
            "rows": sum(each.rows),
            "small": bool(each.groups) and min(each.evidence)[0] < policy.min_group_rows,
            "more_rows": None if decision.more is None else dict(decision.more),
            "waived_by": None if waiver is None else _by(waiver, outcome),
            **({} if decision.together is None else {"together": decision.together}),
            **({} if decision.joint_bound is None else {"joint_bound": decision.joint_bound}),
        }
    )


def _within(waiver: Waiver, limit: Limit, bound: float | None) -> bool:
    """Return whether a bound is as good as a waiver asks."""
    if waiver.up_to is None:
        return True
    return bound is not None and (
        bound >= waiver.up_to if limit.at_least is not None else bound <= waiver.up_to
    )


def _beyond(waivers: Sequence[Waiver], bound: float | None) -> Iterator[str]:
    for each in waivers:
        found = "none" if bound is None else f"{bound:.5g}"
        yield f"The waiver by {each.decided_by} reaches to a bound of {each.up_to:g} only, got {found}."


def _lets_through(waiver: Waiver, each: Compared, shares: Tails | None) -> Iterator[str]:
    """Yield what a waiver lets through, and with which chance."""
    if shares is None:
        return
    if waiver.up_to is not None:
        yield (
            f"It lets a true value that is worse than {waiver.up_to:g} through with chance at most "
            f"{shares.clear:.3g}."
        )
    elif (found := let_through(each, shares.miss)) is not None:
        yield f"It lets a true value of {found[0]:.3g} through with chance about {found[1]:.2f}."


def _apart(decision: _Decision) -> Iterator[str]:
    if decision.outcome == MET and decision.together is False:
        yield (
            "It is met by itself; said together with all other lines it is open, with a joint bound of "
            f"{decision.joint_bound:.5g}."
        )


def _sign(each: findings.Sign, policy: Policy, today: dt.date | None) -> Finding:
    outcome = UNSURE if each.shown else MET
    covering = [w for w in _recorded(outcome, policy) if covers(w, each.limit.name, each.of)]
    waiver = next((w for w in covering if today and w.decided <= today <= w.last_day), None)
    return _refused(each.limit, " ".join([each.text(), *waived(covering, waiver, today)])).model_copy(
        update={
            "group": " + ".join(each.of) or None,
            "groups": each.of,
            "outcome": outcome,
            "value": each.value,
            "bound": each.value,
            "opposite": each.value,
            "waived_by": None if waiver is None else _by(waiver, outcome),
        }
    )


def _recorded(outcome: Outcome, policy: Policy) -> Sequence[Waiver]:
    """Return what of the policy may let a comparison of this outcome go on."""
    return policy.waivers if outcome == UNSURE else policy.overrides if outcome == MISSED else ()


def _by(waiver: Waiver, outcome: Outcome) -> str:
    kind = OVERRIDE if outcome == MISSED else ""
    return f"{kind}{waiver.decided_by} until {waiver.last_day}: {waiver.reason}"


def _decided(comparison: Comparison, at: float, shares: Tails, *, at_least: bool) -> tuple[Outcome, Numbers]:
    """Return the outcome with the value, the bound that has to clear, and the opposite one."""
    if comparison.value is None:
        return UNSURE, (None, None, None)
    slip = 1e-9 * max(abs(at), 1.0)  # 1 / (1 / at) is not always at
    if at_least:
        bound, opposite = comparison.low(shares.clear, at), comparison.high(shares.miss, at)
        clears, misses = bound >= at - slip, opposite <= at + slip
    else:
        bound, opposite = comparison.high(shares.clear, at), comparison.low(shares.miss, at)
        clears, misses = bound <= at + slip, opposite >= at - slip
    # Both at once can only be where tails are so wide that the bounds cross: that shows nothing either.
    outcome = UNSURE if clears == misses else MET if clears else MISSED
    return outcome, (comparison.value, bound, opposite)


def covers(waiver: Waiver, limit: str, groups: Sequence[str]) -> bool:
    """Return whether a waiver or override, on a day when it stands, covers a comparison on a limit."""
    return waiver.limit == limit and (waiver.groups is None or bool(set(waiver.groups) & set(groups)))

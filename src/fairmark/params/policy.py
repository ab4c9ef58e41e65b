"""The section `policy`: what a model must meet to be released, and why."""

import datetime as dt
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from fairmark.params.base import Count, OpenShare, Section, Share, Text, one_of
from fairmark.stats.measures import APPROXIMATE, GAINED, GOALS, QUANTITIES, Quantity

GOAL = "goal"
"""In the place of a measure: the one that the model's threshold is for."""


class Law(Section):
    """The law that a limit goes back to, and the day on which somebody last read it. Not legal advice."""

    jurisdiction: Text
    citation: Text
    checked: dt.date
    term_days: Count | None
    """How long that stands before somebody has to read it again; None sets no term."""
    note: Text | None
    """What is known of its future, such as a withdrawal on a regulator's agenda."""


class Limit(Section):
    """One limit on one measure: overall when `attribute` is null, else for every group of the attribute."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
    measure: Text
    attribute: Text | None
    at_least: float | None
    at_most: float | None
    gate: bool
    """False reports the measure beside the gates and never stops a release."""
    reason: Text
    law: Law | None = None
    """Where the reason is a law: which, and when it was last read."""
    weight: Annotated[float, Field(gt=0)] = 1.0
    """Of limits that are said to be met together, each comparison has a part of the level like this."""
    after: list[Text] = Field(default_factory=list)
    """Limits of which every comparison has to be shown to be met before this one is said to be met together
    with them (gatekeeping): it has no part of the level until then, and all of it then."""

    @model_validator(mode="after")
    def _one_side(self) -> Self:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("must set one of at_least and at_most, and null for the other")
        faults = [*self._faults()]
        if faults:
            raise ValueError("; ".join(faults))
        return self

    @model_validator(mode="after")
    def _gated_by_a_level(self) -> Self:
        asked = QUANTITIES.get(self.measure)
        if self.gate and asked is not None and asked.measure.name in APPROXIMATE:
            raise ValueError(
                f"gate must be false for {self.measure}, whose bounds keep no stated level, got true"
            )
        return self

    def _faults(self) -> Iterator[str]:
        if self.measure == GOAL:
            if self.attribute is not None:
                yield f"attribute must be null for {GOAL}, got {self.attribute!r}"
            return
        asked = QUANTITIES.get(self.measure)
        if asked is None:
            yield f"measure must be one of {', '.join(QUANTITIES)}, got {self.measure!r}"
            return
        yield from self._outside(asked)
        yield from self.misfits()

    def _outside(self, asked: Quantity) -> Iterator[str]:
        side, value = ("at_least", self.at_least) if self.at_most is None else ("at_most", self.at_most)
        low, high = asked.span
        if value is not None and not low <= value <= high:
            yield f"{side} must be in {low:g}..{high:g}, which {self.measure} can't leave, got {value:g}"
        elif self.gate and value == (low if side == "at_least" else high):
            yield f"{side} must be one that {self.measure} can miss, where it gates, got {value:g}"

    def misfits(self) -> Iterator[str]:
        """Yield why a limit does not fit its measure: its attribute, or its side."""
        asked = QUANTITIES[self.measure]
        if asked.how == "gain" and self.attribute is not None:
            yield f"attribute must be null for {self.measure}, got {self.attribute!r}"
        if asked.over_groups and self.attribute is None:
            yield f"attribute must be named for {self.measure}, got null"
        if asked.how == "ratio" and self.at_least is None:
            yield f"at_least must be set for {self.measure} (lowest / highest, 1 = parity), got at_most"
        if asked.how == "difference" and self.at_most is None:
            yield f"at_most must be set for {self.measure} (highest - lowest, 0 = parity), got at_least"


class Waiver(Section):
    """A named person's decision to go on without enough evidence on one limit, for a while."""

    limit: Text
    groups: Annotated[list[Text], Field(min_length=1)] | None
    decided_by: Text
    reason: Text
    decided: dt.date
    expires: dt.date
    up_to: float | None = None
    """It stands only while the bound that has to clear is no worse than this; None: whatever the bound is."""
    due: dt.date | None = None
    """The day by which the rows that would decide are due: it stands no longer; None: until it expires."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.expires < self.decided:
            raise ValueError(f"expires must not be before decided {self.decided}, got {self.expires}")
        if self.due is not None and not self.decided <= self.due <= self.expires:
            raise ValueError(f"due must be in {self.decided}..{self.expires}, got {self.due}")
        return self

    @property
    def last_day(self) -> dt.date:
        """The last day on which it stands."""
        return self.expires if self.due is None else self.due


class ConstantAnswer(Section):
    """What a model must be better than: the better of "yes" to everybody and "no" to everybody.

    Without it a policy can be met by not deciding: whoever selects all or nobody selects every group alike.
    """

    measures: list[Annotated[str, one_of([*GAINED, GOAL])]]
    """In which measures the gain over the best constant answer must be shown, each by its own bound; `goal`
    is the one that the model's threshold is for (`train.threshold`)."""
    at_least: Annotated[float, Field(ge=0, lt=1)]
    """The gain that must be shown."""
    not_required: Text | None
    """Why nothing of that is required; null requires it."""

    @model_validator(mode="after")
    def _of_decisions(self) -> Self:
        if self.not_required is None and not set(self.measures) & {*GOALS, GOAL}:
            raise ValueError(
                f"measures must hold one of decisions, {', '.join(GOALS)}, because scores say nothing of "
                f"who is selected, got {self.measures} (or say in `not_required` why)"
            )
        if self.not_required is None and (loose := sorted(set(self.measures) & APPROXIMATE)):
            raise ValueError(f"measures must have bounds that keep a stated level, got {loose}")
        return self


class Findings(Section):
    """Signs that test rows tell too much, or of others: above its number one must be answered by a waiver.

    Above it a sign leaves the verdict at insufficient evidence, never at fail: it may have a good reason.
    null reports a sign beside the gates.
    """

    column_auc: Share | None
    """How well one feature alone knows the label: ROC AUC, the larger of out of fold and on test rows."""
    pair_auc: Share | None
    """The same of two features together, of those that move the score most."""
    shared_rows: Share | None
    """Share of test rows that are train rows too, label included, beyond what chance explains."""
    repeated_rows: Share | None
    """Share of rows that repeat an earlier row of the same file in every cell."""
    late_dates: Share | None
    """Largest share of rows in which a date feature lies after the row's own time."""
    one_feature: Share | None
    """Share of all that moves scores which comes from one feature."""
    persons: Share | None
    """Share of rows with the stable columns of others, beyond chance, while nobody says whose they are."""
    shared_persons: Share | None
    """Share of test rows of a person who has train or validation rows as well."""
    repeated_valid: Share | None
    """Share of validation rows that are train rows too, label included: by chance too, in tables of codes."""
    part_label: Share | None
    """One less the chance of parts and labels that go together so far, in parts that were drawn by hash."""
    label_shift: Share | None
    """How far the label rate of a later part is from that of the train part, where that is beyond chance."""
    group_shift: Share | None
    """Total variation distance of an attribute between a later part and the train part, likewise."""
    feature_shift: Share | None
    """The same of a feature."""


class Bounds(Section):
    """How is bounded what is no count of rows of one weight: proven, or conjectured and with fewer rows."""

    losses: Literal["betting", "gaffke"]
    """Brier score, log loss and calibration error: `betting` is proven, `gaffke` conjectured."""
    auc: Literal["pairs", "placements"]
    """ROC AUC: `pairs` is proven, `placements` conjectured and right to the first order."""
    rates: Literal["betting", "gaffke"]
    """Rates of weighted rows, and of persons with several rows."""


class Budget(Section):
    """How often models may be judged on one test set, planned before the first of them."""

    test_set: Text
    """What the test rows are called. More rows of it are the same test set; new rows alone are another."""
    verdicts: Count
    """Verdicts that may be given on it, of other models or of the same one with more rows. Each spends its
    part of the level, so that all of them together err with chance at most the level, however alike they are
    (Bonferroni)."""
    first: OpenShare | None = None
    """Part of the level that the first verdict spends; the others share the rest equally. null: all alike."""

    @model_validator(mode="after")
    def _spent_whole(self) -> Self:
        if self.first is not None and self.verdicts == 1:
            raise ValueError(f"first must be null where one verdict is planned, got {self.first:g}")
        return self

    def part(self, earlier: int | None) -> float:
        """Return what part of the level a verdict spends after so many others, 0..1; None: the first one."""
        if self.first is None:
            return 1 / self.verdicts
        return (1 - self.first) / (self.verdicts - 1) if earlier else self.first


SPENT = "test-set-budget"
"""The limit that a waiver names where the budget of a test set is gone."""
EARLIER = "earlier_verdicts"
"""Its measure: other verdicts that were given on the test set before."""


class RivalRule(Section):
    """Which less discriminatory alternative has to be answered: one so much fairer at so small a loss."""

    limit: Text
    """A limit on groups, in whose unit the gain is."""
    gain: Annotated[float, Field(gt=0)]
    """Nearer to parity by at least so much, in the mean over refits on test rows."""
    loss: Annotated[float, Field(ge=0)]
    """At a loss of at most so much of what the threshold is for (accuracy, a profit)."""


RIVAL = "less-discriminatory-alternative"
"""The limit that a waiver names where a rival of the chosen model is left all the same."""
RIVALS = "alternatives"
"""Its measure: rivals that the rule holds of."""

LATER = ("test", "valid")
"""The parts that are compared with the train part."""

SUBJECT = {
    **dict.fromkeys(
        ("column_auc", "pair_auc", "late_dates", "one_feature", "persons", "feature_shift"), "column"
    ),
    "group_shift": "attribute",
    "label_shift": "part",
}
"""What a waiver of a finding names in `groups`; nothing, where the finding is one of the whole table."""


DEFAULT = "default"
"""What the policy without its overlays is called among them."""


class Overlay(Section):
    """The policy of another jurisdiction on the same measurements: limits more than the default policy's."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
    jurisdiction: Text
    must_pass: bool
    """Whether a release waits for a pass under it as well; False shows its verdict beside the others."""
    stages: list[Text]
    """Stages to which a release is promoted only where it passes under this overlay."""
    level: Annotated[float, Field(gt=0, lt=0.5)] | None
    """That of its own family of comparisons; null: as high as the default policy's."""
    protected_at_prediction: list[Text] | None
    """Attributes whose group the decision may be told there; null: those of the default policy."""
    limits: list[Limit]
    """Added to those of the default policy, or in the place of the one that has the name."""
    waivers: list[Waiver]
    overrides: list[Waiver]

    @model_validator(mode="after")
    def _of_a_law(self) -> Self:
        if self.name == DEFAULT:
            raise ValueError(f"name must be another than that of the policy itself, got {self.name}")
        if not self.limits and self.protected_at_prediction is None:
            raise ValueError("must have limits or protected_at_prediction of its own, got neither")
        if unsaid := [limit.name for limit in self.limits if limit.law is None]:
            raise ValueError(f"limits must name the law that they go back to, got none for {unsaid}")
        return self


class Policy(Section):
    """What a model must meet to be released, and why."""

    goal: Text
    price: Text
    level: Annotated[float, Field(gt=0, lt=0.5)]
    correction: Literal["bonferroni", "holm", "intersection-union"]
    """How many comparisons share `level`; `judge.verdict` says what each of them guarantees."""
    budget: Budget | None
    """None plans a single verdict on the test rows, and counts none."""
    bounds: Bounds
    min_group_rows: Count
    protected_at_prediction: list[Text]
    """Attributes whose group the decision itself may be told; empty (the rule) keeps them evidence alone."""
    constant_answer: ConstantAnswer
    findings: Findings
    alternatives: RivalRule | None
    """null reports less discriminatory alternatives, and gates none."""
    limits: Annotated[list[Limit], Field(min_length=1)]
    waivers: list[Waiver]
    """They let a comparison go on that is undecided; never one that fails."""
    overrides: list[Waiver]
    """They let a comparison go on that fails: shown as a failure wherever the verdict is shown."""
    overlays: list[Overlay]
    """Policies of other jurisdictions, each with a verdict of its own on the same measurements."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        self.check_names()
        names = [overlay.name for overlay in self.overlays]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"must name each overlay once, got {twice} twice")
        for overlay in self.overlays:
            try:
                self.under(overlay).check_names()
            except ValueError as error:
                raise ValueError(f"overlays.{overlay.name}: {error}") from error
        return self

    def under(self, overlay: Overlay) -> Self:
        """Return the policy of an overlay, whole: this one with its limits added or in the place of others.

        What waives a limit that the overlay replaces was decided on another number, and does not stand there.
        """
        own = {limit.name: limit for limit in overlay.limits}
        kept = [own.pop(limit.name, limit) for limit in self.limits]
        replaced = {limit.name for limit in overlay.limits}
        told = overlay.protected_at_prediction
        return self.model_copy(
            update={
                "level": self.level if overlay.level is None else overlay.level,
                "limits": [*kept, *own.values()],
                "protected_at_prediction": self.protected_at_prediction if told is None else told,
                "waivers": [*(w for w in self.waivers if w.limit not in replaced), *overlay.waivers],
                "overrides": [*(w for w in self.overrides if w.limit not in replaced), *overlay.overrides],
                "overlays": [],
            }
        )

    @property
    def every_waiver(self) -> list[Waiver]:
        """All waivers and overrides, those of overlays included."""
        own = [*self.waivers, *self.overrides]
        return own + [w for each in self.overlays for w in (*each.waivers, *each.overrides)]

    def check_names(self) -> None:
        """Do nothing where each limit is named once, and waivers name limits.

        Raises
        ------
        ValueError
            Where it is not so.
        """
        names = [limit.name for limit in self.limits]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"must name each limit once, got {twice} twice")
        self.stages()
        own = [limit.name for limit in (*self.gains, *self.signs, *self.rivalled, *self.spending)]
        taken = sorted(set(names) & set(own))
        if taken:
            raise ValueError(f"limits must not have the names of what is required anyway, got {taken}")
        for kind, found in (("waivers", self.waivers), ("overrides", self.overrides)):
            strangers = sorted({each.limit for each in found} - {*names, *own})
            if strangers:
                raise ValueError(f"{kind} must name a limit, one of {[*names, *own]}, got {strangers}")
        every = (*self.limits, *self.gains, *self.spending)
        whole = {limit.name for limit in every if limit.attribute is None}
        grouped = [limit.name for limit in self.limits if limit.attribute is not None]
        if self.alternatives is not None and self.alternatives.limit not in grouped:
            raise ValueError(
                f"alternatives.limit must be one of the limits on groups, {grouped}, got "
                f"{self.alternatives.limit!r}"
            )
        named = [each.limit for each in (*self.waivers, *self.overrides) if each.groups is not None]
        if astray := sorted(whole & set(named)):
            raise ValueError(
                f"waivers and overrides of limits on all rows must have null groups, got {astray}"
            )

    def strangers(
        self, groups: Mapping[str, Collection[str]], features: Collection[str] | None = None
    ) -> list[str]:
        """Return a fault for each waiver or override that names what its limit or its sign does not speak of.

        Parameters
        ----------
        groups
            The groups of each attribute, as far as they are known.
        features
            The columns that may be features, where they are known.
        """
        attributes = {limit.name: limit.attribute for limit in self.limits}
        faults = []
        named = [("waivers", each) for each in self.waivers] + [
            ("overrides", each) for each in self.overrides
        ]
        for kind, each in named:
            attribute = attributes.get(each.limit)
            known = groups.get(attribute) if attribute is not None else None
            wrong = sorted(set(each.groups or []) - set(known or ()))
            if known is not None and wrong:
                where = f"policy.{kind} of {each.limit}"
                faults.append(f"{where}: must name groups of {attribute}, {sorted(known)}, got {wrong}")
        of = {"column": features, "attribute": groups or None, "part": LATER}
        signs = {limit.name: limit.measure for limit in self.signs}
        for kind, each in named:
            if each.limit not in signs or each.groups is None:
                continue
            spoken = SUBJECT.get(signs[each.limit])
            known = of[spoken] if spoken else ()
            wrong = sorted(set(each.groups) - set(known or ()))
            if known is not None and wrong:
                asked = f"{spoken}s in groups, {sorted(known)}" if spoken else "null groups"
                faults.append(f"policy.{kind} of {each.limit}: must name {asked}, got {wrong}")
        for overlay in self.overlays:
            own = {"waivers": overlay.waivers, "overrides": overlay.overrides}
            of_it = self.under(overlay).model_copy(update=own).strangers(groups, features)
            faults += [fault.replace("policy.", f"policy.overlays.{overlay.name}.", 1) for fault in of_it]
        return faults

    def following(self, goal: str | None) -> Self:
        """Return the same where limits on the threshold's goal are limits on this measure.

        Without one, as of models made before thresholds had goals, it is accuracy, in which a gain is hardest
        to show where a label is rare.
        """
        goal = "accuracy" if goal is None else goal
        limits = [
            limit.model_copy(update={"measure": goal}) if limit.measure == GOAL else limit
            for limit in self.limits
        ]
        measures = [f"{GOAL}={goal}" if name == GOAL else name for name in self.constant_answer.measures]
        answer = self.constant_answer.model_copy(update={"measures": measures})
        return self.model_copy(update={"limits": limits, "constant_answer": answer})

    @property
    def blind(self) -> Self:
        """The same where no limit on groups gates: they are measured, and nothing aims for them."""
        limits = [
            limit if limit.attribute is None else limit.model_copy(update={"gate": False})
            for limit in self.limits
        ]
        return self.model_copy(update={"limits": limits})

    def citation(self, limit: Limit) -> str:
        """Return the law of a limit in sentences, and by when to read it again; empty without one."""
        if limit.law is None:
            return ""
        law, term = limit.law, limit.law.term_days
        again = f", to be read again by {law.checked + dt.timedelta(days=term)}" if term else ""
        said = f"{law.citation} ({law.jurisdiction}), last read on {law.checked}{again}."
        return " ".join(filter(None, [said, law.note, "Not legal advice."]))

    def stale_citations(self, today: dt.date) -> list[str]:
        """Return a sentence for each citation that is older than its term, or of a day to come."""
        found = []
        every = [("", self.limits), *((f"overlay {each.name}, ", each.limits) for each in self.overlays)]
        for of, limit in ((of, limit) for of, limits in every for limit in limits):
            if limit.law is None:
                continue
            law, term = limit.law, limit.law.term_days
            where = f"{of}limit {limit.name}: {law.citation}"
            if law.checked > today:
                found.append(f"{where} must have been read by {today}, got {law.checked}, which is to come")
            elif term is not None and (today - law.checked).days > term:
                found.append(
                    f"{where} must have been read within {term} days of {today}, got {law.checked} (read it "
                    "again, and write the day)"
                )
        return found

    def stages(self) -> dict[str, int]:
        """Return how many limits stand before each one, on the longest way through `after`; 0 for the first.

        Raises
        ------
        ValueError
            When a limit stands after itself, after one that is not there, or after one that does not gate.
        """
        after = {limit.name: limit.after for limit in self.limits}
        gated = {limit.name for limit in self.limits if limit.gate}
        for name, before in after.items():
            if wrong := sorted(set(before) - gated):
                raise ValueError(f"limits.{name}.after must name limits that gate, got {wrong}")
        stages = dict.fromkeys(after, 0)
        for _ in after:
            stages = {
                name: max((stages[each] + 1 for each in before), default=0) for name, before in after.items()
            }
        if max(stages.values(), default=0) >= len(after):
            raise ValueError("limits must not stand after themselves, got a circle of after")
        return stages

    @property
    def spent_level(self) -> float:
        """The part of `level` that the first verdict on the test set spends."""
        return self.level_after(None)

    def level_after(self, earlier: int | None) -> float:
        """Return the part of `level` that a verdict spends after so many others; None: nobody counted any."""
        return self.level if self.budget is None else self.level * self.budget.part(earlier)

    @property
    def spending(self) -> list[Limit]:
        """The limit that `budget` stands for."""
        if self.budget is None:
            return []
        return [
            Limit.model_construct(
                name=SPENT,
                measure=EARLIER,
                attribute=None,
                at_least=None,
                at_most=float(self.budget.verdicts - 1),
                gate=True,
                reason="Of many verdicts at a limit, one is a pass by luck: a test set proves only so often.",
            )
        ]

    @property
    def gains(self) -> list[Limit]:
        """The limits that `constant_answer` stands for."""
        if self.constant_answer.not_required is not None:
            return []
        return [
            Limit.model_construct(
                name=f"constant-answer-{measure.partition('=')[0].replace('_', '-')}",
                measure=f"{measure.rpartition('=')[2]}_gain",
                attribute=None,
                at_least=self.constant_answer.at_least,
                at_most=None,
                gate=True,
                reason=(
                    "A policy must not be met by not deciding: the better of yes to everybody and no to "
                    "everybody is what costs nothing."
                ),
            )
            for measure in dict.fromkeys(self.constant_answer.measures)
        ]

    @property
    def signs(self) -> list[Limit]:
        """The limits that `findings` stand for; their measures are signs, not measures of the model."""
        return [
            Limit.model_construct(
                name=f"finding-{name.replace('_', '-')}",
                measure=name,
                attribute=None,
                at_least=None,
                at_most=at,
                gate=True,
                reason="A sign that test rows tell too much, or of others, goes unanswered into no release.",
            )
            for name in Findings.model_fields
            if (at := getattr(self.findings, name)) is not None
        ]

    @property
    def rivalled(self) -> list[Limit]:
        """The limit that `alternatives` stands for: no rival that its rule holds of goes unanswered."""
        if self.alternatives is None:
            return []
        return [
            Limit.model_construct(
                name=RIVAL,
                measure=RIVALS,
                attribute=None,
                at_least=None,
                at_most=0.0,
                gate=True,
                reason="Of models that serve alike the least discriminatory is taken, or it is said why not.",
            )
        ]

    @property
    def required(self) -> list[Limit]:
        """Every limit of the verdict: those written, on the constant answer, findings, rivals, the budget."""
        return [*self.limits, *self.gains, *self.signs, *self.rivalled, *self.spending]

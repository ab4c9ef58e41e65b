"""Signs that test rows tell too much, or of others: measured by other stages, gathered for the gate, judged.

A model that reads the answer, or rows and persons that it was learnt from, is measured too well by every
other limit; one that is measured on rows unlike those that it was learnt from is measured for others.
Each sign is a row of `signs`; the policy says above which number it must be answered (`Findings`). A sign has
an innocent explanation at times, so that it never fails a release: it leaves insufficient evidence, and a
waiver that names the columns is the answer on record.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from fairmark.params.policy import SPENT, Budget, Findings, Limit, Policy
from fairmark.record import Record


class Shown(Record):
    """How strong a sign is, and of which columns, parts or attributes."""

    of: tuple[str, ...]
    value: Annotated[float, Field(ge=0, le=1)]


class Strongest(Record):
    """One sign in the measurements: the largest value, those that show it most, and why there is none."""

    value: float | None
    each: tuple[Shown, ...]
    why: str | None = None


NAMES = tuple(Findings.model_fields)
"""Every sign, by the name that params.yaml has for it."""


@dataclass(frozen=True)
class SignText:
    """Words of one sign: what it measures, what it implies above the policy's number, and a remedy."""

    measured: str
    """With `{of}` in the place of the columns, parts or attributes."""
    implication: str
    remedy: str


BEFOREHAND = "the answer may be known beforehand"
TEXTS: Mapping[str, SignText] = {
    "column_auc": SignText(
        "ROC AUC for the label by {of} alone",
        BEFOREHAND,
        "Ask whether it is known before the decision; if it is not, put it into prepare.drop",
    ),
    "pair_auc": SignText(
        "ROC AUC for the label by {of} together",
        BEFOREHAND,
        "Ask whether both are known before the decision; if one is not, put it into prepare.drop",
    ),
    "shared_rows": SignText(
        "share of test rows that are train rows too, beyond what chance explains,",
        BEFOREHAND,
        "Measure on rows that no model has learnt from",
    ),
    "repeated_rows": SignText(
        "share of rows that repeat an earlier row of their file",
        BEFOREHAND,
        "Take repeated rows out, or keep those of one person together",
    ),
    "late_dates": SignText(
        "share of rows where {of} lies after the row's own time",
        BEFOREHAND,
        "Put dates that are not known at the decision into prepare.drop",
    ),
    "one_feature": SignText(
        "share of all that moves scores which comes from {of}",
        BEFOREHAND,
        "Ask whether it is known before the decision; if it is not, put it into prepare.drop",
    ),
    "persons": SignText(
        "share of rows that share their values of {of} with others, beyond chance,",
        "several rows may belong to one person, whom the model may know already",
        "Name the column that says whose a row is in prepare.person",
    ),
    "shared_persons": SignText(
        "share of test rows of a person who has train or validation rows too",
        "the model may know the person already",
        "Make the parts anew with prepare.person",
    ),
    "repeated_valid": SignText(
        "share of validation rows that are train rows too",
        BEFOREHAND,
        "Take repeated rows out, or keep those of one person together",
    ),
    "part_label": SignText(
        "one less the chance of parts and labels that go together so far",
        "the parts know the label",
        "Name another column in prepare.row_id, or null",
    ),
    "label_shift": SignText(
        "distance of the label rate between the train part and the {of} part",
        "the model is measured where the label is another thing than where it was learnt",
        "Ask why; take parts that are alike (split.order hash), or rows of one time",
    ),
    "group_shift": SignText(
        "distance of {of} between the train part and a later part",
        "the model is measured on others than it was learnt from",
        "Ask why; take parts that are alike (split.order hash), or rows of one time",
    ),
    "feature_shift": SignText(
        "distance of {of} between the train part and a later part",
        "the model is measured on others than it was learnt from",
        "Ask why; take parts that are alike (split.order hash), or rows of one time",
    ),
}


@dataclass(frozen=True)
class Sign:
    """One sign of one limit: of which columns, and how strong."""

    limit: Limit
    of: tuple[str, ...]
    value: float | None
    why: str

    @property
    def shown(self) -> bool:
        """Whether it is above the policy's number; None can't be known, which is no answer either."""
        return self.value is None or self.value > float(self.limit.at_most or 0.0)

    def text(self) -> str:
        """Return what was found, and what to do about it."""
        of = " and ".join(self.of)
        text = TEXTS[self.limit.measure]
        where = text.measured.format(of=of or "a column")
        where = where[0].upper() + where[1:]
        if self.value is None:
            name = f"policy.findings.{self.limit.measure}"
            return f"{where} can't be told: {self.why}. Set {name} to null, or answer it by a waiver."
        edge = f"{float(self.limit.at_most or 0.0):.5g}"
        if not self.shown and not self.of and self.limit.measure == "pair_auc":
            return "No two features together know more of the label than the better of them alone."
        if not self.shown:
            return f"{where} is {self.value:.5g}, not above {edge}."
        groups = f", groups [{', '.join(self.of)}]" if self.of else ""
        return (
            f"{where} is {self.value:.5g}, above {edge}: {text.implication}. "
            f"{text.remedy}; or answer it in policy.waivers (limit {self.limit.name}{groups})."
        )


@dataclass(frozen=True)
class Spent(Sign):
    """How much of a budget is spent: `value` other verdicts were given before; None where nobody counted."""

    policy: Policy
    budget: Budget

    @property
    def shown(self) -> bool:
        """Whether nothing is left of it."""
        return self.value is not None and super().shown

    def text(self) -> str:
        """Return how many verdicts are left and at which level, and what renews them."""
        name, planned = self.budget.test_set, self.budget.verdicts
        if self.value is None:
            return (
                f"Judged as the first of {planned} planned verdicts on the test set {name}, at "
                f"{self.policy.spent_level:.3g} of the level; the audit trail counts them where a release is "
                "made."
            )
        done = int(self.value)
        if self.shown:
            return (
                f"The test set {name} is spent: {done} other verdicts were given on it, and {planned} were "
                "planned. Judge on new rows, under another name in policy.budget, or answer it in "
                f"policy.waivers (limit {SPENT})."
            )
        left, spends = planned - done - 1, self.policy.level_after(done)
        each = f", each at {self.policy.level_after(done + 1):.3g}" if left else ""
        return (
            f"Verdict {done + 1} of {planned} planned on the test set {name}, at {spends:.3g} of the level; "
            f"{left} left{each}. A look again with more rows is one of them; new rows alone, under another "
            "name, renew them."
        )


def spent(limit: Limit, policy: Policy, budget: Budget, earlier: int | None) -> list[Sign]:
    """Return the one sign of a test set's budget."""
    value = None if earlier is None else float(earlier)
    return [Spent(limit, (), value, "", policy, budget)]


def planned(limit: Limit, signs: Mapping[str, Strongest]) -> list[Sign]:
    """Return every sign above the limit, the strongest first; without any, the strongest one."""
    entry = signs[limit.measure]
    if entry.value is None:
        return [Sign(limit, (), None, entry.why or "")]
    each = [Sign(limit, one.of, one.value, "") for one in entry.each]
    return [one for one in each if one.shown] or each[:1]


def faults(signs: Mapping[str, Strongest]) -> Iterator[str]:
    """Yield what is wrong with the findings of a measurements document."""
    if set(signs) != set(NAMES):
        yield f"measurements.findings: must be {sorted(NAMES)}, got {sorted(signs)}"
        return
    for name, entry in signs.items():
        where, values = f"measurements.findings.{name}", [one.value for one in entry.each]
        if entry.value is None:
            if not entry.why:
                yield f"{where}: must say why it is null, got nothing"
        elif not values:
            yield f"{where}: must be shares in 0..1, got {values}"
        elif entry.value != values[0] or values != sorted(values, reverse=True):
            yield f"{where}: must be the largest of its parts, which fall, got {entry.value}"

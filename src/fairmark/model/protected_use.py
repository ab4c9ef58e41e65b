"""How protected attributes were used in making a model: in training, in choosing it, in its thresholds.

Never as features: no column of a protected attribute is one. But a search for a fair model must look at
them, and some laws ask how. The fact follows from what was chosen and from the policy, is stated with the
release, signed, and worked out again by whoever verifies it.
"""

from typing import Self

from fairmark.model.model_file import ModelFile
from fairmark.params.learn import Chosen
from fairmark.params.policy import Policy
from fairmark.record import CamelRecord
from fairmark.stats.measures import QUANTITIES


class ProtectedUse(CamelRecord):
    """The protected attributes that were used, sorted, for each of three uses; nothing named, not used."""

    training: tuple[str, ...]
    """In costs or weights of train rows: mitigation, reweighing (every attribute that is no crossing), and
    weights that give groups back the shares which the test part took (`split.test_share` by group)."""
    choice: tuple[str, ...]
    """In choosing among trials and thresholds, by the policy's gated limits on held-out rows; none where the
    search was blind to them (`tune.blind: choice`)."""
    decision: tuple[str, ...]
    """In the decision itself, by thresholds of groups' own."""

    @classmethod
    def of(
        cls,
        chosen: Chosen,
        policy: Policy,
        singles: tuple[str, ...],
        own: str | None,
        weighed_by: str | None = None,
    ) -> Self:
        """Return the uses of a model.

        Parameters
        ----------
        chosen
            What the search chose.
        policy
            Whose limits it aimed for.
        singles
            The attributes that are no crossing of others: those that reweighing joins.
        own
            The attribute whose groups have thresholds of their own, if one has.
        weighed_by
            The attribute whose groups gave different shares of their rows to the test part, if one did.
        """
        training = {step.attribute for step in chosen.mitigation} | (
            {*singles} if chosen.reweighing else set()
        )
        training |= set() if weighed_by is None else {weighed_by}
        aimed = policy.blind if chosen.blind == "choice" else policy
        choice = {
            limit.attribute
            for limit in aimed.limits
            if limit.gate and limit.attribute is not None and QUANTITIES[limit.measure].searched
        }
        return cls(
            training=tuple(sorted(training)),
            choice=tuple(sorted(choice)),
            decision=() if own is None else (own,),
        )

    @classmethod
    def of_file(
        cls, file: ModelFile, policy: Policy, singles: tuple[str, ...], weighed_by: str | None
    ) -> Self:
        """Return the uses of the model that `file` describes."""
        own = None if file.thresholds is None else file.thresholds.attribute
        return cls.of(file.chosen, policy, singles, own, weighed_by)

    @property
    def sentences(self) -> list[str]:
        """The uses in words, one sentence each."""
        named = (
            (self.training, "in training, by costs or weights of rows", "In training: none; it was blind."),
            (
                self.choice,
                "in choosing among trained models and thresholds, by the policy's limits on held-out rows",
                "In choosing among models and thresholds: none; fairness was only measured.",
            ),
            (self.decision, "in the decision, by a threshold for each group", "In the decision: none."),
        )
        return [f"{', '.join(used)}: {how}." if used else nothing for used, how, nothing in named]

"""params.yaml, whole: its sections, and what they must hold of one another.

Each stage owns the section of its own name. Nothing has a default: a number that can change a result is
written down where a reviewer sees it, or the file is refused. A stage reads its own sections by
`fairmark.params.parse`, and comes here only to be refused.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from pydantic import model_validator

from fairmark.params.base import Section
from fairmark.params.evaluate import Document, Evaluate, Explain
from fairmark.params.learn import Train, Tune
from fairmark.params.parse import read_yaml, typed
from fairmark.params.policy import Policy
from fairmark.params.prepare import Audit, Prepare, Privacy, Split
from fairmark.params.release import Project, Release
from fairmark.params.serve import Serve
from fairmark.params.watch import Watch
from fairmark.stats.measures import of_rates


class Params(Section):
    """The whole of params.yaml."""

    project: Project
    prepare: Prepare
    audit: Audit
    split: Split
    tune: Tune
    train: Train
    evaluate: Evaluate
    explain: Explain
    document: Document
    policy: Policy
    release: Release
    privacy: Privacy
    serve: Serve | None
    """null: it is not served."""
    watch: Watch | None
    """null: it is not watched."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        faults = []
        if (self.prepare.files.test is None) != (self.split.test_share is not None):
            faults.append(
                "split.test_share must be null with a test file and a share without one, "
                f"got {self.split.test_share}"
            )
        if self.split.order == "time" and self.prepare.time is None:
            faults.append("split.order must be hash when prepare.time is null, got time")
        faults += self._of_another()
        known = set(self.prepare.protected)
        policies = {"policy": self.policy} | {f"policy.overlays.{o.name}": o for o in self.policy.overlays}
        faults += [
            f"{where}.limits.{limit.name}.attribute must be one of {sorted(known)}, got {limit.attribute!r}"
            for where, policy in policies.items()
            for limit in policy.limits
            if limit.attribute is not None and limit.attribute not in known
        ]
        faults += [
            f"{where}.limits.{limit.name}.measure must be a rate, or a ratio or difference of one, of groups "
            f"known by probability, got {limit.measure}"
            for where, policy in policies.items()
            for limit in policy.limits
            if limit.attribute in self.prepare.by_probability and not of_rates(limit.measure)
        ]
        faults += [
            f"tune.mitigation.attribute must be one of {sorted(known)}, got {step.attribute!r}"
            for step in self.tune.mitigation
            if step.attribute not in known
        ]
        faults += [
            f"{where}.protected_at_prediction must be of {sorted(known)}, got {name!r}"
            for where, policy in policies.items()
            for name in policy.protected_at_prediction or ()
            if name not in known
        ]
        withheld = {*self.prepare.forbidden, *known, self.prepare.target.column}
        if immutable := sorted(withheld & set(self.explain.mutable or ())):
            faults.append(
                f"explain.mutable must name features that the model may see, got {', '.join(immutable)}"
            )
        if self.explain.texts is not None and (sealed := sorted(withheld & {*self.explain.texts.features})):
            faults.append(f"explain.texts.features must name features of the model, got {', '.join(sealed)}")
        against = self.evaluate.references
        faults += [
            f"evaluate.references.groups must name attributes, of {sorted(known)}, got {name!r}"
            for name in (against.groups if against is not None else ())
            if name not in known
        ]
        if against is not None and (unseen := sorted(withheld & {*against.strata})):
            faults.append(
                f"evaluate.references.strata must name features of the model, got {', '.join(unseen)}"
            )
        if self.tune.rivals is not None and not self.tune.mitigation:
            faults.append("tune.rivals must be null where tune.mitigation names no attribute, got rivals")
        # Groups are known once the table is read, and so are columns that nobody listed.
        listed = None if self.prepare.unlisted == "infer" else [*self.prepare.columns]
        faults += self.policy.strangers({}, listed)
        by, allowed = self.train.threshold.by, self.policy.protected_at_prediction
        if by is not None and by.attribute not in allowed:
            faults.append(
                "train.threshold.by.attribute must be named in policy.protected_at_prediction, because every "
                f"decision would read it, got {by.attribute!r} and {allowed}"
            )
        if self.tune.blind is not None:
            faults += self._read_in_training(self.tune.blind)
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def _read_in_training(self, blind: str) -> Iterator[str]:
        """Yield a fault for each protected attribute that training would read outside the section `tune`."""
        weighed = self.split.weighed_by
        if weighed is not None:
            yield (
                f"split.test_share must be one for all groups where tune.blind is {blind}, because train "
                f"rows would weigh by their groups, got shares by {weighed}"
            )
        if self.train.threshold.by is not None:
            yield f"train.threshold.by must be null where tune.blind is {blind}, got thresholds of groups"

    def _of_another(self) -> list[str]:
        """Return a fault for each text that is said of another project, such as the one copied from."""
        name, cost = self.project.name, self.release.environmental_cost
        said = {"governance": self.release.governance.of, "environmental_cost": cost.of if cost else name}
        main = self.prepare.files.main.name
        faults = [
            f"release.{key}.of must be {name}, the project that this is published with, got {of!r} (say what "
            "holds for this project, and then its name)"
            for key, of in said.items()
            if of != name
        ]
        if self.project.data != main:
            faults.append(
                f"project.data must be {main}, the main file of prepare, got {self.project.data!r} (read the "
                "texts of project, policy and release anew: they are published with this data; then name it)"
            )
        return faults


def parse_params(value: Any, where: str) -> Params:
    """Return the parsed YAML `value` of the params file called `where`, whole.

    Raises
    ------
    ParamsError
        With one line for every fault: wrong type, unknown key, value out of range, key missing.
    """
    return typed(Params, value, where)


def read_params(path: Path) -> Params:
    """Return the whole of a params.yaml.

    Raises
    ------
    ParamsError
        When it is no YAML, and with one line for every fault, as `parse_params`.
    """
    return parse_params(read_yaml(path), path.name)

"""The section `release`: what holds for a release beside its measurements."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from fairmark.params.base import Count, Section, Text


class Approvals(Section):
    """How many people, none of them its maker, must have approved a release before it is promoted."""

    plain: Count
    """For a verdict that passes on its measurements."""
    waived: Count
    """For one that needs a waiver or an override, and for a policy that was loosened by one."""

    @model_validator(mode="after")
    def _second(self) -> Self:
        if self.waived <= self.plain:
            raise ValueError(f"waived must be more than plain ({self.plain}), got {self.waived}")
        return self


class LicenceException(Section):
    """A distribution that may be there whatever its licence says, and why."""

    name: Text
    reason: Text


class Licences(Section):
    """Which licences of installed distributions a release may carry."""

    forbidden: list[Text]
    """SPDX identifiers."""
    unknown: Literal["allow", "refuse"]
    exceptions: list[LicenceException]


class Governance(Section):
    """Who answers for the data (the roles of CycloneDX 1.6, `data.governance`)."""

    of: Text
    """The name of the project that this is said of."""
    owner: Text
    steward: Text
    custodian: Text


class EnvironmentalCost(Section):
    """What training cost, as measured once and written down: a measurement in a release would change it."""

    of: Text
    """The name of the project whose training was measured."""
    training_kwh: Annotated[float, Field(ge=0)]
    training_co2_g: Annotated[float, Field(ge=0)]
    how: Text


class Release(Section):
    """What holds for a release beside its measurements: approvals, licences, who answers for the data."""

    approvals: Approvals
    licences: Licences
    governance: Governance
    environmental_cost: EnvironmentalCost | None


# a comment

"""The sections `project` and `release`: what a release is called and meant for, and what it must hold."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from fairmark.params.base import Count, Section, Text


class Project(Section):
    """What the release is called and meant for; shown on the cards."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*[a-z0-9]$")]
    title: Text
    summary: Text
    intended_use: Text
    out_of_scope: Text
    owner: Text
    data: Text
    """The main file that these texts speak of: another file needs other texts, and then its name here."""
    data_origin: Text
    data_licence: Text


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

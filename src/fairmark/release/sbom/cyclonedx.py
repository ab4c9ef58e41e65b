"""A CycloneDX 1.6 bill of materials, as far as a release writes and reads it.

https://cyclonedx.org/docs/1.6/json/. Keys that the format knows and a release has no use for are unknown
here: nothing can stand in a signed bill that no check looks at.
"""

import json
import uuid
from collections.abc import Iterable, Sequence
from typing import Self

from pydantic import Field, JsonValue

from fairmark.errors import VerificationError
from fairmark.record import CamelRecord

MODEL = "machine-learning-model"


class Hash(CamelRecord):
    """A digest in hex digits, and of which kind: `SHA-256`, or `MD5` for DVC's address."""

    alg: str
    content: str


class Property(CamelRecord):
    """A name and a value of the bill's maker's own."""

    name: str
    value: str


class LicenceName(CamelRecord):
    """One licence: its SPDX identifier, or where there is none the words that say it."""

    id: str | None = None
    name: str | None = None
    acknowledgement: str | None = None


class LicenceChoice(CamelRecord):
    """What a component says of its licence: one licence, or an SPDX expression."""

    license: LicenceName | None = None
    expression: str | None = None
    acknowledgement: str | None = None


class Reference(CamelRecord):
    """A link to what tells more of a component."""

    type: str
    url: str
    comment: str | None = None
    hashes: tuple[Hash, ...] | None = None


class Commit(CamelRecord):
    """A commit by its full hash."""

    uid: str


class Pedigree(CamelRecord):
    """The commits that the application was made from."""

    commits: tuple[Commit, ...]


class ConfidenceInterval(CamelRecord):
    """The bounds of a measure, as text."""

    lower_bound: str
    upper_bound: str


class PerformanceMetric(CamelRecord):
    """A measure by name, as text: of all rows, of a group, or between the groups of an attribute."""

    type: str
    value: str
    slice: str | None = None
    confidence_interval: ConfidenceInterval | None = None


class QuantitativeAnalysis(CamelRecord):
    """Every measure of the model."""

    performance_metrics: tuple[PerformanceMetric, ...]


class FairnessAssessment(CamelRecord):
    """Who is at risk by which limit, of what, and what was done."""

    group_at_risk: str
    benefits: str
    harms: str
    mitigation_strategy: str


class Risk(CamelRecord):
    """What has to be weighed, and what was done about it."""

    name: str
    mitigation_strategy: str


class Considerations(CamelRecord):
    """Uses, limits, trade-offs, risks, groups and energy."""

    users: tuple[str, ...]
    use_cases: tuple[str, ...]
    technical_limitations: tuple[str, ...]
    performance_tradeoffs: tuple[str, ...]
    ethical_considerations: tuple[Risk, ...]
    fairness_assessments: tuple[FairnessAssessment, ...]
    environmental_considerations: JsonValue = None


class Approach(CamelRecord):
    """How the model learnt."""

    type: str


class DatasetReference(CamelRecord):
    """A data component by its reference."""

    ref: str


class Format(CamelRecord):
    """An input or an output of the model, in words."""

    format: str


class ModelParameters(CamelRecord):
    """What kind of model it is, and what it reads and says."""

    approach: Approach
    task: str
    architecture_family: str
    model_architecture: str
    datasets: tuple[DatasetReference, ...]
    inputs: tuple[Format, ...]
    outputs: tuple[Format, ...]


class ModelCard(CamelRecord):
    """The model card inside a component of type `machine-learning-model`."""

    model_parameters: ModelParameters
    quantitative_analysis: QuantitativeAnalysis
    considerations: Considerations


class OrganizationName(CamelRecord):
    """An organisation by its name."""

    name: str


class Responsible(CamelRecord):
    """Who answers for data."""

    organization: OrganizationName


class DataGovernance(CamelRecord):
    """Who has which part in answering for data."""

    custodians: tuple[Responsible, ...]
    stewards: tuple[Responsible, ...]
    owners: tuple[Responsible, ...]


class DataContents(CamelRecord):
    """What a data component is: a `dataset`, or `other`; how sensitive, and who answers for it."""

    type: str
    name: str
    description: str
    governance: DataGovernance
    classification: str | None = None
    sensitive_data: tuple[str, ...] | None = None


class Component(CamelRecord):
    """A part of a release: the application, a library, the model or one of its files, a data file."""

    type: str
    bom_ref: str = Field(validation_alias="bom-ref", serialization_alias="bom-ref")
    name: str
    version: str | None = None
    description: str | None = None
    licenses: tuple[LicenceChoice, ...] | None = None
    hashes: tuple[Hash, ...] | None = None
    purl: str | None = None
    scope: str | None = None
    properties: tuple[Property, ...] | None = None
    external_references: tuple[Reference, ...] | None = None
    author: str | None = None
    authors: JsonValue = None
    cpe: str | None = None
    evidence: JsonValue = None
    group: str | None = None
    publisher: str | None = None
    supplier: JsonValue = None
    pedigree: Pedigree | None = None
    model_card: ModelCard | None = None
    components: "tuple[Component, ...] | None" = None
    data: tuple[DataContents, ...] | None = None

    def digests(self, alg: str = "SHA-256") -> list[str]:
        """Return the digests of this kind, each as 64 (MD5: 32) hex digits if it is one."""
        return [each.content for each in self.hashes or () if each.alg == alg]


class Dependency(CamelRecord):
    """What a component rests on, by references."""

    ref: str
    depends_on: tuple[str, ...] = ()


class ListingMetadata(CamelRecord):
    """Which tools listed an environment, and how."""

    tools: JsonValue
    properties: tuple[Property, ...] = ()


class Metadata(ListingMetadata):
    """Of what and of when the bill is, and who made it."""

    timestamp: str
    component: Component


class _Parts(CamelRecord):
    schema_: str = Field(validation_alias="$schema", serialization_alias="$schema")
    bom_format: str
    spec_version: str
    version: int
    components: tuple[Component, ...]
    dependencies: tuple[Dependency, ...]


class Listing(_Parts):
    """What cyclonedx-py says of an environment: what is installed, and what depends on what."""

    metadata: ListingMetadata


class Bill(_Parts):
    """The bill of materials of a release."""

    metadata: Metadata
    serial_number: str

    @classmethod
    def of(cls, listing: Listing, metadata: Metadata, parts: Iterable[Component], more: Dependency) -> Self:
        """Return the bill of these components, with the number that its content gives."""
        bill = cls(
            schema_=listing.schema_,
            bom_format=listing.bom_format,
            spec_version=listing.spec_version,
            version=listing.version,
            metadata=metadata,
            components=tuple(sorted(parts, key=lambda part: part.bom_ref)),
            dependencies=tuple(sorted([*listing.dependencies, more], key=lambda entry: entry.ref)),
            serial_number="",
        )
        return bill.model_copy(update={"serial_number": bill.number})

    @property
    def number(self) -> str:
        """The serial number that the content gives: the same content has the same one."""
        # A UUID of version 5 (RFC 9562, section 5.5) and not by lot: a bill that is made again has the same.
        value = {key: item for key, item in self.to_json().items() if key != "serialNumber"}
        return f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, json.dumps(value, sort_keys=True))}"

    @property
    def application(self) -> Component:
        """What the release was made with: fairmark itself."""
        return self.metadata.component

    @property
    def everything(self) -> Sequence[Component]:
        """The application and all components."""
        return (self.metadata.component, *self.components)

    def kind(self, kind: str) -> list[Component]:
        """Return the components of a type."""
        return [part for part in self.components if part.type == kind]

    def required(self) -> list[Component]:
        """Return the libraries that the release requires; others only test and build."""
        return [part for part in self.kind("library") if part.scope == "required"]


def card_of(part: Component, where: str) -> ModelCard:
    """Return the model card of a component.

    Raises
    ------
    VerificationError
        When it has none.
    """
    if part.model_card is None:
        raise VerificationError(f"{where}: {part.name[:80]} must have a model card, got none")
    return part.model_card


def sha256_hash(content: str) -> Hash:
    """Return a SHA-256 as a component states it."""
    return Hash(alg="SHA-256", content=content)

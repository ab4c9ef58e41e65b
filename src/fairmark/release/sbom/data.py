"""A data file as a component of a bill of materials: what it is, whose, and how sensitive.

CycloneDX 1.6, `data`: https://cyclonedx.org/docs/1.6/json/#components_items_data
"""

from typing import TYPE_CHECKING

from fairmark.params.prepare import ByCross
from fairmark.release.sbom.cyclonedx import (
    Component,
    DataContents,
    DataGovernance,
    Hash,
    OrganizationName,
    Responsible,
    sha256_hash,
)
from fairmark.release.sbom.licence_texts import spdx
from fairmark.release.sbom.licences import entry

if TYPE_CHECKING:
    from fairmark.params.read import Params


def data_component(name: str, md5: str, sha256: str, params: "Params") -> Component:
    """Return the component of the data file `name`.

    Parameters
    ----------
    name
        Its path in the working folder.
    md5
        The address under which DVC keeps it.
    sha256
        Its seal.
    """
    table = is_table(name, params)
    licence = params.project.data_licence
    contents = DataContents(
        type="dataset" if table else "other",
        name=name,
        description="A raw table, as it came" if table else "Beside the raw tables",
        governance=governance(params),
    )
    if table:
        said = {"classification": "personal data", "sensitive_data": tuple(sensitive(params))}
        contents = contents.model_copy(update=said)
    return Component(
        type="data",
        bom_ref=f"data:{name}",
        name=name,
        description=params.project.data_origin,
        licenses=entry(spdx(licence), licence, "declared"),
        hashes=(Hash(alg="MD5", content=md5), sha256_hash(sha256)),
        data=(contents,),
    )


def is_table(name: str, params: "Params") -> bool:
    """Return whether the data file `name` is one that `prepare` reads rows from."""
    files = params.prepare.files
    return any(each is not None and name.endswith(f"/{each.name}") for each in (files.main, files.test))


def tables(data: list[Component]) -> list[str]:
    """Return the references of those data components that rows are read from."""
    return [part.bom_ref for part in data if part.data and part.data[0].type == "dataset"]


def sensitive(params: "Params") -> list[str]:
    """Return the columns that are personal data, those of protected attributes among them, sorted."""
    prepare = params.prepare
    protected = {
        attribute.column for attribute in prepare.grouped.values() if not isinstance(attribute, ByCross)
    }
    protected |= {column for each in prepare.by_probability.values() for column in each.columns.values()}
    return sorted({*params.privacy.personal, *protected})


def governance(params: "Params") -> DataGovernance:
    """Return who has which part in answering for the data (CycloneDX 1.6, `dataGovernance`)."""
    roles = params.release.governance
    return DataGovernance(
        custodians=(_responsible(roles.custodian),),
        stewards=(_responsible(roles.steward),),
        owners=(_responsible(roles.owner),),
    )


def _responsible(name: str) -> Responsible:
    return Responsible(organization=OrganizationName(name=name))

"""The section `project`: what the release is called and meant for."""

from typing import Annotated

from pydantic import Field

from fairmark.params.base import Section, Text


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

"""The section `privacy`: which columns are personal data, and what of single people may be shown or kept."""

from typing import Annotated

from pydantic import Field

from fairmark.params.base import Count, Section, Text


class Retention(Section):
    """How many days things may be kept."""

    data_days: Count
    releases_days: Count
    trail_days: Count


class Privacy(Section):
    """Which columns are personal data, and what of single people a release may show."""

    personal: list[Text]
    """Raw columns; protected ones count as personal without being named."""
    decisions_shown: Annotated[int, Field(ge=0)]
    """Single people whose decision may be explained in a release."""
    smallest_leaf: Count
    """Fewest training rows that a leaf of a released tree may stand for."""
    smallest_cell: Count
    """Fewest rows that a count or a rate in a released table may stand for."""
    retention: Retention

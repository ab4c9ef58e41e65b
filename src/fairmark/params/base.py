"""What every section of params.yaml is made of: strict, frozen, and without defaults."""

from collections.abc import Sequence
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

Share = Annotated[float, Field(ge=0, le=1)]
OpenShare = Annotated[float, Field(gt=0, lt=1)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Count = Annotated[int, Field(ge=1)]
Text = Annotated[str, Field(min_length=1)]


class Section(BaseModel):
    """A part of params.yaml: strict types, no unknown keys, frozen once read."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", defer_build=True, allow_inf_nan=False)

    in_params: ClassVar[bool] = True
    """Whether it stands in params.yaml; False for one in a params file that a stage writes."""


def one_of(names: Sequence[str]) -> AfterValidator:
    """Return what holds a text to be one of these names, with the words that pydantic has for a literal."""
    *most, last = (f"'{name}'" for name in names)

    def check(name: str) -> str:
        if name not in names:
            raise PydanticCustomError("literal_error", f"Input should be {', '.join(most)} or {last}")
        return name

    return AfterValidator(check)

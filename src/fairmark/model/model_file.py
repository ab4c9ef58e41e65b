"""What stands in the files of a released model, without the arrays that score: model.json, encoder.json.

Whoever checks, compares or registers a release reads them here, and imports neither NumPy nor pandas for it.
"""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue

from fairmark.data.schema import KindName
from fairmark.files import read_json
from fairmark.model.group_thresholds import GroupThresholds
from fairmark.params.base import Section, Seed, Text
from fairmark.params.learn import Chosen
from fairmark.record import Record

MODEL_JSON = "model.json"
ENCODER_JSON = "encoder.json"
FORMAT: Literal[1] = 1
FILES = {"additive": "booster.txt", "boosted": "booster.txt", "logistic": "logistic.json"}
"""Which file holds a model of each family."""


class Column(Section):
    """One feature: its name, its kind, and for named values their list (the code is the place in it)."""

    name: Text
    kind: KindName
    categories: list[str] | None


class EncoderFile(Record):
    """encoder.json: the features in the order of the matrix's columns."""

    columns: list[Column]


class Calibration(Section):
    """Platt scaling: the calibrated log-odds are `a * raw + b`, and a > 0 keeps the ranking."""

    a: Annotated[float, Field(gt=0)]
    b: float


class ModelFile(Record):
    """model.json: what was chosen, the thresholds, and which files belong to the model."""

    format: Literal[1]
    family: str
    features: list[str]
    threshold: float
    thresholds: GroupThresholds | None = None
    """Written only where groups have thresholds of their own."""
    calibration: Calibration
    seed: Seed
    chosen: Chosen
    files: dict[str, str]
    """SHA-256 of the other two files: LightGBM ends the whole process on a text that was cut off."""

    @classmethod
    def of(cls, folder: Path) -> Self:
        """Return the model.json of a model's folder; its name alone stands in a fault.

        Raises
        ------
        InputError
            When it is missing or is no such document.
        """
        return cls.from_json(read_json(folder / MODEL_JSON), MODEL_JSON)

    @property
    def group_thresholds(self) -> dict[str, JsonValue] | None:
        """Thresholds of groups' own as measurements state them; None where there are none."""
        return None if self.thresholds is None else self.thresholds.model_dump(mode="json")

"""Train and validation rows as a fit takes them, encoded once for any number of fits."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from fairmark.errors import InputError
from fairmark.learn.encode import Encoder
from fairmark.learn.group_thresholds import Origin, origins
from fairmark.learn.limits import Rows
from fairmark.learn.parts import Parts
from fairmark.learn.sample import Sample
from fairmark.sections.learning import Train


@dataclass(frozen=True)
class Ready:
    """Train and validation rows, encoded once for any number of fits."""

    encoder: Encoder
    train: Sample
    valid: Sample
    train_groups: pd.DataFrame
    valid_groups: pd.DataFrame
    single: list[str]
    """The protected attributes that are not crossings of others."""
    keys: "pd.Series[str]"
    """What tells train rows apart when they are cut into folds, [n]."""
    origins: list[Origin] | None = None
    """What tells the groups of the attribute that has thresholds of its own, where one has."""

    @property
    def rows(self) -> Rows:
        """The validation rows, for the policy's limits."""
        return Rows(self.valid.label, self.valid.weight, self.valid_groups)


def ready(parts: Parts, base: Train) -> Ready:
    """Return the rows of `parts`, encoded by what train rows hold.

    Raises
    ------
    InputError
        When train or validation rows hold one label only.
    """
    (train, train_groups), (valid, valid_groups) = parts.part("train"), parts.part("valid")
    for name, frame in (("train", train), ("valid", valid)):
        if frame["_label"].nunique() < 2:
            raise InputError(f"rows.parquet: part {name} must hold both labels, got one")
    encoder = Encoder.fit(train, parts.schema["features"], base.max_categories)
    attributes = parts.schema["attributes"]
    single = [name for name in parts.attributes if attributes[name]["by"] != "cross"]
    by = base.threshold.by
    return Ready(
        encoder,
        _sample(encoder, train),
        _sample(encoder, valid),
        train_groups[parts.attributes],
        valid_groups[parts.attributes],
        single,
        parts.keys[(parts.belongs == "train").to_numpy()],
        None if by is None else origins(parts.schema, by.attribute),
    )


def _sample(encoder: Encoder, frame: pd.DataFrame) -> Sample:
    label = frame["_label"].to_numpy(dtype=np.int8)
    return Sample.plain(encoder.transform(frame), label, frame["_weight"].to_numpy(dtype=np.float64))

"""The rows that both sides work on, made by our own first stages in a temporary folder."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from fairmark.data.split import PARTS, Parts, read_parts
from fairmark.entry import arguments, option_names
from fairmark.model.encoder import Encoder, Floats
from fairmark.params.parse import read_yaml
from fairmark.params.read import Params, read_params
from fairmark.stages.prepare import prepare
from fairmark.stages.split import split

ROOT = Path(__file__).parents[2]
ALL_COLUMNS = ROOT / "bench" / "all-columns.yaml"
OUT = ROOT / "bench" / "out"


@dataclass(frozen=True)
class Rows:
    """Prepared and parted rows, and the four files that hold them for later stages."""

    params: Params
    path: Path
    """The params file that stages read."""
    files: tuple[Path, Path, Path, Path]
    """The table, the evidence, the schema and the parts, in the order in which stages take them."""
    parts: Parts

    def encoder(self) -> Encoder:
        """Return the encoder that `train` would fit."""
        table, _ = self.parts.part("train")
        return Encoder.fit(table, self.parts.schema.features, self.params.train.max_categories)

    def label(self, part: str) -> np.ndarray:
        """Return the labels of a part, [n], 0 or 1."""
        return self.parts.part(part)[0]["_label"].to_numpy()

    def groups(self, part: str, attribute: str) -> pd.Series:
        """Return the group of each row of a part, [n]."""
        return self.parts.part(part)[1][attribute]

    def matrix(self, part: str) -> Floats:
        """Return the encoded rows of a part, [n, p]."""
        return self.encoder().transform(self.parts.part(part)[0])

    def export(self, path: Path, attribute: str) -> None:
        """Write every part as arrays that a peer reads with numpy alone.

        `x_PART` [n, p], `y_PART` [n], `group_PART` [n] (the place of the group in `groups`), `categorical`
        (which columns of x are codes).
        """
        encoder = self.encoder()
        groups = self.parts.schema.groups[attribute]
        arrays = {
            "groups": np.array(groups),
            "categorical": np.flatnonzero([kind == "categorical" for kind in encoder.kinds]),
        }
        for part in PARTS:
            arrays[f"x_{part}"] = encoder.transform(self.parts.part(part)[0])
            arrays[f"y_{part}"] = self.label(part)
            arrays[f"group_{part}"] = pd.Index(groups).get_indexer(self.groups(part, attribute))
        np.savez(path, **arrays)


def rows(folder: Path, changes: Path | None = None) -> Rows:
    """Run `prepare` and `split` into `folder` and return what they made.

    `changes` names a file to be laid over params.yaml.
    """
    whole = read_yaml(ROOT / "params.yaml")
    params = folder / "params.yaml"
    params.write_text(yaml.safe_dump(laid_over(whole, read_yaml(changes)) if changes else whole))
    files = (
        folder / "table.parquet",
        folder / "evidence.parquet",
        folder / "schema.json",
        folder / "rows.parquet",
    )
    call(prepare, params, ROOT / "data", *files[:3], folder / "prepare.json")
    call(split, params, *files, folder / "split.json")
    return Rows(read_params(params), params, files, read_parts(*files))


def laid_over(under: Any, over: Any) -> Any:
    """Return `under` with `over` laid over it: mappings are merged key by key, anything else is replaced."""
    if not isinstance(under, dict) or not isinstance(over, dict):
        return over
    return under | {key: laid_over(under.get(key), value) for key, value in over.items()}


def call(stage: Callable[..., None], params: Path, *paths: Path) -> None:
    """Run one stage in this process as its command line would."""
    named = [f"--{name}" for name in option_names(stage)]
    words = chain(*zip(named, map(str, (params, *paths)), strict=True))
    stage(**arguments(stage, list(words)))

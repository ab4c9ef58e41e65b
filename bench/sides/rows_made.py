"""Rows made out of the default table, where no public table is as large, as wide or as rare as wanted."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fairmark.params.read import Params
from sides.rows import ROOT

JITTER = {"age": 2.0, "education-num": 0.5, "hours-per-week": 3.0}
"""Standard deviations of the noise on numbers, so that few rows of a large table are copies."""
OTHER_SHARE = 0.03
"""Share of a categorical column's cells that are drawn anew from the whole column."""


def default_rows(params: Params) -> pd.DataFrame:
    """Return the published files of the default table as one frame of texts and numbers."""
    files, given = params.prepare.files, params.prepare.format
    header = given.header if given.type == "csv" else None
    frames = [
        pd.read_csv(ROOT / "data" / file.name, names=header, skiprows=file.skip_rows, skipinitialspace=True)
        for file in (files.main, files.test)
        if file is not None
    ]
    whole = pd.concat(frames, ignore_index=True).dropna(subset=[params.prepare.target.column])
    target = params.prepare.target
    whole[target.column] = whole[target.column].str.rstrip(target.strip)
    return whole


def thinned(params: Params, rows: int, positive: float, seed: int) -> pd.DataFrame:
    """Return so many rows drawn with noise, of which a share of `positive` has the positive label."""
    draw, whole = np.random.default_rng(seed), default_rows(params)
    target = params.prepare.target
    is_positive = (whole[target.column] == target.positive).to_numpy()
    wanted = {True: round(rows * positive), False: rows - round(rows * positive)}
    places = [
        draw.choice(np.flatnonzero(is_positive == label), count, replace=count > (is_positive == label).sum())
        for label, count in wanted.items()
    ]
    found = whole.iloc[draw.permutation(np.concatenate(places))].reset_index(drop=True)
    for name, spread in JITTER.items():
        noisy = (found[name] + draw.normal(0, spread, rows)).round()
        found[name] = noisy.clip(whole[name].min(), whole[name].max()).astype(int)
    for name in found.select_dtypes(exclude="number").columns.drop(target.column):
        other = draw.random(rows) < OTHER_SHARE
        found.loc[other, name] = draw.choice(whole[name].to_numpy(), int(other.sum()))
    return found


def widened(params: Params, rows: int, columns: int, seed: int) -> pd.DataFrame:
    """Return so many rows with so many columns: half of the new ones noise, half noisy copies of numbers."""
    draw, whole = np.random.default_rng(seed), default_rows(params)
    found = whole.iloc[draw.choice(len(whole), rows, replace=False)].reset_index(drop=True)
    numbers = found[list(JITTER)].to_numpy(dtype=np.float64)
    numbers = (numbers - numbers.mean(axis=0)) / numbers.std(axis=0)
    more = draw.normal(size=(rows, columns - found.shape[1]))
    copies = np.arange(0, more.shape[1], 2)
    more[:, copies] = numbers[:, copies // 2 % numbers.shape[1]] + 3 * more[:, copies]
    names = [f"copy-{n}" if n % 2 == 0 else f"noise-{n}" for n in range(more.shape[1])]
    return pd.concat([found, pd.DataFrame(more.round(3), columns=names)], axis=1)


MADE: Mapping[str, Callable[..., pd.DataFrame]] = {"thinned": thinned, "widened": widened}


def write_made(params: Params, source: Mapping[str, Any], path: Path) -> None:
    """Write the rows that a table's `from` asks for as CSV."""
    settings = {name: value for name, value in source.items() if name != "made"}
    MADE[source["made"]](params, **settings).to_csv(path, index=False, lineterminator="\n")

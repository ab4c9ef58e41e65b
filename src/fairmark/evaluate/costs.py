"""What the released model costs beside the simple first one: one decision, one training, its energy.

These can't be the same twice, so they are recorded by the flow (Prefect and MLflow) and never stand in a
stage output or a release folder.
"""

import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING

from fairmark.errors import InputError
from fairmark.learn.summaries import SearchSummary
from fairmark.params.learn import Chosen
from fairmark.params.read import Params

if TYPE_CHECKING:
    import pandas as pd

    from fairmark.learn.training_data import Ready
    from fairmark.model.model import Model

CALLS = 300
"""Decisions on one row that are timed, after a tenth as many that are not."""
COUNTRY = "USA"
"""Where CodeCarbon is told that it runs; only its carbon figure hangs on it, and none is recorded."""
INPUTS = ("table.parquet", "evidence.parquet", "schema.json")


def costs(artifacts: Path, params: Params) -> dict[str, dict[str, float]]:
    """Return the costs of the chosen model and of the search's baseline.

    Returns
    -------
    dict
        `{"chosen": ..., "baseline": ...}`, each `{"one_row_ms" (median), "one_row_p99_ms", "train_s",
        "train_wh", "size_bytes"}`. The energy is CodeCarbon's estimate from the CPU's rated power where the
        machine has no meter.
    """
    from fairmark.data.split import read_parts
    from fairmark.learn.training_data import ready
    from fairmark.model.model import Model

    files = [artifacts / "prepare" / name for name in INPUTS]
    parts = read_parts(files[0], files[1], files[2], artifacts / "split" / "rows.parquet")
    rows = ready(parts, params.train)
    chosen = Model.load(artifacts / "train" / "model").chosen
    first = SearchSummary.read(artifacts / "tune" / "summary.json").baseline
    if first is None:
        raise InputError("tune/summary.json: baseline must be a trial that ran to its end, got null")
    tried = {"baseline": first.choices, "chosen": chosen}
    one, groups = (frame.head(1) for frame in parts.part("test"))
    return {name: cost(rows, choices, (one, groups), params) for name, choices in tried.items()}


def cost(
    rows: "Ready", chosen: Chosen, one: tuple["pd.DataFrame", "pd.DataFrame"], params: Params
) -> dict[str, float]:
    """Return what one model costs: to fit it with the choices `chosen`, to keep, and to decide `one` row.

    `one` is a row of features and the same row's columns of groups, a frame each.
    """
    from fairmark.learn.fit import fit

    model, train_s, train_wh = metered(lambda: fit(rows, chosen, params.train, params.policy))
    return {
        **latency(lambda: model.decide(*one)),
        "train_s": train_s,
        "train_wh": train_wh,
        "size_bytes": float(_size(model)),
    }


def latency(call: Callable[[], object]) -> dict[str, float]:
    """Return `{"one_row_ms", "one_row_p99_ms"}`: the median and the 99th percentile of `CALLS` calls."""
    # The first calls fill caches, and are not what a service sees.
    for _ in range(CALLS // 10):
        call()
    taken = []
    for _ in range(CALLS):
        began = time.perf_counter()
        call()
        taken.append((time.perf_counter() - began) * 1000)
    return {"one_row_ms": median(taken), "one_row_p99_ms": quantiles(taken, n=100)[98]}


def metered(work: Callable[[], "Model"]) -> tuple["Model", float, float]:
    """Return what `work` makes, its seconds and its watt-hours (CodeCarbon, offline, this process alone)."""
    from codecarbon import OfflineEmissionsTracker

    logging.getLogger("codecarbon").setLevel(logging.CRITICAL)
    meter = OfflineEmissionsTracker(
        country_iso_code=COUNTRY,
        tracking_mode="process",
        output_methods=[],
        log_level="critical",
        measure_power_secs=1,
        allow_multiple_runs=True,
    )
    meter.start()
    began = time.perf_counter()
    made = work()
    seconds = time.perf_counter() - began
    meter.stop()
    # A meter that could not start says so in no other way; a release does not hang on it.
    read = getattr(meter, "final_emissions_data", None)
    return made, seconds, read.energy_consumed * 1000 if read else 0.0


def _size(model: "Model") -> int:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "model")
        return sum(path.stat().st_size for path in (Path(folder) / "model").iterdir())


def costs_line(each: Mapping[str, Mapping[str, float]]) -> str:
    """Return the costs of the chosen model in a line, with the baseline's in brackets."""
    new, old = each["chosen"], each["baseline"]
    return (
        f"one decision {new['one_row_ms']:.2g} ms ({old['one_row_ms']:.2g}), "
        f"training {new['train_s']:.2g} s ({old['train_s']:.2g}) "
        f"and about {new['train_wh']:.1g} Wh ({old['train_wh']:.1g}), "
        f"{new['size_bytes'] / 1024:.0f} KiB ({old['size_bytes'] / 1024:.0f}); "
        "the simple first model in brackets"
    )

"""Everything that a page or a card may say: what the stages measured, read once and held frozen."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fairmark.data.schema import Schema
from fairmark.data.summaries import DataAudit, PrepareSummary, SplitSummary
from fairmark.errors import InputError
from fairmark.evaluate.documents import CheckResults, ScoringMetrics
from fairmark.judge.measurements import Measurements
from fairmark.judge.verdict import Verdict
from fairmark.learn.summaries import SearchSummary, TrialRow
from fairmark.params.evaluate import Document
from fairmark.params.learn import Chosen
from fairmark.params.policy import Policy
from fairmark.params.project import Project

Row = Mapping[str, str]

FILES = {
    "schema": "prepare/schema.json",
    "prepared": "prepare/summary.json",
    "audit": "audit/audit.json",
    "split": "split/summary.json",
    "trials": "tune/trials.csv",
    "search": "tune/summary.json",
    "trained": "train/summary.json",
    "measurements": "evaluate/measurements.json",
    "curves": "evaluate/plots",
    "checks": "evaluate/checks.json",
    "importance": "explain/importance.csv",
    "explanations": "explain/explanations.json",
}
"""Fact -> the stage's output that holds it, below the folder of all of them; `dvc.yaml` lists each."""

WITHHELD = "withheld"
"""Stands for the values of a column that holds personal data."""


@dataclass(frozen=True)
class Facts:
    """The outputs of every stage before `document`, the sections that it takes, and the verdict."""

    project: Project
    policy: Policy
    document: Document
    chosen: Chosen
    schema: Schema
    prepared: PrepareSummary
    audit: DataAudit
    split: SplitSummary
    trials: Sequence[TrialRow]
    search: SearchSummary
    measurements: Measurements
    curves: Mapping[str, Sequence[Row]]
    """The files of evaluate's plots by name, without their ending."""
    checks: CheckResults
    importance: Sequence[Row]
    explanations: Mapping[str, Any]
    verdict: Verdict

    @property
    def decimals(self) -> int:
        """How many decimals are shown."""
        return self.document.decimals

    @property
    def personal(self) -> frozenset[str]:
        """Columns that hold personal data, whose values no page shows."""
        return frozenset(entry.column for entry in self.audit.personal)

    @property
    def foremost(self) -> str:
        """The attribute that is shown where there is room for one: the first that is gated, or the first."""
        gated = [
            limit.attribute for limit in self.policy.limits if limit.gate and limit.attribute is not None
        ]
        return gated[0] if gated else next(iter(self.measurements.groups))

    def ratio(self, metrics: ScoringMetrics) -> float | None:
        """Return the ratio of selection rates between the groups of the foremost attribute; 1 = parity."""
        return metrics.selection_rate_ratio.get(self.foremost)

    def small(self, rows: float) -> bool:
        """Return whether a group of so many test rows is below the policy's minimum."""
        return rows < self.policy.min_group_rows


def in_order(found: Mapping[str, Any], order: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return a document whose `groups` stand in the order of schema.json, not as texts."""
    groups = {
        name: {group: entries[group] for group in order.get(name, sorted(entries)) if group in entries}
        for name, entries in found["groups"].items()
    }
    return {**found, "groups": groups}


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a CSV file with a header, every value as text.

    Raises
    ------
    InputError
        When the file is missing or is not CSV.
    """
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream, strict=True))
    except FileNotFoundError as error:
        raise InputError(f"{path}: must exist, got no such file") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{path}: must be CSV in UTF-8, got {error}") from error


def read_curves(folder: Path) -> dict[str, list[Row]]:
    """Return every CSV file of a folder by its name without ending."""
    return {path.stem: read_rows(path) for path in sorted(folder.glob("*.csv"))}

"""Everything that a page or a card may say: what the stages measured, read once and held frozen."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fairmark.data.schema import Schema
from fairmark.data.summaries import DataAudit, PrepareSummary, SplitSummary
from fairmark.evaluate.documents import (
    CalibrationBin,
    CheckResults,
    PrecisionRecallPoint,
    RocPoint,
    ScoringMetrics,
)
from fairmark.explain.documents import Explanations
from fairmark.judge.alternatives import Alternatives
from fairmark.judge.measurements import Measurements
from fairmark.judge.provable import ProvableLimits
from fairmark.judge.verdict import Verdict
from fairmark.learn.summaries import SearchSummary, TrialRow
from fairmark.params.evaluate import Document
from fairmark.params.learn import Chosen
from fairmark.params.policy import Policy
from fairmark.params.release import Project

FILES = {
    "schema": "prepare/schema.json",
    "prepared": "prepare/summary.json",
    "audit": "audit/audit.json",
    "split": "split/summary.json",
    "provable": "split/provable.json",
    "trials": "tune/trials.csv",
    "search": "tune/summary.json",
    "trained": "train/summary.json",
    "measurements": "evaluate/measurements.json",
    "curves": "evaluate/plots",
    "checks": "evaluate/checks.json",
    "alternatives": "evaluate/alternatives.json",
    "explanations": "explain/explanations.json",
}
"""Fact -> the stage's output that holds it, below the folder of all of them; `dvc.yaml` lists each."""

WITHHELD = "withheld"
"""Stands for the values of a column that holds personal data."""


@dataclass(frozen=True)
class Curves:
    """The plots of `evaluate` that pages draw."""

    roc: Sequence[RocPoint]
    precision_recall: Sequence[PrecisionRecallPoint]
    calibration: Sequence[CalibrationBin]

    @classmethod
    def read(cls, folder: Path) -> "Curves":
        """Return the curves in the folder of plots.

        Raises
        ------
        InputError
            When a file is missing or holds other lines.
        """
        return cls(
            RocPoint.read_csv(folder / "roc.csv"),
            PrecisionRecallPoint.read_csv(folder / "precision_recall.csv"),
            CalibrationBin.read_csv(folder / "calibration.csv"),
        )


@dataclass(frozen=True)
class MeasuredFacts:
    """What was measured of decisions, whoever made them, and the sections that say how it is shown."""

    project: Project
    policy: Policy
    document: Document
    measurements: Measurements
    curves: Curves
    verdict: Verdict

    @property
    def decimals(self) -> int:
        """How many decimals are shown."""
        return self.document.decimals

    def small(self, rows: float) -> bool:
        """Return whether a group of so many test rows is below the policy's minimum."""
        return rows < self.policy.min_group_rows


@dataclass(frozen=True)
class Facts(MeasuredFacts):
    """The outputs of every stage before `document`, the sections that it takes, and the verdict."""

    chosen: Chosen
    schema: Schema
    prepared: PrepareSummary
    audit: DataAudit
    split: SplitSummary
    provable: ProvableLimits
    trials: Sequence[TrialRow]
    search: SearchSummary
    checks: CheckResults
    alternatives: Alternatives
    explanations: Explanations

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

"""Names and meanings of measures, and numbers as a reader sees them.

What a page is made of: tables and pictures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # who checks a release reads labels too, without what makes pages
    from markupsafe import Markup

MINUS = "\N{MINUS SIGN}"
NOT_MEASURED = "not measured"

MEASURES: Mapping[str, tuple[str, str]] = {
    "roc_auc": (
        "ROC AUC",
        "chance that a random positive row scores above a random negative one; 0.5 is guessing",
    ),
    "pr_auc": ("PR AUC", "mean precision over all recalls; guessing gives the base rate"),
    "accuracy": ("Accuracy", "share of rows decided as they are labelled"),
    "balanced_accuracy": ("Balanced accuracy", "mean of the true positive and true negative rates"),
    "precision": ("Precision", "share of positive decisions that are right"),
    "recall": ("True positive rate", "share of the positive rows that are decided positive (recall)"),
    "true_positive_rate": (
        "True positive rate",
        "share of the positive rows that are decided positive (recall)",
    ),
    "false_positive_rate": ("False positive rate", "share of the negative rows that are decided positive"),
    "selection_rate": ("Selection rate", "share of rows decided positive"),
    "base_rate": ("Base rate", "share of rows labelled positive"),
    "f1": ("F1", "harmonic mean of precision and recall"),
    "log_loss": ("Log loss", "surprise of the labels under the scores, in nats; 0 is perfect"),
    "brier": ("Brier score", "mean squared error of the scores; 0 is perfect"),
    "calibration_error": ("Calibration error", "mean gap between scores and observed shares; 0 is perfect"),
    "equalized_odds_difference": (
        "Equalized odds difference",
        "larger of the gaps in true and in false positive rate; 0 is parity",
    ),
}
"""What each measure is called, and what it says."""

HEADLINE = (
    "roc_auc",
    "pr_auc",
    "accuracy",
    "balanced_accuracy",
    "precision",
    "recall",
    "false_positive_rate",
    "f1",
    "log_loss",
    "brier",
    "calibration_error",
    "selection_rate",
    "base_rate",
)
"""The measures in the order of the pages."""

OPEN_ENDED = frozenset({"log_loss"})
"""Measures that may exceed 1."""


def title(measure: str) -> str:
    """Return what a measure is called, ratios, differences and gains of a known one included."""
    if measure in MEASURES:
        return MEASURES[measure][0]
    for ending in ("ratio", "difference", "gain"):
        rate = measure.removesuffix(f"_{ending}")
        if rate != measure:
            return f"{title(rate)} {ending}"
    return measure.replace("_", " ").capitalize()


def meaning(measure: str) -> str:
    """Return what a measure says, in words, or nothing when it is not known."""
    if measure in MEASURES:
        return MEASURES[measure][1]
    if measure.endswith("_gain"):
        return "above the best constant answer, yes or no to everybody; 0 is no better"
    if measure.endswith("_ratio"):
        return "lowest group over highest; 1 is parity"
    return "highest group less lowest; 0 is parity" if measure.endswith("_difference") else ""


def number(value: float | None, decimals: int) -> str:
    """Return a number with a fixed count of decimals and a real minus sign, or `not measured`."""
    if value is None:
        return NOT_MEASURED
    text = f"{value:.{decimals}f}"
    return text.replace("-", MINUS) if float(text) else text.removeprefix("-")


def count(value: float) -> str:
    """Return a count with its thousands set apart."""
    return f"{value:,.0f}"


def interval(low: float | None, high: float | None, decimals: int) -> str:
    """Return `low to high`, or nothing when there is no interval."""
    return "" if low is None or high is None else f"{number(low, decimals)} to {number(high, decimals)}"


def measured(entry: Mapping[str, Any] | None, decimals: int) -> str:
    """Return a measurement with its interval, or `not measured: why`."""
    if entry is None:
        return NOT_MEASURED
    if entry["value"] is None:
        return f"{NOT_MEASURED}: {entry.get('why') or 'no reason was given'}"
    within = interval(entry.get("low"), entry.get("high"), decimals)
    return number(entry["value"], decimals) + (f" ({within})" if within else "")


def listed(names: "list[str]") -> str:
    """Return `a, b and c`."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def setting(value: float | str) -> str:
    """Return a chosen setting: numbers to four significant digits, truth as yes or no."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


# ------------------------------------------------------------------ pieces


NUMBER = "number"
STRIP = "strip"
WORDS = "words"


@dataclass(frozen=True)
class Column:
    """One column of a table: its heading, and whether it holds words, numbers or strips."""

    label: str
    kind: str = WORDS


@dataclass(frozen=True)
class Table:
    """Rows under a caption; the first cell of each row heads it."""

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]
    foot: Sequence[str] = ()
    """The last row, for the scale of a column of strips."""
    marked: frozenset[int] = field(default_factory=frozenset)
    """The rows that stand out."""


@dataclass(frozen=True)
class Picture:
    """A picture with a caption; it carries its own words for those who don't see it."""

    svg: "Markup"
    caption: str

"""The registry of measures: formula, direction, label, meaning, and what may gate or search each.

A new measure is one row of `MEASURES` and its test. What measures it (`evaluate.measure`), judges it
(`judge`), aims for it (`learn.policy_limits`), allows it in params.yaml (`params.policy`) and shows it
(`report`, the cards, the bill of materials) reads this registry, and has no list of its own.

Most readers want names, spans and labels, params.yaml's among them; so NumPy is imported by a formula that
is computed, and not by this module.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil, log
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fairmark.stats.arrays import Floats
    from fairmark.stats.score_measures import Estimate

Count = Literal["tn", "fp", "fn", "tp"]
"""A count of the confusion matrix: true or false, negative or positive decision."""
COUNTS: tuple[Count, ...] = get_args(Count)
PLACE: Mapping[Count, tuple[int, int]] = MappingProxyType(
    {"tn": (0, 0), "fp": (0, 1), "fn": (1, 0), "tp": (1, 1)}
)
"""Where each count stands in a table `[..., label, decision]`."""

How = Literal["value", "ratio", "difference", "gain"]
"""What a limit may be laid on: the value of all rows or of each group, the ratio (lowest / highest) or the
difference (highest - lowest) over groups, or the gain over the best constant answer."""
Better = Literal["higher", "lower", "neither"]


def summed(table: "Floats", counts: tuple[Count, ...]) -> "Floats":
    """Return the sum of some counts of each confusion matrix in `table`, `[..., 2, 2]` to `[...]`."""
    import numpy as np

    total = table[..., *PLACE[counts[0]]]
    # One after the other in the order of the row: it fixes the last bit of a sum of weights.
    for count in counts[1:]:
        total = total + table[..., *PLACE[count]]
    return np.asarray(total, dtype=np.float64)


@dataclass(frozen=True)
class Share:
    """A rate: the rows of `hits` out of those of `rows`, both named by counts of the confusion matrix."""

    hits: tuple[Count, ...]
    rows: tuple[Count, ...]
    empty: str
    """Why there is no value when no row stands in the denominator."""

    def __call__(self, table: "Floats") -> "Floats":
        """Return the rate of each confusion matrix, `[..., 2, 2]` to `[...]`; 0..1, NaN without rows."""
        import numpy as np

        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(summed(table, self.hits) / summed(table, self.rows))

    @property
    def rises(self) -> bool:
        """Whether it can only rise as the threshold falls: selected rows out of all rows of some labels."""
        # As the threshold falls rows only ever move from decided 0 to decided 1. A denominator of whole
        # labels stays as it is meanwhile, and the selected among them can only become more.
        whole = all(len({*label} & {*self.rows}) != 1 for label in (("tn", "fp"), ("fn", "tp")))
        return whole and {*self.hits} == {*self.rows} & {"fp", "tp"}


@dataclass(frozen=True)
class Composite:
    """A measure of decisions that is no share of rows itself, and is bounded through shares.

    Of one share it is a rising function, `read`; of two it is (1 + first - second) / 2.
    """

    formula: "Callable[[Floats, Floats, Floats, Floats], Floats]"
    """Of the counts tn, fp, fn and tp."""
    shares: tuple[str, ...]
    read: Callable[[float], float] | None = None

    def __call__(self, table: "Floats") -> "Floats":
        """Return the measure of each confusion matrix, `[..., 2, 2]` to `[...]`; NaN where undefined."""
        import numpy as np

        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(self.formula(*(table[..., *PLACE[count]] for count in COUNTS)))


@dataclass(frozen=True)
class OfScores:
    """A measure of scores; `estimate` takes label, score, weight and the weight of each row's person."""

    estimate: "Callable[[NDArray[np.integer], Floats, Floats, Floats | None], Estimate | None]"
    both: bool
    """Whether it needs rows of both labels."""
    stored: tuple[str, ...]
    """What its bounds need beside the value."""

    def __call__(self, label: "NDArray[np.integer]", score: "Floats", weight: "Floats") -> float:
        """Return the value alone; NaN where it is not defined."""
        estimate = self.estimate(label, score, weight, None)
        return float("nan") if estimate is None else estimate.value


@dataclass(frozen=True)
class OfBins:
    """A measure of scores in bins of equal width."""

    def __call__(self, label: "NDArray[np.integer]", score: "Floats", weight: "Floats", bins: int) -> float:
        """Return the expected calibration error."""
        from fairmark.stats import score_measures

        return score_measures.bin_scores(label, score, weight, bins).error()


@dataclass(frozen=True)
class Larger:
    """The larger of the differences of some rates over groups."""

    rates: tuple[str, ...]


@dataclass(frozen=True)
class Measure:
    """One measure: what it is, how it is computed, and what may be done with it.

    Parameters
    ----------
    name
        As in params.yaml, measurements.json and MLflow.
    label
        What a table calls it.
    meaning
        What it says, for the reader of a page.
    ends
        What 0 and 1 mean (of a loss: 0 and its worst).
    better
        Which way is better; of most rates between groups neither way is.
    formula
        How it is computed: of a confusion matrix (`Share`, `Composite`) or of scores and labels.
    gates
        What of it a limit of the policy may be laid on.
    searched
        Whether `tune` can aim for a limit on it: whether validation rows know it at no cost.
    measured
        Whether measurements.json holds it for all rows and each group; a measure that is only compared, or
        only stands behind another's bounds, it does not hold.
    headline
        Whether metrics.json and `dvc metrics` show it.
    compared
        Its place among the rates that are compared between groups; 0: it is not.
    required
        False for a measure that joined after the first releases: those hold no value of it, and stay valid.
    same_as
        The measured one that has the same values.
    spoken
        What a sentence calls it, where that is not the label in lower case.
    known_as
        What the field calls its ratio or difference over groups.
    most
        The largest value.
    """

    name: str
    label: str
    meaning: str
    ends: tuple[str, str]
    better: Better
    formula: Share | Composite | OfScores | OfBins | Larger
    gates: frozenset[How] = frozenset({"value"})
    searched: bool = True
    measured: bool = True
    headline: bool = False
    compared: int = 0
    required: bool = True
    same_as: str = ""
    spoken: str = ""
    known_as: str = ""
    most: float = 1.0

    @property
    def counted(self) -> bool:
        """Whether the confusion matrix alone says it."""
        return isinstance(self.formula, Share | Composite)

    @property
    def scored(self) -> bool:
        """Whether it needs the scores; no threshold moves it."""
        return isinstance(self.formula, OfScores | OfBins)


def f1_of(jaccard: float) -> float:
    """Return F1 = 2 tp / (2 tp + fp + fn) of a Jaccard index tp / (tp + fp + fn); 0..1, 1 = no mistake."""
    return 2 * jaccard / (1 + jaccard)


def _roc_auc(
    label: "NDArray[np.integer]", score: "Floats", weight: "Floats", heft: "Floats | None"
) -> "Estimate | None":
    from fairmark.stats import score_measures

    return score_measures.roc_auc(label, score, weight, heft)


def _pr_auc(
    label: "NDArray[np.integer]", score: "Floats", weight: "Floats", heft: "Floats | None"
) -> "Estimate | None":
    from fairmark.stats import score_measures

    return score_measures.pr_auc(label, score, weight, heft)


def _brier(
    label: "NDArray[np.integer]", score: "Floats", weight: "Floats", heft: "Floats | None"
) -> "Estimate | None":
    from fairmark.stats import score_measures

    return score_measures.mean_loss(score_measures.row_losses(label, score, "brier"), weight, heft)


def _log_loss(
    label: "NDArray[np.integer]", score: "Floats", weight: "Floats", heft: "Floats | None"
) -> "Estimate | None":
    from fairmark.stats import score_measures

    return score_measures.mean_loss(score_measures.row_losses(label, score, "log_loss"), weight, heft)


_ALL: tuple[Count, ...] = ("tn", "fp", "fn", "tp")
_NO_POSITIVE, _NO_NEGATIVE = "no row has the positive label", "no row has the negative label"
_NO_ROWS, _NONE_SELECTED = "no rows", "no row is selected"
_OVER_GROUPS: frozenset[How] = frozenset({"value", "ratio", "difference"})
_WITH_GAIN: frozenset[How] = frozenset({"value", "gain"})
_NO_GATE: frozenset[How] = frozenset()

ODDS = ("true_positive_rate", "false_positive_rate")
"""The rates of equalized odds (Hardt, Price and Srebro 2016)."""

_ROWS = (
    Measure(
        "roc_auc",
        "ROC AUC",
        "chance that a random positive row scores above a random negative one; 0.5 is guessing",
        ("every positive row scores below every negative one", "every one above"),
        "higher",
        OfScores(_roc_auc, both=True, stored=("se", "positives", "negatives")),
        gates=_WITH_GAIN,
        headline=True,
        spoken="ROC AUC",
    ),
    Measure(
        "pr_auc",
        "PR AUC",
        "mean precision over all recalls; guessing gives the base rate",
        ("no positive row is found", "every positive row scores above every negative one"),
        "higher",
        OfScores(_pr_auc, both=True, stored=("se", "df", "without_self")),
        gates=_WITH_GAIN,
        headline=True,
        spoken="PR AUC",
    ),
    Measure(
        "accuracy",
        "Accuracy",
        "share of rows decided as they are labelled",
        ("every decision is wrong", "every decision is right"),
        "higher",
        Share(("tn", "tp"), _ALL, _NO_ROWS),
        gates=_OVER_GROUPS | _WITH_GAIN,
        headline=True,
        compared=4,
    ),
    Measure(
        "balanced_accuracy",
        "Balanced accuracy",
        "mean of the true positive and true negative rates",
        ("every decision is wrong", "every decision is right; 0.5 is a coin"),
        "higher",
        Composite(
            lambda tn, fp, fn, tp: (tp / (tp + fn) + tn / (tn + fp)) / 2, ("recall", "false_positive_rate")
        ),
        gates=_WITH_GAIN,
        headline=True,
    ),
    Measure(
        "precision",
        "Precision",
        "share of positive decisions that are right",
        ("no selected row is positive", "every selected row is positive"),
        "higher",
        Share(("tp",), ("fp", "tp"), _NONE_SELECTED),
        gates=_OVER_GROUPS,
        headline=True,
        compared=5,
    ),
    Measure(
        "recall",
        "True positive rate",
        "share of the positive rows that are decided positive (recall)",
        ("no positive row is selected", "every positive row is selected"),
        "higher",
        Share(("tp",), ("fn", "tp"), _NO_POSITIVE),
        headline=True,
    ),
    Measure(
        "true_positive_rate",
        "True positive rate",
        "share of the positive rows that are decided positive (recall)",
        ("no positive row is selected", "every positive row is selected"),
        "higher",
        Share(("tp",), ("fn", "tp"), _NO_POSITIVE),
        gates=_OVER_GROUPS,
        measured=False,
        compared=2,
        same_as="recall",
        known_as="equal opportunity",
    ),
    Measure(
        "false_positive_rate",
        "False positive rate",
        "share of the negative rows that are decided positive",
        ("no negative row is selected", "every negative row is selected"),
        "lower",
        Share(("fp",), ("tn", "fp"), _NO_NEGATIVE),
        gates=_OVER_GROUPS,
        compared=3,
    ),
    Measure(
        "false_negative_rate",
        "False negative rate",
        "share of the positive rows that are decided negative; 0 is none of them",
        ("every positive row is selected", "no positive row is selected"),
        "lower",
        Share(("fn",), ("fn", "tp"), _NO_POSITIVE),
        gates=_OVER_GROUPS,
        compared=6,
        required=False,
    ),
    Measure(
        "false_discovery_rate",
        "False discovery rate",
        "share of positive decisions that are wrong; 0 is none of them",
        ("every selected row is positive", "no selected row is positive"),
        "lower",
        Share(("fp",), ("fp", "tp"), _NONE_SELECTED),
        gates=_OVER_GROUPS,
        compared=7,
        required=False,
    ),
    Measure(
        "f1",
        "F1",
        "harmonic mean of precision and recall",
        ("no positive row is selected", "every decision is right"),
        "higher",
        Composite(lambda tn, fp, fn, tp: 2 * tp / (2 * tp + fp + fn), ("jaccard",), f1_of),  # noqa: ARG005
        gates=_WITH_GAIN,
        headline=True,
        spoken="F1",
    ),
    Measure(
        "log_loss",
        "Log loss",
        "surprise of the labels under the scores, kept within 0.001 to 0.999, in nats; 0 is perfect",
        ("every score is its label", "every score is as wrong as can be written"),
        "lower",
        OfScores(_log_loss, both=False, stored=("units",)),
        headline=True,
        most=-log(1e-3),  # that of one certain mistake, by `score_measures.LEAST_SCORE`
    ),
    Measure(
        "brier",
        "Brier score",
        "mean squared error of the scores; 0 is perfect",
        ("every score is its label", "every score is the other label"),
        "lower",
        OfScores(_brier, both=False, stored=("units",)),
        headline=True,
        spoken="Brier score",
    ),
    Measure(
        "calibration_error",
        "Calibration error",
        "mean gap between scores and observed shares; 0 is perfect",
        ("in every bin the mean score is the share of positive rows", "as far from it as can be"),
        "lower",
        OfBins(),
        searched=False,  # its bins are a matter of `evaluate`, which a search does not read
        headline=True,
    ),
    Measure(
        "selection_rate",
        "Selection rate",
        "share of rows decided positive",
        ("nobody is selected", "everybody is selected"),
        "neither",
        Share(("fp", "tp"), _ALL, _NO_ROWS),
        gates=_OVER_GROUPS,
        compared=1,
    ),
    Measure(
        "base_rate",
        "Base rate",
        "share of rows labelled positive",
        ("no row is positive", "every row is positive"),
        "neither",
        Share(("fn", "tp"), _ALL, _NO_ROWS),
    ),
    Measure(
        "equalized_odds",
        "Equalized odds",
        "larger of the gaps in true and in false positive rate; 0 is parity",
        ("both rates are the same in all groups", "in one of them groups are as far apart as can be"),
        "lower",
        Larger(ODDS),
        gates=frozenset({"difference"}),
        measured=False,
    ),
    # Behind the bounds of others: F1 = 2 J / (1 + J) rises with the Jaccard index, a plain share of rows, so
    # that an exact bound of the one is an exact bound of the other.
    Measure(
        "jaccard",
        "Jaccard index",
        "share of the rows positive or selected that are both",
        ("no positive row is selected", "every decision is right"),
        "higher",
        Share(("tp",), ("fp", "fn", "tp"), "no row is positive or selected"),
        gates=_NO_GATE,
        searched=False,
        measured=False,
    ),
    Measure(
        "rejection_rate",
        "Rejection rate",
        "share of rows decided negative",
        ("everybody is selected", "nobody is selected"),
        "neither",
        Share(("tn", "fn"), _ALL, _NO_ROWS),
        gates=_NO_GATE,
        searched=False,
        measured=False,
    ),
    Measure(
        "negative_predictive_value",
        "Negative predictive value",
        "share of negative decisions that are right",
        ("every rejected row is positive", "no rejected row is positive"),
        "higher",
        Share(("tn",), ("tn", "fn"), "every row is selected"),
        gates=_NO_GATE,
        searched=False,
        measured=False,
    ),
)
MEASURES: Mapping[str, Measure] = MappingProxyType({row.name: row for row in _ROWS})
"""Every measure by its name, in the order of the pages."""


def _names(*rows: Measure) -> tuple[str, ...]:
    return tuple(row.name for row in rows)


MEASURED = _names(*(row for row in _ROWS if row.measured))
"""Those that measurements.json holds for all rows and for each group."""
COUNTED = _names(*(row for row in _ROWS if row.measured and row.counted))
"""Of these, those that the confusion matrix says."""
SCORED = _names(*(row for row in _ROWS if row.measured and row.scored))
"""And those that need the scores."""
COMPARED = _names(*sorted((row for row in _ROWS if row.compared), key=lambda row: row.compared))
"""Rates whose ratio and difference between groups are measured."""
GAINED = _names(*(row for row in _ROWS if "gain" in row.gates))
"""Measures whose gain over the best constant answer is known."""
GOALS = _names(*(row for row in _ROWS if "gain" in row.gates and row.counted))
"""Of these, those of decisions, which a threshold may maximise; scores alone say nothing of decisions."""
APPROXIMATE = frozenset({"pr_auc"})
"""Measures whose bounds keep their level only about: they are reported, and no gate rests on them."""
RARER = 0.2
"""Share of the rarer label under which accuracy can hardly show more than a constant answer has."""
HEADLINE = _names(*(row for row in _ROWS if row.headline))
"""Those of metrics.json."""
TILES = ("roc_auc", "accuracy", "selection_rate")
"""The few that stand first on a page, and beside each trial of a search."""
STRIPS = ("selection_rate", "recall", "false_positive_rate", "accuracy")
"""Rates by group that get a picture of their own."""
CARD = ("selection_rate", "recall", "false_positive_rate", "precision", "accuracy", "roc_auc",
        "calibration_error")  # fmt: skip
"""Columns of the model card's table of groups."""


@dataclass(frozen=True)
class Quantity:
    """What a limit names: a measure by its value, its ratio or difference over groups, or its gain."""

    measure: Measure
    how: How

    @property
    def name(self) -> str:
        """As params.yaml has it, such as `selection_rate_ratio`."""
        return self.measure.name if self.how == "value" else f"{self.measure.name}_{self.how}"

    @property
    def over_groups(self) -> bool:
        """Whether it compares the groups of an attribute."""
        return self.how in ("ratio", "difference")

    @property
    def better(self) -> Better:
        """Which way is better; a ratio near 1 and a difference near 0 are parity."""
        by_how: Mapping[How, Better] = {"ratio": "higher", "difference": "lower", "gain": "higher"}
        return by_how.get(self.how, self.measure.better)

    @property
    def searched(self) -> bool:
        """Whether validation rows know it at no cost, so that a search can aim for limits on it."""
        return self.measure.searched and self.how != "gain"

    @property
    def span(self) -> tuple[float, float]:
        """The least and the largest value, the latter rounded up to two digits."""
        return (-1.0, 1.0) if self.how == "gain" else (0.0, ceil(self.measure.most * 100) / 100)

    @property
    def label(self) -> str:
        """What a table calls it."""
        return self.measure.label if self.how == "value" else f"{self.measure.label} {self.how}"

    @property
    def meaning(self) -> str:
        """What it says, for the reader of a page."""
        if self.how == "value" or isinstance(self.measure.formula, Larger):
            return self.measure.meaning
        return _MEANING[self.how]

    @property
    def spoken(self) -> str:
        """What a sentence calls it: words, not the name that params.yaml has for it."""
        measure, plain = self.measure, self.measure.name.replace("_", " ")
        if self.how == "value":
            return measure.spoken or measure.label.lower()
        if measure.known_as and self.over_groups:
            return f"{measure.known_as} {self.how} ({plain})"
        return f"{plain} {self.how}"


_MEANING: Mapping[str, str] = {
    "ratio": "lowest group over highest; 1 is parity",
    "difference": "highest group less lowest; 0 is parity",
    "gain": "above the best constant answer, yes or no to everybody; 0 is no better",
}

_HOW: tuple[How, ...] = get_args(How)
QUANTITIES: Mapping[str, Quantity] = MappingProxyType(
    {each.name: each for how in _HOW for row in _ROWS if how in row.gates for each in [Quantity(row, how)]}
)
"""Everything that a limit of the policy may name."""
GAINS = tuple(name for name, each in QUANTITIES.items() if each.how == "gain")
EQUALIZED_ODDS = "equalized_odds_difference"
"""The larger of the true and the false positive rate difference (Hardt, Price and Srebro 2016)."""


def share(name: str) -> Share:
    """Return the formula of a rate.

    Raises
    ------
    KeyError
        When no measure of this name is a share of rows.
    """
    row = MEASURES[name]
    if not isinstance(row.formula, Share):
        raise KeyError(name)
    return row.formula


def of_rates(name: str) -> bool:
    """Return whether a limit's measure is a rate of rows, or a ratio or difference of rates."""
    asked = QUANTITIES.get(name)
    return asked is not None and asked.how != "gain" and isinstance(asked.measure.formula, Share | Larger)


def quantity(name: str) -> Quantity | None:
    """Return what a name stands for, also where no limit may be laid on it; None when it is not known."""
    if name in QUANTITIES:
        return QUANTITIES[name]
    if name in MEASURES:
        return Quantity(MEASURES[name], "value")
    base, _, how = name.rpartition("_")
    return next((Quantity(MEASURES[base], each) for each in _HOW if each == how and base in MEASURES), None)


def label(name: str) -> str:
    """Return what a table calls a measure; of one that is not known, its name in words."""
    known = quantity(name)
    return name.replace("_", " ").capitalize() if known is None else known.label


def meaning(name: str) -> str:
    """Return what a measure says, in words, or nothing when it is not known."""
    known = quantity(name)
    return "" if known is None else known.meaning


def spoken(name: str) -> str:
    """Return what a sentence calls a measure; of one that is not known, its name in words."""
    known = quantity(name)
    return name.replace("_", " ") if known is None else known.spoken

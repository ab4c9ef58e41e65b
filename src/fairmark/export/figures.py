"""The figures of a report's paper: comparisons against their limits, the ROC curve, calibration.

They are drawn of sealed numbers alone: verdict.json for the limits, the scores of test rows in bins of
reference.json for the curves, where rows count once each. By Matplotlib's Agg, whose settings are its
defaults and whose files hold no time: the same numbers give the same bytes.
"""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from fairmark.data.reference import Reference, ScoreReference
from fairmark.export.paper import Figure
from fairmark.export.pdf import INK, RULE, SOFT, in_font
from fairmark.judge.verdict import Finding, rank
from fairmark.params.policy import Limit, Policy
from fairmark.release.folder import ReleaseFolder
from fairmark.release.layout import REFERENCE
from fairmark.report.labels import SIGNS, measured, number
from fairmark.stats.measures import label as title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

MOST = 6
"""Comparisons of one limit that are drawn: those that decide first."""
WIDTH_INCH = 6.5
DPI = 200
TONES = {"pass": "#1a6e3c", "fail": "#a3261d", "insufficient evidence": "#8a5a00"}
"""Colours of outcomes, dark enough on white (`report/templates/style.css`); each outcome is written too."""


@dataclass(frozen=True)
class Curve:
    """Points of a curve, both axes 0..1."""

    x: tuple[float, ...]
    y: tuple[float, ...]


def roc(scores: ScoreReference) -> Curve:
    """Return the ROC curve at the edges of the bins, from (0, 0) to (1, 1).

    The share of negatives and of positives whose score is above each edge, as `sklearn.metrics.roc_curve` of
    the rows with their bins for scores.
    """
    negatives, positives = (
        tuple(accumulate(reversed(each), initial=0)) for each in (scores.negatives, scores.positives)
    )
    return Curve(
        tuple(count / max(negatives[-1], 1) for count in negatives),
        tuple(count / max(positives[-1], 1) for count in positives),
    )


def calibration(scores: ScoreReference) -> list[tuple[float, float, float]]:
    """Return for each bin with rows its lowest and highest score and its share of positives, each 0..1."""
    ends = (0.0, *scores.edges, 1.0)
    return [
        (ends[place], ends[place + 1], yes / (yes + no))
        for place, (no, yes) in enumerate(zip(scores.negatives, scores.positives, strict=True))
        if yes + no
    ]


def limit_figures(release: ReleaseFolder, policy: Policy) -> Iterator[tuple[str, Figure]]:
    """Yield the name of each limit on groups and its figure: what was measured, with its bounds."""
    for limit in policy.required:
        found = sorted((each for each in release.verdict.findings if each.limit == limit.name), key=rank)
        drawn = [each for each in found if each.value is not None][:MOST]
        if limit.attribute is not None and drawn:
            yield limit.name, _limit_figure(limit, drawn, len(found), release.params.document.decimals)


def _limit_figure(limit: Limit, drawn: Sequence[Finding], many: int, decimals: int) -> Figure:
    first = drawn[0]
    required = f"{SIGNS[first.at]} {number(first.limit_value, decimals)}"
    few = " Those that decide first; verdict.json has each." if many > len(drawn) else ""
    each = "; ".join(
        f"{found.group or 'all rows'} {number(found.value, decimals)} ({_outcome(found)})" for found in drawn
    )
    caption = (
        f"{limit.name}: {title(limit.measure)} by {limit.attribute} must be {required}, the dashed line. "
        f"Dots are measured, lines go from bound to bound.{few} {each}."
    )
    height = (0.65 + 0.26 * len(drawn)) / WIDTH_INCH

    def draw(canvas: "Canvas") -> None:
        axes = canvas.add_axes((0.37, 0.42 / (height * WIDTH_INCH), 0.36, 1 - 0.5 / (height * WIDTH_INCH)))
        for place, found in enumerate(drawn):
            _whisker(axes, place, found)
        axes.axvline(first.limit_value, color=INK, linewidth=1, linestyle=(0, (4, 2)))
        axes.set_yticks(range(len(drawn)), [_short(found.group or "all rows") for found in drawn])
        axes.set_ylim(len(drawn) - 0.5, -0.5)
        axes.set_xlabel(_short(title(limit.measure), 60), fontsize=8)
        axes.grid(axis="x", color=RULE, linewidth=0.6)
        axes.tick_params(length=0, labelsize=8)
        for text in (*axes.get_yticklabels(), axes.xaxis.label):
            text.set_parse_math(False)

    return Figure(caption, _png(height, draw), 1, height)


def _whisker(axes: "Axes", place: int, found: Finding) -> None:
    tone = TONES[found.outcome]
    ends = [each for each in (found.bound, found.value, found.opposite) if each is not None]
    axes.plot([min(ends), max(ends)], [place, place], color=tone, linewidth=2, solid_capstyle="butt")
    axes.plot([each for each in (found.value,) if each is not None], [place], "o", color=tone, markersize=5)
    axes.annotate(
        _outcome(found), (1.02, place), xycoords=("axes fraction", "data"), va="center", fontsize=7.5,
        color=tone, annotation_clip=False,
    )  # fmt: skip


def _outcome(found: Finding) -> str:
    if found.waived_by is None:
        return found.outcome
    return f"{found.outcome}, {'let through' if found.overridden else 'waived'}"


def score_figure(release: ReleaseFolder) -> Figure | None:
    """Return the ROC curve beside calibration; None of a release without a reference of its scores."""
    path = release.folder / REFERENCE
    if not path.is_file():
        return None
    scores = Reference.read(path).scores
    decimals, overall = release.params.document.decimals, release.measurements.overall
    area, error = (measured(overall.get(name), decimals) for name in ("roc_auc", "calibration_error"))
    caption = (
        f"Left: ROC curve at the edges of the bins of scores in {REFERENCE}; area under the whole curve "
        f"{area}. The dashed line is guessing. Right: share of positives in each bin, from its lowest to its "
        f"highest score; calibration error {error}. On the dashed line a score means what it says."
    )

    def draw(canvas: "Canvas") -> None:
        left, right = (canvas.add_axes((at, 0.17, 0.39, 0.78)) for at in (0.09, 0.58))
        found = roc(scores)
        left.plot(found.x, found.y, color=INK, linewidth=1.6, marker="o", markersize=3)
        for low, high, share in calibration(scores):
            right.plot([low, high], [share, share], color=INK, linewidth=2.4, solid_capstyle="butt")
        for axes, across, up in (
            (left, "false positive rate", "true positive rate"),
            (right, "score", "share of positives"),
        ):
            axes.plot([0, 1], [0, 1], color=SOFT, linewidth=1, linestyle=(0, (4, 2)))
            axes.set(xlim=(0, 1), ylim=(0, 1.02))
            axes.set_xlabel(across, fontsize=8)
            axes.set_ylabel(up, fontsize=8)
            axes.grid(color=RULE, linewidth=0.6)
            axes.tick_params(length=0, labelsize=8)

    return Figure(caption, _png(0.44, draw), 1, 0.44)


def _short(text: str, most: int = 40) -> str:
    known = in_font(text)
    return known if len(known) <= most else f"{known[: most - 1]}\N{HORIZONTAL ELLIPSIS}"


def _png(height: float, draw: Any) -> bytes:
    import matplotlib.style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    stream = io.BytesIO()
    with matplotlib.style.context("default"):
        canvas = Canvas(figsize=(WIDTH_INCH, WIDTH_INCH * height), dpi=DPI, facecolor="white")
        FigureCanvasAgg(canvas)
        draw(canvas)
        for axes in canvas.axes:
            for name, spine in axes.spines.items():
                spine.set(color=RULE, visible=name in {"bottom", "left"})
        # Matplotlib would write its version, which changes no figure and would change the bytes.
        canvas.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()

"""What one setting of a method reaches, and the tables that lay methods side by side."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from fairmark.stats.arrays import Floats
from sides.rows import Rows

AIM = 0.8
"""The ratio at which methods are compared when each has to choose its own setting."""


@dataclass(frozen=True)
class Point:
    """What one setting of a knob reaches."""

    method: str
    knob: str
    seconds: float
    valid: tuple[float, float]
    """Ratio and accuracy on validation rows, by which a knob may be chosen."""
    right: Floats
    """The chance that the decision on each test row is right, [n]."""
    ratio: float
    accuracy: float
    auc: float


def reached(data: Rows, part: str, decide: Floats) -> tuple[float, Floats]:
    """Return the ratio of selection rates by sex, lowest / highest, and the chance to be right, [n].

    `decide` are the chances of deciding 1, [n].
    """
    label, group = data.label(part), data.groups(part, "sex").to_numpy()
    rates = [decide[group == name].mean() for name in np.unique(group)]
    return min(rates) / max(rates), np.where(label == 1, decide, 1 - decide)


def point(data: Rows, method: str, knob: str, seconds: float, arrays: dict[str, Floats]) -> Point:
    """Return the measured point of `decide_valid`, `decide_test` and `score_test`."""
    auc = float(roc_auc_score(data.label("test"), arrays["score_test"]))
    (valid, sure), (ratio, right) = (
        reached(data, part, arrays[f"decide_{part}"]) for part in ("valid", "test")
    )
    return Point(method, knob, seconds, (valid, float(sure.mean())), right, ratio, float(right.mean()), auc)


def standard_error(ours: Floats, theirs: Floats) -> float:
    """Return the standard error of the difference of two accuracies on the same rows, [n] each."""
    return float(np.std(ours - theirs) / np.sqrt(len(ours)))


def table(points: list[Point]) -> pd.DataFrame:
    """Return every point beside ours at the same ratio, by linear interpolation between our points."""
    frame = pd.DataFrame([vars(each) for each in points]).drop(columns=["valid", "right"])
    own = frame[frame["method"] == "sweep"].sort_values("ratio")
    inside = frame["ratio"].between(own["ratio"].min(), own["ratio"].max()) & (frame["method"] != "sweep")
    for measure in ("accuracy", "auc"):
        frame[f"our_{measure}"] = np.interp(frame["ratio"], own["ratio"], own[measure])
        frame.loc[~inside, f"our_{measure}"] = np.nan
        frame[f"our_{measure}_gain"] = frame[f"our_{measure}"] - frame[measure]
    sweep = [each for each in points if each.method == "sweep"]
    near = [min(sweep, key=lambda own, to=each.ratio: abs(own.ratio - to)) for each in points]
    frame["gain_se"] = [standard_error(a.right, b.right) for a, b in zip(near, points, strict=True)]
    frame.loc[~inside, "gain_se"] = np.nan
    return frame


def at_aim(points: list[Point], seconds: dict[str, float]) -> pd.DataFrame:
    """Return each method's most accurate knob on validation rows among those that reach the aim there."""
    lines = []
    for name, taken in seconds.items():
        reaching = [p for p in points if p.method == name and p.valid[0] >= AIM]
        best = max(reaching, key=lambda p: p.valid[1], default=None)
        line = {"method": name, "seconds": taken, "times_sweep": taken / seconds["sweep"]}
        if best is not None:
            line |= {"knob": best.knob, "ratio": best.ratio, "accuracy": best.accuracy, "auc": best.auc}
        lines.append(line)
    return pd.DataFrame(lines)


def gains(whole: pd.DataFrame) -> str:
    """Return in words what our sweep gains on each peer: the mean over its points from a ratio of 0.7 on."""
    near = whole[(whole["ratio"] >= 0.7) & whole["our_accuracy_gain"].notna() & (whole["method"] != "search")]
    mean = near.groupby("method")[["our_accuracy_gain", "our_auc_gain"]].mean()
    return "\n".join(
        f"our sweep over {name}, at ratios from 0.7: accuracy {row['our_accuracy_gain']:+.4f}, "
        f"AUC {row['our_auc_gain']:+.4f}"
        for name, row in mean.iterrows()
    )

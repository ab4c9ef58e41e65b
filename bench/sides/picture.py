"""The frontiers as one small picture: accuracy over the ratio of selection rates, a panel a setting."""

from pathlib import Path
from typing import Any

import pandas as pd

LEAST_ACCURACY = 0.81
LOOKS = {
    "sweep": {"color": "#0b5394", "marker": "o", "linestyle": "-", "linewidth": 2, "zorder": 3},
    "by sex": {"color": "#6fa8dc", "marker": "v", "linestyle": "-", "linewidth": 1},
    "search": {"color": "#0b5394", "marker": "*", "linestyle": "", "zorder": 4},
    "ExponentiatedGradient": {"color": "#b45f06", "marker": "s", "linestyle": "--"},
    "ThresholdOptimizer": {"color": "#6a6a6a", "marker": "^", "linestyle": ":"},
    "FairGBM": {"color": "#38761d", "marker": "x", "linestyle": ""},
}
NOTES = {
    "ThresholdOptimizer": "ThresholdOptimizer (told the sex)",
    "sweep": "fairmark",
    "by sex": "fairmark, thresholds by sex (told the sex)",
    "search": "fairmark, its search's choice",
}


def sized(look: dict[str, Any]) -> dict[str, Any]:
    """Return a look with the size of its marker."""
    return {**look, "markersize": 12 if look["marker"] == "*" else 5}


def picture(panels: dict[str, pd.DataFrame], path: Path) -> None:
    """Write the panels as SVG: the same bytes for the same points."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams |= {"svg.hashsalt": "fairmark", "font.size": 9, "svg.fonttype": "none"}
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, len(panels), figsize=(9, 6.6), layout="constrained", squeeze=False)
    for column, (title, points) in enumerate(panels.items()):
        for row, (measure, name) in enumerate({"accuracy": "accuracy", "auc": "AUC"}.items()):
            _panel(axes[row][column], points, measure)
            axes[row][column].set(
                xlabel="selection-rate ratio by sex (1 = alike)", ylabel=f"{name} on test rows"
            )
        axes[0][column].set_title(title)
    axes[0][0].legend(loc="lower left", frameon=False)
    figure.savefig(path, metadata={"Date": None, "Creator": None} if path.suffix == ".svg" else None)


def _panel(axis: Any, points: pd.DataFrame, measure: str) -> None:
    # Settings at which FairGBM came apart would squeeze all the others into one line.
    held = points[points["accuracy"] >= LEAST_ACCURACY]
    for method, look in LOOKS.items():
        own = held[held["method"] == method].sort_values("ratio")
        axis.plot(own["ratio"], own[measure], label=NOTES.get(method, method), **sized(look))
    axis.axvline(0.8, color="#999999", linewidth=0.8)
    axis.grid(color="#e5e5e5", linewidth=0.6)
    axis.spines[["top", "right"]].set_visible(False)

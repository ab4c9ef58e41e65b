"""Bootstrap of three rates by sex and race on Adult's test rows: cell counts against Fairlearn's MetricFrame.

Run `python bench/bootstrap.py [PEER_REPLICATES]`. Both sides start from the same labels, decisions and groups
and end with an interval of every rate of every group, and of its ratio and difference between groups. Ours
draws 10,000 replicates, the peer as many as asked for: the time of one is compared. Then 10 million rows,
ours alone.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from sides.rows import rows

from fairmark.learn.fit import fit_model
from fairmark.params.learn import Chosen
from fairmark.stats import intervals
from fairmark.stats.confusion import confusion_matrix
from fairmark.stats.rates import values_of

RATES = ("selection_rate", "true_positive_rate", "accuracy")
OURS = 10_000
MANY = 10_000_000


def main(peer_replicates: int) -> None:
    """Print both times, their ratio a replicate, and the time of 10 million rows."""
    label, decision, groups = _decided()
    start = time.perf_counter()
    ours = _counted(label, decision, groups)
    own = (time.perf_counter() - start) / OURS
    start = time.perf_counter()
    theirs = _resampled(label, decision, groups, peer_replicates)
    other = (time.perf_counter() - start) / peer_replicates
    print(f"{len(label)} rows, {groups.drop_duplicates().shape[0]} groups, {len(RATES)} rates")
    print(
        f"ours {own * OURS:.3g} s for {OURS}, Fairlearn {other * peer_replicates:.3g} s for {peer_replicates}"
    )
    print(f"a replicate: ours {own:.3g} s, Fairlearn {other:.3g} s, Fairlearn / ours = {other / own:.3g}")
    print(f"medians of the rates by group: largest difference {np.nanmax(np.abs(ours - theirs)):.2g}")
    _many()


def _decided() -> tuple[np.ndarray, np.ndarray, pd.DataFrame]:
    """Return labels, decisions and groups of Adult's test rows, by a plain model."""
    with tempfile.TemporaryDirectory() as scratch:
        data = rows(Path(scratch))
    settings = {"learning_rate": 0.1, "num_leaves": 15, "min_child_samples": 20}
    plain = Chosen(
        family="boosted",
        settings=settings,
        balance="none",
        reweighing=False,
        mitigation=[],
        margin=None,
        folds=None,
    )
    model = fit_model(data.parts, plain, data.params.train, data.params.policy)
    table, evidence = data.parts.part("test")
    return table["_label"].to_numpy(), model.decide(table), evidence[["sex", "race"]]


def _counted(label: np.ndarray, decision: np.ndarray, groups: pd.DataFrame) -> np.ndarray:
    """Return the median of every rate and group, [rate, group], after making the intervals too."""
    codes = [pd.factorize(groups[name], sort=True) for name in groups]
    code = codes[0][0] * len(codes[1][1]) + codes[1][0]
    cells = confusion_matrix(label, decision, code, len(codes[0][1]) * len(codes[1][1]))
    return _intervals(intervals.draw(cells, OURS, np.random.default_rng(0)))


def _intervals(drawn: np.ndarray) -> np.ndarray:
    medians = []
    for name in RATES:
        values = values_of(drawn, name)
        for over in (intervals.ratio(values), intervals.difference(values), intervals.worst(values)):
            intervals.percentile(over, 0.025)
        medians.append(np.nanquantile(values, [0.025, 0.5, 0.975], axis=0)[1])
    return np.array(medians)


def _resampled(label: np.ndarray, decision: np.ndarray, groups: pd.DataFrame, replicates: int) -> np.ndarray:
    """Return the same of Fairlearn."""
    from fairlearn.metrics import MetricFrame, selection_rate, true_positive_rate
    from sklearn.metrics import accuracy_score

    frame = MetricFrame(
        metrics=dict(zip(RATES, (selection_rate, true_positive_rate, accuracy_score), strict=True)),
        y_true=label,
        y_pred=decision,
        sensitive_features=groups,
        n_boot=replicates,
        ci_quantiles=[0.025, 0.5, 0.975],
        random_state=0,
    )
    frame.ratio_ci()
    frame.difference_ci()
    return frame.by_group_ci[1].sort_index()[list(RATES)].to_numpy(dtype=float).T


def _many() -> None:
    """Print the time of 10,000 replicates of 10 million rows, from the rows on."""
    draw = np.random.default_rng(1)
    label, decision = (draw.integers(0, 2, MANY, dtype=np.int8) for _ in range(2))
    code = draw.integers(0, 10, MANY, dtype=np.int8)
    start = time.perf_counter()
    _intervals(intervals.draw(confusion_matrix(label, decision, code, 10), OURS, np.random.default_rng(0)))
    print(f"{MANY} rows: {time.perf_counter() - start:.3g} s for {OURS} replicates")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)

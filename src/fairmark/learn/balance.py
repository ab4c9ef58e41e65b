"""Even out the classes of train rows; validation rows keep theirs."""

from dataclasses import replace
from typing import Literal

import numpy as np

from fairmark.learn.sample import Sample


def balanced(train: Sample, how: Literal["none", "weights", "down", "up"], seed: int) -> Sample:
    """Return train rows whose two classes weigh the same ("weights"), or are as many ("down", "up").

    "down" leaves out rows of the larger class, drawn without replacement; "up" repeats rows of the smaller
    one, drawn with replacement. "none", or rows of one class, are given back as they are.
    """
    positive = train.label == 1
    if how == "none" or positive.all() or not positive.any():
        return train
    if how == "weights":
        heavy = np.where(positive, train.weight[positive].sum(), train.weight[~positive].sum())
        return replace(train, weight=train.weight * train.weight.sum() / (2 * heavy))
    small, large = sorted((np.flatnonzero(positive), np.flatnonzero(~positive)), key=len)
    draw = np.random.default_rng([seed, 1])
    if how == "down":
        return train.take(np.sort(np.r_[small, draw.choice(large, len(small), replace=False)]))
    more = draw.choice(small, len(large) - len(small), replace=True)
    return train.take(np.sort(np.r_[small, more, large]))

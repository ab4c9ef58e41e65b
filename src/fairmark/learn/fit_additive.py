r"""Learn an additive model with pairs by LightGBM: shapes that can be drawn, in the file of boosted trees.

.. math:: z = \sum_j f_j(x_j) + \sum_{(j, k)} f_{jk}(x_j, x_k)

(GA2M; Lou, Caruana, Gehrke and Hooker 2013). Trees have two levels, and LightGBM's `interaction_constraints`
keep each of their paths to one feature or to one of the chosen pairs. So each leaf speaks of two features at
most, and their sum is of this form. The pairs are those by which trees of two levels that are free gain most,
which are learnt first.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from fairmark.learn.fit_boosted import Watching
from fairmark.learn.fit_boosted import fit as fit_boosted
from fairmark.learn.training_data import Sample
from fairmark.model.boosted_trees import Boosted
from fairmark.model.model_file import Column
from fairmark.model.tree import Split
from fairmark.model.tree import trees as parsed
from fairmark.params.learn import Train

TWO_LEVELS: Mapping[str, int] = {"max_depth": 2, "num_leaves": 4}
FIRST_ROUNDS = 100
"""Rounds of the free trees at most: pairs that gain nothing in these are hardly worth drawing."""


def fit(
    train: Sample,
    valid: Sample,
    columns: Sequence[Column],
    settings: Mapping[str, float | int | str | bool],
    base: Train,
    watch: Watching | None = None,
) -> Boosted:
    """Learn shapes of single features and of `settings["pairs"]` pairs, as `fit_boosted` learns trees.

    The other settings are LightGBM's; the depth and the number of leaves of a tree are those of two levels.

    Raises
    ------
    InputError
        When LightGBM refuses a setting.
    """
    own = {**{name: value for name, value in settings.items() if name != "pairs"}, **TWO_LEVELS}
    alone, most = [[place] for place in range(len(columns))], int(settings.get("pairs", 0))
    if most and len(columns) > 1:
        few = base.model_copy(update={"max_rounds": min(base.max_rounds, FIRST_ROUNDS)})
        free = fit_boosted(train, valid, columns, own, few)
        alone += [list(pair) for pair in strongest(free, most)]
    return fit_boosted(train, valid, columns, own, base, watch, {"interaction_constraints": alone})


def strongest(trees: Boosted, most: int) -> list[tuple[int, int]]:
    """Return the pairs of features by which trees of two levels gain most, the best first."""
    gains: dict[tuple[int, int], float] = defaultdict(float)
    for root in parsed(trees.booster):
        if not isinstance(root, Split):
            continue
        for child in (root.left, root.right):
            if not isinstance(child, Split) or child.feature == root.feature:
                continue
            low, high = sorted((root.feature, child.feature))
            gains[low, high] += child.gain
    return sorted(gains, key=lambda pair: (-gains[pair], pair))[:most]

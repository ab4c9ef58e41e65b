"""Bounds of groups known by probability keep their level, whoever belongs to a group; what does not, is told.

Simulated with a fixed seed through the bounds of the gate: who is a member, and so who of the members is
selected, is drawn to be as far from what the proxy suggests as it leaves possible. Run with `make prove`,
which prints the tables; nothing is written.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pytest
from gates import table
from numpy.typing import NDArray

from fairmark.stats.bounded_means import Bound
from fairmark.stats.proxy_groups import CELLS, ProxyRate, nodes_of

pytestmark = pytest.mark.proof

LEVEL = 0.05
BINS = 10
SELECTED, EVERY = ("fp", "tp"), tuple(CELLS)
PROXIES = {
    "weak": (0.31, 0.45, 0.55, 0.69),
    "middling": (0.05, 0.45, 0.85),
    "sharp": (0.01, 0.03, 0.97, 0.99),
    "of a small group": (0.002, 0.01, 0.08, 0.5),
}
"""Probabilities of the group, each of as many rows."""
RATES = (0.1, 0.5, 0.8)


def noise(runs: int) -> float:
    """Return three standard errors of a chance of LEVEL that is counted in so many runs."""
    return float(3 * np.sqrt(LEVEL * (1 - LEVEL) / runs))


@dataclass(frozen=True)
class People:
    """Whom a proxy speaks of: its probabilities, the share selected in each, and how far it is off."""

    chances: tuple[float, ...]
    rate: float
    off: float = 0.0

    @property
    def members(self) -> NDArray[np.float64]:
        """The true share of the group at each probability."""
        return np.clip(np.array(self.chances) + self.off, 0.0, 1.0)

    @property
    def highest(self) -> float:
        """The group's selection rate where its members are selected before all others."""
        return float(np.minimum(self.members, self.rate).sum() / self.members.sum())

    def rate_of(self, size: int, by: Bound, error: float, draw: np.random.Generator) -> ProxyRate:
        """Return what so many rows say of the group: of who is a member no row says anything."""
        chance = draw.choice(self.chances, size)
        decision = (draw.random(size) < self.rate).astype(np.int8)
        return ProxyRate(
            nodes_of(chance, np.zeros(size, dtype=np.int8), decision, BINS), SELECTED, EVERY, error, by
        )


def show(title: str, heads: list[str], cells: Sequence[tuple[object, ...]]) -> None:
    """Print a table for the reader of the proof."""
    table(title, heads, [[f"{x:.3f}" if isinstance(x, float) else str(x) for x in each] for each in cells])


def wrong(people: People, size: int, by: Bound, error: float, runs: int) -> float:
    """Return how often the highest rate is said to be below what it is."""
    draw = np.random.default_rng([size, int(1000 * people.rate), len(people.chances)])
    found = (people.rate_of(size, by, error, draw) for _ in range(runs))
    return float(np.mean([each.is_below(people.highest, LEVEL) for each in found]))


@pytest.mark.parametrize(("by", "runs"), [("gaffke", 300), ("betting", 100)])
def test_a_bound_errs_at_most_at_the_level_whoever_belongs_to_the_group(by: Bound, runs: int) -> None:
    cells = [
        (name, rate, size, wrong(People(chances, rate), size, by, 0.0, runs))
        for (name, chances), rate, size in product(PROXIES.items(), RATES, (60, 300, 2000))
    ]
    show(f"{by}: chance to err, level {LEVEL}", ["proxy", "selected", "rows", "errs"], cells)

    assert max(each[-1] for each in cells) <= LEVEL + noise(runs)


def test_a_proxy_that_is_off_needs_its_error_said() -> None:
    runs, cells = 200, []
    for (name, chances), error in product(PROXIES.items(), (0.0, 0.1)):
        people = People(chances, 0.2, off=-0.1)
        cells.append((name, error, wrong(people, 2000, "gaffke", error, runs)))
    show("true shares 0.1 below the proxy's, 2,000 rows", ["proxy", "error said", "errs"], cells)

    assert max(each[-1] for each in cells if each[1]) <= LEVEL + noise(runs)
    assert max(each[-1] for each in cells if not each[1]) > 0.9


def test_the_weighted_estimator_holds_only_where_decisions_say_nothing_more_of_the_group() -> None:
    runs, cells = 200, []
    for name, chances in PROXIES.items():
        people, draw = People(chances, 0.3), np.random.default_rng(9)
        each = [people.rate_of(2000, "gaffke", 0.0, draw).weighted_bounds(LEVEL)[1] for _ in range(runs)]
        alike, first = (float(np.mean([high < truth for high in each])) for truth in (0.3, people.highest))
        cells.append((name, alike, first))
    heads = ["proxy", "members selected as others are", "members selected first"]
    show("upper bound of the weighted estimator below the true rate, 2,000 rows", heads, cells)

    assert max(each[1] for each in cells) <= LEVEL + noise(runs)
    assert min(each[2] for each in cells) > LEVEL + noise(runs)

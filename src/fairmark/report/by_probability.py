"""Rates of groups that are known by probability alone, as pages and cards show them."""

from dataclasses import dataclass

from fairmark.judge.measurements import Measurements
from fairmark.report.labels import NUMBER, Column, Table, count, interval, number
from fairmark.stats.measures import COMPARED
from fairmark.stats.measures import label as title

COLUMNS = (
    Column("Group and rate"),
    Column("Rows expected", NUMBER),
    Column("Weighted", NUMBER),
    Column("Its interval", NUMBER),
    Column("Possible", NUMBER),
    Column("With the sample's error", NUMBER),
)


@dataclass(frozen=True)
class ProbableRates:
    """An attribute that no row states, what gives its probabilities, and rates of its groups."""

    name: str
    proxy: str
    rates: Table


def by_probability(measurements: Measurements, decimals: int) -> list[ProbableRates]:
    """Return the rates of each attribute that is known by probability alone.

    The weighted estimator comes with an interval that is right where decisions say nothing more of the group
    than the proxy does; what is possible whoever is of a group, with bounds for the sample around it.
    """
    tail = (1 - measurements.confidence) / 2
    found = []
    for name, attribute in (measurements.by_probability or {}).items():
        rows = []
        for group, entry in attribute.groups.items():
            for rate in COMPARED:
                one = attribute.rate(group, rate)
                if one.weighted is None:
                    continue
                near, possible, far = one.weighted_bounds(tail), one.identified(), one.bounds(tail)
                rows.append(
                    (
                        f"{group}: {title(rate).lower()}",
                        count(round(entry.expected)),
                        number(one.weighted, decimals),
                        interval(*near, decimals),
                        interval(*possible, decimals),
                        interval(*far, decimals),
                    )
                )
        error = f", taken to be off by {attribute.error:g} at most" if attribute.error else ""
        table = Table(f"Rates by {name}", COLUMNS, rows)
        found.append(ProbableRates(name, f"{attribute.named}{error}", table))
    return found

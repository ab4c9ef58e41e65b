"""`python doc_tables.py NAME` writes a table that a page of the documentation speaks of, where it is run.

Of `decision` it prints the id of the journal's first one.
"""

import csv
import sqlite3
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

LOANS = Path("data/loans.csv")
READ = ("opened", "income", 'debt [€, "total"]', "rating", "owner", "channel")
"""The columns of the small loans that a model reads."""
NUMBERS = ("income", 'debt [€, "total"]')
TOLD = ("customer id", "region", "survey weight")
"""Those that a service is never told."""


def applicants() -> tuple[Path, list[Mapping[str, object]]]:
    """Return rows for the model that is at hand, numbers as other programs write them."""
    if not LOANS.exists():
        row = {"income <€>": 2.5, "home": "own", "member": True, "since": "2021-03-01"}
        return Path("applicants.csv"), [row]
    return Path("applicants.csv"), [
        {name: row[name].replace(",", ".") if name in NUMBERS else row[name] for name in READ}
        for row in _loans()[:5]
    ]


def granted() -> tuple[Path, list[Mapping[str, object]]]:
    """Return applicants with whether they were granted what they asked for."""
    draw = np.random.default_rng(3)
    return Path.home() / "applicants.csv", [*_people(draw, 10_000)]


def scores() -> tuple[Path, list[Mapping[str, object]]]:
    """Return a vendor's scores beside what became of each case."""
    draw = np.random.default_rng(5)
    rows: list[Mapping[str, object]] = []
    for risk in draw.random(3000):
        outcome = "yes" if draw.random() < risk else "no"
        rows.append({"outcome": outcome, "sex": draw.choice(["F", "M"]), "risk": round(float(risk), 4)})
    return Path("scores.csv"), rows


def kept() -> tuple[Path, list[Mapping[str, object]]]:
    """Return, of each decision of the journal, what the service was never told."""
    return Path("kept-by-us.csv"), [
        {"decision": known, **{name: row[name] for name in TOLD}}
        for known, row in zip(decisions(), _loans(), strict=False)
    ]


def decisions() -> list[str]:
    """Return the ids of the journal's decisions, the oldest first."""
    with closing(sqlite3.connect(".fairmark/journal.db")) as journal:
        found = journal.execute("SELECT id FROM entries WHERE kind = 'decision' ORDER BY number")
        return [str(each) for (each,) in found]


def _people(draw: np.random.Generator, rows: int) -> Iterator[Mapping[str, object]]:
    for _ in range(rows):
        age, income = int(draw.integers(18, 80)), round(float(draw.normal(140, 40)), 1)
        chance = 1 / (1 + np.exp(-(0.05 * (income - 130) + 0.4)))
        yield {
            "granted": "yes" if draw.random() < chance else "no",
            "sex": draw.choice(["F", "M"]),
            "age": age,
            "income": income,
            "job": draw.choice(["fixed", "freelance", "parttime"]),
            "debt": int(draw.integers(0, 5000)),
        }


def _loans() -> list[dict[str, str]]:
    with LOANS.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter=";"))


def write(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write rows as a CSV."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    if sys.argv[1] == "decision":
        print(decisions()[0])
        sys.exit()
    write(*{each.__name__: each for each in (applicants, granted, scores, kept)}[sys.argv[1]]())

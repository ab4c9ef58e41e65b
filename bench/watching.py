"""Count a large journal to a watch page, and hold the detector's alarms against other rules for a year.

Run as `python bench/watching.py [ROWS [large]]`: ROWS decisions (100,000 by default) over a year in an SQLite
journal, counted by looks of a week, summarised and written as a page: wall time and peak memory of each step.
Then, without `large`, simulated years of 9 columns in 10 bins, looked at weekly, by the detector and by rules
in use: PSI, chi-square with and without Bonferroni, and SciPy's two-sample Kolmogorov-Smirnov test. With
`drift` alone: how far a label rate has moved when it is told, that moves by as much at every look, so that
each is like the one before it.
"""

import asyncio
import resource
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2_contingency, ks_2samp

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "helpers"))

from watched import RELEASE, START, planned, watched  # noqa: E402 - found by the path above

from fairmark.journal.entry import DAY_US, json_bytes  # noqa: E402
from fairmark.journal.schema import SQLITE  # noqa: E402
from fairmark.watch.detector import detect  # noqa: E402
from fairmark.watch.evidence import Stream  # noqa: E402
from fairmark.watch.look import Desk  # noqa: E402
from fairmark.watch.page import page  # noqa: E402
from fairmark.watch.source import opened  # noqa: E402
from fairmark.watch.summary import summarise  # noqa: E402
from fairmark.watch.windows import Counted, count_new  # noqa: E402

YEAR_US = 365 * DAY_US
Counts = NDArray[np.int64]


def peak_mb() -> float:
    """Return the peak memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def entries(rows: int) -> Iterator[tuple[object, ...]]:
    """Yield the columns of `rows` decisions over a year; what is hashed is zeros."""
    rng, step, zeros = np.random.default_rng(1), YEAR_US // rows, bytes(32)
    body = json_bytes({"proposal": 1, "referred": []})
    for start in range(0, rows, 100_000):
        scores = rng.random(min(100_000, rows - start)).tolist()
        for k, score in enumerate(scores, start):
            yield (
                k + 1, f"{k:032x}", "decision", START + k * step, None, None, None, RELEASE, "champion",
                "on_the_loop", "bench", int(score >= 0.5), score, 900, body, zeros, zeros,
            )  # fmt: skip


def personal(rows: int) -> Iterator[tuple[object, ...]]:
    """Yield what is personal in them: two inputs, one of them a number with a thousand values."""
    rng, salt = np.random.default_rng(2), b"1" * 16
    for start in range(0, rows, 100_000):
        count = min(100_000, rows - start)
        pays, jobs = rng.integers(0, 1000, count).tolist(), (rng.random(count) < 0.4).tolist()
        for k in range(count):
            row = b'{"row":{"job":"%s","pay":%.2f}}' % (b"nurse" if jobs[k] else b"cook", pays[k] / 25)
            yield start + k + 1, salt, None, row


def journal(path: Path, rows: int) -> None:
    """Write a journal's file at once."""
    with sqlite3.connect(path) as file:
        file.execute("PRAGMA journal_mode = WAL")
        file.execute("PRAGMA synchronous = OFF")
        for statement in SQLITE[1]:
            file.execute(statement)
        file.executemany("INSERT INTO entries VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", entries(rows))
        file.executemany("INSERT INTO personal VALUES (?, ?, ?, ?)", personal(rows))


async def counted(path: Path) -> Counted:
    """Return the counts of a journal."""
    async with opened(str(path), None) as (source, held):
        return await count_new(source, held, Counted(RELEASE), planned(), START + YEAR_US)


def large(rows: int) -> None:
    """Print how long it takes from a journal to a page, and the peak memory."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.db"
        journal(path, rows)
        print(
            f"{rows:,} decisions, a journal of {path.stat().st_size / 1e9:.2f} GB; {peak_mb():.0f} MB before"
        )
        start = time.perf_counter()
        found = asyncio.run(counted(path))
        took = time.perf_counter() - start
        print(f"  counted in {took:.1f} s ({took / rows * 1e6:.1f} us a row), peak {peak_mb():.0f} MB")
        start = time.perf_counter()
        text = page(
            summarise(found, watched(), START + YEAR_US),
            Desk(promotions=(), cases=(), contests=(), drills=(), alarms=()),
        )
        took = time.perf_counter() - start
        print(f"  page of {len(found.looks)} looks in {took:.1f} s, {len(text):,} characters")
        print(f"  peak {peak_mb():.0f} MB")


Rule = Callable[[Counts, Counts], bool]
"""Look's counts [columns, bins] and the reference's to an alarm."""


def psi(look: Counts, known: Counts) -> bool:
    """Return whether any column's population stability index is above 0.1."""
    one, other = (((x + 0.5) / (x + 0.5).sum(axis=1, keepdims=True)) for x in (look, known))
    return bool((((one - other) * np.log(one / other)).sum(axis=1) > 0.1).any())


def chi_square(level: float) -> Rule:
    """Return the rule: any column's chi-square test is significant."""
    return lambda look, known: any(
        chi2_contingency(np.stack(pair))[1] < level for pair in zip(look, known, strict=True)
    )


def kolmogorov(look: Counts, known: Counts) -> bool:
    """Return whether any column's two-sample Kolmogorov-Smirnov test is significant, by Bonferroni."""
    codes = np.arange(look.shape[1])
    return any(
        ks_2samp(np.repeat(codes, one), np.repeat(codes, other), method="asymp").pvalue < 0.05 / len(look)
        for one, other in zip(look, known, strict=True)
    )


RULES: dict[str, Rule] = {
    "PSI > 0.1": psi,
    "chi-square, p < 0.05": chi_square(0.05),
    "chi-square, Bonferroni": chi_square(0.05 / 9),
    "Kolmogorov-Smirnov, Bonferroni": kolmogorov,
}


def year(rng: np.random.Generator, rows: int, moved: float) -> tuple[Counts, Counts]:
    """Return weekly counts [52, 9, 10] and a reference [9, 10]; the first column moved from the start."""
    even = np.full(10, 0.1)
    then = even * (1 - moved) + np.eye(10)[0] * moved
    looks = np.stack([rng.multinomial(rows, then if k == 0 else even, size=52) for k in range(9)], axis=1)
    return looks, rng.multinomial(16_000, even, size=9)


def ours(looks: Counts, known: Counts) -> list[int]:
    """Return the weeks at which the detector alarms."""
    streams = [
        Stream(str(k), "inputs", "inputs", looks[:, k, None].astype(float), known[k, None].astype(float))
        for k in range(9)
    ]
    return [alarm.look for alarm in detect(streams, len(looks), 52).alarms]


def rules(years: int) -> None:
    """Print the share of years with a false alarm, and the median week at which a move of 10% is told."""
    print(f"{years} years of weekly looks, 9 columns of 10 bins: years with a false alarm (alarms a year)")
    for rows in (200, 1000, 5000):
        for moved in (0.0, 0.1):
            rng = np.random.default_rng(rows)
            found: dict[str, list[list[int]]] = {name: [] for name in [*RULES, "fairmark"]}
            for _ in range(years if not moved else years // 2):
                looks, known = year(rng, rows, moved)
                looks = looks if not moved else looks[:26]
                for name, rule in RULES.items():
                    found[name].append([k for k, look in enumerate(looks) if rule(look, known)])
                found["fairmark"].append(ours(looks, known))
            for name, weeks in found.items():
                if moved:
                    first = np.median([each[0] + 1 if each else 99 for each in weeks])
                    said = f"a tenth of a column told in week {first:.0f}" if first < 99 else "never told"
                else:
                    share, number = np.mean([bool(each) for each in weeks]), np.mean([*map(len, weeks)])
                    said = f"{share:.0%} ({number:.2f})"
                print(f"  {rows:>5} rows a week, {name:<32} {said}")


def drift(repeats: int = 7, looks: int = 40, streams: int = 20) -> None:
    """Print when a slow drift of the label rate is told, one stream of `streams`, the others without rows."""
    known, rate = 4000, 0.3
    print(f"label rate {rate:.0%} on {known:,} test rows, {streams} streams, medians of {repeats}")
    idle = Stream("idle", "inputs", "inputs", np.zeros((looks, 1, 2)), np.array([[5.0, 5.0]]))
    for rows in (200, 1000):
        for step in (0.002, 0.005, 0.01, 0.02):
            found = []
            for seed in range(repeats):
                rng = np.random.default_rng(seed)
                hits = rng.binomial(rows, np.minimum(rate + step * np.arange(1, looks + 1), 0.9))
                seen = rng.binomial(known, rate)
                counts = np.stack([rows - hits, hits], axis=1)[:, None].astype(float)
                label = Stream("label", "quality", "labels", counts, np.array([[known - seen, seen]], float))
                alarms = detect([label, *[idle] * (streams - 1)], looks, 52).alarms
                found.append(alarms[0].look + 1 if alarms else looks + 1)
            look = float(np.median(found))
            told = f"told in look {look:.0f}, moved {step * look:.1%}"
            print(f"  {rows:>5} labels a look, {step:.1%} a look: {told}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["drift"]:
        drift()
        sys.exit()
    large(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
    if len(sys.argv) < 3:
        rules(20)

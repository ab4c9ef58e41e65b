"""Entries a second of the journal, beside a bare append and fdatasync on the same disk in the same run.

One appender waits for each of its entries; eight and thirty-two share flushes. The bare side writes as many
bytes to a file and waits for the disk, alone and with as many rows a flush as there are appenders: no journal
that keeps its word is faster than that. PostgreSQL runs where its programs are installed, on the same disk.

`python bench/journal.py check 1000000` writes so many entries by the journal's own writer, 5,000 at a time,
and checks them all as `fairmark journal --check` does, its pages among it.
"""

import asyncio
import os
import resource
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))

from postgres_server import PASSWORD, PostgresServer, binaries

from fairmark.journal.audit import Audited, audit
from fairmark.journal.entry import Entry, json_bytes, pseudonym
from fairmark.journal.place import open_journal
from fairmark.journal.store import Journal

ROOT = Path(__file__).parents[1]
SECONDS = 2
APPENDERS = (1, 8, 32)
AT_ONCE = 5000
ROW = {
    "age": 44, "workclass": "Private", "education-num": 13, "occupation": "Sales", "capital-gain": 0,
    "capital-loss": 0, "hours-per-week": 40, "native-country": "United-States",
}  # fmt: skip
BODY = json_bytes(
    {"name": "adult-income", "version": "v0.1.0", "by": "model", "confidence": 0.83, "flags": []}
)
SUBJECT = pseudonym(b"a key of sixteen", "somebody")


def entry() -> Entry:
    """Return a decision as the service writes it."""
    return Entry(
        kind="decision", at_us=time.time_ns() // 1000, release=f"sha256:{'ab' * 32}", arm="champion",
        mode="on_the_loop", caller="bench", subject=SUBJECT, decision=1, score=0.5123, took_us=40, body=BODY,
        personal=json_bytes({"row": ROW}),
    )  # fmt: skip


async def appended(journal: Journal, appenders: int) -> float:
    """Return entries a second of so many appenders, each of which waits for its entry."""
    until = time.perf_counter() + SECONDS

    async def one() -> int:
        count = 0
        while time.perf_counter() < until:
            await journal.append([entry()])
            count += 1
        return count

    began = time.perf_counter()
    counts = await asyncio.gather(*(one() for _ in range(appenders)))
    return sum(counts) / (time.perf_counter() - began)


def bare(folder: Path, rows: int) -> float:
    """Return rows a second of an append of `rows` rows and one fdatasync, again and again."""
    content, count = os.urandom(600 * rows), 0
    handle = os.open(folder / f"bare{rows}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    began = time.perf_counter()
    while time.perf_counter() - began < SECONDS:
        os.write(handle, content)
        os.fdatasync(handle)
        count += rows
    spent = time.perf_counter() - began
    os.close(handle)
    return count / spent


def compared(folder: Path, name: str, address: str, run: Callable[[str], Awaitable[Journal]]) -> None:
    """Print what one store does, each figure beside the bare append of the same minute."""

    async def act() -> None:
        journal = await run(address)
        await appended(journal, 8)  # warm
        for appenders in APPENDERS:
            limit = bare(folder, appenders)
            cpu = time.process_time()
            rate = await appended(journal, appenders)
            each_us = 1e6 * (time.process_time() - cpu) / (rate * SECONDS)
            print(
                f"{name}, {appenders:>2} appenders: {rate:>7,.0f} entries/s; {appenders} rows an fdatasync: "
                f"{limit:>7,.0f} rows/s; ratio {rate / limit:.2f}; {each_us:.0f} µs of CPU an entry"
            )
        await journal.close()

    asyncio.run(act())


def checked(rows: int) -> None:
    """Print what a whole check of so many entries costs, and what writing them did."""

    async def act(path: Path) -> tuple[Audited, list[str], list[float]]:
        journal = await open_journal(str(path))
        times = [time.process_time()]
        for at in range(0, rows, AT_ONCE):
            await journal.append([entry() for _ in range(min(AT_ONCE, rows - at))])
        times.append(time.process_time())
        found = await audit(journal, None, [])
        times.append(time.process_time())
        pages = await journal.check_pages()
        times.append(time.process_time())
        await journal.close()
        return found, pages, times

    with tempfile.TemporaryDirectory(dir=ROOT) as place:
        path = Path(place) / "journal.db"
        found, pages, times = asyncio.run(act(path))
        size_gb = path.stat().st_size / 1e9
    wrote, walked, paged = (after - before for before, after in pairwise(times))
    print(
        f"{found.last:,} entries, {size_gb:.1f} GB: written with {1e6 * wrote / rows:.1f} us of CPU each, "
        f"checked with {1e6 * walked / rows:.1f} ({walked:.0f} s) and {paged:.0f} s for the file's pages; "
        f"{len(found.faults) + len(pages)} faults; at most "
        f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB; load {os.getloadavg()[0]:.0f}"
    )


def main() -> None:
    """Print the figures of both stores."""
    with tempfile.TemporaryDirectory(dir=ROOT) as place:
        folder = Path(place)
        compared(folder, "SQLite", str(folder / "journal.db"), open_journal)
        if binaries() is None:
            print("PostgreSQL: its programs are not installed")
            return
        os.environ["PGPASSWORD"] = PASSWORD
        server = PostgresServer()
        try:
            compared(folder, "PostgreSQL", server.new_database(), open_journal)
        finally:
            server.remove()


if __name__ == "__main__":
    if sys.argv[1:2] == ["check"]:
        checked(int(sys.argv[2]))
    else:
        main()

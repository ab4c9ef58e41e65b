"""A process that appends to a journal as fast as it can, eight at a time, and writes each number answered.

`python journal_writer.py ADDRESS FIRST COUNT`: number N is one request of two entries, under the idempotency
key N. Whoever starts it may kill it at any moment.
"""

import asyncio
import itertools
import os
import sys
from collections.abc import Iterator

from fairmark.errors import UnavailableError
from fairmark.journal import postgres, sqlite
from fairmark.journal.entry import Entry, IdempotencyKey, json_bytes
from fairmark.journal.place import open_journal
from fairmark.journal.store import Journal


async def write(address: str, first: int, count: int) -> None:
    """Append the requests `first` to `first + count - 1`."""
    journal = await open_journal(address)
    numbers = itertools.islice(itertools.count(first), count)
    await asyncio.gather(*(_worker(journal, numbers) for _ in range(8)))
    await journal.close()


async def _worker(journal: Journal, numbers: Iterator[int]) -> None:
    for number in numbers:
        body = json_bytes({"n": number})
        pair = [Entry(kind=kind, at_us=number, body=body, personal=body) for kind in ("decision", "shadow")]
        try:
            await journal.append(pair, IdempotencyKey("writer", str(number), str(number)))
        except UnavailableError as error:
            os.write(2, f"{error}\n".encode())
            continue
        os.write(1, f"{number}\n".encode())


if __name__ == "__main__":
    # On a busy machine another writer may keep the lock for longer than a caller of the service would wait.
    postgres.PATIENCE_S = sqlite.PATIENCE_S = 120.0
    asyncio.run(write(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))

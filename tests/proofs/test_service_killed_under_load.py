"""Minutes of load on a real service that is killed again and again: no answer is missing or there twice.

`FAIRMARK_LOAD_S` says for how many seconds (240), on each store of the journal. PostgreSQL is killed and
started again as well, each time while requests are under way.
"""

import contextlib
import http.client
import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest
from postgres_server import PASSWORD, PostgresServer
from service import Answered, Client, running

from fairmark.journal.place import open_journal

pytest_plugins = ("release_fixtures",)
pytestmark = pytest.mark.proof

ROW = {"income <€>": 2.5, "home": "own", "member": True, "since": "2021-03-01"}
LOAD_S = float(os.environ.get("FAIRMARK_LOAD_S", "240"))
CALLERS = 4


class Load:
    """Callers that ask as fast as they are answered, and again under the same key where they were not."""

    def __init__(self) -> None:
        self.client: Client | None = None
        self.answered: dict[str, str] = {}
        self.refused: Counter[str] = Counter()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._call, args=(k,)) for k in range(CALLERS)]

    def __enter__(self) -> Self:
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for each in self._threads:
            each.join()

    def _call(self, caller: int) -> None:
        number = 0
        while not self._over.is_set():
            key = f"{caller}-{number}"
            answer = self._asked(key)
            if answer is not None and answer.status == 200:
                self.answered[key] = answer.json["id"]
                number += 1
                continue
            self.refused["no answer" if answer is None else str(answer.status)] += 1
            time.sleep(0.1)

    def _asked(self, key: str) -> Answered | None:
        client = self.client
        if client is None:
            return None
        # A connection that the kill cut: whether it was decided, the same key will tell.
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
            body = {"row": ROW, "subject": f"person {key}"}
            return client.ask("/v1/decide", body, headers={"idempotency-key": key})
        return None


async def decided(address: str) -> Counter[str]:
    """Return how often each decision is in the journal."""
    journal = await open_journal(address)
    found: Counter[str] = Counter()
    number = 0
    while kept := await journal.after(number, 10_000, ["decision"]):
        found.update(each.entry.id for each in kept)
        number = kept[-1].number
    await journal.close()
    return found


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    made = PostgresServer()
    yield made
    made.remove()


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
def test_nothing_that_was_answered_is_missing_or_there_twice(
    store: str,
    released: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import asyncio

    server: PostgresServer | None = request.getfixturevalue("server") if store == "postgres" else None
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    address = str(tmp_path / "journal.db") if server is None else server.new_database()
    end, kills, token = time.monotonic() + LOAD_S, 0, None
    with Load() as load:
        while time.monotonic() < end:
            with service(released, tmp_path, address) as client:
                # One caller throughout: a key of idempotency is its caller's.
                token = client.token = token or client.token
                load.client = client
                time.sleep(2)
                if server is not None and kills % 2:
                    server.stop("immediate")
                    time.sleep(1)
                    server.start()
                    time.sleep(3)
                load.client = None
                assert client.process is not None
                client.process.send_signal(signal.SIGKILL)
                client.process.wait()
                kills += 1
    found = asyncio.run(decided(address))
    print(
        json.dumps(
            {"store": store, "seconds": LOAD_S, "kills": kills, "answered": len(load.answered),
             "in the journal": found.total(), "not answered": dict(load.refused)}
        )
    )  # fmt: skip

    assert len(load.answered) > kills > 0
    assert set(load.answered.values()) <= found.keys()
    assert len(set(load.answered.values())) == len(load.answered)
    # What was decided and cut off is asked again under its key: at most one per caller is left at the end.
    assert len(found) - len(load.answered) <= CALLERS
    assert set(found.values()) == {1}
    assert load.refused.keys() <= {"no answer", "503"}


def service(released: Path, place: Path, address: str) -> Any:
    """Return the context of a service on a journal."""
    key = Path(os.environ["FAIRMARK_CONFIG"]) / "key.pub.pem"
    return running(released / "releases" / "loans-v0.1.0", key, place, "--journal", address)

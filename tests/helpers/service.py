"""A service that runs in a process of its own, for tests that speak to it over a socket."""

import itertools
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fairmark.serve.access import SCOPES, new_key

NUMBERS = itertools.count(1)
"""Of keys: each name stands in a file once."""
SECRET = "a secret of the tests alone"  # noqa: S105 - no secret


@dataclass
class Answered:
    """What came back: status, headers in lower case, and the body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass
class Client:
    """Asks one service with one key."""

    url: str
    token: str | None
    process: "subprocess.Popen[str] | None" = None
    place: Path = field(default_factory=Path)

    def ask(
        self,
        path: str,
        value: object = None,
        *,
        method: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answered:
        """Return the answer to one request; bytes are sent as they are, other values as JSON."""
        data = None if value is None else value if isinstance(value, bytes) else json.dumps(value).encode()
        asked = urllib.request.Request(f"{self.url}{path}", data, method=method)  # noqa: S310 - of the loopback
        asked.add_header("content-type", "application/json")
        if self.token is not None:
            asked.add_header("authorization", f"Bearer {self.token}")
        for name, text in (headers or {}).items():
            asked.add_header(name, text)
        try:
            with urllib.request.urlopen(asked, timeout=120) as found:  # noqa: S310 - the same
                return _answered(found.status, found)
        except urllib.error.HTTPError as error:
            with error:
                return _answered(error.code, error)

    def with_key(self, *scopes: str) -> "Client":
        """Return a client of the same service with a key of these scopes alone."""
        name = f"key-{'-'.join(scopes)}-{next(NUMBERS)}"
        token = new_key(self.place / "keys.jsonl", name, scopes)
        client = Client(self.url, token, self.process, self.place)
        wait_until(lambda: client.ask("/v1/release").status != 401, "the key is known")
        return client


def _answered(status: int, found: Any) -> Answered:
    return Answered(status, {name.lower(): text for name, text in found.headers.items()}, found.read())


def wait_until(holds: Any, what: str, limit_s: float = 120.0) -> None:
    """Wait until something holds."""
    end = time.monotonic() + limit_s
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.05)


def environment(place: Path) -> dict[str, str]:
    """Return the environment of a service whose files stand in `place`."""
    return {
        **os.environ,
        "FAIRMARK_SERVICE_KEYS": str(place / "keys.jsonl"),
        "FAIRMARK_SUBJECT_KEY": SECRET,
        "FAIRMARK_JOURNAL": str(place / "journal.db"),
        "FAIRMARK_MEMBERSHIPS": str(place / "memberships.db"),
    }


@contextmanager
def running(
    release: Path, key: Path, place: Path, *options: str, words: Sequence[str] = ()
) -> Iterator[Client]:
    """Yield a client with a key of every scope; the service ends with the block."""
    keys = place / "keys.jsonl"
    token = new_key(keys, f"all-{next(NUMBERS)}", SCOPES)
    program = [sys.executable, *words] if words else [sys.executable, "-m", "fairmark.cli"]
    log = (place / "service.log").open("a")
    process = subprocess.Popen(
        [*program, "serve", str(release), "--key", str(key), "--port", "0", *options],
        env=environment(place),
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert " at http://" in line, (place / "service.log").read_text()
        yield Client(line.rpartition(" at ")[2].strip(), token, process, place)
    finally:
        process.terminate()
        try:
            process.wait(120)
        finally:
            process.kill()
            process.wait()
            log.close()
            if process.stdout is not None:
                process.stdout.close()

"""Drills: each fault that the service must survive, made on purpose against one that is started for it.

The service runs in a process of its own, with the releases that were verified and a copy of the journal;
nothing of production is touched. Each drill says what was done, what must follow, what followed, how long
that took and who was told: by the answer itself, by a metric, by the log.
"""

import datetime as dt
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from fairmark.errors import StateError
from fairmark.record import utc_text
from fairmark.serve.access import SCOPES, new_key
from fairmark.serve.router import Router
from fairmark.serve.scorer import Scorer
from fairmark.stats.arrays import Floats

if TYPE_CHECKING:
    from fairmark.signing.keys import PublicKey

ENOUGH = 200
"""Requests after which a journal without room must have refused one."""
ROOM_BYTES = 65_536
"""Room that is left to the journal's files before they are full."""


class Drilled(msgspec.Struct, frozen=True):
    """One drill.

    Parameters
    ----------
    name
        What was done.
    must, got
        What must follow, and what followed.
    passed
        Whether they are the same.
    took_s
        Seconds from the fault to the answer that shows it is survived.
    told
        Who was told, and how.
    """

    name: str
    must: str
    got: str
    passed: bool
    took_s: float
    told: tuple[str, ...]


class Drills(msgspec.Struct, frozen=True):
    """All drills of one day, for the watch page."""

    at: str
    release: str
    fallback: str
    passed: bool
    drills: tuple[Drilled, ...]

    def write(self, path: Path) -> None:
        """Write them as JSON."""
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self, order="sorted")) + b"\n")


class FailingScorer:
    """Scores golden rows at the start, and fails at every row that comes after."""

    path: Literal["booster"] = "booster"

    def raw(self, _: Floats) -> float:
        """Fail.

        Raises
        ------
        RuntimeError
            Always: this is a drill.
        """
        raise RuntimeError("a drill")

    def raw_of(self, matrix: Floats) -> Floats:
        """Fail as `raw`."""
        self.raw(matrix)
        return matrix

    def contributions(self, matrix: Floats, _: Sequence[float] | None = None) -> Floats:
        """Fail as `raw`."""
        return self.raw_of(matrix)


def failing(scorer: Scorer) -> Scorer:
    """Return the same release, which fails at every row."""
    return replace(scorer, model=replace(scorer.model, scorer=FailingScorer()))


def sabotaged(router: Router, fault: str) -> Router:
    """Return the router with what a drill breaks of it; only `python -m fairmark.serve.drill` calls this."""
    champion, fallback = router.champion, router.fallback
    if "champion" in fault and champion is not None:
        champion = failing(champion)
    if "fallback" in fault and fallback is not None:
        fallback = failing(fallback)
    return Router(champion, router.challenger, fallback)


def changed(release: str, folder: Path) -> str:
    """Return a copy of a release below `folder`, which is not what was released any more."""
    from fairmark.release.handover import release_at

    with release_at(release, None) as target:
        copy = folder / target.folder.resolve().name
        shutil.copytree(target.folder, copy)
    # A blank changes nothing of what the JSON says: only its bytes are others, which is what must be seen.
    with (copy / "model" / "model.json").open("a") as stream:
        stream.write(" ")
    return str(copy)


@dataclass
class Place:
    """Where drills are made: a copy of the journal, keys of their own, and the releases.

    Parameters
    ----------
    folder
        An empty folder.
    release, fallback, key
        The releases, and the public key that they must be signed by.
    row
        A row that the release takes.
    """

    folder: Path
    release: str
    fallback: str
    key: "PublicKey"
    row: dict[str, Any]
    token: str = field(init=False)

    def __post_init__(self) -> None:
        self.token = new_key(self.folder / "keys.jsonl", "drill", SCOPES)
        (self.folder / "key.pem").write_text(self.key.pem, encoding="utf-8")

    @contextmanager
    def service(
        self, fault: str = "", room: int | None = None, champion: str | None = None
    ) -> Iterator["Running"]:
        """Yield a service with a fault; it is ended with the block, if it has not ended by then."""
        environment = os.environ | {
            "FAIRMARK_SERVICE_KEYS": str(self.folder / "keys.jsonl"),
            "FAIRMARK_SUBJECT_KEY": "the secret of a drill, which is nobody's",
            "FAIRMARK_JOURNAL": str(self.folder / "journal.db"),
            "FAIRMARK_MEMBERSHIPS": str(self.folder / "memberships.db"),
        }
        words = [sys.executable, "-m", "fairmark.serve.drill", fault, str(room or 0)]
        words += [champion or self.release, self.fallback, str(self.folder / "key.pem")]
        with (self.folder / "service.log").open("a") as log:
            # All services of a drill append to one log: what came before is not told by this one.
            logged = log.tell()
            process = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            assert process.stdout is not None  # noqa: S101 - it is a pipe
            line = process.stdout.readline()
            if " at http://" not in line:
                log_text = (self.folder / "service.log").read_text()[-500:]
                raise StateError(f"drill: the service must start, got {log_text!r}")
            yield Running(line.rpartition(" at ")[2].strip(), self, process, logged)
        finally:
            # Killed and not asked to end: some drills leave a service that could not end in order.
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


@dataclass
class Running:
    """A service that runs for a drill."""

    url: str
    place: Place
    process: "subprocess.Popen[str]"
    logged: int = 0
    """How much of the log was there before it."""

    def ask(self, path: str, value: object = None, **headers: str) -> tuple[int, Any]:
        """Return the status and the JSON (or text) of an answer."""
        data = None if value is None else json.dumps(value).encode()
        asked = urllib.request.Request(f"{self.url}{path}", data)  # noqa: S310 - of the loopback
        for name, text in {"content-type": "application/json", **headers}.items():
            asked.add_header(name.replace("_", "-"), text)
        asked.add_header("authorization", f"Bearer {self.place.token}")
        try:
            with urllib.request.urlopen(asked, timeout=30) as found:  # noqa: S310 - the same
                body = found.read()
                return found.status, json.loads(body) if body[:1] in b"{[" else body.decode()
        except urllib.error.HTTPError as error:
            with error:
                told = {"retry_after": error.headers.get("retry-after")}
                return error.code, told | json.loads(error.read())

    def decide(self, **headers: str) -> tuple[int, Any]:
        """Return the answer to one row."""
        return self.ask("/v1/decide", {"row": self.place.row}, **headers)

    def informed(self, answer: Any, line: str, *, metric: bool) -> tuple[str, ...]:
        """Return who was told: by the answer, by a metric, by a line of this service's log."""
        with (self.place.folder / "service.log").open() as log:
            log.seek(self.logged)
            logged = line in log.read()
        ways = (
            ("the caller, by the answer", bool(answer.get("failed") or answer.get("title"))),
            ("whoever watches, by a metric", metric),
            ("the operator, by the log", logged),
        )
        return tuple(words for words, holds in ways if holds)

    def counted(self, metric: str) -> bool:
        """Return whether a metric is above 0."""
        _, text = self.ask("/metrics")
        return any(
            line.startswith(metric) and float(line.rpartition(" ")[2]) > 0 for line in str(text).split("\n")
        )


def champion_at_start(place: Place) -> Drilled:
    """The champion can't be verified: the fallback answers from the first request on, and says so."""
    began = time.monotonic()
    with place.service(champion=changed(place.release, place.folder)) as service:
        status, answer = service.decide()
        metric = service.counted('fairmark_decisions_total{arm="fallback"')
        told = service.informed(answer, "champion: could not be loaded", metric=metric)
    got = f"{status}, arm {answer.get('arm')}, failed {answer.get('failed')}"
    return _drilled(
        "the champion can't be loaded", "200, arm fallback, failed ['champion']", got, began, told
    )


def champion_fails(place: Place) -> Drilled:
    """The champion fails on a request: the fallback answers it, and says so."""
    with place.service("champion") as service:
        began = time.monotonic()
        status, answer = service.decide()
        metric = service.counted("fairmark_arm_failures_total")
        told = service.informed(answer, "champion could not answer", metric=metric)
    got = f"{status}, arm {answer.get('arm')}, failed {answer.get('failed')}"
    return _drilled(
        "the champion fails on a request", "200, arm fallback, failed ['champion']", got, began, told
    )


def fallback_fails(place: Place) -> Drilled:
    """The fallback fails too: the answer is a person, with a case that is due."""
    with place.service("champion and fallback") as service:
        began = time.monotonic()
        status, answer = service.decide()
        queue = service.ask("/v1/review")[1]["cases"]
        metric = service.counted("fairmark_arm_failures_total")
        told = service.informed(answer, "fallback could not answer", metric=metric)
    waiting = any(case["id"] == answer.get("case") for case in queue)
    got = f"{status}, decided by {answer.get('decided_by')}, {'a case' if waiting else 'no case'}"
    return _drilled("champion and fallback fail", "200, decided by person, a case", got, began, told)


def journal_full(place: Place) -> Drilled:
    """The journal's disk is full: no decision leaves, and the caller is told when to ask again."""
    with place.service(room=ROOM_BYTES) as service:
        began = time.monotonic()
        status, answer, answered = 200, dict[str, Any](), set[str]()
        for _ in range(ENOUGH):
            status, answer = service.decide()
            if status != 200:
                break
            answered.add(answer["id"])
        metric = service.counted("fairmark_journal_unavailable_total")
        told = service.informed(answer, "must take and give entries", metric=metric)
        took = time.monotonic() - began
        # Asked of the service that refused: reading needs no room, so that it still shows what it answered.
        missing = [each for each in answered if service.ask(f"/v1/decisions/{each}")[0] != 200]
    got = f"{status}, retry after {answer.get('retry_after')} s, {len(missing)} answered and not kept"
    must = "503, retry after 1 s, 0 answered and not kept"
    return Drilled("the journal's disk is full", must, got, got == must, round(took, 3), told)


def killed(place: Place) -> Drilled:
    """SIGKILL while it answers, and a restart: nothing that was answered is missing, none is there twice."""
    answered: dict[str, str] = {}
    with place.service() as service:
        for number in range(20):
            key = f"drill-{os.getpid()}-{number}"
            _, answer = service.decide(idempotency_key=key)
            answered[key] = answer["id"]
        service.process.send_signal(signal.SIGKILL)
        service.process.wait()
    began = time.monotonic()
    with place.service() as service:
        # The same key must give the same decision: a second one would be a person decided about twice.
        again = {key: service.decide(idempotency_key=key)[1]["id"] for key in answered}
        missing = [each for each in answered.values() if service.ask(f"/v1/decisions/{each}")[0] != 200]
        told = ("the supervisor, by the end of the process",)
    twice = sum(again[key] != answered[key] for key in answered)
    got = f"{len(missing)} of {len(answered)} missing, {twice} decided twice"
    return _drilled("SIGKILL and a restart", "0 of 20 missing, 0 decided twice", got, began, told)


DRILLS: Sequence[Callable[[Place], Drilled]] = (
    champion_at_start,
    champion_fails,
    fallback_fails,
    journal_full,
    killed,
)


def _drilled(name: str, must: str, got: str, began: float, told: tuple[str, ...]) -> Drilled:
    return Drilled(name, must, got, got == must, round(time.monotonic() - began, 3), told)


def drill(
    release: str,
    fallback: str,
    key: "PublicKey",
    journal: Path | None,
    row: dict[str, Any],
    say: Callable[[str], None],
) -> Drills:
    """Return every drill, made one after another.

    Parameters
    ----------
    release, fallback
        Champion and fallback, verified by the service as in production.
    key
        The public key that they must be signed by.
    journal
        A journal file to work on a copy of; None begins with an empty one.
    row
        A row that both take.
    """
    done = []
    with tempfile.TemporaryDirectory(prefix="fairmark-drill-") as name:
        if journal is not None:
            _copy(journal, Path(name) / "journal.db")
        place = Place(Path(name), release, fallback, key, row)
        for each in DRILLS:
            found = each(place)
            done.append(found)
            mark = "ok   " if found.passed else "WRONG"
            say(f"{mark} {found.name}: {found.got} ({found.took_s:.1f} s)")
    at = utc_text(dt.datetime.now(tz=dt.UTC))
    return Drills(at, Path(release).name, Path(fallback).name, all(each.passed for each in done), tuple(done))


def _copy(journal: Path, target: Path) -> None:
    """Copy an SQLite journal that may be written to meanwhile."""
    import sqlite3
    from contextlib import closing

    if not journal.is_file():
        raise StateError(f"{journal}: must be the journal's file to drill on a copy of it, got none")
    # SQLite's own backup takes one moment of a file that is being written; a copy of bytes would tear it.
    source = sqlite3.connect(f"file:{journal}?mode=ro", uri=True)
    with closing(source), closing(sqlite3.connect(target)) as copy:
        source.backup(copy)


def sample_row(scorer: Scorer) -> dict[str, Any]:
    """Return a row that a release takes, made of its own schema: first values, and middles of ranges."""
    row: dict[str, Any] = {}
    for column in scorer.model.reader.columns:
        bounds = [bound for bound in column.bounds if bound.least is not None or bound.most is not None]
        if column.kind.categories:
            row[column.name] = column.kind.categories[0]
        elif column.kind.name == "boolean":
            row[column.name] = True
        elif column.kind.name == "date":
            first = next((bound.least for bound in bounds if bound.least is not None), None)
            moment = first if isinstance(first, dt.datetime) and first.year > 1 else dt.datetime(2020, 1, 1)  # noqa: DTZ001 - a day
            row[column.name] = moment.strftime(column.kind.form or "%Y-%m-%d")
        else:
            low, high = scorer.ranges.get(column.name, (0.0, 1.0))
            least = max([low, *(float(b.least) for b in bounds if isinstance(b.least, int | float))])
            row[column.name] = min(least, high)
            if unit := column.kind.numerals.unit:
                row[column.name] = f"{unit}{row[column.name]:g}"
    return row


def main(words: Sequence[str]) -> None:
    """Serve with a fault, for a drill: the process that `Place.service` starts."""
    import uvloop

    from fairmark.journal.place import journal_address, memberships_address
    from fairmark.serve.access import KEYS
    from fairmark.serve.server import Settings, loaded, serve
    from fairmark.signing.keys import read_public
    from fairmark.terminal import say

    fault, room, release, fallback, key = words
    settings = Settings(
        key=read_public(Path(key)),
        journal=journal_address(Path()),
        memberships=memberships_address(Path()),
        keys=Path(os.environ[KEYS]),
        champion=release,
        fallback=fallback,
        port=0,
    )
    router = sabotaged(loaded(settings, lambda line: say(line, error=True)), fault)
    if int(room):
        # What the disk does when it is full, without filling one: no file of this process grows beyond.
        journal = Path(settings.journal)
        files = [journal, *journal.parent.glob(f"{journal.name}-*")]
        largest = max((file.stat().st_size for file in files if file.exists()), default=0)
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest + int(room), resource.RLIM_INFINITY))
    uvloop.run(serve(settings, router, say))


if __name__ == "__main__":
    main(sys.argv[1:])

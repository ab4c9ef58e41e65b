"""An alarm does what the policy says, once; what could not be done is kept and done later; none can storm."""

import asyncio
import base64
import hashlib
import hmac
import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from watched import RELEASE, watch

from fairmark.errors import StateError, UsageError
from fairmark.journal.store import MemoryJournal
from fairmark.watch import notify
from fairmark.watch.alarm import Decision, Recorded, attempted, decide, record, recorded
from fairmark.watch.documents import RaisedAlarm
from fairmark.watch.notify import Channels

SECRET = b"a secret of the tests"


def alarm(day: int, *kinds: Any) -> RaisedAlarm:
    of = kinds or ("inputs",)
    at = f"2026-03-{day:02d}T00:00:00Z"
    return RaisedAlarm(
        at=at, of=of[0], kinds=of, change="covariate shift", value=60.0, moved=(), text="age moved"
    )


def known(day: int, *actions: str, of: str = "quality") -> Recorded:
    at = f"2026-03-{day:02d}T00:00:00Z"
    return Recorded(id="a" * 32, at=at, of=of, text="", actions=actions, held={}, attempts=())


def test_each_kind_does_what_params_say_and_each_action_once() -> None:
    (found,) = decide([alarm(1, "quality", "fairness", "inputs")], [], watch(), 0)

    assert found.actions == ("notify", "retrain", "fallback")
    assert found.held == {}


def test_an_alarm_that_the_journal_has_is_not_decided_again() -> None:
    assert decide([alarm(1), alarm(8)], [known(1), known(8)], watch(), 0) == []


def test_a_noisy_watch_does_nothing_twice_within_the_cool_down() -> None:
    found = decide([alarm(day, "quality") for day in (1, 8, 15, 22, 29)], [], watch(cool_down_days=28), 0)

    assert [each.actions for each in found] == [("notify", "retrain"), (), (), (), ("notify",)]
    assert found[1].held["notify"] == "cool-down of 28 days since 2026-03-01T00:00:00Z"
    assert found[4].held == {"retrain": "1 of at most 1 candidates are open"}


def test_an_open_candidate_holds_back_another() -> None:
    (found,) = decide([alarm(1, "quality")], [], watch(), open_candidates=1)

    assert found.actions == ("notify",)
    assert "candidates are open" in found.held["retrain"]


def test_it_is_in_the_journal_once_with_every_attempt() -> None:
    async def act() -> list[Recorded]:
        journal = MemoryJournal()
        made = Decision(alarm(1), ("notify",), {"retrain": "cool-down"})
        first = await record(journal, RELEASE, made, 1)
        again = await record(journal, RELEASE, Decision(alarm(1), (), {}), 2)
        assert again.id == first.id
        await attempted(journal, RELEASE, first, "notify", 3, "503", done=False)
        return await recorded(journal, RELEASE)

    (found,) = asyncio.run(act())
    assert (found.actions, found.held, found.waiting) == (("notify",), {"retrain": "cool-down"}, ("notify",))
    assert [(each.action, each.done) for each in found.attempts] == [("notify", False)]


@contextmanager
def receiver(*statuses: int) -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    """Yield the address of a receiver that answers so, one after another, and what it took."""
    taken: list[tuple[dict[str, str], bytes]] = []
    left = [*statuses]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            taken.append(({key.lower(): value for key, value in self.headers.items()}, body))
            self.send_response(left.pop(0) if left else 200)
            self.send_header("location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook?token=secret", taken
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify, "PAUSE_S", 0.0)


def test_a_webhook_is_signed_as_the_standard_says_and_tells_of_no_person() -> None:
    with receiver() as (address, taken):
        Channels(address, SECRET).tell("webhook", known(1), "loans@v0.1.0")

    ((headers, body),) = taken
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = base64.b64encode(hmac.new(SECRET, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{wanted}"
    assert json.loads(body)["release"] == "loans@v0.1.0"


def test_a_receiver_that_is_down_for_a_moment_is_tried_again() -> None:
    with receiver(503, 500) as (address, taken):
        Channels(address, SECRET).tell("webhook", known(1), "loans")

    assert len(taken) == 3
    assert len({headers["webhook-id"] for headers, _ in taken}) == 1


@pytest.mark.parametrize("status", [503, 302])
def test_a_receiver_that_stays_down_is_told_without_its_address(status: int) -> None:
    with receiver(*[status] * 3) as (address, taken), pytest.raises(StateError) as fault:
        Channels(address, SECRET).tell("webhook", known(1), "loans")

    assert str(fault.value) == f"webhook: must answer 2xx, got {status}"
    assert len(taken) == 3


def test_nobody_there_is_told_likewise() -> None:
    with receiver() as (address, _):
        pass
    with pytest.raises(StateError, match=r"^webhook: must answer 2xx, got Connection refused$"):
        Channels(address, SECRET).tell("webhook", known(1), "loans")


class Mail(socketserver.StreamRequestHandler):
    """A server that takes mail, without encryption."""

    taken: list[str]

    def handle(self) -> None:
        """Speak as much of SMTP as a client needs (RFC 5321)."""
        self.wfile.write(b"220 here\r\n")
        for line in self.rfile:
            word = line.split()[0].upper() if line.split() else b""
            if word == b"DATA":
                self.wfile.write(b"354 go\r\n")
                text = b""
                while not text.endswith(b"\r\n.\r\n"):
                    text += self.rfile.readline()
                self.taken.append(text.decode())
            self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 fine\r\n")
            if word == b"QUIT":
                return


@contextmanager
def mail_server() -> Iterator[tuple[str, list[str]]]:
    taken: list[str] = []
    handler = type("Here", (Mail,), {"taken": taken})
    with socketserver.TCPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}", taken
        finally:
            server.shutdown()
            thread.join()


def test_a_mail_says_what_the_alarm_is_of() -> None:
    with mail_server() as (address, taken):
        Channels(smtp=address, sender="watch@example.org", to="team@example.org").tell(
            "mail", known(1), "loans"
        )

    assert "Subject: fairmark watch: quality alarm of loans" in taken[0]
    assert "To: team@example.org" in taken[0]


def test_no_password_is_sent_in_the_clear() -> None:
    with mail_server() as (address, taken), pytest.raises(StateError, match="must encrypt where a password"):
        Channels(smtp=address, sender="a@b.c", to="d@e.f", login=("me", "word")).tell(
            "mail", known(1), "loans"
        )

    assert taken == []


def test_channels_that_are_named_by_half_are_refused_all_at_once() -> None:
    given = {notify.WEBHOOK: "ftp://somewhere", notify.SECRET: "short", notify.SMTP: "mail:25"}
    with pytest.raises(UsageError) as fault:
        Channels.of_environment(given)

    assert len(fault.value.faults) == 3
    assert "short" not in str(fault.value)
    assert Channels.of_environment({}).names == []

"""A real service while its surroundings fail: PostgreSQL stops and starts, two services share a journal."""

import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from postgres_server import PASSWORD, PostgresServer
from service import Client, running, wait_until

pytest_plugins = ("release_fixtures",)
pytestmark = pytest.mark.slow

ROW = {"income <€>": 2.5, "home": "own", "member": True, "since": "2021-03-01"}


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    made = PostgresServer()
    yield made
    made.remove()


def asked(client: Client, numbers: range) -> list[tuple[int, str | None]]:
    """Ask each number under a key of its own, four at a time; return status and id of each."""

    def one(number: int) -> tuple[int, str | None]:
        answer = client.ask("/v1/decide", {"row": ROW}, headers={"idempotency-key": f"r{number}"})
        return answer.status, answer.json["id"] if answer.status == 200 else None

    with ThreadPoolExecutor(4) as callers:
        return list(callers.map(one, numbers))


def test_while_postgresql_is_away_nothing_is_answered_and_then_it_goes_on(
    server: PostgresServer, released: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    key = Path(os.environ["FAIRMARK_CONFIG"]) / "key.pub.pem"
    release, address = released / "releases" / "loans-v0.1.0", server.new_database()
    with running(release, key, tmp_path, "--journal", address) as client:
        before = asked(client, range(20))
        server.stop("immediate")
        away = asked(client, range(20, 24))
        server.start()
        wait_until(lambda: asked(client, range(24, 25))[0][0] == 200, "it answers again")
        after = asked(client, range(20, 30))
        known = [client.ask(f"/v1/decisions/{number}").status for _, number in before]

    assert {status for status, _ in before + after} == {200}
    assert {status for status, _ in away} == {503}
    assert set(known) == {200}


def test_two_services_on_one_journal_answer_each_key_once(released: Path, tmp_path: Path) -> None:
    key = Path(os.environ["FAIRMARK_CONFIG"]) / "key.pub.pem"
    release = released / "releases" / "loans-v0.1.0"
    with running(release, key, tmp_path) as one, running(release, key, tmp_path) as two:
        two.token = one.token
        wait_until(lambda: two.ask("/v1/release").status == 200, "the key is known")
        with ThreadPoolExecutor(2) as both:
            first, second = both.map(lambda client: asked(client, range(40)), (one, two))
        found = Counter(number for _, number in first)
        seen = [two.ask(f"/v1/decisions/{number}").status for number in found]

    assert first == second
    assert len(found) == 40
    assert set(seen) == {200}

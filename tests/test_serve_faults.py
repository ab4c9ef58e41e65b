"""What else may go wrong beside a request: threads, a journal that was edited, a release that changes."""

import asyncio
import socket
import sys
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
from flows_repo import eventually
from served_release import ROW, broken, make_desk, other, small_scorer, with_policy

from fairmark.data.row import RowReader
from fairmark.errors import UnavailableError, UsageError, VerificationError
from fairmark.journal.entry import Appended, Entry, IdempotencyKey, json_bytes, now_us
from fairmark.journal.group import Append, GroupCommit
from fairmark.journal.memberships import Membership
from fairmark.journal.place import open_journal
from fairmark.serve import cases, desk, exchange, server
from fairmark.serve.body import Refused
from fairmark.serve.canary.state import CanaryState
from fairmark.serve.router import Router
from fairmark.serve.scorer import Scorer
from fairmark.serve.scorer import init as scorer_init
from fairmark.serve.server import Settings, loaded
from fairmark.serve.service import Service
from fairmark.serve.wire import DecisionRequest
from fairmark.signing.key_store import own_public

pytest_plugins = ("release_fixtures",)
T = TypeVar("T")
ONE = DecisionRequest([ROW], ["ada"], single=True)
TRIAL = "sha256:" + "c" * 64


@pytest.fixture(scope="module")
def scorer(released: Path) -> Scorer:
    return small_scorer(released)


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def status(work: Coroutine[Any, Any, Any]) -> int:
    with pytest.raises(Refused) as caught:
        run(work)
    return caught.value.status


def test_rows_that_are_scored_in_two_threads_at_once_score_as_alone(scorer: Scorer) -> None:
    rows = [scorer.model.read(ROW | {"income <€>": income}) for income in (1.0, 9.0)]
    alone = [scorer.model.score(row) for row in rows]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(2) as threads:
            found = list(threads.map(lambda row: {scorer.model.score(row) for _ in range(3000)}, rows))
    finally:
        sys.setswitchinterval(before)

    assert found == [{alone[0]}, {alone[1]}]


def test_a_key_is_taken_back_while_the_journal_holds_what_nobody_can_read(
    scorer: Scorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk, "POLL_S", 0.01)
    made, journal = make_desk(Router(scorer), tmp_path)
    (digest,) = made.access._callers  # noqa: SLF001 - no key of the file is known in plain here

    async def edited(*_: object) -> Any:
        raise VerificationError("entry 1: must be as a journal writes it")

    async def act() -> bool:
        await made.start()
        monkeypatch.setattr(journal, "after", edited)
        monkeypatch.setattr(journal, "find", edited)
        (tmp_path / "keys.jsonl").write_text("")
        forgotten = await asyncio.to_thread(eventually, lambda: digest not in made.access._callers)  # noqa: SLF001
        await made.stop()
        return forgotten

    assert run(act())


def test_a_journal_that_was_edited_is_a_503_and_no_decision(
    scorer: Scorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, journal = make_desk(Router(scorer), tmp_path)

    async def edited(*_: object) -> Any:
        raise VerificationError("journal: must have one head, got 2")

    monkeypatch.setattr(journal, "append", edited)
    assert status(made.decide(ONE, "shop")) == 503


def test_what_was_opened_for_a_release_is_known_at_once_when_it_leads(scorer: Scorer, tmp_path: Path) -> None:
    commanded = with_policy(scorer, mode="in_command")
    made, journal = make_desk(Router(commanded), tmp_path)
    run(journal.append([Entry(kind="opened", at_us=1, release=TRIAL, caller="Ada")]))
    run(made.refresh())
    assert not made.is_open

    made.crown(other(commanded))
    assert made.is_open


def test_before_the_service_is_opened_no_model_decides_a_contest(scorer: Scorer, tmp_path: Path) -> None:
    made, _ = make_desk(Router(with_policy(scorer, mode="in_command")), tmp_path)
    run(cases.set_open(made, opened=True, reason="x", person="Ada"))
    (answer,) = run(made.decide(ONE, "shop"))
    run(cases.set_open(made, opened=False, reason="x", person="Ada"))

    contested = run(cases.contest(made, answer.id, "No.", {"home": "rent"}, "shop"))
    assert contested.redecision is None
    assert [each.id for each in run(cases.cases(made, ["contest"], overdue=False, most=9))] == [
        contested.case
    ]


def test_a_decision_of_a_release_with_other_columns_can_be_corrected(scorer: Scorer, tmp_path: Path) -> None:
    made, journal = make_desk(Router(scorer), tmp_path)
    before = Entry(kind="decision", at_us=1, release=TRIAL, personal=json_bytes({"row": ROW | {"gone": 1}}))
    run(journal.append([before]))

    contested = run(cases.contest(made, before.id, "No.", {"home": "rent"}, "shop"))
    assert contested.redecision is not None
    assert contested.redecision.arm == "champion"


def test_what_a_shadow_read_is_kept_with_what_the_champion_read(scorer: Scorer, tmp_path: Path) -> None:
    narrow = RowReader(scorer.model.reader.columns[:2])
    champion = replace(broken(scorer), model=replace(broken(scorer).model, reader=narrow))
    state = CanaryState(phase="shadow", challenger=TRIAL)
    made, journal = make_desk(Router(champion, other(scorer), scorer, state=state), tmp_path)
    made.router.fallback = replace(scorer, model=replace(scorer.model, reader=narrow))
    made.router.fallback.model.__dict__.pop("_codes", None)

    run(made.decide(ONE, "shop"))
    assert "shadow" in [each.entry.kind for each in journal.kept]
    assert msgspec.json.decode(journal.kept[0].entry.personal or b"")["row"] == ROW


def test_a_release_that_cannot_explain_now_says_so(scorer: Scorer, tmp_path: Path) -> None:
    made, _ = make_desk(Router(scorer), tmp_path)
    (answer,) = run(made.decide(ONE, "shop"))
    made.router.champion = replace(broken(scorer), digest=scorer.digest)

    assert status(cases.explain(made, answer.id)) == 503


def test_nothing_is_kept_of_the_groups_of_a_decision_that_was_erased(scorer: Scorer, tmp_path: Path) -> None:
    made, journal = make_desk(Router(scorer), tmp_path)
    (answer,) = run(made.decide(ONE, "shop"))
    run(journal.erase(ids=[answer.id], reason="asked", at_us=now_us()))
    attribute, groups = next(iter(scorer.schema.groups.items()))

    told = Membership(answer.id, attribute, {groups[0]: 1.0})
    assert status(cases.memberships(made, [told])) == 410
    assert run(made.memberships.of_decisions([answer.id])) == []


def test_a_library_that_is_missing_leaves_the_fallback_to_answer(
    released: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, release = own_public(), str(released / "releases" / "loans-v0.1.0")
    assert key is not None
    settings = Settings(key, "j", "m", Path("keys"), champion="another", fallback=release)

    def init(name: str, *rest: Any) -> Scorer:
        if name == "another":
            raise ImportError("no lightgbm here")
        return scorer_init(name, *rest)

    monkeypatch.setattr(server, "init", init)
    said: list[str] = []
    assert loaded(settings, said.append).champion is None
    assert "no lightgbm here" in said[0]


def test_an_address_that_is_no_path_is_not_told() -> None:
    with pytest.raises(UsageError) as found:
        run(open_journal("postgresql:/ann:secret@host/db"))
    assert "secret" not in str(found.value)


def test_a_connection_that_sends_empty_lines_after_an_answer_is_ended(
    scorer: Scorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import uvicorn

    monkeypatch.setattr(exchange, "HEAD_S", 0.2)
    made, _ = make_desk(Router(scorer), tmp_path)
    bound = server.listen("127.0.0.1", 0)
    config = uvicorn.Config(Service(made), http=exchange.GuardedProtocol, ws="none", log_config=None)

    def ask() -> bool:
        until = time.monotonic() + 120
        with socket.create_connection(bound.getsockname(), timeout=120) as client:
            client.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
            assert client.recv(4096).startswith(b"HTTP/1.1 200")
            client.settimeout(0.05)
            while time.monotonic() < until:
                try:
                    client.sendall(b"\r\n")
                    if not client.recv(4096):
                        return True
                except TimeoutError:
                    continue
                except OSError:
                    return True
        return False

    async def act() -> bool:
        running = uvicorn.Server(config)
        task = asyncio.create_task(running.serve(sockets=[bound]))
        try:
            return await asyncio.to_thread(ask)
        finally:
            running.should_exit = True
            await task

    assert run(act())


def test_who_waits_for_the_disk_is_written_after_a_group_that_failed() -> None:
    groups: list[int] = []

    async def commit(group: Any) -> list[Appended]:
        groups.append(len(group))
        await asyncio.sleep(0.01)
        if len(groups) == 1:
            raise ValueError("whatever a driver may raise")
        return [Appended(())] * len(group)

    async def act() -> list[Any]:
        commits, call = GroupCommit(commit), Append((Entry(kind="alarm", at_us=1),))
        first = asyncio.create_task(commits.append(call))
        await asyncio.sleep(0.005)
        found = await asyncio.wait_for(
            asyncio.gather(first, commits.append(call), return_exceptions=True), 120
        )
        await commits.close()
        return [*found]

    failed, written = run(act())
    assert isinstance(failed, UnavailableError)
    assert written == Appended(())


def test_a_repeated_request_is_counted_once(scorer: Scorer, tmp_path: Path) -> None:
    made, _ = make_desk(Router(scorer), tmp_path)
    for _ in range(3):
        run(made.decide(ONE, "shop", IdempotencyKey("shop", "k1", "0" * 64)))

    assert b'fairmark_decisions_total{arm="champion",decision="1"} 1.0' in made.metrics.text()

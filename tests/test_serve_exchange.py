"""A client that is slow, too large or gone is told so in time, and holds nothing."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from fairmark.serve import exchange
from fairmark.serve.body import Refused
from fairmark.serve.exchange import WHOLE, GuardedProtocol, read_body, refuse, reply


def body_of(messages: Sequence[dict[str, Any]], headers: dict[bytes, bytes] | None = None) -> bytes:
    """Return what is read of messages; after the last one nothing comes any more."""
    left = list(messages)

    async def receive() -> Any:
        if not left:
            await asyncio.sleep(600)
        return left.pop(0)

    return asyncio.run(read_body(headers or {}, receive, 10))


def piece(data: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.request", "body": data, "more_body": more}


def test_pieces_are_put_together() -> None:
    assert body_of([piece(b"ab", more=True), piece(b"cd")]) == b"abcd"


@pytest.mark.parametrize(
    ("messages", "status"),
    [
        ([piece(b"x" * 11)], 413),
        ([piece(b"x" * 6, more=True), piece(b"x" * 5, more=True)], 413),
        ([piece(b"ab", more=True)], 408),
        ([], 408),
        ([piece(b"ab", more=True), {"type": "http.disconnect"}], 400),
    ],
)
def test_what_does_not_come_whole_and_in_time_is_refused(
    messages: list[dict[str, Any]], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "BODY_S", 0.02)

    with pytest.raises(Refused) as caught:
        body_of(messages)
    assert caught.value.status == status


async def _no_request(scope: Any, receive: Any, send: Any) -> None:
    del scope, receive, send  # uvicorn takes what needs no argument for a factory
    raise AssertionError("no whole request was sent")


async def _reads(scope: Any, receive: Any, send: Any) -> None:
    try:
        body = await read_body({}, receive, 10, whole=WHOLE in scope)
    except Refused as refused:
        await refuse(send, refused)
    else:
        await reply(send, 200, body)


async def _connected(sent: Sequence[bytes], pause_s: float, app: Any = _no_request) -> bytes | None:
    """Return what a server answers to some bytes before it ends the connection; None if it waits longer."""
    import uvicorn

    config = uvicorn.Config(app, http=GuardedProtocol, log_config=None, lifespan="off", interface="asgi3")
    config.load()
    state = uvicorn.server.ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: GuardedProtocol(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    for each in sent:
        writer.write(each)
    try:
        return await asyncio.wait_for(reader.read(), pause_s)
    except TimeoutError:
        return None
    finally:
        writer.close()
        server.close()


@pytest.mark.parametrize("sent", [[], [b"GET / HT"], [b"GET / HTTP/1.1\r\nhost: x\r\n"]])
def test_a_head_that_does_not_come_ends_the_connection(
    sent: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "HEAD_S", 0.05)

    assert asyncio.run(_connected(sent, 120)) == b""


def test_a_head_that_has_time_is_waited_for() -> None:
    assert asyncio.run(_connected([b"GET / HTTP/1.1\r\nhost: x\r\n"], 0.1)) is None


def test_a_head_without_end_ends_the_connection() -> None:
    assert asyncio.run(_connected([b"GET / HTTP/1.1\r\n", b"a: b\r\n" * 15_000], 120)) == b""


@pytest.mark.parametrize(("body", "status"), [(b"{}", b"200"), (b"{", b"408")])
def test_a_body_has_a_clock_unless_it_has_come(
    body: bytes, status: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchange, "BODY_S", 0.05)
    head = b"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 2\r\n\r\n"

    assert (asyncio.run(_connected([head + body], 120, _reads)) or b"").startswith(b"HTTP/1.1 " + status)

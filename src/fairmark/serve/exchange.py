"""One HTTP exchange on bare ASGI: the headers, the body within its limits, and an answer with its headers.

Used on the path that decides, where a framework would cost as much as the model. A body that is packed, too
large, too slow or no JSON is refused before it is parsed.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from contextlib import nullcontext
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from fairmark.serve.body import Fault, Refused, problem

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Header = tuple[bytes, bytes]

BODY_S = 10.0
"""How long a client may take to send a body."""
HEAD_S = 10.0
"""How long a client may take to send the head of a request."""
HEAD_BYTES = 65_536
"""How much of it is taken."""
_UPGRADE = re.compile(rb"(?im)^upgrade(?=:)")
WHOLE = "fairmark.whole"
"""In the scope of a request whose body has come."""
JSON, PROBLEM = b"application/json", b"application/problem+json"
SECURITY: Sequence[Header] = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
"""On every answer: it is of one person, is no page, and is kept nowhere."""


def headers_of(scope: Scope) -> dict[bytes, bytes]:
    """Return the headers of a request by their names in lower case; of one that comes twice, the last."""
    return dict(scope["headers"])


async def read_body(
    headers: Mapping[bytes, bytes], receive: Receive, most_bytes: int, *, whole: bool = False
) -> bytes:
    """Return the body of a request.

    Parameters
    ----------
    whole
        Whether all of it has come, so that nobody waits for it and no clock has to run.

    Raises
    ------
    Refused
        415 for a packed body or one that says it is no JSON in UTF-8, 413 for one that is too large, 408 for
        one that does not come, 400 when the client has left.
    """
    _check_kind(headers)
    length = headers.get(b"content-length", b"0")
    if length.isdigit() and int(length[:20]) > most_bytes:
        raise _too_large(most_bytes)
    chunks: list[bytes] = []
    size = 0
    try:
        async with nullcontext() if whole else asyncio.timeout(BODY_S):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Refused(400, "the client has left")
                chunk = message.get("body", b"")
                size += len(chunk)
                if size > most_bytes:
                    raise _too_large(most_bytes)
                chunks.append(chunk)
                if not message.get("more_body", False):
                    break
    except TimeoutError:
        must = f"must come within {BODY_S:g} s"
        raise Refused(408, "the body did not come", Fault(must, f"{size} bytes of it")) from None
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _check_kind(headers: Mapping[bytes, bytes]) -> None:
    kind = headers.get(b"content-type", JSON).lower()
    if kind != JSON:
        name, _, rest = kind.partition(b";")
        charset = rest.strip().removeprefix(b"charset=").strip(b'"') or b"utf-8"
        if name.strip() != JSON or charset not in {b"utf-8", b"utf8"}:
            got = kind.decode("latin-1")[:80]
            must = "must be application/json in UTF-8"
            raise Refused(415, "no JSON", Fault(must, ascii(got), field="content-type"))
    packed = headers.get(b"content-encoding", b"identity").lower()
    if packed != b"identity":
        got = ascii(packed.decode("latin-1")[:80])
        raise Refused(415, "a packed body", Fault("must be identity", got, field="content-encoding"))


def _too_large(most_bytes: int) -> Refused:
    return Refused(413, "too large", Fault(f"must have a body of at most {most_bytes} bytes", "more"))


async def reply(
    send: Send, status: int, body: bytes, kind: bytes = JSON, more: Sequence[Header] = ()
) -> None:
    """Send an answer, whole."""
    headers = [
        (b"content-type", kind),
        (b"content-length", str(len(body)).encode()),
        *more,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def refuse(send: Send, refused: Refused) -> None:
    """Send an answer that refuses, with every fault."""
    more: list[Header] = []
    if refused.status == 401:
        more.append((b"www-authenticate", b'Bearer realm="fairmark"'))
    if refused.retry_after_s is not None:
        more.append((b"retry-after", str(refused.retry_after_s).encode()))
    if refused.status == 405:
        more.append((b"allow", b"POST"))
    if refused.status in {408, 413}:
        more.append((b"connection", b"close"))  # what is left of the body is not read
    await reply(send, refused.status, problem(refused), PROBLEM, more)


class GuardedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which ends a connection whose request has too slow or too large a head."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the head of the first request."""
        super().connection_made(transport)
        self._arm()
        self._start()

    def data_received(self, data: bytes) -> None:
        """Take what came, as long as it may still be a head."""
        if (b"pgrade" in data or b"PGRADE" in data) and (self.cycle is None or not self.cycle.more_body):
            # RFC 9110, section 7.8: a server may pass an upgrade over. The parser would take the body for the
            # other protocol; some clients offer HTTP/2 (h2c) with each first request.
            head, gap, rest = data.partition(b"\r\n\r\n")
            data = _UPGRADE.sub(b"ignored", head) + gap + rest
        super().data_received(data)
        if self._waits:
            self._head_bytes += len(data) if self._in_head else 0
            if self._head_bytes > HEAD_BYTES:
                self._end()
            else:
                self._start()
        elif self.cycle is not None and self.cycle.response_complete:
            # What comes after an answer, the rest of its request or empty lines, takes back the server's own
            # clock of idle connections: the next request must begin in time instead.
            self._arm()
            self._in_head = False
            self._start()

    def on_message_begin(self) -> None:
        """Wait for the head of the next one."""
        super().on_message_begin()
        self._arm()

    def on_headers_complete(self) -> None:
        """Wait no more."""
        self._disarm()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Say so to the application, which mostly begins after this."""
        super().on_message_complete()
        self.scope[WHOLE] = True  # type: ignore[literal-required]  # a scope may hold keys of a server's own

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answer what was asked by a client that says it will ask no more; return whether there is any."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete or cycle.more_body:
            return False
        cycle.keep_alive = False
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._disarm()
        super().connection_lost(exc)

    _guard: asyncio.TimerHandle | None = None
    _waits = False
    _head_bytes = 0
    _in_head = True

    def _arm(self) -> None:
        self._disarm()
        self._head_bytes, self._in_head, self._waits = 0, True, True

    def _start(self) -> None:
        # Not before all that came was read: the head of most requests comes in one piece, and needs no clock.
        if self._guard is None:
            self._guard = self.loop.call_later(HEAD_S, self._end)

    def _disarm(self) -> None:
        self._waits = False
        if self._guard is not None:
            self._guard.cancel()
            self._guard = None

    def _end(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()
